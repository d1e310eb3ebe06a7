"""`jieqian plan` whole: its table, its JSON, the readings of a real service, and wrong usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from program import ModelServer, Program, wait_until

Start = Callable[..., Program]
LOG = Path(__file__).parent.parent / "data" / "logs" / "older_perf.log"
READINGS = 21


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {})


def rows(told: str) -> list[list[str]]:
    return [line.split("\t") for line in told.splitlines() if "\t" in line]


def test_one_table_for_three_loads(run: Commands) -> None:
    answer = run("plan")
    assert answer.returncode == 0, answer.stderr
    heads, *lines = rows(answer.stdout)
    assert [line[0] for line in lines] == ["10", "1,000", "1,000,000"]
    slots = [int(line[heads.index("slots")].replace(",", "")) for line in lines]
    assert slots == sorted(slots)
    assert slots[0] == 1
    assert 333 < slots[2] < 400, "100,000 readings of some 12 s in an hour keep 340 at work"
    assert "assumed, nothing was measured" in answer.stdout
    assert not run.data_dir.exists(), "it needs no data folder and makes none"


def test_json_says_the_same_and_nothing_else(run: Commands) -> None:
    given = ("--per-day", "1000", "--generation-ms", "9000", "--generation-p95-ms", "15000", "--gain", "4:2.8")
    answer = run("plan", *given, "--p95", "20", "--cache-share", "0.2", "--json")
    assert answer.returncode == 0, answer.stderr
    told: Any = json.loads(answer.stdout)
    (load,) = told["loads"]
    assert (load["per_day"], load["busiest_hour"]) == (1000, 100)
    assert load["slots"] >= 1
    assert load["total_seconds"]["p95"]["value"] + load["total_seconds"]["p95"]["give"] <= 20
    assert load["p95_breaks_at_per_day"] >= 1000
    assert told["assumed"]["gain"] == [[4, 2.8]]
    assert told["assumed"]["slots_per_server"] == 4
    assert told["assumed"]["cache_share"] == 0.2
    assert told["assumed"]["generation_seconds"]["p50"] == pytest.approx(9.0, abs=0.02)
    assert json.loads(run("plan", *given, "--p95", "20", "--cache-share", "0.2", "--json").stdout) == told


def test_a_model_that_is_too_slow_for_the_wish(run: Commands) -> None:
    answer = run("plan", "--generation-ms", "36000", "--per-day", "10")
    assert answer.returncode == 0, answer.stderr
    assert rows(answer.stdout)[1][2] == "none holds it"
    assert "Only a faster model helps" in answer.stdout


def test_measured_by_a_real_service(start: Start, run: Commands, ollama: ModelServer) -> None:
    ollama.script(default={"first_token_ms": 40, "tokens_per_second": 2000, "tokens": 200})
    program = start("measured", llm_provider="ollama", llm_base_url=ollama.url, measure_models="false")
    client = program.client()
    for number in range(READINGS):
        task = client.ask(lot=number % 9 + 1, question=f"Will plan {number} go well?", fresh=True)
        assert [event.type for event in client.events(task)][-1] == "completed"
    wait_until(lambda: program.log.read_text(encoding="utf-8").count("task_ended") >= READINGS)
    by_log = run("plan", "--from-log", str(program.log), "--per-day", "1000", "--json")
    assert by_log.returncode == 0, by_log.stderr
    of_log: Any = json.loads(by_log.stdout)
    assert of_log["assumed"]["generation_seconds"]["p50"] > 0.1, "the stand-in takes 140 ms"
    assert f"{READINGS} readings" in of_log["origins"]["Model"]
    by_data = run("plan", "--per-day", "1000", "--json", JIEQIAN_DATA_DIR=str(program.data_dir))
    of_data: Any = json.loads(by_data.stdout)
    assert "jieqian.db" in of_data["origins"]["Model"]
    assert of_data["assumed"]["generation_seconds"]["p50"] == of_log["assumed"]["generation_seconds"]["p50"]
    analysis = run.folder / "analysis.json"
    analysis.write_text(run("analyze", str(program.log), "--format", "json").stdout, encoding="utf-8")
    by_analysis = run("plan", "--from-analysis", str(analysis), "--per-day", "1000", "--json")
    of_analysis: Any = json.loads(by_analysis.stdout)
    assert of_analysis["assumed"]["generation_seconds"]["p50"] == pytest.approx(
        of_log["assumed"]["generation_seconds"]["p50"], abs=0.002
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--per-day", "0"),
        ("--per-day", "-5"),
        ("--per-day", "nan"),
        ("--per-day", "inf"),
        ("--per-day", "1e12"),
        ("--per-day", "1e8"),
        ("--per-day", "many"),
        ("--p95", "0"),
        ("--p95", "nan"),
        ("--cache-share", "1.5"),
        ("--cache-share", "nan"),
        ("--joined-share", "-0.1"),
        ("--busiest-hour-share", "0.01"),
        ("--busiest-hour-share", "2"),
        ("--generation-ms", "0"),
        ("--generation-ms", "inf"),
        ("--generation-ms", "9000", "--generation-p95-ms", "8000"),
        ("--generation-p95-ms", "8000"),
        ("--generation-ms", "9000", "--from-log", "x.log"),
        ("--overhead-ms", "-1"),
        ("--workers-per-machine", "0"),
        ("--slots-per-server", "99999"),
        ("--gain", "4"),
        ("--gain", "4:5"),
        ("--gain", "8:3,4:2"),
        ("--gain", "4:nan"),
        ("--gain", ""),
    ],
)
def test_wrong_usage(run: Commands, arguments: tuple[str, ...]) -> None:
    answer = run("plan", *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.splitlines()[-1].startswith("jieqian: ")
    assert "Traceback" not in answer.stderr


def test_what_cannot_be_read(run: Commands) -> None:
    for arguments, words in (
        (("--from-log", "none.log"), "cannot be read"),
        (("--from-analysis", "none.json"), "cannot be read"),
        (("--from-analysis", str(LOG)), "is no JSON"),
    ):
        answer = run("plan", *arguments)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert words in answer.stderr
        assert answer.stderr.count("\n") == 1


def test_the_simulation_beside_a_real_load(run: Commands) -> None:
    """Small, so nothing is said of how near they are: that is a benchmark's, in docs/reports/plan.md."""
    small = ("--at-work", "0.5", "--runs", "1", "--seconds", "2", "--generation-ms", "150")
    answer = run("bench", "plan", *small, "--out", "out", "--json")
    assert answer.returncode == 0, answer.stderr
    (point,) = json.loads(answer.stdout)["points"]
    (lived,) = point["runs"]
    assert lived["readings"] >= 20
    for side in ("simulated", "measured"):
        assert 0 < lived[side]["p50"] <= lived[side]["p95"]
    assert (run.folder / "out" / "plan.md").is_file()
    wrong = run("bench", "plan", "--at-work", "1.5")
    assert (wrong.returncode, wrong.stdout) == (2, "")

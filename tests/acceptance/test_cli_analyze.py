"""`jieqian analyze` on the logs of the real program, and on files that are none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from program import Program, wait_until

Start = Callable[..., Program]
LOG = Path(__file__).parent.parent / "data" / "logs" / "older_perf.log"
STAGES = {
    "queue": "queue_wait_ms",
    "poem": "poem_lookup_ms",
    "retrieval": "rag_retrieval_ms",
    "generation": "llm_generation_ms",
    "validation": "validation_ms",
    "other": "other_ms",
    "total": "total_time_ms",
}


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"llm_provider": "commentary"})


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_figures_are_those_the_tasks_tell(start: Start, run: Commands, log_format: str) -> None:
    program = start("served", llm_provider="commentary", log_format=log_format)
    client = program.client()
    asked = [client.ask(lot=lot, question=f"Will plan {lot} go well?") for lot in range(1, 5)]
    for task in asked:
        assert [event.type for event in client.events(task)][-1] == "completed"
    timings = [client.task(task)["timings"] for task in asked]
    wait_until(lambda: program.log.read_text(encoding="utf-8").count("jieqian.faq.scribe") >= 4)
    assert program.stop() == 0
    answer = run("analyze", str(program.log), "--format", "json")
    assert (answer.returncode, answer.stderr) == (0, "")
    told = json.loads(answer.stdout)
    assert told["tasks"] == {"total": 4, "completed": 4, "failed": 0, "stopped": 0, "unfinished": 0}
    assert (told["unreadable_lines"], told["attempts"]) == (0, 0)
    total = sum(each["total_time_ms"] for each in timings)
    for stage, key in STAGES.items():
        spent = sum(each[key] for each in timings)
        assert told["stages"][stage]["mean_ms"] == pytest.approx(spent / 4, abs=0.06), stage
        assert told["stages"][stage]["share"] == pytest.approx(spent / total, abs=1e-4), stage
    assert {each["task_id"] for each in told["slowest"]} == set(asked)
    assert told["stages"]["faq"]["count"] == 4


def test_every_format_comes_out_and_nothing_else(run: Commands) -> None:
    for form, mark in (("table", "generation\t3.92 s"), ("markdown", "| generation | 3.92 s |"), ("html", "<svg")):
        answer = run("analyze", str(LOG), "--format", form)
        assert (answer.returncode, answer.stderr) == (0, "")
        assert mark in answer.stdout
        assert "\\[PERF\\] figures" in answer.stdout if form == "markdown" else "[PERF] figures" in answer.stdout
    plain = run("analyze", str(LOG), "--format", "html", PYTHONIOENCODING="ascii")
    assert "&#177; 1 s" in plain.stdout, "a page loses nothing where stdout cannot hold it"
    assert not run.data_dir.exists(), "it needs no data folder and makes none"


def test_stdin_and_a_terminal(run: Commands) -> None:
    given = run("analyze", "-", "--tasks", "1", "--format", "json", given=LOG.read_text(encoding="utf-8"))
    told = json.loads(given.stdout)
    assert told["tasks"]["completed"] == 2
    assert len(told["slowest"]) == 1
    seen = run.on_a_terminal("analyze", str(LOG), columns=110)
    assert seen.status == 0
    assert any("generation" in line and "3.92 s" in line for line in seen.lines)


def test_long_logs_tell_how_far_they_are(run: Commands) -> None:
    log = run.folder / "long.log"
    log.write_bytes(LOG.read_bytes() + b"10:00:00 - " + b"x" * 60_000 + b"\n" + (b"y" * 50_000 + b"\n") * 420)
    piped = run("analyze", str(log), "--format", "json")
    assert piped.returncode == 0
    assert "reading (MB)" in piped.stderr
    told: Any = json.loads(piped.stdout)
    assert (told["tasks"]["completed"], told["unreadable_lines"]) == (2, 420)


def test_what_cannot_be_read_is_told_in_one_line(run: Commands) -> None:
    (run.folder / "empty.log").touch()
    (run.folder / "closed.log").write_bytes(LOG.read_bytes())
    (run.folder / "closed.log").chmod(0)
    wrong = {"none.log": "cannot be read", ".": "is a folder", "empty.log": "there is nothing in it"}
    if os.geteuid():
        wrong["closed.log"] = "may not be read"
    for log, words in wrong.items():
        answer = run("analyze", log)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.startswith("jieqian: ")
        assert answer.stderr.count("\n") == 1
        assert words in answer.stderr
    nothing = run("analyze", "-", given="")
    assert (nothing.returncode, nothing.stdout, nothing.stderr.count("\n")) == (1, "", 1)
    some = run("analyze", "none.log", str(LOG), "--format", "json")
    assert some.returncode == 0
    assert "none.log cannot be read" in some.stderr
    assert json.loads(some.stdout)["tasks"]["completed"] == 2


def test_wrong_usage(run: Commands) -> None:
    for arguments in ((), (str(LOG), "--format", "xml"), (str(LOG), "--tasks", "-1")):
        answer = run("analyze", *arguments)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.count("\n") == 1

"""The benchmarks run whole, small: what they print is in their files, and nothing is left running."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import Commands
from program import ModelServer


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"embedder": "lexical", "measure_models": "false"})


def test_what_the_service_costs(run: Commands) -> None:
    answer = run("bench", "overhead", "--fast", "--at-once", "1,3", "--runs", "3", "--out", "out")
    assert answer.returncode == 0, answer.stderr
    assert "readings/s" in answer.stdout
    told = json.loads((run.folder / "out" / "overhead.json").read_text(encoding="utf-8"))
    assert [(one["at_once"], one["question"]) for one in told["series"]] == [
        *((1, "known"), (1, "new")),
        *((3, "known"), (3, "new")),
    ]
    for one in told["series"]:
        assert one["failed"] == one["degraded"] == 0, one
        assert one["cost_ms"]["n"] >= 3
        assert one["service_ms"]["p50"] > one["direct_ms"]["p50"]
    path = told["series"][0]["path_ms"]
    assert path["POST sent to lot at the client"]["p50"] < path["POST sent to request at the model"]["p50"] * 5
    assert told["repeat_ms"]["n"] >= 40
    assert told["machine"]["cores"] >= 1
    assert (run.folder / "out" / "overhead.md").is_file()


def test_streams_at_once(run: Commands) -> None:
    answer = run("bench", "load", "--clients", "20", "--seconds", "2", "--out", "out", "--json")
    assert answer.returncode == 0, answer.stderr
    (told,) = json.loads(answer.stdout)["loads"]
    assert (told["clients"], told["errors"]) == (20, 0)
    assert told["frames"] > 20 * 10
    assert told["delay_ms"]["least"] > 0, "nothing arrives before it was sent"


def test_how_fast_models_write(run: Commands, ollama: ModelServer) -> None:
    ollama.script(default={"first_token_ms": 5, "tokens_per_second": 2000, "tokens": 300})
    models = ("--model", "qwen2.5:7b", "--model", "qwen3:8b")
    answer = run("bench", "speed", *models, "--runs", "1", "--out", "out", JIEQIAN_LLM_BASE_URL=ollama.url)
    assert answer.returncode == 0, answer.stderr
    told = json.loads((run.folder / "out" / "speed.json").read_text(encoding="utf-8"))["models"]
    assert [(one["model"], one["lot"]) for one in told] == [
        *(("qwen2.5:7b", "cold"), ("qwen2.5:7b", "second asker")),
        *(("qwen3:8b", "cold"), ("qwen3:8b", "second asker")),
    ]
    assert all(one["without_the_model"] == 0 and one["first_token"]["p50"] > 0 for one in told)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_pages_in_a_browser(run: Commands) -> None:
    with run.begun("bench", "pages", "--runs", "1", "--no-model", "--out", "out", "--json") as process:
        _, told_on_the_way = process.communicate(timeout=280)
    assert process.returncode == 0, told_on_the_way
    told = json.loads((run.folder / "out" / "pages.json").read_text(encoding="utf-8"))
    assert len({(one["page"], one["profile"]) for one in told["pages"]}) == 10
    for one in told["pages"]:
        assert 0 < one["warm_bytes"] < one["wire_bytes"] < 100_000, one
        assert one["wire_bytes"] == sum(one["bytes_by_type"].values())
        assert 0 < one["cold_painted_ms"]["p50"] <= one["cold_usable_ms"]["p50"]
    assert len(told["asked"]) == 3
    for one in told["asked"]:
        assert 0 < one["lot_ms"]["p50"] <= one["first_section_text_ms"]["p50"]


def test_pages_without_a_browser_are_told_so(run: Commands) -> None:
    answer = run("bench", "pages", PATH="/nowhere")
    assert answer.returncode == 1
    assert "There is no browser" in answer.stderr.splitlines()[-1]


def test_a_lot_that_was_opened_is_asked_about_warmed(run: Commands, ollama: ModelServer) -> None:
    ollama.script(default={"first_token_ms": 5, "tokens_per_second": 2000, "tokens": 300})
    answer = run("bench", "speed", "--runs", "2", "--out", "out", JIEQIAN_LLM_BASE_URL=ollama.url)
    assert answer.returncode == 0, answer.stderr
    told = json.loads((run.folder / "out" / "speed.json").read_text(encoding="utf-8"))["models"]
    assert [(one["lot"], one["runs"]) for one in told] == [("cold", 2), ("second asker", 2), ("warmed", 2)]
    assert sum(call["body"]["options"]["num_predict"] == 1 for call in ollama.seen()) == 2


def test_a_full_service_beside_a_new_one(run: Commands) -> None:
    few = ("--old-tasks", "300", "--lots", "25", "--runs", "2")
    answer = run("bench", "overhead", "--fast", *few, "--out", "out", "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["readings"] == [2, 2, 2]
    assert all(len(step["ratios"]) == 2 for step in told["steps"].values())
    assert told["database_bytes"] > 100_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("overhead", "--at-once", "0"), "write numbers"),
        (("overhead", "--at-once", "x"), "write numbers"),
        (("speed", "--language", "fr"), "--language is one of"),
        (("load", "--clients", "99999"), "write numbers"),
        (("pages", "--beside", "nowhere"), "Name a src folder"),
    ],
)
def test_wrong_usage_is_two_and_one_line(run: Commands, arguments: tuple[str, ...], told: str) -> None:
    answer = run("bench", *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert told in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_service_that_does_not_start_is_told(run: Commands) -> None:
    answer = run("bench", "overhead", "--runs", "2", "--at-once", "1", JIEQIAN_DATABASE_URL="nothing")
    assert answer.returncode == 1
    assert "The service did not start: jieqian: DATABASE_URL is no URL" in answer.stderr.splitlines()[-1]

"""Models compared by the real program: a dead server, `kill -9`, judges; what was made is never lost."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from commands import Commands
from program import ModelServer, wait_until

from jieqian.testing.wire_process import WireProcess, wire_server

SECONDS = 280
#: The names the stand-in has, with its OpenAI-style API.
QWEN, GPT = "Qwen/Qwen2.5-7B-Instruct", "openai/gpt-oss-20b"
MUMBLES = {"text": "I cannot say."}


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"embedder": "lexical", "passages": "0"})


@pytest.fixture
def openai() -> Iterator[WireProcess]:
    with wire_server("openai") as wire:
        yield wire


def records(folder: Path, name: str = "comparison") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def told(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    return document


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on how long anything took."""
    answers = [
        {model: {key: value for key, value in answer.items() if key != "seconds"} for model, answer in each.items()}
        for each in (question["answers"] for question in document["questions"])
    ]
    pairs = [{key: pair[key] for key in ("quality", "rules", "verdict")} for pair in document["pairs"]]
    return {"answers": answers, "pairs": pairs, "whole": document["whole"], "env": document["recommended"]["env"]}


def descendants(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for file in listed for child in file.read_text(encoding="ascii").split()]
    return [each for child in children for each in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"


def finish(run: Commands, *arguments: str) -> tuple[int, str, str]:
    with run.begun("bench", "quality", *arguments) as process:
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out, err


@pytest.mark.timeout(600)
def test_a_server_that_dies_and_kill_9_cost_nothing(run: Commands, ollama: ModelServer) -> None:
    ollama.script(default=MUMBLES)
    with ExitStack() as servers:
        wire = servers.enter_context(wire_server("openai"))
        port = str(urlsplit(wire.url).port)
        asked = ("--compare-models", f"ollama:{ollama.url}#qwen3:8b", f"openai:{wire.url}#{QWEN}")
        asked = (*asked, "--language", "en", "--questions", "6", "--out", "broken")
        asyncio.run(wire.script({"times": 2}, {"hang": True}))
        with run.begun("bench", "quality", *asked) as process:
            asyncio.run(wire.seen_arrived(3, seconds=SECONDS))
            servers.close()
            _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "Something is missing, and the report says so." in err.splitlines()[-1]
    broken = run.folder / "broken"
    assert (told(broken)["whole"], [each["answers"] for each in told(broken)["models"]]) == (False, [6, 2])
    with wire_server("openai", "--port", port) as wire:
        asyncio.run(wire.script({}, {"hang": True}))
        with run.begun("bench", "quality", *asked) as process:
            asyncio.run(wire.seen_arrived(2, seconds=SECONDS))
            left = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert left
        wait_until(lambda: not any(map(is_alive, left)))
        asyncio.run(wire.script())
        status, out, err = finish(run, *asked)
        assert (status, "is shown to be better than" in out) == (0, True), err
        assert len(asyncio.run(wire.seen())) == 3, "nothing is asked twice"
        asyncio.run(wire.script())
        straight = (*asked[:-1], "straight")
        assert finish(run, *straight)[0] == 0
    resumed = told(broken)
    assert without_times(resumed) == without_times(told(run.folder / "straight"))
    assert resumed["whole"] is True
    assert resumed["recommended"]["quality"] == asked[2]
    status, _, err = finish(run, *(*asked[:4], "ja", *asked[5:]))
    assert (status, "holds the records of another plan" in err) == (1, True)


@pytest.mark.timeout(400)
def test_equal_models_and_a_judge_that_always_says_first(
    run: Commands, ollama: ModelServer, openai: WireProcess
) -> None:
    ollama.script()
    asyncio.run(openai.script(default={"text": '{"reason": "<b>nicer</b>", "better": "first"}'}))
    models = (f"ollama:{ollama.url}#qwen2.5:7b", f"ollama:{ollama.url}#qwen3:8b")
    asked = ("--compare-models", *models, "--judge", f"openai:{openai.url}#{GPT}", "--questions", "4")
    status, out, err = finish(run, *asked, "--out", "out")
    assert status == 0, err
    assert "Neither of qwen2.5:7b and qwen3:8b is shown to be better" in out
    (pair,) = told(run.folder / "out")["pairs"]
    assert pair["quality"]["parts"] == 0
    judge = pair["judge"]
    assert (judge["agrees_with_itself"]["hits"], judge["named_the_same_place_twice"]) == (0, 4)
    assert judge["verdict"] is None
    assert len(asyncio.run(openai.seen())) == 8, "each question in both orders"
    page = (run.folder / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "none: the judge is not shown to agree with itself" in page


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--compare-models", "a"), 2, "takes two models or more"),
        (("--compare-models", "a", "a"), 2, "a is named twice"),
        (("--compare-models", "a", "b", "--language", "fr"), 2, "--language is one of"),
        (("a", "--retrieval"), 2, "behind --compare-models"),
        (("--compare-models", "qwen3:8b", "qwen3:7b", "--out", "new"), 1, "qwen3:8b"),
    ],
)
def test_what_cannot_be_meant_is_told(
    run: Commands, ollama: ModelServer, arguments: tuple[str, ...], status: int, said: str
) -> None:
    answer = run("bench", "quality", *arguments, JIEQIAN_LLM_BASE_URL=ollama.url)
    assert (answer.returncode, answer.stdout) == (status, "")
    assert said in answer.stderr.splitlines()[-1]


@pytest.mark.timeout(400)
def test_speed_goes_on_with_what_is_there(run: Commands, ollama: ModelServer, openai: WireProcess) -> None:
    ollama.script()
    asyncio.run(openai.script())
    asked = ("--model", f"ollama:{ollama.url}#qwen3:8b", "--model", f"openai:{openai.url}#{QWEN}", "--runs", "1")
    with run.begun("bench", "speed", *asked, "--out", "out") as process:
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    made = [each for each in records(run.folder / "out", "speed") if "told" in each]
    assert [sorted(each["told"]) for each in made] == [["cold", "second asker"]] * 2
    before = len(ollama.seen()) + len(asyncio.run(openai.seen()))
    again = run("bench", "speed", *asked, "--out", "out")
    assert again.returncode == 0, again.stderr
    assert "all runs are there" in again.stderr
    assert len(ollama.seen()) + len(asyncio.run(openai.seen())) == before

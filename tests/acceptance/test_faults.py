"""A model server that refuses, hangs, stalls, cuts or speaks the wrong language: the reading ends all the same."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from program import ModelServer, Program, wait_until
from test_reading import finished_texts, shown_texts

Start = Callable[..., Program]


@dataclass(frozen=True)
class Case:
    name: str
    faults: tuple[Mapping[str, Any], ...]
    calls: int
    from_model: int


CASES = (
    Case("busy once, then fine", ({"status": 503},), 2, 7),
    Case("busy for ever", ({"status": 503, "times": 9},), 3, 0),
    Case("refuses the request", ({"status": 400, "error": "bad request", "times": 9},), 1, 0),
    Case("hangs before the first token", ({"hang": True, "times": 9},), 3, 0),
    Case("stalls after one token", ({"stall_after": 1, "times": 9},), 3, 0),
    Case("cuts in the middle, then fine", ({"cut_after": 60},), 2, 7),
    Case("error in the middle, then fine", ({"error_after": 60},), 2, 7),
    Case("the wrong language once", ({"language": "en"},), 2, 7),
    Case("the wrong language for ever", ({"language": "en", "times": 9},), 3, 0),
    Case("prose instead of JSON for ever", ({"ignore_schema": True, "times": 9},), 3, 0),
    Case("broken JSON once", ({"malformed": True},), 2, 7),
    Case("only thinking, then fine", ({"thinking": "思考" * 50, "text": ""},), 2, 7),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_at_most_three_calls_and_a_whole_reading(start: Start, ollama: ModelServer, case: Case) -> None:
    ollama.script(*case.faults)
    settings = {"llm_base_url": ollama.url, "llm_first_token_seconds": "0.5", "llm_silence_seconds": "0.5"}
    client = start(**settings).client()
    events = list(client.events(client.ask(question="她還會回信給我嗎？")))
    reading = events[-1].data
    assert events[-1].type == "completed"
    assert len(ollama.seen()) == case.calls
    assert reading["timings"]["sections_from_model"] == case.from_model
    assert reading["timings"]["degraded"] is (case.from_model < 7)
    assert len(reading["sections"]) == 7
    assert all(section["text"] for section in reading["sections"].values())
    assert shown_texts(events) == finished_texts(events)
    assert "思考思考" not in str(reading["sections"])


SIDE_BY_SIDE: tuple[tuple[Mapping[str, Any], int], ...] = (
    ({"status": 429, "times": 99}, 0),
    ({"status": 503, "times": 2}, 7),
    ({"hang": True, "times": 99}, 0),
    ({"stall_after": 1, "times": 99}, 0),
    ({"cut_after": 3, "times": 99}, 0),
    ({"cut_after": 3, "times": 5}, 7),
)


def test_side_by_side_ends_in_time_and_keeps_nothing_wrong(start: Start, ollama: ModelServer) -> None:
    settings = {"llm_base_url": ollama.url, "llm_first_token_seconds": "0.5", "llm_silence_seconds": "0.5"}
    client = start(**settings, quality_strategy="parallel", cache_entries="100").client()
    for lot, (fault, from_model) in enumerate(SIDE_BY_SIDE, start=1):
        ollama.script(fault)
        events = list(client.events(client.ask(question="她還會回信給我嗎？", lot=lot)))
        reading = events[-1].data
        assert events[-1].type == "completed", fault
        assert reading["timings"]["strategy"] == "parallel"
        assert reading["timings"]["sections_from_model"] == from_model, fault
        assert len(reading["sections"]) == 7
        assert shown_texts(events) == finished_texts(events)
        assert len(ollama.seen()) <= 3 * 7
        assert reading["timings"]["model_error"] is not None
        ollama.script()
        again = list(client.events(client.ask(question="她還會回信給我嗎？", lot=lot)))[-1].data
        assert again["cache"]["hit"] == ("exact" if from_model == 7 else "none"), fault
        assert again["timings"]["sections_from_model"] == 7


def test_a_busy_server_is_given_the_time_it_asks_for(start: Start, ollama: ModelServer) -> None:
    ollama.script({"status": 503, "retry_after": 2})
    client = start(llm_base_url=ollama.url).client()
    reading = list(client.events(client.ask(question="會順利嗎？")))[-1].data
    assert reading["timings"]["sections_from_model"] == 7
    assert reading["timings"]["total_time_ms"] > 2000


def test_a_server_that_is_not_there_is_told_and_the_commentary_speaks(start: Start) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = start(llm_base_url=url).client()
        modes = client.call("GET", "/api/v1/modes").json()
        assert {mode["reachable"] for mode in modes} == {False}
        assert all(mode["note"] for mode in modes)
        assert client.call("GET", "/readyz").status == 200
        reading = list(client.events(client.ask(question="會順利嗎？")))[-1].data
        assert {section["source"] for section in reading["sections"].values()} == {"commentary"}
        assert reading["timings"]["degraded"] is True


def test_the_deadline_ends_in_commentary_and_keeps_what_was_written(start: Start, ollama: ModelServer) -> None:
    ollama.script({"stall_after": 150, "first_token_ms": 0, "tokens_per_second": 10_000})
    client = start(llm_base_url=ollama.url, task_deadline_seconds="2").client()
    reading = list(client.events(client.ask(question="會順利嗎？")))[-1].data
    sources = [section["source"] for section in reading["sections"].values()]
    assert 0 < sources.count("model") < 7
    assert reading["timings"]["attempts"] == 1


def test_only_the_refused_section_is_asked_for_again_with_the_reason(start: Start, ollama: ModelServer) -> None:
    client = start(llm_base_url=ollama.url).client()
    ollama.script()
    good = list(client.events(client.ask(question="會順利嗎？")))[-1].data["sections"]
    mixed = {name: section["text"] for name, section in good.items()}
    mixed["challenges"] = "See https://example.org for more."
    ollama.script({"text": json.dumps(mixed, ensure_ascii=False)})
    events = list(client.events(client.ask(question="會順利嗎？")))
    assert events[-1].data["timings"]["sections_from_model"] == 7
    again = ollama.seen()[-1]["body"]
    assert list(again["format"]["properties"]) == ["challenges"]
    resets = [event.data for event in events if event.type == "section_reset"]
    assert [reset["section"] for reset in resets] == ["challenges"]
    assert resets[0]["reason"]


def test_a_stopped_task_frees_its_worker_at_once_also_while_the_model_is_silent(
    start: Start, ollama: ModelServer
) -> None:
    ollama.script(default={"hang": True})
    program = start(llm_base_url=ollama.url)

    def ask_and_stop(place: int) -> None:
        client = program.client()
        task_id = client.ask(question=f"第{place}個問題")
        assert client.call("POST", f"/api/v1/tasks/{task_id}/stop").json()["status"] == "stopped"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask_and_stop, range(16)))

    def active() -> str:
        metrics = program.client().call("GET", "/metrics").body.decode()
        return metrics.split('jieqian_workers{state="active"} ')[1].split()[0]

    wait_until(lambda: active() == "0.0", seconds=5)


def test_the_deadline_counts_no_attempt_that_was_not_made(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"status": 503})
    client = start(llm_base_url=ollama.url, task_deadline_seconds="1.5").client()
    timings = list(client.events(client.ask(question="會順利嗎？")))[-1].data["timings"]
    assert timings["attempts"] == len(ollama.seen())

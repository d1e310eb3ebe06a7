"""The dashboard's figures from the real program: live, after a kill and a restart, and only to the operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from admin_visitor import TOKEN
from program import Client, Program, wait_until

METRICS = "/api/v1/admin/metrics"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("metrics")
    program = Program(folder / "data", llm_provider="commentary", admin_token=TOKEN).start()
    yield program
    program.stop()


def read(client: Client, number: int, **body: Any) -> str:
    """Ask, and wait for the end."""
    task_id = client.ask(collection="yuelao", lot=number, question=f"第{number}次問姻緣？", **body)
    assert [event.type for event in client.events(task_id)][-1] == "completed"
    return task_id


def told(program: Program, panel: str, **query: Any) -> Any:
    answer = program.client(TOKEN).call("GET", f"{METRICS}/{panel}?{urlencode(query)}")
    assert answer.status == 200, answer.body
    return answer.json()


def test_readings_are_counted_once_over_a_kill_and_one_that_is_erased_stays(program: Program) -> None:
    asker = program.client()
    ids = [read(asker, number, mode="fast" if number == 3 else "quality") for number in (1, 2, 3)]
    program.kill()
    program.start()
    asker.base = program.base
    assert asker.call("DELETE", f"/api/v1/tasks/{ids[0]}").status == 204
    wait_until(lambda: told(program, "summary")["summary"]["tasks"] == 3)
    summary = told(program, "summary")
    assert summary["summary"]["degraded"] == 3
    assert summary["summary"]["error_rate"] == 1
    assert summary["summary"]["total"]["samples"] == 3
    assert summary["marks"]["total.p95"]["target"] == [22_000, 22_000]
    assert told(program, "progress") == {"waiting": 0, "at_most": 1_000_000, "complete": True}
    assert [part["tasks"] for part in told(program, "breakdown", by="mode")["parts"]] == [2, 1]
    assert told(program, "summary", mode="fast", language="zh-Hant")["summary"]["tasks"] == 1
    assert told(program, "values")["mode"] == ["fast", "quality"]
    assert sum(point["tasks"] for point in told(program, "series")["points"]) == 3
    assert sum(one["tasks"] for one in told(program, "histogram")["bins"]) == 3
    slowest = told(program, "slowest", limit=5)["tasks"]
    assert {task["id"] for task in slowest} == set(ids[1:])
    sections = [bar for bar in slowest[0]["bars"] if bar["kind"] == "section"]
    assert all(bar["known"] for bar in sections)
    assert {stage["stage"] for stage in told(program, "stages")["stages"]} >= {"queue_wait", "llm_generation", "faq"}
    live = told(program, "live")
    assert (live["queued"], live["workers_error"]) == (0, 0)
    assert live["lot_lookups"] >= live["lot_hits"]


def test_only_the_operator_is_told(program: Program) -> None:
    for client in (program.client(), program.client("another-token-0123456789")):
        assert client.call("GET", f"{METRICS}/summary").status in (401, 403)


@pytest.mark.parametrize(
    "query",
    [
        "since=2026-11-29T12:00Z&until=2026-11-29T12:00Z",
        "since=1790000000&until=1780000000",
        "since=1000000000&until=1790000000",
        "since=soon",
        "since=nan",
        "until=1e400",
        "since=2026-11-29T12:00",
        "since=0",
        f"model={'m' * 300}",
    ],
)
def test_nonsense_is_refused_with_what_to_do(program: Program, query: str) -> None:
    for panel in ("summary", "slowest"):
        answer = program.client(TOKEN).call("GET", f"{METRICS}/{panel}?{query}")
        assert (answer.status, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["detail"]


@pytest.mark.parametrize("asked", ["breakdown?by=weather", "slowest?limit=0", "slowest?limit=1000"])
def test_unknown_dimensions_and_lengths_are_refused(program: Program, asked: str) -> None:
    assert program.client(TOKEN).call("GET", f"{METRICS}/{asked}").status == 422


@pytest.mark.parametrize("since", ["1790000000", "2026-09-21T14:13:20Z", "2026-09-21T22:13:20+08:00"])
def test_times_are_seconds_or_iso(program: Program, since: str) -> None:
    found = told(program, "summary", since=since, until=1790003600)
    assert (found["since"], found["until"]) == (1789999980, 1790003640)
    assert found["summary"]["tasks"] == 0
    assert found["summary"]["total"]["p50"] is None

"""The clock on the wall is set an hour forward or back, under a running service and between two runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lasting import Watcher, check_whole, what_is_left
from program import ModelServer, Program, wait_until
from test_reading import STAGES

Start = Callable[..., Program]
HOUR = 3600.0
#: In the program's process, before anything of it is loaded: the time of day, moved by what a file says just now.
MOVED_CLOCK = """
import time
_file, _time, _time_ns = {file!r}, time.time, time.time_ns

def _moved():
    with open(_file) as told:
        return float(told.read())

time.time = lambda: _time() + _moved()
time.time_ns = lambda: _time_ns() + int(_moved() * 1e9)
"""


class Clock:
    """The time of day of one program."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "moved"
        self.set(0)
        (folder / "sitecustomize.py").write_text(MOVED_CLOCK.format(file=str(self._file)))
        self.around = {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)}

    def set(self, seconds: float) -> None:
        """Move it by so many seconds from the right time."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


def check_times(timings: dict[str, Any], *, at_most_ms: float | None = None) -> None:
    """Nothing negative, the stages add up to the total, and no hour in it that nobody waited."""
    times = [timings[stage] for stage in STAGES]
    assert min(times) >= 0
    assert min(timings["section_ms"].values()) >= 0
    assert 0 <= timings["time_to_first_event_ms"] < HOUR * 500
    assert sum(times) == pytest.approx(timings["total_time_ms"], abs=0.2)
    if at_most_ms is not None:
        assert timings["total_time_ms"] < at_most_ms


@pytest.mark.parametrize("moved", [HOUR, -HOUR])
def test_the_clock_is_set_while_readings_are_under_way(
    start: Start, ollama: ModelServer, clock: Clock, moved: float
) -> None:
    ollama.script(default={"tokens": 300, "tokens_per_second": 45, "first_token_ms": 0})
    program = start(around=clock.around, llm_base_url=ollama.url, workers="2", task_deadline_seconds="120")
    client = program.client()
    body = {"collection": "yuelao", "lot": 1, "question": "她還會回信給我嗎？"}
    key = {"Idempotency-Key": "once"}
    first = client.call("POST", "/api/v1/tasks", body, headers=key).json()["task_id"]
    watcher = Watcher(client, first)
    wait_until(lambda: any(event.type == "section_delta" for event in watcher.events))
    clock.set(moved)
    second = Watcher(client, client.ask(question="那麼他呢？"))
    third = Watcher(client, client.ask(question="還要等多久？"))  # both workers are busy: it waits
    time.sleep(0.5)
    clock.set(0)
    time.sleep(0.5)
    clock.set(moved)
    # Seven seconds of writing: longer than the sweep that looks for leases that ran out.
    for watched in (watcher, second, third):
        watched.join()
        check_whole(watched)
        timings = watched.events[-1].data["timings"]
        check_times(timings, at_most_ms=HOUR * 500)
        assert timings["sections_from_model"] == 7
        assert timings["attempts"] == 1
        assert what_is_left(program.data_dir)[watched.task_id].deliveries == 1, "claimed once"
    assert len(ollama.seen()) == 3
    again = client.call("POST", "/api/v1/tasks", body, headers=key)
    assert again.json()["task_id"] == first
    fourth = client.ask(question="最後一問")
    moved_by = client.task(fourth)["created_at"] - time.time()
    assert abs(moved_by - moved) < 60, "the clock was moved, and people are told what it says"
    listed = [task["task_id"] for task in client.call("GET", "/api/v1/tasks").json()["tasks"]]
    assert listed == [fourth, third.task_id, second.task_id, first], (
        "by when they were taken, not by what the clock said"
    )


@pytest.mark.parametrize("moved", [HOUR, -HOUR])
def test_the_clock_is_set_between_two_runs(start: Start, ollama: ModelServer, clock: Clock, moved: float) -> None:
    ollama.script(default={"tokens": 300, "tokens_per_second": 150, "first_token_ms": 0})
    program = start(around=clock.around, llm_base_url=ollama.url, workers="1", task_deadline_seconds="120")
    client = program.client()
    watchers = [Watcher(client, client.ask(question=f"第{place}個問題")) for place in range(2)]
    wait_until(lambda: any(event.type == "section_finished" for event in watchers[0].events))
    program.kill()
    clock.set(moved)
    program.start()
    for watcher in watchers:
        watcher.join()
        check_whole(watcher)
        timings = watcher.events[-1].data["timings"]
        check_times(timings)
        assert timings["sections_from_model"] == 7, "the hour used up no deadline"
    assert [what_is_left(program.data_dir)[watcher.task_id].deliveries for watcher in watchers] == [2, 1]
    assert client.task(watchers[0].task_id)["status"] == "completed", "the session outlived it"

"""Clients that never give up, and a look at what a killed process left on the disk."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from program import Client, Received
from test_reading import finished_texts, shown_texts

FINAL = ("completed", "failed", "stopped")
#: How long any of these clients goes on trying.
PATIENCE_SECONDS = 300.0


class Watcher:
    """Follows one task in a thread, through every death of the server, by the id of the last whole event."""

    def __init__(self, client: Client, task_id: str, heard: Queue[tuple[str, Received]] | None = None) -> None:
        self.client, self.task_id = client, task_id
        self.events: list[Received] = []
        self.moments: list[float] = []  # when each came (monotonic)
        self.connections = 0
        self._heard = heard
        self._thread = threading.Thread(target=self._watch, name=f"watch-{task_id}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1].type in FINAL

    def join(self) -> None:
        self._thread.join(PATIENCE_SECONDS)
        last = self.events[-1] if self.events else None
        assert self.ended, f"task {self.task_id} stands at {last} after {self.connections} connections"

    def went_on(self, since: float) -> float | None:
        """Seconds from `since` (monotonic) until the first event after it."""
        return next((moment - since for moment in list(self.moments) if moment >= since), None)

    def _watch(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.ended and time.monotonic() < until:
            self.connections += 1
            with contextlib.suppress(HTTPException, OSError):
                last = self.events[-1].id if self.events else None
                for event in self.client.events(self.task_id, last):
                    if event.id is not None:
                        self.events.append(event)
                        self.moments.append(time.monotonic())
                        if self._heard is not None:
                            self._heard.put((self.task_id, event))
            if not self.ended:
                time.sleep(0.03)


def ask_surely(client: Client, key: str, **body: Any) -> str:
    """Ask with an idempotency key, again and again until it is answered 202."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(HTTPException, OSError):
            answer = client.call("POST", "/api/v1/tasks", body, headers={"Idempotency-Key": key})
            assert answer.status == 202, answer.body
            return str(answer.json()["task_id"])
        time.sleep(0.03)
    raise AssertionError("nobody took the question")


def wait_for(heard: Queue[tuple[str, Received]], met: Any, seconds: float) -> bool:
    """Wait for an event that fits; says whether one came."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(Empty):
            if met(heard.get(timeout=left)[1]):
                return True
    return False


def drain(heard: Queue[tuple[str, Received]]) -> None:
    """Forget what was heard."""
    with contextlib.suppress(Empty):
        while True:
            heard.get_nowait()


@dataclass(frozen=True)
class Left:
    """What lies on the disk of one task."""

    status: str
    deliveries: int
    attempts: int
    last_event_id: int
    last: str  # the type of its last event, a stage with its name and state
    sections: dict[str, str] = field(default_factory=dict)

    @property
    def moment(self) -> str:
        """Where in its life it is."""
        if self.status == "queued":
            return "waiting"
        if self.last.startswith("section_finished"):
            return "between sections"
        if self.last.startswith("section_"):
            return "in a section"
        return {"stage retrieval started": "retrieval", "stage poem started": "poem"}.get(self.last, "between stages")


def what_is_left(data_dir: Path) -> dict[str, Left]:
    """All tasks in the data folder, from a copy: looking must not mend what a crash left."""
    with tempfile.TemporaryDirectory() as folder:
        for file in data_dir.glob("jieqian.db*"):
            if not file.name.endswith("-shm"):
                shutil.copyfile(file, Path(folder) / file.name)
        with contextlib.closing(sqlite3.connect(Path(folder) / "jieqian.db")) as database:
            return {row[0]: _left(database, row) for row in database.execute(_TASKS)}


_TASKS = "select id, status, deliveries, attempts, last_event_id from tasks order by seq"
_LAST = """select type || case when type = 'stage'
           then ' ' || json_extract(data, '$.stage') || ' ' || json_extract(data, '$.state') else '' end
           from events where task_id = ? order by id desc limit 1"""


def _left(database: sqlite3.Connection, row: Sequence[Any]) -> Left:
    sections = dict(database.execute("select name, text from sections where task_id = ?", (row[0],)))
    last = database.execute(_LAST, (row[0],)).fetchone()
    return Left(*row[1:], last[0] if last else "", sections)


def check_whole(watcher: Watcher) -> None:
    """The log as this client got it is exactly the log: no hole, no repeat, and the text on the screen the finished."""
    events = watcher.events
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert shown_texts(events) == finished_texts(events)
    finished = [event.data["section"] for event in events if event.type == "section_finished"]
    assert len(finished) == len(set(finished)), "no section is finished twice"
    assert events[-1].type == "completed", events[-1]
    assert sorted(finished) == sorted(events[-1].data["sections"])
    assert list(watcher.client.events(watcher.task_id)) == events, "a full replay tells the same"

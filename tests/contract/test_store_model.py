"""Random lives of tasks: the SQL store must do in every step what the memory store does."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jieqian.errors import JieqianError
from jieqian.events.event import Completed, Failed, SectionDelta
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.tasks.database import sqlite_url
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import MAX_ATTEMPTS, Status, Task
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import SAMPLE_TIME, Ear, sample_first_events, sample_request, sample_section

TASKS = [f"task {number}" for number in range(6)]
task_ids, callers = st.sampled_from(TASKS), st.sampled_from(["asker", "another"])
tokens = st.sampled_from(["token 1", "token 2", "token 3"])
Answer = tuple[str, Any]


def seen(value: Any) -> Any:
    """A value without what the stores may choose themselves (times of their own clock)."""
    if isinstance(value, Task):
        timings = {name: ms for name, ms in value.timings.items() if name != "time_to_first_event_ms"}
        return replace(value, touched_at=None, ended_at=value.ended_at is not None, timings=timings)
    return [seen(item) for item in value] if isinstance(value, list) else value


class TwoStores(RuleBasedStateMachine):
    """Does everything to both, and compares answers, states, logs and announcements."""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(mkdtemp())
        url = sqlite_url(self.folder / "jieqian.db")
        shutil.copyfile(TwoStores.migrated, self.folder / "jieqian.db")
        self.ears = (Ear(), Ear())
        self.stores: tuple[TaskStore, TaskStore] = (MemoryTaskStore(self.ears[0]), SqlTaskStore(url, self.ears[1]))
        self.now = SAMPLE_TIME
        self.accepted = 0

    migrated: Path

    def teardown(self) -> None:
        if hasattr(self, "stores"):
            for store in self.stores:
                self.runner.run(store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def both(self, call: Callable[[TaskStore], Awaitable[Any]]) -> Any:
        async def answer(store: TaskStore) -> Answer:
            try:
                return "answers", seen(await call(store))
            except JieqianError as error:
                return "raises", error.code

        expected, got = (self.runner.run(answer(store)) for store in self.stores)
        assert got == expected
        return expected[1] if expected[0] == "answers" else None

    @precondition(lambda self: self.accepted < len(TASKS))
    @rule(
        caller=callers,
        key=st.sampled_from([None, "k"]),
        body=st.sampled_from("xy"),
        care=st.booleans(),
        room=st.integers(0, 4),
    )
    def accept(self, caller: str, key: str | None, body: str, care: bool, room: int) -> None:
        new = sample_request(
            caller,
            id=TASKS[self.accepted],
            idempotency_key=key,
            body_hash=body if key else None,
            care={"kind": "k"} if care else None,
            created_at=self.now,
        )
        accepted = self.both(lambda store: _accept(store, new, room))
        self.accepted += accepted is not None and accepted[1]

    @rule(caller=callers)
    def task_of_key(self, caller: str) -> None:
        async def found(store: TaskStore) -> tuple[str, str] | None:
            earlier = await store.task_of_key(caller, "k", self.now)
            return earlier and (earlier[0].id, earlier[1])

        self.both(found)

    @rule(seconds=st.sampled_from([1.0, 40.0, 90_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(token=tokens)
    def claim(self, token: str) -> None:
        self.both(lambda store: store.claim(token, self.now, 30))

    @rule(task=task_ids, token=tokens)
    def heartbeat(self, task: str, token: str) -> None:
        self.both(lambda store: store.heartbeat(task, token, self.now + 30))

    @rule(task=task_ids, token=tokens, counts=st.booleans())
    def release(self, task: str, token: str, counts: bool) -> None:
        self.both(lambda store: store.release(task, token, counts=counts))

    @rule(task=task_ids, token=tokens, texts=st.lists(st.text(max_size=3), max_size=3))
    def append(self, task: str, token: str, texts: list[str]) -> None:
        events = [SectionDelta(SectionName.CONCLUSION, text) for text in texts]
        self.both(lambda store: store.append(task, token, events))

    @rule(task=task_ids, token=tokens, attempts=st.integers(0, MAX_ATTEMPTS))
    def end_attempt(self, task: str, token: str, attempts: int) -> None:
        self.both(lambda store: store.end_attempt(task, token, attempts, []))

    @rule(task=task_ids, token=tokens, name=st.sampled_from(SECTIONS))
    def finish_section(self, task: str, token: str, name: SectionName) -> None:
        known = self.both(lambda store: store.get(task))
        if known is not None and name in known.missing:
            self.both(lambda store: store.finish_section(task, token, sample_section(name), {"n": name.value}, []))

    @rule(task=task_ids, token=tokens, good=st.booleans(), total=st.sampled_from([None, 1.5, 700.0]))
    def end(self, task: str, token: str, good: bool, total: float | None) -> None:
        status, event = (Status.COMPLETED, Completed({})) if good else (Status.FAILED, Failed({}))
        timings = {} if total is None else {"total_time_ms": total}
        error = None if good else {"code": "x"}
        self.both(lambda store: store.end(task, token, status, timings, [event], error=error))

    @rule(task=task_ids, caller=callers)
    def stop(self, task: str, caller: str) -> None:
        self.both(lambda store: store.stop(task, caller, self.now))

    @rule(task=task_ids, caller=callers)
    def erase(self, task: str, caller: str) -> None:
        self.both(lambda store: store.erase(task, caller))

    @rule()
    def restart(self) -> None:
        self.both(lambda store: store.release_leases())

    @rule(caller=callers, limit=st.integers(1, 4), before=st.none() | st.integers(1, 7))
    def look_back(self, caller: str, limit: int, before: int | None) -> None:
        self.both(lambda store: store.history(caller, limit, before))

    @rule(after=st.integers(0, 5), limit=st.integers(1, 3), task=task_ids)
    def read_log(self, after: int, limit: int, task: str) -> None:
        self.both(lambda store: store.events(task, after, limit))

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "stores"):
            return
        self.both(lambda store: store.counts())
        self.both(lambda store: store.ahead_of(TASKS))
        self.both(lambda store: store.median_total_ms("quality"))
        for task in TASKS[: self.accepted]:
            known = self.both(lambda store, task=task: store.get(task))
            log = self.both(lambda store, task=task: store.events(task, 0, 1000))
            assert [event.id for event in log] == list(range(1, len(log) + 1))
            assert known is None or known.last_event_id == len(log)
        assert self.ears[0].heard == self.ears[1].heard


async def _accept(store: TaskStore, new: Any, room: int) -> tuple[Any, bool]:
    accepted = await store.accept(new, sample_first_events, room)
    return seen(accepted.task), accepted.created


@pytest.fixture(scope="module", autouse=True)
def _migrated_once(migrated_file: Path) -> None:
    TwoStores.migrated = migrated_file


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(
    max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

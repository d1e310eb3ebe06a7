"""Counting goes on behind the readings: what waits is counted in pieces, and a fault of the database ends nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from test_earlier_schemas import of_release

from jieqian.errors import StoreError
from jieqian.events.event import Completed
from jieqian.metrics.counting import FigureCounting
from jieqian.metrics.figures import Live, Span, Which
from jieqian.tasks.database import migrate, sqlite_url
from jieqian.tasks.figure_looks import StoredFigures
from jieqian.tasks.figure_rows import Piece
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.task import Status
from jieqian.testing.sample_tasks import sample_first_events, sample_request

EVER = Span.around(1_000_000_000, 1_600_000_000)


@dataclass
class Shelf:
    """Counts so many tasks, and fails where it is told to."""

    waiting: int
    blocks: int = 0
    fails: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    busy: list[frozenset[int]] = field(default_factory=list)

    async def count_ended(self, most: int) -> Piece:
        if self.fails:
            self.fails -= 1
            raise StoreError("gone")
        now = min(most, self.waiting)
        self.waiting -= now
        return Piece(now, frozenset({1}) if now else frozenset())

    async def tidy_figures(self, now: float, busy_hours: Collection[int] = ()) -> bool:
        self.busy.append(frozenset(busy_hours))
        if self.blocks and not busy_hours:
            self.blocks -= 1
            return True
        if not self.waiting:
            self.idle.set()
        return False


async def test_all_that_waits_is_counted_and_then_made() -> None:
    shelf = Shelf(waiting=25, blocks=3)
    counting = FigureCounting(shelf, piece=10)
    counting.start()
    await shelf.idle.wait()
    await counting.stop()
    assert (shelf.waiting, shelf.blocks) == (0, 0)
    assert shelf.busy[:3] == [frozenset({1}), frozenset({1}), frozenset()]


async def test_it_goes_on_after_a_fault_of_the_database(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(waiting=5, fails=1)
    counting = FigureCounting(shelf, piece=10)
    counting.ring()
    counting.start()
    await shelf.idle.wait()
    await counting.stop()
    assert shelf.waiting == 0
    assert [record.action for record in caplog.records if hasattr(record, "action")] == ["figures_failed"]


async def test_stopping_what_was_never_started_is_nothing() -> None:
    await FigureCounting(Shelf(waiting=1)).stop()


async def live() -> Live:
    raise NotImplementedError


@pytest.mark.parametrize("counted_first", [True, False])
async def test_what_is_measured_after_the_end_is_counted_once(tmp_path: Path, counted_first: bool) -> None:
    url = sqlite_url(tmp_path / "x.db")
    migrate(url)
    store = SqlTaskStore(url)
    task = (await store.accept(sample_request(), sample_first_events, 10)).task
    await store.claim("token", 1.0, 1e9)
    await store.end(task.id, "token", Status.COMPLETED, {"total_time_ms": 5.0}, [Completed({})])
    if counted_first:
        assert (await store.count_ended(10)).tasks == 1
    for faq_ms in (80.0, 90.0):  # the second is not another measure of it
        await store.time_after_end(task.id, {"faq_ms": faq_ms})
    assert (await store.count_ended(10)).tasks == (0 if counted_first else 1)
    ended = (await store.get(task.id)).ended_at
    assert ended is not None
    stages = await StoredFigures(store, live).stages(Span.around(ended, ended + 1), Which())
    assert stages[-1].spread.samples == 1
    await store.close()


async def test_tasks_of_an_earlier_release_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    await asyncio.to_thread(of_release, "0005", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update tasks set ended_at = 1.5e9 where ended_at is not null")
    migrate(sqlite_url(path))
    store = SqlTaskStore(sqlite_url(path))
    figures = StoredFigures(store, live)
    assert (await figures.progress()).waiting == 1
    assert (await figures.summary(EVER, Which())).tasks == 0
    assert (await store.count_ended(10)).tasks == 1
    assert (await figures.progress()).complete
    assert (await figures.summary(EVER, Which(collection="yuelao"))).tasks == 1
    await store.close()

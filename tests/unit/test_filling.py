"""Readings written for later: given up for whoever asks, ended by the time, counted as what became of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from jieqian.cache import filling
from jieqian.cache.filling import FillDesk, Wanted, fill
from jieqian.errors import NothingKept, QueueFull
from jieqian.languages import Language
from jieqian.tasks.store import Accepted
from jieqian.tasks.task import Mode, Status, StrategyName, Task

WANTED = [Wanted("yuelao", lot, "她還會回信給我嗎？", Language.ZH_HANT, Mode.QUALITY) for lot in (1, 2, 3)]


@pytest.fixture(autouse=True)
def never_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_LOOK_SECONDS", 0.001)


class House:
    """A service whose tasks run until they were looked at once; `asked_for` tells, look by look, whether others ask."""

    def __init__(
        self,
        *,
        kept: tuple[int, ...] = (),
        written_meanwhile: tuple[int, ...] = (),
        degraded: tuple[int, ...] = (),
        failed: tuple[int, ...] = (),
        refuses: int = 0,
        most: int = 100,
    ) -> None:
        self.kept, self.written_meanwhile, self.degraded, self.failed = kept, written_meanwhile, degraded, failed
        self.refuses, self.most = refuses, most
        self.others = iter(())
        self.always = False
        self.tasks: dict[str, Task] = {}
        self.stopped: list[str] = []
        self.keeps_modes = {Mode.QUALITY}
        self.look_forever = False
        self._numbers = count()

    def desk(self) -> FillDesk:
        return FillDesk(
            known=self._known,
            ask=self._ask,
            look=self._look,
            stop=self._stop,
            others_ask=self._others,
            keeps=self._keeps,
            most=self.most,
        )

    async def _known(self, one: Wanted) -> bool:
        return one.lot in self.kept

    def _keeps(self, mode: Mode) -> bool:
        return mode in self.keeps_modes

    async def _others(self, _ours: str | None) -> bool:
        return next(self.others, self.always)

    async def _ask(self, one: Wanted) -> Accepted:
        if self.refuses:
            self.refuses -= 1
            raise QueueFull
        known = one.lot in self.written_meanwhile
        task = Task(
            id=f"task-{next(self._numbers)}",
            seq=1,
            caller=filling.CALLER,
            status=Status.COMPLETED if known else Status.QUEUED,
            collection=one.collection,
            lot=one.lot,
            question=one.question,
            language=one.language,
            mode=one.mode,
            strategy=StrategyName.AUTO,
            model=None,
            fresh=False,
            parent_id=None,
            draw_id=None,
            care=None,
            created_at=0.0,
            timings={"cache_hit": "exact"} if known else {},
        )
        self.tasks[task.id] = task
        return Accepted(task, created=True)

    async def _look(self, task_id: str) -> Task:
        task = self.tasks[task_id]
        if self.look_forever:
            return task
        timings = {"degraded": task.lot in self.degraded}
        return replace(task, status=Status.FAILED if task.lot in self.failed else Status.COMPLETED, timings=timings)

    async def _stop(self, task_id: str) -> None:
        self.stopped.append(task_id)


async def counts_of(house: House, seconds: float | None = None) -> dict[str, int]:
    steps: list[dict[str, Any]] = [step async for step in fill(house.desk(), WANTED, seconds)]
    assert [step["done"] for step in steps[:-1]] == sorted(step["done"] for step in steps[:-1])
    result: dict[str, int] = steps[-1]["result"]
    assert sum(result.values()) == len(WANTED)
    return result


async def test_each_is_counted_as_what_became_of_it():
    counts = await counts_of(House(degraded=(3,)))
    assert counts == {"known": 0, "written": 2, "not_kept": 1, "left": 0}
    assert (await counts_of(House(failed=(2,))))["not_kept"] == 1


async def test_what_is_kept_is_not_asked_for():
    house = House(kept=(1, 3))
    assert await counts_of(house) == {"known": 2, "written": 1, "not_kept": 0, "left": 0}
    assert [task.lot for task in house.tasks.values()] == [2]
    assert (await counts_of(House(written_meanwhile=(2,))))["known"] == 1


async def test_no_more_are_written_than_are_kept():
    house = House(most=2)
    assert await counts_of(house) == {"known": 0, "written": 2, "not_kept": 0, "left": 1}


async def test_who_wanted_it_goes_and_its_task_is_stopped():
    house = House()
    steps = fill(house.desk(), WANTED, None)
    await anext(steps)
    house.look_forever = True
    writing = asyncio.ensure_future(anext(steps))
    while not house.tasks:  # noqa: ASYNC110
        await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert house.stopped == ["task-0"]


async def test_one_is_given_up_for_whoever_asks_and_written_afterwards():
    house = House()
    house.others = iter([False, True, True])  # nobody; then somebody asks and is waited for
    assert (await counts_of(house))["written"] == 3
    assert house.stopped == ["task-0"]


async def test_the_time_ends_it_also_while_others_ask():
    house = House()
    house.always = True
    assert await counts_of(house, seconds=0.05) == {"known": 0, "written": 0, "not_kept": 0, "left": 3}
    assert not house.tasks, "none was begun"


async def test_a_reading_that_is_given_up_again_and_again_is_left():
    house = House()
    house.others = iter([False, True] * filling._MOST_TRIES)
    counts = await counts_of(house)
    assert (counts["left"], counts["written"]) == (1, 2)


async def test_a_full_queue_is_others_asking():
    assert (await counts_of(House(refuses=2)))["written"] == 3


async def test_nothing_is_written_where_the_mode_keeps_nothing():
    house = House()
    house.keeps_modes = {Mode.FAST}
    with pytest.raises(NothingKept):
        await counts_of(house)

"""One generation for all who wait for the same: joined late, left by some, ended with the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from jieqian.cache.flights import Flights
from jieqian.errors import ModelCutOff
from jieqian.llm.client import Finished, ModelInfo
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.strategy import CallEnded, Draft, DraftText, ModelSpoke, WritingOptions, WritingOrder
from jieqian.worker.place import Place

TEXT = [DraftText(SectionName.CONCLUSION, letter) for letter in "abc"]


def sample_order(wanted: tuple[SectionName, ...] = SECTIONS) -> WritingOrder:
    """An order that only the strategy of these tests ever sees."""
    options = WritingOptions(context_tokens=4096, max_tokens=100)
    return WritingOrder(client=None, model=ModelInfo(name="m"), prompt=None, wanted=wanted, options=options)


class Scripted:
    """A strategy whose drafts come when they are told to."""

    name = "sequential"
    shows_drafts = True
    most_attempts = 3

    def __init__(self) -> None:
        self.begun = 0
        self.left = 0
        self.more: asyncio.Queue[Draft | BaseException | None] = asyncio.Queue()

    async def write(self, _order: WritingOrder) -> AsyncIterator[Draft]:
        self.begun += 1
        try:
            while (draft := await self.more.get()) is not None:
                if isinstance(draft, BaseException):
                    raise draft
                yield draft
        except asyncio.CancelledError:
            self.left += 1
            raise

    def say(self, *drafts: Draft | BaseException | None) -> None:
        for draft in drafts:
            self.more.put_nowait(draft)


def new_place() -> Place:
    """One of very many."""
    free = asyncio.Semaphore(100)
    free._value -= 1
    return Place(free)


class Asker:
    """One task's view, read in the background."""

    def __init__(
        self,
        flights: Flights,
        strategy: Scripted,
        order: WritingOrder,
        key: str | None = "k",
        attempt: int = 0,
        place: Place | None = None,
    ):
        self.place, self.got, self.error = place or new_place(), [], None
        self.came = asyncio.Event()
        self.work = asyncio.create_task(self._read(flights, strategy, order, key, attempt))

    async def _read(self, flights, strategy, order, key, attempt) -> None:
        try:
            async with flights.drafts(key, attempt, strategy, order, self.place) as drafts:
                async for draft in drafts:
                    self.got.append(draft)
                    self.came.set()
        except ModelCutOff as error:
            self.error = error

    async def has(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.got) < count:
                self.came.clear()
                await self.came.wait()

    async def leave(self) -> None:
        self.work.cancel()
        await asyncio.gather(self.work, return_exceptions=True)


@pytest.fixture
def order() -> WritingOrder:
    return sample_order()


@pytest.fixture
def flights() -> Flights:
    return Flights()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_ten_askers_of_the_same_ask_the_model_once(flights: Flights, order: WritingOrder):
    strategy = Scripted()
    askers = [Asker(flights, strategy, order) for _ in range(10)]
    await settle()
    strategy.say(*TEXT, None)
    await asyncio.gather(*(asker.work for asker in askers))
    assert strategy.begun == 1
    assert all(asker.got == TEXT for asker in askers)
    assert sum(asker.place.lent for asker in askers) == 9, "all but one let others work"
    assert flights.shared == 9


async def test_who_joins_late_gets_it_from_the_beginning(flights: Flights, order: WritingOrder):
    strategy = Scripted()
    first = Asker(flights, strategy, order)
    strategy.say(*TEXT[:2])
    await first.has(2)
    late = Asker(flights, strategy, order)
    await late.has(2)
    strategy.say(TEXT[2], None)
    await asyncio.gather(first.work, late.work)
    assert first.got == late.got == TEXT


async def test_the_first_may_leave_and_the_last_ends_it(flights: Flights, order: WritingOrder):
    strategy = Scripted()
    first, second = Asker(flights, strategy, order), Asker(flights, strategy, order)
    await settle()
    strategy.say(TEXT[0])
    await second.has(1)
    await first.leave()
    strategy.say(TEXT[1])
    await second.has(2)
    assert strategy.left == 0
    await second.leave()
    await settle()
    assert strategy.left == 1, "nobody waits for it any more"
    again = Asker(flights, strategy, order)
    await settle()
    assert strategy.begun == 2
    await again.leave()


async def test_a_generation_holds_one_place_whoever_leaves(flights: Flights, order: WritingOrder):
    """Two places, four askers of one question: whoever goes, one place is the generation's and one is free."""
    strategy, free = Scripted(), asyncio.Semaphore(2)
    askers = []
    for _ in range(4):
        await free.acquire()
        askers.append(Asker(flights, strategy, order, place=Place(free)))
        await settle()
    await free.acquire()  # the other one
    for asker in (askers[0], askers[2], askers[1]):
        await asker.leave()
        asker.place.leave()
        assert free.locked(), "the generation goes on, and its place with it"
    strategy.say(*TEXT, None)
    await askers[3].work
    askers[3].place.leave()
    assert not free.locked()
    assert strategy.begun == 1
    free.release()
    for _ in range(2):
        await free.acquire()
    assert free.locked(), "not one more than there were"


async def test_who_waits_for_a_place_joins_what_another_begins(flights: Flights, order: WritingOrder):
    """At a second attempt one that had lent its place may come before the one that holds it."""
    strategy, free = Scripted(), asyncio.Semaphore(1)
    await free.acquire()
    holder, watcher = Place(free), Place(free)
    watcher.lent = True
    early = Asker(flights, strategy, order, attempt=1, place=watcher)
    await settle()
    assert strategy.begun == 0, "it waits for a place"
    late = Asker(flights, strategy, order, attempt=1, place=holder)
    await settle()
    strategy.say(TEXT[0])
    await early.has(1)
    strategy.say(*TEXT[1:], None)
    await asyncio.gather(early.work, late.work)
    assert early.got == late.got == TEXT
    assert strategy.begun == 1
    assert watcher.lent
    holder.leave()
    assert await free.acquire()
    assert free.locked(), "one place, as before"


async def test_who_waits_for_a_place_and_leaves_takes_none(flights: Flights, order: WritingOrder):
    strategy, free = Scripted(), asyncio.Semaphore(0)
    watcher = Place(free)
    watcher.lent = True
    asker = Asker(flights, strategy, order, attempt=1, place=watcher)
    await settle()
    await asker.leave()
    free.release()
    await settle()
    assert not free.locked()
    assert (strategy.begun, watcher.lent) == (0, True)


async def test_a_call_is_counted_once_with_the_time_it_took(flights: Flights, order: WritingOrder):
    """Whoever holds the generation's place counts it, also who came late and was told all at once."""
    strategy = Scripted()
    first, second = Asker(flights, strategy, order), Asker(flights, strategy, order)
    await settle()
    strategy.say(ModelSpoke(), TEXT[0])
    await second.has(2)
    late = Asker(flights, strategy, order)
    await late.has(2)
    await asyncio.sleep(0.05)
    await first.leave()
    strategy.say(CallEnded(Finished("stop", 1, 2)), None)
    await asyncio.gather(second.work, late.work)
    ended = [asker.got[-1] for asker in (second, late)]
    assert [one.ours for one in ended] == [True, False]
    assert ended[0].seconds == ended[1].seconds >= 0.05
    alone = Asker(flights, strategy, order, key=None)
    strategy.say(ModelSpoke(), CallEnded(Finished("stop")), CallEnded(Finished("stop")), None)
    await alone.work
    calls = [draft for draft in alone.got if isinstance(draft, CallEnded)]
    assert all(call.ours and call.seconds > 0 for call in calls)


async def test_another_attempt_another_order_or_no_key_is_another_generation(flights: Flights, order: WritingOrder):
    strategy = Scripted()
    less = sample_order(wanted=(SectionName.CONCLUSION,))
    ways = [{}, {"attempt": 1}, {"key": "other"}, {"key": None}, {"key": None}]
    askers = [Asker(flights, strategy, order, **way) for way in ways] + [Asker(flights, strategy, less)]
    await settle()
    assert strategy.begun == 6
    for asker in askers:
        await asker.leave()


async def test_an_error_is_everybodys_and_is_joined_by_nobody(flights: Flights, order: WritingOrder):
    strategy = Scripted()
    first, second = Asker(flights, strategy, order), Asker(flights, strategy, order)
    await settle()
    strategy.say(TEXT[0], ModelCutOff())
    await asyncio.gather(first.work, second.work)
    assert first.error
    assert second.error
    assert first.got == second.got == TEXT[:1]
    third = Asker(flights, strategy, order)
    await settle()
    assert strategy.begun == 2
    strategy.say(*TEXT, None)
    await third.work
    assert third.got == TEXT


async def test_closing_ends_every_generation(flights: Flights, order: WritingOrder):
    strategy = Scripted()
    asker = Asker(flights, strategy, order)
    await settle()
    await flights.close()
    assert strategy.left == 1
    await asker.work


@pytest.mark.parametrize("turns", range(12))
async def test_who_waits_for_a_place_neither_begins_without_one_nor_misses_its_stop(
    flights: Flights, order: WritingOrder, turns: int
):
    strategy, free = Scripted(), asyncio.Semaphore(0)
    holder, watcher = Place(free), Place(free)
    watcher.lent = True
    waiting = Asker(flights, strategy, order, attempt=1, place=watcher)
    await settle()
    begins = Asker(flights, strategy, order, attempt=1, place=holder)
    for _ in range(turns):
        await asyncio.sleep(0)
    if turns % 2:
        begins.work.cancel()  # it keeps its place
        await settle()
        assert strategy.begun <= 1
    waiting.work.cancel()
    await settle()
    assert waiting.work.done()
    await begins.leave()
    assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing is left behind"

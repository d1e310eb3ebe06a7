"""Candidates are made after the end, off everybody's path, and bounded."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from jieqian.errors import InvalidRequest, StoreError, UnknownFaqEntry
from jieqian.events.event import Completed
from jieqian.faq.entry import FaqEntry, FaqStatus
from jieqian.faq.review import FaqReview
from jieqian.faq.scribe import FaqScribe
from jieqian.lots.library import PACKAGED, LotLibrary
from jieqian.retrieval.passage import FaqPassage
from jieqian.sections.section import SECTIONS, Section, SectionSource
from jieqian.tasks.task import Status
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import sample_first_events, sample_request

LIBRARY = LotLibrary([PACKAGED])


@dataclass
class Counted:
    outcomes: list[tuple[str, bool]] = field(default_factory=list)

    def faq_done(self, outcome: str, seconds: float | None) -> None:
        self.outcomes.append((outcome, seconds is not None))


@dataclass
class Index:
    """What retrieval would hold."""

    held: dict[str, FaqPassage] = field(default_factory=dict)

    async def add_faq(self, entries) -> None:
        self.held |= {entry.id: entry for entry in entries}

    async def remove_faq(self, ids) -> None:
        for entry_id in ids:
            self.held.pop(entry_id, None)


class FaultyStore(MemoryTaskStore):
    """Fails at what it is told to."""

    failing = ""

    async def add_faq_entry(self, entry: FaqEntry) -> bool:
        if self.failing == "add":
            raise StoreError("The disk is full.")
        if self.failing == "erase":
            await self.erase(str(entry.task_id), "asker")
        return await super().add_faq_entry(entry)


async def completed(store: MemoryTaskStore, question: str = "她還會回信給我嗎？") -> str:
    """A task that a model has read whole."""
    task = (await store.accept(sample_request(question=question), sample_first_events, 100)).task
    await store.claim("token", time.time(), 30)
    for name in SECTIONS:
        await store.finish_section(
            task.id, "token", Section(name, "可以往前走。慢慢來就好。", SectionSource.MODEL, 1, 1), {}, []
        )
    await store.end(task.id, "token", Status.COMPLETED, {"total_time_ms": 5.0}, [Completed({})])
    return task.id


@pytest.fixture
def counted() -> Counted:
    return Counted()


async def test_an_ended_reading_becomes_a_candidate_and_is_timed(counted: Counted):
    store = MemoryTaskStore()
    scribe = FaqScribe(store, LIBRARY, counted)
    task_id = await completed(store)
    scribe.start()
    scribe.offer(task_id)
    await scribe.settled()
    (entry,) = await store.faq_entries(FaqStatus.PENDING)
    assert (entry.task_id, entry.question, entry.answer) == (task_id, "她還會回信給我嗎？", "可以往前走。慢慢來就好。")
    timings = (await store.get(task_id)).timings
    assert timings["faq_ms"] > 0
    assert timings["total_time_ms"] == 5.0
    assert counted.outcomes == [("made", True)]
    await scribe.stop()


async def test_a_reading_passed_over_is_timed_too(counted: Counted):
    store = MemoryTaskStore()
    scribe = FaqScribe(store, LIBRARY, counted)
    first, second = await completed(store), await completed(store, "她还会回信给我吗")
    scribe.start()
    for task_id in (first, second, first):
        scribe.offer(task_id)
    await scribe.settled()
    assert len(await store.faq_entries()) == 1
    assert (await store.get(second)).timings["faq_ms"] > 0
    assert counted.outcomes == [("made", True), ("known", True), ("known", True)]
    await scribe.stop()


async def test_what_was_erased_or_is_not_ended_leaves_nothing(counted: Counted):
    store = FaultyStore()
    store.failing = "erase"
    scribe = FaqScribe(store, LIBRARY, counted)
    erased, erased_meanwhile = await completed(store), await completed(store)
    await store.erase(erased, "asker")
    queued = (await store.accept(sample_request(), sample_first_events, 100)).task.id
    scribe.start()
    for task_id in (erased, erased_meanwhile, queued):
        scribe.offer(task_id)
    await scribe.settled()
    assert await store.faq_entries() == []
    assert counted.outcomes == [("erased", False), ("erased", True)]
    assert "faq_ms" not in (await store.get(queued)).timings
    await scribe.stop()


async def test_a_fault_costs_one_candidate_and_no_more(counted: Counted):
    store = FaultyStore()
    scribe = FaqScribe(store, LIBRARY, counted)
    store.failing = "add"
    scribe.start()
    scribe.offer(await completed(store))
    await scribe.settled()
    store.failing = ""
    scribe.offer(await completed(store))
    await scribe.settled()
    assert [outcome for outcome, _ in counted.outcomes] == ["failed", "made"]
    assert len(await store.faq_entries()) == 1
    await scribe.stop()


async def test_what_does_not_fit_is_dropped_and_counted(counted: Counted):
    store = MemoryTaskStore()
    scribe = FaqScribe(store, LIBRARY, counted, most_waiting=2)
    for _ in range(5):
        scribe.offer(await completed(store))  # nobody works yet
    assert counted.outcomes == [("dropped", False)] * 3
    scribe.start()
    await scribe.stop()
    assert [outcome for outcome, _ in counted.outcomes[3:]] == ["made", "known"]


async def test_a_stop_waits_only_so_long(counted: Counted):
    store = MemoryTaskStore()
    scribe = FaqScribe(store, LIBRARY, counted)
    scribe.offer(await completed(store))
    scribe.start()
    await scribe.stop(0)
    assert await store.faq_entries() == []
    await scribe.stop()  # again, or before any start: nothing to do


async def test_a_decision_reaches_store_and_index():
    store, index = MemoryTaskStore(), Index()
    review = FaqReview(store, index)
    scribe = FaqScribe(store, LIBRARY, Counted())
    scribe.start()
    scribe.offer(await completed(store))
    await scribe.stop()
    (pending,) = await store.faq_entries()
    approved = await review.approve(pending.id[:8], answer="  等\n他開口。 ", category="love")
    assert (approved.status, approved.answer, approved.question) == (
        FaqStatus.APPROVED,
        "等 他開口。",
        pending.question,
    )
    assert index.held[pending.id].answer == "等 他開口。"
    await review.approve(pending.id, question="他會回信嗎")
    assert (index.held[pending.id].question, index.held[pending.id].answer) == ("他會回信嗎", "等 他開口。")
    assert (await review.reject(pending.id)).status is FaqStatus.REJECTED
    assert index.held == {}
    await review.approve(pending.id)
    assert list(index.held) == [pending.id]


async def test_many_decisions_at_once_leave_store_and_index_the_same():
    store, index = MemoryTaskStore(), Index()
    review = FaqReview(store, index)
    scribe = FaqScribe(store, LIBRARY, Counted())
    scribe.start()
    scribe.offer(await completed(store))
    await scribe.stop()
    (entry,) = await store.faq_entries()
    await asyncio.gather(*(review.approve(entry.id) if step % 2 else review.reject(entry.id) for step in range(20)))
    assert ((await store.faq_entry(entry.id)).status is FaqStatus.APPROVED) == (entry.id in index.held)


@pytest.mark.parametrize(
    "wrong",
    [{"answer": " \n "}, {"question": ""}, {"answer": "長" * 601}, {"question": "x" * 301}, {"category": "luck"}],
)
async def test_what_a_reviewer_writes_is_checked(wrong: dict[str, str]):
    with pytest.raises(InvalidRequest, match=next(iter(wrong))):
        await FaqReview(MemoryTaskStore(), Index()).approve("0123abcd", **wrong)


async def test_an_unknown_entry_is_told():
    review = FaqReview(MemoryTaskStore(), Index())
    for decide in (review.approve, review.reject):
        with pytest.raises(UnknownFaqEntry):
            await decide("0123abcd")

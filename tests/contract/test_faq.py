"""What every store must do with FAQ entries, and with what is measured after a task's end."""

import asyncio
import uuid
from dataclasses import replace

import pytest
from store_steps import accept, claim

from jieqian.errors import UnknownFaqEntry
from jieqian.events.event import Completed
from jieqian.faq.entry import FaqEntry, FaqReviewed, FaqStatus
from jieqian.languages import Language
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Status, Task
from jieqian.testing.sample_tasks import SAMPLE_TIME

LATER = SAMPLE_TIME + 100
APPROVED, REJECTED = FaqReviewed(status=FaqStatus.APPROVED), FaqReviewed(status=FaqStatus.REJECTED)


def entry_of(task: Task, **changes) -> FaqEntry:
    fields = {
        "id": str(uuid.uuid4()),
        "task_id": task.id,
        "collection": task.collection,
        "lot": task.lot,
        "category": "love",
        "language": task.language,
        "question": task.question,
        "answer": "會的，慢慢來。",
        "created_at": SAMPLE_TIME,
    }
    return FaqEntry(**(fields | changes))


async def kept(store: TaskStore, **changes) -> FaqEntry:
    entry = entry_of(await accept(store), **changes)
    assert await store.add_faq_entry(entry)
    return entry


async def test_a_candidate_is_kept_and_found_by_the_start_of_its_id(store: TaskStore):
    entry = await kept(store, id="0123abcd-0000-4000-8000-000000000001")
    other = await kept(store, id="0123ffff-0000-4000-8000-000000000002")
    assert await store.faq_entry(entry.id) == entry
    assert await store.faq_entry("0123AB") == entry
    assert await store.faq_entry("0123f") == other
    for unknown in ("0123", "012", "", "0123_bcd", "%", "0123abce", "no such", "0123abcd\x00"):
        with pytest.raises(UnknownFaqEntry):
            await store.faq_entry(unknown)
        with pytest.raises(UnknownFaqEntry):
            await store.review_faq(unknown, APPROVED, LATER)


async def test_a_task_has_one_entry_at_most(store: TaskStore):
    task = await accept(store)
    made = await asyncio.gather(*(store.add_faq_entry(entry_of(task)) for _ in range(5)))
    assert sorted(made) == [False] * 4 + [True]
    assert await store.count_faq() == 1


async def test_an_erased_task_gets_no_entry(store: TaskStore):
    task = await accept(store)
    await store.erase(task.id, "asker")
    assert await store.add_faq_entry(entry_of(task)) is False
    assert await store.faq_entries() == []


async def test_an_entry_has_a_question_and_an_answer(store: TaskStore):
    task = await accept(store)
    for empty in ("question", "answer"):
        with pytest.raises(Exception, match=r"(?i)not_empty|question and an answer"):
            await store.add_faq_entry(entry_of(task, **{empty: ""}))
    assert await store.count_faq() == 0


async def test_entries_are_listed_oldest_first_and_narrowed(store: TaskStore):
    third = await kept(store, created_at=SAMPLE_TIME + 3)
    first = await kept(store, created_at=SAMPLE_TIME + 1, language=Language.EN)
    second = await kept(store, created_at=SAMPLE_TIME + 2)
    assert await store.faq_entries() == [first, second, third]
    assert await store.faq_entries(limit=2) == [first, second]
    assert await store.faq_entries(language=Language.ZH_HANT) == [second, third]
    approved = await store.review_faq(second.id, APPROVED, LATER)
    assert await store.faq_entries(FaqStatus.APPROVED) == [approved]
    assert await store.faq_entries(FaqStatus.PENDING, Language.EN) == [first]
    assert await store.count_faq(FaqStatus.PENDING) == 2
    assert await store.count_faq(FaqStatus.PENDING, Language.JA) == 0


async def test_a_lots_questions_are_those_of_its_language_newest_first(store: TaskStore):
    await kept(store, question="舊", created_at=SAMPLE_TIME)
    newest = await kept(store, question="新", created_at=SAMPLE_TIME + 5)
    await kept(store, question="別籤", lot=8)
    await kept(store, question="another", language=Language.EN)
    await store.review_faq(newest.id, REJECTED, LATER)
    assert await store.faq_questions("yuelao", 7, Language.ZH_HANT, 10) == ["新", "舊"]
    assert await store.faq_questions("yuelao", 7, Language.ZH_HANT, 1) == ["新"]
    assert await store.faq_questions("guanyin", 7, Language.ZH_HANT, 10) == []


async def test_a_review_can_mend_the_text_and_be_taken_back(store: TaskStore):
    entry = await kept(store)
    mended = FaqReviewed(status=FaqStatus.APPROVED, question="問", answer="答", category="work")
    approved = await store.review_faq(entry.id, mended, LATER)
    expected = replace(entry, status=FaqStatus.APPROVED, reviewed_at=LATER, question="問", answer="答", category="work")
    assert approved == expected == await store.faq_entry(entry.id)
    again = await store.review_faq(entry.id, APPROVED, LATER + 1)
    assert again == replace(expected, reviewed_at=LATER + 1)
    rejected = await store.review_faq(entry.id, REJECTED, LATER + 2)
    assert (rejected.status, rejected.answer) == (FaqStatus.REJECTED, "答")
    assert (await store.review_faq(entry.id, APPROVED, LATER + 3)).status is FaqStatus.APPROVED


@pytest.mark.parametrize("reviewed", [None, REJECTED])
async def test_erasing_a_task_deletes_what_was_not_approved(store: TaskStore, reviewed: FaqReviewed | None):
    entry, other = await kept(store), await kept(store)
    if reviewed is not None:
        await store.review_faq(entry.id, reviewed, LATER)
    await store.erase(str(entry.task_id), "asker")
    assert await store.faq_entries() == [other]


async def test_erasing_a_task_cuts_the_link_of_what_was_approved(store: TaskStore):
    entries = [await kept(store) for _ in range(2)]
    for entry in entries:
        await store.review_faq(entry.id, APPROVED, LATER)
        await store.erase(str(entry.task_id), "asker")
    left = await store.faq_entries()
    assert {entry.id for entry in left} == {entry.id for entry in entries}
    assert [entry.task_id for entry in left] == [None, None]
    assert {entry.question for entry in left} == {entries[0].question}


async def test_what_is_measured_after_the_end_is_added(store: TaskStore):
    task = await accept(store)
    await store.time_after_end(task.id, {"faq_ms": 1.0})
    assert "faq_ms" not in (await store.get(task.id)).timings, "the task has not ended"
    await claim(store)
    await store.end(task.id, "token", Status.COMPLETED, {"total_time_ms": 5.0}, [Completed({})])
    ended = await store.get(task.id)
    await store.time_after_end(task.id, {"faq_ms": 2.5})
    assert await store.get(task.id) == replace(ended, timings={"total_time_ms": 5.0, "faq_ms": 2.5})
    await store.erase(task.id, "asker")
    await store.time_after_end(task.id, {"faq_ms": 3.0})
    assert await store.history("asker", 10, None) == []

"""What every store must do for reviewers of the FAQ: marks, many at once, translations, uses, unanswered questions."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from store_steps import accept, claim
from test_faq import entry_of, kept

from jieqian.cache.answer import KeptAnswer
from jieqian.cache.filling import CALLER as FILLING
from jieqian.errors import ChangedMeanwhile, UnknownFaqEntry
from jieqian.events.event import Completed
from jieqian.faq.entry import FaqEntry, FaqMadeBy, FaqOrigin, FaqReviewed, FaqStatus, FaqUse, Unanswered
from jieqian.languages import Language
from jieqian.sections.section import SECTIONS, Section, SectionSource
from jieqian.tasks.store import FromCache, Reused, TaskStore
from jieqian.tasks.task import Feedback, Status, Task
from jieqian.testing.sample_tasks import SAMPLE_TIME, sample_first_events, sample_request

LATER = SAMPLE_TIME + 100
APPROVED = FaqReviewed(status=FaqStatus.APPROVED)


def told_by(entry: FaqEntry, language: Language, **changes: Any) -> FaqEntry:
    fields = {"id": str(uuid.uuid4()), "task_id": None, "language": language, "made_by": FaqMadeBy.TRANSLATION}
    return replace(entry, **(fields | {"translated_from": entry.id} | changes))


def asked(task: Task, **changes: Any) -> Unanswered:
    fields: dict[str, Any] = {"id": str(uuid.uuid4()), "task_id": task.id, "collection": task.collection}
    fields |= {"lot": task.lot, "category": "love", "language": task.language, "question": "他會回來嗎"}
    return Unanswered(**(fields | {"passages": True, "created_at": SAMPLE_TIME} | changes))


async def ended(store: TaskStore, sources: list[str], status: Status = Status.COMPLETED, **fields: Any) -> Task:
    """A task that ended with these sources."""
    task = await accept(store, **fields)
    await claim(store)
    await store.keep_sources(task.id, "token", [{"id": source} for source in sources], {}, [])
    await store.end(task.id, "token", status, {"total_time_ms": 5.0, "llm_model": "qwen"}, [Completed({})])
    return task


def answer_of(task: Task, key: str, *sources: str) -> KeptAnswer:
    return KeptAnswer(
        key=key,
        task_id=task.id,
        collection=task.collection,
        lot=task.lot,
        language=task.language.value,
        mode=task.mode.value,
        model="qwen",
        created_at=SAMPLE_TIME,
        sections=tuple(Section(name, "字", SectionSource.MODEL, 1, 0) for name in SECTIONS),
        sources=tuple({"id": source} for source in sources),
        facts={},
    )


async def test_a_decision_on_another_state_than_was_seen_changes_nothing(store: TaskStore):
    entry = await kept(store)
    mended = await store.review_faq(entry.id, FaqReviewed(answer="等"), LATER, mark=entry.mark)
    assert (mended.answer, mended.status, mended.reviewed_at) == ("等", FaqStatus.PENDING, None)
    with pytest.raises(ChangedMeanwhile):
        await store.review_faq(entry.id, APPROVED, LATER, mark=entry.mark)
    assert await store.faq_entry(entry.id) == mended
    approved = await store.review_faq(entry.id, APPROVED, LATER, mark=mended.mark)
    back = await store.review_faq(entry.id, FaqReviewed(status=FaqStatus.PENDING), LATER + 1, mark=approved.mark)
    assert back == mended == await store.faq_entry(entry.id), "taken back, it was never reviewed"


async def test_many_are_decided_each_by_itself(store: TaskStore):
    seen = [await kept(store) for _ in range(3)]
    changed = await store.review_faq(seen[1].id, FaqReviewed(question="別問"), LATER)
    gone = str(uuid.uuid4())
    wanted = {entry.id: entry.mark for entry in seen} | {gone: None}
    bulk = await store.review_faq_all(wanted, FaqStatus.APPROVED, LATER)
    assert bulk.left == {seen[1].id: "changed", gone: "gone"}
    assert bulk.before == (seen[0], seen[2])
    assert [entry.id for entry in bulk.done] == [seen[0].id, seen[2].id]
    assert await store.faq_entries(FaqStatus.APPROVED) == sorted(bulk.done, key=lambda entry: entry.id)
    assert await store.faq_entries(FaqStatus.PENDING) == [changed]
    unmarked = await store.review_faq_all(dict.fromkeys(wanted), FaqStatus.REJECTED, LATER)
    assert len(unmarked.done) == 3


async def test_entries_are_narrowed_by_collection_and_category(store: TaskStore):
    love, work = await kept(store), await kept(store, category="work", collection="guanyin")
    assert await store.faq_entries(collection="guanyin") == [work]
    assert await store.faq_entries(category="love") == [love]
    assert await store.count_faq(FaqStatus.PENDING, category="work", collection="yuelao") == 0
    assert await store.count_faq(collection="guanyin") == 1


async def test_a_translation_belongs_to_its_origin_and_each_language_has_one(store: TaskStore):
    first = await kept(store)
    english, japanese = told_by(first, Language.EN), told_by(first, Language.JA)
    await store.write_faq_entry(english)
    await store.write_faq_entry(japanese)
    for again in (told_by(first, Language.EN), told_by(first, first.language)):
        with pytest.raises(ChangedMeanwhile):
            await store.write_faq_entry(again)
    with pytest.raises(UnknownFaqEntry):
        await store.write_faq_entry(told_by(first, Language.ZH_HANS, translated_from=str(uuid.uuid4())))
    assert await store.faq_translations(first) == [english, japanese]
    assert {entry.id for entry in await store.faq_translations(english)} == {first.id, japanese.id}
    assert await store.faq_translations(await kept(store)) == []


async def test_erasing_a_task_takes_translations_that_were_not_approved(store: TaskStore):
    first = await kept(store)
    english, japanese = told_by(first, Language.EN), told_by(first, Language.JA)
    for entry in (english, japanese):
        await store.write_faq_entry(entry)
    approved = await store.review_faq(japanese.id, APPROVED, LATER)
    await store.erase(str(first.task_id), "asker")
    assert await store.faq_entries() == [replace(approved, translated_from=None)]


async def test_origins_tell_the_model_and_what_its_asker_thought(store: TaskStore):
    liked, other, gone = [await ended(store, []) for _ in range(3)]
    await store.add_feedback(liked.id, "asker", Feedback(1, "謝謝"), LATER)
    await store.erase(gone.id, "asker")
    told = await store.faq_origins([liked.id, other.id, gone.id])
    assert told == {liked.id: FaqOrigin("quality", "qwen", 1), other.id: FaqOrigin("quality", "qwen", None)}
    assert await store.faq_origins([]) == {}


async def test_uses_are_counted_when_a_reading_is_completed(store: TaskStore):
    entry, other = await kept(store), await kept(store)
    for waiting in (entry, other):
        await store.stop(str(waiting.task_id), "asker", LATER)
    cited = [f"faq/{entry.id}", "yuelao/7#verse@en", "faq/unknown"]
    await ended(store, cited)
    task = await ended(store, cited, caller="another")
    await ended(store, [f"faq/{other.id}"], status=Status.FAILED)
    await ended(store, [f"faq/{other.id}"], caller=FILLING)
    uses = await store.faq_uses()
    today = uses[entry.id].last_day
    assert uses == {entry.id: FaqUse(2, today)}
    assert sum(hits for _, hits in await store.faq_use_days(entry.id, "2000-01-01")) == 2
    assert await store.faq_use_days(entry.id, "9999-01-01") == []
    await store.erase(task.id, "another")
    assert (await store.faq_uses())[entry.id].total == 2, "a count tells nobody's reading"
    await store.erase(str(entry.task_id), "asker")
    assert await store.faq_uses() == {}


@pytest.mark.parametrize("status", [FaqStatus.REJECTED, FaqStatus.PENDING])
async def test_no_answer_is_kept_of_an_entry_withdrawn_while_it_was_written(store: TaskStore, status: FaqStatus):
    entry = await kept(store, status=FaqStatus.APPROVED, reviewed_at=LATER)
    await store.stop(str(entry.task_id), "asker", LATER)
    task = await accept(store)
    await claim(store)
    answer = answer_of(task, "a" * 64, f"faq/{entry.id}")
    await store.review_faq(entry.id, FaqReviewed(status=status), LATER)
    await store.end(task.id, "token", Status.COMPLETED, {"total_time_ms": 5.0}, [Completed({})], keep=answer)
    assert await store.answer(answer.key) is None
    assert (await store.get(task.id)).status is Status.COMPLETED


async def test_a_kept_answer_counts_its_sources_and_goes_with_them(store: TaskStore):
    entry = await kept(store, status=FaqStatus.APPROVED, reviewed_at=LATER)
    await store.stop(str(entry.task_id), "asker", LATER)
    task = await accept(store)
    await claim(store)
    answer, bare = answer_of(task, "a" * 64, f"faq/{entry.id}"), answer_of(task, "b" * 64, "yuelao/7#verse@en")
    await store.end(task.id, "token", Status.COMPLETED, {"total_time_ms": 5.0}, [Completed({})], keep=answer)
    again = await accept(store)
    await claim(store)
    reused = Reused([Completed({})], {"total_time_ms": 1.0})
    await store.end_with(again.id, "token", answer, reused)
    found = FromCache(answer.key, lambda _answer: reused)
    await store.accept(sample_request(), sample_first_events, 100, found)
    assert (await store.faq_uses())[entry.id].total == 2
    last = await accept(store)
    await claim(store)
    await store.end(last.id, "token", Status.COMPLETED, {"total_time_ms": 5.0}, [Completed({})], keep=bare)
    assert await store.forget_answers_citing([]) == 0
    assert await store.forget_answers_citing([entry]) == 1
    assert await store.answer(answer.key) is None
    assert await store.answer(bare.key) is not None


async def test_unanswered_questions_are_bounded_and_gone_with_their_task(store: TaskStore):
    tasks = [await accept(store) for _ in range(4)]
    for at, task in enumerate(tasks[:3]):
        assert await store.add_unanswered(asked(task, created_at=SAMPLE_TIME + at, category="love"), 2)
    assert await store.add_unanswered(asked(tasks[2]), 2) is False, "one of each reading"
    newest, older = await store.unanswered()
    assert [newest.task_id, older.task_id] == [tasks[2].id, tasks[1].id]
    assert await store.unanswered(category="work") == await store.unanswered(language=Language.EN) == []
    assert len(await store.unanswered(collection="yuelao")) == 2
    await store.erase(tasks[2].id, "asker")
    assert await store.add_unanswered(asked(tasks[2]), 2) is False, "it was erased"
    assert await store.unanswered() == [older]
    assert await store.drop_unanswered([older.id, "none"]) == 1
    assert await store.add_unanswered(asked(tasks[3]), 2)
    await store.trim_unanswered(0)
    assert await store.unanswered() == []


async def test_a_decision_or_an_answer_settles_a_question(store: TaskStore):
    entry = await kept(store)
    task, other = await store.get(str(entry.task_id)), await accept(store)
    await store.add_unanswered(asked(task), 10)
    by_hand = asked(other)
    await store.add_unanswered(by_hand, 10)
    await store.review_faq(entry.id, FaqReviewed(answer="等等"), LATER)
    assert len(await store.unanswered()) == 2, "mended is not decided"
    await store.review_faq(entry.id, FaqReviewed(status=FaqStatus.REJECTED), LATER)
    assert await store.unanswered() == [by_hand]
    written = replace(entry_of(other), task_id=None, made_by=FaqMadeBy.HAND)
    await store.write_faq_entry(written, [by_hand.id])
    assert await store.unanswered() == []
    assert await store.faq_entry(written.id) == written

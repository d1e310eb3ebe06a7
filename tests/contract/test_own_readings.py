"""A caller's own readings over every store: whose they are, what of, and that a near question is served by no other."""

from __future__ import annotations

import pytest
from store_steps import accept
from test_answers import KEY, answer_of, kept_by, reuse

from jieqian.cache.answer import MOST_OWN, OwnReading
from jieqian.languages import Language
from jieqian.tasks.store import FromCache, NearKey, Reused, TaskStore
from jieqian.tasks.task import Mode, NewTask, Status
from jieqian.testing.sample_tasks import sample_first_events, sample_request

OTHERS = [
    {"caller": "another"},
    {"collection": "guanyin"},
    {"lot": 8},
    {"language": Language.EN},
    {"mode": Mode.FAST},
    {"parent_id": "an earlier one"},
]


async def own(store: TaskStore, new: NewTask | None = None, limit: int = 20) -> list[str]:
    return [reading.task_id for reading in await store.own_readings(new or sample_request(), limit)]


async def ask_near(store: TaskStore, reading: OwnReading, key: str = KEY, **fields):
    near = NearKey(key, reading, reuse)
    asked = sample_request(**fields)
    return (await store.accept(asked, sample_first_events, 100, FromCache("of its own words", reuse, [near]))).task


async def test_the_callers_own_come_newest_first(store: TaskStore):
    made = [(await kept_by(store, f"key {number}")).id for number in range(3)]
    assert await own(store) == made[::-1]
    assert await own(store, limit=2) == made[:0:-1]
    assert (await store.own_readings(sample_request(), 1))[0].question == sample_request().question


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: next(iter(other)))
async def test_what_is_of_another_is_none(store: TaskStore, other):
    await kept_by(store)
    assert await own(store, sample_request(**other)) == []


async def test_a_follow_up_has_those_of_its_own_parent(store: TaskStore):
    await accept(store, id="another parent's", parent_id="p 2", care={"kind": "x"})
    assert await own(store, sample_request(parent_id="p 2")) == [], "help lines are no reading"
    await kept_by(store)
    assert len(await own(store, sample_request(parent_id=None))) == 1


async def test_only_what_was_completed_is_there_until_it_is_erased(store: TaskStore):
    task = await kept_by(store)
    await accept(store, id="waits")
    await accept(store, id="stopped")
    await store.stop("stopped", "asker", 2e9)
    assert await own(store) == [task.id]
    await store.erase(task.id, task.caller)
    assert await own(store) == []


async def test_only_the_latest_are_looked_at(store: TaskStore):
    await kept_by(store)
    for number in range(MOST_OWN - 1):
        await accept(store, id=f"later {number}", max_queue=MOST_OWN)
    assert len(await own(store)) == 1
    await accept(store, id="one more", max_queue=MOST_OWN)
    assert await own(store) == []


async def test_a_near_question_is_completed_by_the_reading_that_holds_the_answer(store: TaskStore):
    made = await kept_by(store)
    (reading,) = await store.own_readings(sample_request(), 20)
    task = await ask_near(store, reading, id="near")
    assert (task.status, task.sections) == (Status.COMPLETED, answer_of(made.id).sections)
    assert (await store.cache_stats()).hits == 1
    assert (
        await ask_near(store, OwnReading("copied", "words", copied_from=None), id="not its")
    ).status is Status.QUEUED


async def test_the_copy_of_one_to_other_words_is_none(store: TaskStore):
    made = await kept_by(store)
    (reading,) = await store.own_readings(sample_request(), 20)
    near = NearKey(KEY, reading, lambda _: Reused([], {"total_time_ms": 1.0, "cache_task_id": made.id}))
    await store.accept(sample_request(id="near"), sample_first_events, 100, FromCache("other", reuse, [near]))
    await store.accept(sample_request(id="exact"), sample_first_events, 100, FromCache(KEY, reuse))
    assert await own(store) == ["exact", made.id]


async def test_one_that_was_copied_holds_it_as_long_as_it_is_the_same(store: TaskStore):
    await kept_by(store)
    answer = await store.answer(KEY)
    assert answer is not None
    copied = OwnReading("copied", "words", copied_from=answer.created_at)
    assert (await ask_near(store, copied, id="first")).status is Status.COMPLETED
    await kept_by(store, created_at=answer.created_at + 5)  # somebody read the same words afresh
    assert (await ask_near(store, copied, id="second")).status is Status.QUEUED


async def test_an_erased_reading_serves_no_near_question(store: TaskStore):
    made = await kept_by(store)
    (reading,) = await store.own_readings(sample_request(), 20)
    await store.erase(made.id, made.caller)  # between the look and the acceptance
    assert (await ask_near(store, reading, id="near")).status is Status.QUEUED


async def test_the_very_words_go_before_what_is_near(store: TaskStore):
    await kept_by(store, "of its own words", model="own")
    await kept_by(store, KEY, model="near")
    (reading, _) = await store.own_readings(sample_request(), 20)
    await ask_near(store, reading, id="both")
    assert (await store.cache_stats()).hits == 1
    assert await store.answer(KEY) is not None

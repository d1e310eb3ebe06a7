"""Kept answers over every store: found by their key, copied, bounded, and gone with the task they were written for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from store_steps import NOW, accept, claim

from jieqian.cache.answer import CacheFilter, KeptAnswer
from jieqian.errors import LeaseLost, QueueFull
from jieqian.events.event import Completed
from jieqian.sections.section import SECTIONS, Section, SectionSource
from jieqian.tasks.store import FromCache, Reused, TaskStore
from jieqian.tasks.task import Status, Task
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import Ear, sample_first_events, sample_request

KEY = "k" * 64
TIMINGS = {"total_time_ms": 3.0, "cache_hit": "exact"}


def answer_of(task_id: str, key: str = KEY, **changes) -> KeptAnswer:
    finished = tuple(Section(name, f"{name} 的文字", SectionSource.MODEL, 1, 0) for name in SECTIONS)
    kept = KeptAnswer(
        key=key,
        task_id=task_id,
        collection="yuelao",
        lot=1,
        language="zh-Hant",
        mode="quality",
        model="m",
        created_at=NOW,
        sections=finished,
        sources=({"id": "yuelao/2#verse", "title": "t", "text": "x"},),
        facts={"llm_model": "m"},
    )
    return replace(kept, **changes)


async def kept_by(store: TaskStore, key: str = KEY, **changes) -> Task:
    """A task that was completed, with its answer kept."""
    task = await accept(store)
    await claim(store, token := f"token {task.id}")
    keep = answer_of(task.id, key, **changes)
    await store.end(task.id, token, Status.COMPLETED, {"total_time_ms": 1.0}, [Completed({})], keep=keep)
    return task


def reuse(_answer: KeptAnswer) -> Reused:
    return Reused([Completed({"again": True})], TIMINGS)


FROM_CACHE = FromCache(KEY, reuse)


async def test_it_completes_a_task_of_the_same_key_at_once(store: TaskStore, ear: Ear):
    made = await kept_by(store)
    accepted = await store.accept(sample_request(id="second"), sample_first_events, 100, FROM_CACHE)
    task = accepted.task
    assert (accepted.created, task.status, task.timings) == (True, Status.COMPLETED, TIMINGS)
    assert task.sections == answer_of(made.id).sections
    assert [event.type for event in await store.events("second", 0, 10)] == ["completed"]
    assert await store.get("second") == task
    assert task.sources == answer_of(made.id).sources
    assert (await store.cache_stats()).hits == 1
    assert await store.claim("t", NOW, 30) is None, "no worker is asked"


async def test_without_one_the_task_waits(store: TaskStore):
    accepted = await store.accept(sample_request(), sample_first_events, 100, FROM_CACHE)
    assert accepted.task.status is Status.QUEUED


async def test_a_full_queue_is_no_reason_to_refuse_it(store: TaskStore):
    await kept_by(store)
    await accept(store, id="waits", max_queue=1)
    with pytest.raises(QueueFull):
        await accept(store, id="refused", max_queue=1)
    accepted = await store.accept(sample_request(id="answered"), sample_first_events, 1, FROM_CACHE)
    assert accepted.task.status is Status.COMPLETED


async def test_a_running_task_is_completed_by_it(store: TaskStore):
    made = await kept_by(store)
    await accept(store, id="waited")
    await claim(store, "mine")
    answer = await store.answer(KEY)
    assert answer == answer_of(made.id)
    with pytest.raises(LeaseLost):
        await store.end_with("waited", "another's", answer, reuse(answer))
    await store.end_with("waited", "mine", answer, reuse(answer))
    task = await store.get("waited")
    assert (task.status, task.sections, task.sources) == (Status.COMPLETED, answer.sections, answer.sources)
    assert (await store.cache_stats()).hits == 1


async def test_it_goes_with_the_task_that_made_it_and_no_other(store: TaskStore):
    made = await kept_by(store)
    copied = (await store.accept(sample_request(id="copy"), sample_first_events, 100, FROM_CACHE)).task
    await store.erase(copied.id, copied.caller)
    assert await store.answer(KEY) is not None
    again = (await store.accept(sample_request(id="copy 2"), sample_first_events, 100, FROM_CACHE)).task
    await store.erase(made.id, made.caller)
    assert await store.answer(KEY) is None
    assert (await store.get(again.id)).sections, "what was copied stays its asker's"


async def test_a_newer_one_takes_its_place(store: TaskStore):
    await kept_by(store)
    newer = await kept_by(store, created_at=NOW + 5)
    found = await store.answer(KEY)
    assert found is not None
    assert (found.task_id, found.created_at) == (newer.id, NOW + 5)
    assert (await store.cache_stats()).entries == 1


async def test_those_used_longest_ago_go_first(open_store, ear: Ear):
    store = open_store(ear)
    store._most_answers = 3
    for place in range(3):
        await kept_by(store, f"key {place}", created_at=NOW + place)
    await store.accept(sample_request(id="use"), sample_first_events, 100, FromCache("key 0", reuse))
    await kept_by(store, "key 3", created_at=NOW + 3)
    left = [place for place in range(4) if await store.answer(f"key {place}")]
    assert left == [0, 2, 3]


async def test_one_that_is_wanted_again_stays_and_served_nobody(open_store, ear: Ear):
    store = open_store(ear)
    store._most_answers = 2
    await kept_by(store, "key 0", created_at=NOW)
    await kept_by(store, "key 1", created_at=NOW + 1)
    assert await store.renew_answer("key 0", NOW + 2)
    assert not await store.renew_answer("nothing kept", NOW + 2)
    await kept_by(store, "key 2", created_at=NOW + 3)
    assert [place for place in range(3) if await store.answer(f"key {place}")] == [0, 2]
    assert (await store.cache_stats()).hits == 0


async def test_they_can_be_counted_and_thrown_away(store: TaskStore):
    assert await store.cache_stats() == (await MemoryTaskStore().cache_stats())
    await kept_by(store, "one")
    await kept_by(store, "two", lot=2, created_at=NOW + 10)
    await kept_by(store, "three", collection="guanyin", model="n", created_at=NOW + 20)
    stats = await store.cache_stats()
    assert (stats.entries, stats.hits, stats.oldest_at, stats.newest_at) == (3, 0, NOW, NOW + 20)
    assert stats.bytes > 100
    assert await store.clear_cache(CacheFilter(collection="yuelao", lot=2)) == 1
    assert await store.clear_cache(CacheFilter(model="m", before=NOW)) == 0
    assert await store.clear_cache(CacheFilter(model="n")) == 1
    assert await store.answer("one") is not None
    assert await store.clear_cache(CacheFilter()) == 1
    assert (await store.cache_stats()).entries == 0

"""What every store of tasks must do: accepting, and idempotency keys."""

import asyncio

import pytest
from store_steps import NOW, accept, claim, delta

from jieqian.errors import IdempotencyMismatch, QueueFull, UnknownTask
from jieqian.tasks.store import FreeWorker, TaskStore
from jieqian.tasks.task import Status, Task
from jieqian.testing.sample_tasks import SAMPLE_TIME, Ear, sample_first_events, sample_request, sample_section

DAY = 24 * 3600


# -- accepting ---------------------------------------------------------------------------------------------------------


async def test_an_accepted_request_is_a_queued_task_with_its_first_events(store: TaskStore, ear: Ear):
    new = sample_request(fresh=True, parent_id="p", draw_id="d")
    accepted = await store.accept(new, sample_first_events, 100)
    task = accepted.task
    assert accepted.created
    assert task == await store.get(new.id)
    assert {name: getattr(task, name) for name in ("id", "caller", "collection", "lot", "question", "created_at")} == {
        name: getattr(new, name) for name in ("id", "caller", "collection", "lot", "question", "created_at")
    }
    assert (task.language, task.mode, task.strategy) == (new.language, new.mode, new.strategy)
    assert (task.fresh, task.parent_id, task.draw_id, task.care) == (True, "p", "d", None)
    assert (task.status, task.deliveries, task.attempts, task.last_event_id) == (Status.QUEUED, 0, 0, 2)
    assert (task.claimed_at, task.ended_at, task.lease_token, task.sections, task.error) == (None, None, None, (), None)
    assert task.timings["time_to_first_event_ms"] >= 0
    log = await store.events(task.id, 0, 10)
    assert [(event.id, event.type) for event in log] == [(1, "queued"), (2, "lot")]
    assert ear.heard == [(task.id, log)]


async def test_the_first_events_know_how_many_stand_before(store: TaskStore):
    for _ in range(3):
        task = await accept(store)
    (first, _) = await store.events(task.id, 0, 10)
    assert '"ahead":2' in first.data


async def test_a_full_queue_takes_no_more_and_keeps_nothing(store: TaskStore, ear: Ear):
    await accept(store, max_queue=2)
    await accept(store, max_queue=2)
    refused = sample_request()
    with pytest.raises(QueueFull) as error:
        await store.accept(refused, sample_first_events, 2)
    assert error.value.problem()["retry_after"] > 0
    with pytest.raises(UnknownTask):
        await store.get(refused.id)
    assert len(ear.heard) == 2
    await claim(store)  # a running task does not stand in the queue
    await accept(store, max_queue=2)


async def test_a_task_with_care_is_complete_at_once_and_taken_by_a_full_queue(store: TaskStore):
    await accept(store, max_queue=1)
    care = {"kind": "self_harm", "message": "你不孤單。", "help_lines": []}
    task = await accept(store, max_queue=1, care=care)
    assert (task.status, task.care, task.ended_at) == (Status.COMPLETED, care, task.created_at)
    await claim(store)
    assert await store.claim("other", NOW, 30) is None
    assert await store.counts() == {Status.QUEUED: 0, Status.RUNNING: 1}


async def test_an_error_in_the_first_events_is_raised_and_nothing_kept(store: TaskStore):
    def wrong(_ahead: int):
        raise ZeroDivisionError

    new = sample_request()
    with pytest.raises(ZeroDivisionError):
        await store.accept(new, wrong, 10)
    with pytest.raises(UnknownTask):
        await store.get(new.id)


# -- idempotency -------------------------------------------------------------------------------------------------------


async def test_the_same_key_and_body_is_the_same_task(store: TaskStore, ear: Ear):
    first = await accept(store, idempotency_key="k", body_hash="b")
    again = await store.accept(sample_request(idempotency_key="k", body_hash="b"), sample_first_events, 100)
    assert not again.created
    assert again.task == first
    assert len(ear.heard) == 1
    assert len(await store.history("asker", 10, None)) == 1


async def test_the_same_key_finds_its_task_however_far_it_is(store: TaskStore):
    first = await accept(store, idempotency_key="k", body_hash="b")
    await claim(store)
    await store.finish_section(first.id, "token", sample_section(), {}, [])
    again = await store.accept(sample_request(idempotency_key="k", body_hash="b"), sample_first_events, 0)
    assert (again.task.status, again.task.sections) == (Status.RUNNING, (sample_section(),))


async def test_the_same_key_with_another_body_is_refused(store: TaskStore):
    await accept(store, idempotency_key="k", body_hash="b")
    with pytest.raises(IdempotencyMismatch):
        await accept(store, idempotency_key="k", body_hash="other")
    assert len(await store.history("asker", 10, None)) == 1


async def test_a_key_is_the_callers_own(store: TaskStore):
    mine = await accept(store, idempotency_key="k", body_hash="b")
    theirs = await accept(store, caller="another", idempotency_key="k", body_hash="other")
    assert mine.id != theirs.id


async def test_a_key_is_kept_for_24_hours(store: TaskStore):
    first = await accept(store, idempotency_key="k", body_hash="b")
    just_before = await accept(store, idempotency_key="k", body_hash="b", created_at=SAMPLE_TIME + DAY)
    assert just_before.id == first.id
    later = await accept(store, idempotency_key="k", body_hash="other", created_at=SAMPLE_TIME + DAY + 1)
    assert later.id != first.id
    again = await accept(store, idempotency_key="k", body_hash="other", created_at=SAMPLE_TIME + DAY + 2)
    assert again.id == later.id
    assert (await store.get(first.id)).status is Status.QUEUED


async def test_an_erased_tasks_key_is_free(store: TaskStore):
    first = await accept(store, idempotency_key="k", body_hash="b")
    await store.erase(first.id, "asker")
    assert (await accept(store, idempotency_key="k", body_hash="other")).id != first.id


async def test_a_key_brings_back_its_task_for_a_day_and_as_long_as_it_is_there(store: TaskStore):
    async def found(caller: str, now: float = SAMPLE_TIME) -> tuple[str, str] | None:
        earlier = await store.task_of_key(caller, "k", now)
        return earlier and (earlier[0].id, earlier[1])

    assert await found("asker") is None
    task = await accept(store, idempotency_key="k", body_hash="b")
    assert await found("asker") == (task.id, "b")
    assert await found("another") is None
    assert await found("asker", SAMPLE_TIME + 86_401) is None
    await store.erase(task.id, "asker")
    assert await found("asker") is None


async def test_one_key_many_times_at_once_is_one_insert(store: TaskStore, ear: Ear):
    asked = [sample_request(idempotency_key="k", body_hash="b") for _ in range(20)]
    answers = await asyncio.gather(*(store.accept(new, sample_first_events, 100) for new in asked))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.task.id for answer in answers}) == 1
    assert len(ear.heard) == 1
    assert len(await store.history("asker", 100, None)) == 1


def free_worker(begun: list[Task]) -> FreeWorker:
    return FreeWorker("free", NOW, NOW + 30, begun.append)


async def test_a_worker_that_is_free_has_it_at_once(store: TaskStore, ear: Ear):
    begun: list[Task] = []
    accepted = await store.accept(sample_request(id="t"), sample_first_events, 10, None, free_worker(begun))
    assert (accepted.begun, accepted.ahead, accepted.created) == (True, 0, True)
    kept = await store.get("t")
    assert begun == [kept] == [accepted.task]
    assert (kept.status, kept.deliveries, kept.claimed_at, kept.lease_token) == (Status.RUNNING, 1, NOW, "free")
    assert [event.type for event in await store.events("t", 0, 10)] == ["queued", "lot"]
    assert await store.claim("other", NOW + 10, 30) is None
    await store.append("t", "free", [delta()])
    late = await store.claim("other", NOW + 31, 30)
    assert late is not None
    assert (late.id, late.deliveries) == ("t", 2)


async def test_whoever_waits_goes_before_a_worker_is_given_another(store: TaskStore):
    begun: list[Task] = []
    await accept(store, id="first")
    accepted = await store.accept(sample_request(id="second"), sample_first_events, 10, None, free_worker(begun))
    assert (accepted.begun, accepted.ahead, accepted.task.status, begun) == (False, 1, Status.QUEUED, [])
    assert (await claim(store)).id == "first"


async def test_what_needs_no_worker_takes_none(store: TaskStore):
    begun: list[Task] = []
    care = sample_request(id="care", care={"kind": "self_harm", "message": "m", "help_lines": []})
    assert not (await store.accept(care, sample_first_events, 10, None, free_worker(begun))).begun
    keyed = sample_request(id="keyed", idempotency_key="k", body_hash="h")
    assert (await store.accept(keyed, sample_first_events, 10, None, free_worker(begun))).begun
    again = sample_request(id="again", idempotency_key="k", body_hash="h")
    repeated = await store.accept(again, sample_first_events, 10, None, free_worker(begun))
    assert (repeated.begun, repeated.created, repeated.task.id) == (False, False, "keyed")
    with pytest.raises(QueueFull):
        await store.accept(sample_request(id="none"), sample_first_events, 0, None, free_worker(begun))
    assert [task.id for task in begun] == ["keyed"]

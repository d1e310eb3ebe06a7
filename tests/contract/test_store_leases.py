"""What every store of tasks must do: claims, leases, and late writes."""

import asyncio

import pytest
from store_steps import NOW, accept, claim, delta

from jieqian.errors import LeaseLost
from jieqian.events.event import Completed, Failed, SectionFinished
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Status, Task
from jieqian.testing.sample_tasks import Ear, sample_section


async def test_the_oldest_task_is_claimed_first(store: TaskStore):
    accepted = [(await accept(store)).id for _ in range(3)]
    assert [(await claim(store, f"token {i}")).id for i in range(3)] == accepted
    assert await store.claim("token", NOW, 30) is None


async def test_a_claim_is_a_lease_and_counts_a_delivery(store: TaskStore):
    await accept(store)
    task = await claim(store, "token", NOW, 30)
    assert (task.status, task.lease_token, task.lease_expires_at) == (Status.RUNNING, "token", NOW + 30)
    assert (task.deliveries, task.claimed_at) == (1, NOW)
    assert task == await store.get(task.id)


async def test_many_workers_never_claim_the_same_task(store: TaskStore):
    accepted = {(await accept(store)).id for _ in range(10)}
    claimed = await asyncio.gather(*(store.claim(str(i), NOW, 30) for i in range(15)))
    assert sorted(task.id for task in claimed if task) == sorted(accepted)


async def test_a_lapsed_lease_is_claimed_again_before_younger_tasks(store: TaskStore):
    first = await accept(store)
    await accept(store)
    await claim(store, "paused", NOW, 30)
    assert (await claim(store, "next", NOW + 30)).id != first.id  # the first's lease ends just after this moment
    again = await claim(store, "other", NOW + 31)
    assert again.id == first.id
    assert (again.deliveries, again.claimed_at, again.lease_token) == (2, NOW, "other")


async def test_a_heartbeat_prolongs_the_lease(store: TaskStore):
    task = await accept(store)
    await claim(store, "token", NOW, 30)
    await store.heartbeat(task.id, "token", NOW + 60)
    assert await store.claim("other", NOW + 59, 30) is None
    assert await store.claim("other", NOW + 61, 30) is not None


LATE_WRITES = {
    "append": lambda store, task: store.append(task, "paused", [delta()]),
    "keep_sources": lambda store, task: store.keep_sources(task, "paused", [{"id": "x"}], {}, [delta()]),
    "end_attempt": lambda store, task: store.end_attempt(task, "paused", 1, [delta()]),
    "finish_section": lambda store, task: store.finish_section(
        task, "paused", sample_section(), {"total_time_ms": 1.0}, [SectionFinished(sample_section())]
    ),
    "end": lambda store, task: store.end(task, "paused", Status.COMPLETED, {"total_time_ms": 1.0}, [Completed({})]),
    "heartbeat": lambda store, task: store.heartbeat(task, "paused", NOW + 999),
    "release": lambda store, task: store.release(task, "paused", counts=True),
}


async def _reclaimed(store: TaskStore, task: Task) -> None:
    await claim(store, "other", NOW + 31)


async def _released(store: TaskStore, task: Task) -> None:
    await store.release(task.id, "paused", counts=True)


async def _ended(store: TaskStore, task: Task) -> None:
    await store.end(task.id, "paused", Status.FAILED, {}, [Failed({})])


async def _stopped(store: TaskStore, task: Task) -> None:
    await store.stop(task.id, "asker", NOW)


async def _restarted(store: TaskStore, task: Task) -> None:
    assert await store.release_leases() == 1


@pytest.mark.parametrize("lose", [_reclaimed, _released, _ended, _stopped, _restarted])
@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES)
async def test_a_late_write_is_refused_and_changes_nothing(store: TaskStore, ear: Ear, write, lose):
    task = await accept(store)
    await claim(store, "paused", NOW, 30)
    await lose(store, task)
    before, log, heard = await store.get(task.id), await store.events(task.id, 0, 100), len(ear.heard)
    with pytest.raises(LeaseLost):
        await write(store, task.id)
    assert await store.get(task.id) == before
    assert await store.events(task.id, 0, 100) == log
    assert len(ear.heard) == heard


@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES)
async def test_a_write_to_an_erased_task_is_refused(store: TaskStore, write):
    task = await accept(store)
    await claim(store, "paused")
    await store.erase(task.id, "asker")
    with pytest.raises(LeaseLost):
        await write(store, task.id)
    assert await store.events(task.id, 0, 10) == []


@pytest.mark.parametrize(("counts", "deliveries"), [(True, 1), (False, 0)])
async def test_a_released_task_is_queued_again_in_its_old_place(store: TaskStore, counts: bool, deliveries: int):
    first = await accept(store)
    await accept(store)
    await claim(store)
    await store.finish_section(first.id, "token", sample_section(), {"total_time_ms": 5.0}, [])
    await store.release(first.id, "token", counts=counts)
    task = await store.get(first.id)
    assert (task.status, task.deliveries, task.lease_token) == (Status.QUEUED, deliveries, None)
    assert await store.ahead_of([first.id]) == {first.id: 0}
    again = await claim(store, "other", NOW + 5)
    assert (again.id, again.sections) == (first.id, (sample_section(),))
    assert (again.claimed_at, again.timings) == (NOW, {"total_time_ms": 5.0})  # the deadline runs from the first claim


async def test_leases_of_processes_that_are_gone_end(store: TaskStore):
    tasks = [await accept(store) for _ in range(3)]
    await claim(store, "a")
    await claim(store, "b")
    assert await store.release_leases() == 2
    assert await store.counts() == {Status.QUEUED: 3, Status.RUNNING: 0}
    assert [(await store.get(task.id)).deliveries for task in tasks] == [1, 1, 0]
    assert await store.release_leases() == 0


async def test_nobody_takes_a_task_from_themselves_however_late_they_are(store: TaskStore):
    first, second = await accept(store), await accept(store)
    await claim(store, "mine")
    late = NOW + 10_000
    taken = await store.claim("mine too", late, 30.0, held=("mine",))
    assert taken is not None
    assert taken.id == second.id
    assert await store.claim("a third", late, 30.0, held=("mine", "mine too")) is None
    again = await store.claim("another's", late, 30.0)
    assert again is not None
    assert (again.id, again.deliveries) == (first.id, 2)

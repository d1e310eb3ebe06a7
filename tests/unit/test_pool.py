"""The workers of a process: slots, doorbell and sweep, heartbeat, stop, and what becomes of a task that fails."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from pool_ward import LONG, Ward

from jieqian.errors import LeaseLost, ModelNotFound, StoreError, StoreUnwritable
from jieqian.tasks.clock import steady
from jieqian.tasks.task import MAX_DELIVERIES, Status, Task
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import sample_first_events, sample_request, sample_section
from jieqian.worker.doorbell import InProcessDoorbell
from jieqian.worker.pool import WorkerCounts, WorkerPool


async def quiet() -> None:
    """Let everything that can go on go on: the memory store waits for nothing but turns of the loop."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest_asyncio.fixture
async def open_ward() -> AsyncIterator[Callable[..., Ward]]:
    """Opens a ward whose pool runs; stops it at the end."""
    wards: list[Ward] = []

    def open_one(*args, **options) -> Ward:
        wards.append(Ward(*args, **options))
        wards[-1].pool.start()
        return wards[-1]

    yield open_one
    for ward in wards:
        await ward.pool.stop()


async def test_a_ring_starts_a_task_at_once(open_ward):
    ward = open_ward()
    await quiet()
    task_id = await ward.bring()
    run = await ward.runs.next()  # the sweep comes in an hour
    assert (run.task.id, run.task.deliveries, run.task.status) == (task_id, 1, Status.RUNNING)
    run.finish()
    await ward.until(lambda counts: counts.active == 0)
    assert await ward.status(task_id) is Status.COMPLETED


async def test_what_waits_at_the_start_is_found_without_a_ring(open_ward):
    ward = Ward()
    task_id = await ward.bring(ring=False)
    ward.pool.start()
    assert (await ward.runs.next()).task.id == task_id
    await ward.pool.stop()


async def test_the_sweep_finds_what_nobody_rang_for(open_ward):
    ward = open_ward(sweep_seconds=0.01)
    await quiet()
    task_id = await ward.bring(ring=False)
    assert (await ward.runs.next()).task.id == task_id


async def test_the_sweep_finds_what_a_crash_left(open_ward):
    ward = Ward(sweep_seconds=0.01)
    task_id = (await ward.store.accept(sample_request(), sample_first_events, 10)).task.id
    assert await ward.store.claim("a worker that died", time.time() - 60, 30) is not None
    ward.pool.start()
    run = await ward.runs.next()
    assert (run.task.id, run.task.deliveries) == (task_id, 2)
    await ward.pool.stop()


async def test_one_ring_brings_all_that_waits(open_ward):
    ward = open_ward(slots=3)
    await quiet()
    tasks = [await ward.bring(ring=False) for _ in range(3)]
    ward.doorbell.ring()
    assert [(await ward.runs.next()).task.id for _ in tasks] == tasks


async def test_no_more_run_at_once_than_there_are_slots(open_ward):
    ward = open_ward(slots=2)
    assert ward.pool.counts == WorkerCounts(active=0, idle=2, error=0)
    tasks = [await ward.bring() for _ in range(5)]
    first, second = await ward.runs.next(), await ward.runs.next()
    await quiet()
    assert ward.runs.waiting == 0
    assert ward.pool.counts == WorkerCounts(active=2, idle=0, error=0)
    first.finish()
    third = await ward.runs.next()  # nobody rang
    await quiet()
    assert ward.runs.waiting == 0
    assert [run.task.id for run in (first, second, third)] == tasks[:3]
    assert len({first.token, second.token, third.token}) == 3


async def test_the_heartbeat_renews_the_lease(open_ward):
    ward = open_ward(lease_seconds=0.3, sweep_seconds=0.02)
    await ward.bring()
    run = await ward.runs.next()
    first_end = run.task.lease_expires_at
    async with asyncio.timeout(10):
        while (await ward.store.get(run.task.id)).lease_expires_at == first_end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    renewed = await ward.store.get(run.task.id)
    assert renewed.lease_expires_at > first_end
    assert (renewed.lease_token, renewed.deliveries) == (run.token, 1)
    run.finish()
    await run.ended.wait()


async def test_a_lost_lease_ends_the_work_and_leaves_the_task_to_its_holder(open_ward):
    ward = open_ward(lease_seconds=0.15, sweep_seconds=LONG)
    task_id = await ward.bring()
    run = await ward.runs.next()
    taken = await ward.store.claim("another process", time.time() + 1000, LONG)
    assert taken is not None
    async with asyncio.timeout(10):
        await run.ended.wait()
    assert run.cancelled
    await ward.until(lambda counts: counts.active == 0)
    held = await ward.store.get(task_id)
    assert (held.status, held.lease_token) == (Status.RUNNING, "another process")
    assert ward.pool.alive


async def test_work_that_meets_a_lost_lease_just_ends(open_ward):
    ward = open_ward()
    await ward.bring()
    (await ward.runs.next()).fail(LeaseLost())
    await ward.until(lambda counts: counts == WorkerCounts(active=0, idle=2, error=0))


@pytest.mark.parametrize("way", ["stop", "erase"])
async def test_stopping_or_erasing_ends_that_work_only(open_ward, way: str):
    ward = open_ward()
    tasks = [await ward.bring() for _ in range(3)]
    first, second = await ward.runs.next(), await ward.runs.next()
    if way == "stop":
        await ward.store.stop(tasks[0], "asker", time.time())
    else:
        await ward.store.erase(tasks[0], "asker")
    third = await ward.runs.next()  # into the freed slot
    assert first.cancelled
    assert not second.cancelled
    assert [second.task.id, third.task.id] == tasks[1:]
    second.finish()
    await second.ended.wait()
    assert await ward.status(tasks[1]) is Status.COMPLETED
    if way == "stop":
        assert await ward.status(tasks[0]) is Status.STOPPED


async def test_a_tasks_own_events_do_not_end_its_work(open_ward):
    ward = open_ward()
    task_id = await ward.bring()
    run = await ward.runs.next()
    await ward.store.append(task_id, run.token, [])
    await ward.store.end_attempt(task_id, run.token, 1, [])
    await quiet()
    assert not run.cancelled
    run.finish()
    await run.ended.wait()
    assert await ward.status(task_id) is Status.COMPLETED


async def test_work_stopped_before_its_first_step_gives_its_slot_back(open_ward):
    ward, stopped = open_ward(slots=1), asyncio.Event()

    class StopAtOnce(logging.Handler):
        """The claim is logged between the work's making and its first step."""

        def emit(self, record: logging.LogRecord) -> None:
            if getattr(record, "action", "") == "task_claimed":
                logger.removeHandler(self)
                ward.pool.task_changed(record.task_id, [])
                stopped.set()

    logger = logging.getLogger("jieqian.worker.pool")
    level, handler = logger.level, StopAtOnce()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        await ward.bring()
        await asyncio.wait_for(stopped.wait(), 10)
        await ward.until(lambda counts: counts.active == 0)
        assert ward.runs.waiting == 0
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    second = await ward.bring()
    assert (await ward.runs.next()).task.id == second


async def test_stop_gives_the_work_back_uncounted_with_its_sections(open_ward):
    ward = open_ward()
    tasks = [await ward.bring() for _ in range(2)]
    run = await ward.runs.next()
    await ward.store.finish_section(run.task.id, run.token, sample_section(), {}, [])
    assert ward.pool.alive
    await ward.pool.stop()
    assert not ward.pool.alive
    assert run.cancelled
    for task_id in tasks:
        task = await ward.store.get(task_id)
        assert (task.status, task.deliveries) == (Status.QUEUED, 0)
    assert (await ward.store.get(tasks[0])).sections == (sample_section(),)
    assert ward.pool.counts == WorkerCounts(active=0, idle=2, error=0)


class HeldClaims(MemoryTaskStore):
    """Its claims take the task at once, and answer when told."""

    def __init__(self, announce) -> None:
        super().__init__(announce)
        self.taken, self.answer = asyncio.Event(), asyncio.Event()

    async def claim(self, token: str, now: float, lease_seconds: float, **held: Any) -> Task | None:
        task = await super().claim(token, now, lease_seconds, **held)
        self.taken.set()
        await self.answer.wait()
        return task


async def test_a_claim_under_way_when_the_pool_stops_is_given_back(open_ward):
    ward = Ward(HeldClaims)
    task_id = await ward.bring()
    ward.pool.start()
    await ward.store.taken.wait()
    stopping = asyncio.create_task(ward.pool.stop())
    await quiet()
    ward.store.answer.set()
    await stopping
    task = await ward.store.get(task_id)
    assert (task.status, task.deliveries) == (Status.QUEUED, 0)
    assert ward.runs.waiting == 0


async def test_stop_before_start_is_harmless():
    ward = Ward()
    assert not ward.pool.alive
    await ward.pool.stop()


async def test_an_unexpected_error_delivers_again_and_counts(open_ward, caplog: pytest.LogCaptureFixture):
    ward = open_ward(slots=1)
    task_id = await ward.bring()
    (await ward.runs.next()).fail(ZeroDivisionError())
    again = await ward.runs.next()  # rung by the pool itself
    assert (again.task.id, again.task.deliveries) == (task_id, 2)
    assert "ZeroDivisionError" in caplog.text
    again.finish()
    await ward.until(lambda counts: counts == WorkerCounts(active=0, idle=1, error=0))
    assert await ward.status(task_id) is Status.COMPLETED


async def test_a_worker_whose_last_task_went_wrong_counts_as_error(open_ward):
    ward = open_ward(slots=2)
    task_id = await ward.bring()
    for _ in range(MAX_DELIVERIES + 1):
        (await ward.runs.next()).fail(ZeroDivisionError())
    await ward.until(lambda counts: counts.active == 0)
    assert ward.pool.counts.error >= 1
    assert ward.pool.counts.idle + ward.pool.counts.error == 2
    assert await ward.status(task_id) is Status.FAILED
    await ward.bring()
    (await ward.runs.next()).finish()
    await ward.until(lambda counts: counts == WorkerCounts(active=0, idle=2, error=0))


@pytest.mark.parametrize(
    ("error", "code"), [(ZeroDivisionError(), "internal_error"), (ModelNotFound(), "model_not_found")]
)
async def test_a_task_that_always_fails_ends_as_failed(open_ward, error: Exception, code: str):
    ward = open_ward(slots=1)
    task_id = await ward.bring()
    for delivery in range(1, MAX_DELIVERIES + 2):
        run = await ward.runs.next()
        assert run.task.deliveries == delivery
        run.fail(error)
    await ward.until(lambda counts: counts.active == 0)
    task = await ward.store.get(task_id)
    assert (task.status, task.deliveries) == (Status.FAILED, MAX_DELIVERIES + 1)
    assert task.error["code"] == code
    last = (await ward.store.events(task_id, 0, 100))[-1]
    assert (last.type, last.final) == ("failed", True)
    assert code in last.data
    assert ward.runs.waiting == 0


class Faulty(MemoryTaskStore):
    """Refuses what it is told to, once."""

    def __init__(self, announce) -> None:
        super().__init__(announce)
        self.refuse: set[str] = set()

    def _perhaps(self, name: str) -> None:
        if name in self.refuse:
            self.refuse.discard(name)
            raise StoreError("disk full")

    async def claim(self, token: str, now: float, lease_seconds: float, **held: Any) -> Task | None:
        self._perhaps("claim")
        return await super().claim(token, now, lease_seconds, **held)

    async def heartbeat(self, task_id: str, token: str, expires_at: float) -> None:
        self._perhaps("heartbeat")
        await super().heartbeat(task_id, token, expires_at)

    async def release(self, task_id: str, token: str, *, counts: bool) -> None:
        self._perhaps("release")
        await super().release(task_id, token, counts=counts)


async def test_a_store_that_fails_for_a_while_does_not_end_the_pool(open_ward, caplog: pytest.LogCaptureFixture):
    ward = open_ward(Faulty, slots=1, lease_seconds=0.3, sweep_seconds=0.02)
    ward.store.refuse = {"claim", "heartbeat", "release"}
    task_id = await ward.bring()
    run = await ward.runs.next()
    async with asyncio.timeout(10):
        while "heartbeat" in ward.store.refuse:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not run.cancelled  # one missed heartbeat is not a lost lease
    run.fail(ZeroDivisionError())
    again = await ward.runs.next()  # not given back: found once its lease ran out
    assert (again.task.id, again.task.deliveries) == (task_id, 2)
    again.finish()
    await again.ended.wait()
    assert ward.pool.alive
    for told in ("cannot claim", "no heartbeat", "cannot give back"):
        assert told in caplog.text


async def test_two_pools_share_the_work(open_ward):
    ward = open_ward(slots=1)
    other = WorkerPool(ward.store, ward.doorbell, ward.runs, slots=1, lease_seconds=LONG, sweep_seconds=0.02)
    other.start()
    tasks = {await ward.bring() for _ in range(2)}
    runs = [await ward.runs.next() for _ in range(2)]
    assert {run.task.id for run in runs} == tasks
    for run in runs:
        run.finish()
        await run.ended.wait()
    await other.stop()


class Full(MemoryTaskStore):
    """Takes no write of a task's life while `full` is set."""

    def __init__(self, announce) -> None:
        super().__init__(announce)
        self.full = False
        self.refused = 0

    async def _turn(self) -> None:
        await super()._turn()
        if self.full:
            self.refused += 1
            raise StoreUnwritable("disk full")


async def test_what_could_not_be_written_goes_on_when_the_store_takes_writes_again(open_ward):
    ward = open_ward(Full, slots=1, lease_seconds=LONG, sweep_seconds=0.02)
    task_id = await ward.bring()
    run = await ward.runs.next()
    ward.store.full = True
    run.fail(StoreUnwritable())
    await ward.until(lambda counts: counts.active == 0)
    async with asyncio.timeout(10):
        while ward.store.refused < 3:  # noqa: ASYNC110  it tries to give the task back, and asks no model meanwhile
            await asyncio.sleep(0.01)
    assert ward.runs.waiting == 0
    ward.store.full = False
    again = await ward.runs.next()  # an hour before its lease would have run out
    assert (again.task.id, again.task.deliveries) == (task_id, 1), "the store's fault is not the task's"
    again.finish()
    await ward.until(lambda counts: counts.active == 0)
    assert await ward.status(task_id) is Status.COMPLETED


async def test_however_often_it_cannot_be_written_it_is_no_crash_of_the_task(open_ward):
    ward = open_ward(slots=1, sweep_seconds=0.001)
    task_id = await ward.bring()
    for _ in range(MAX_DELIVERIES + 2):
        run = await ward.runs.next()
        assert run.task.deliveries == 1
        run.fail(StoreUnwritable())
    (await ward.runs.next()).finish()
    await ward.until(lambda counts: counts.active == 0)
    assert await ward.status(task_id) is Status.COMPLETED


async def test_what_is_owed_is_given_back_at_the_stop():
    ward = Ward(Full, slots=1)
    task_id = await ward.bring()
    ward.pool.start()
    (await ward.runs.next()).fail(StoreUnwritable())
    await ward.until(lambda counts: counts.active == 0)
    await ward.pool.stop()
    task = await ward.store.get(task_id)
    assert (task.status, task.deliveries) == (Status.QUEUED, 0)


class NoHeartbeats(MemoryTaskStore):
    """Renews no lease, as if the process had slept."""

    async def heartbeat(self, task_id: str, token: str, expires_at: float) -> None:
        raise StoreError("asleep")


async def test_a_pool_takes_no_task_from_itself_however_late_its_heartbeat_is(open_ward):
    ward = open_ward(NoHeartbeats, slots=2, lease_seconds=0.02, sweep_seconds=0.01)
    task_id = await ward.bring()
    run = await ward.runs.next()
    async with asyncio.timeout(10):
        while (await ward.store.get(task_id)).lease_expires_at > steady() - 0.1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert ward.runs.waiting == 0
    assert not run.cancelled
    assert (await ward.store.get(task_id)).deliveries == 1
    run.finish()
    await run.ended.wait()
    assert await ward.status(task_id) is Status.COMPLETED


class FaultyDoorbell(InProcessDoorbell):
    """Fails as nobody expects, now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.faults = 3

    async def wait(self, seconds: float) -> bool:
        if self.faults:
            self.faults -= 1
            raise ZeroDivisionError
        return await super().wait(seconds)


async def test_the_claiming_itself_outlives_an_unexpected_error(caplog: pytest.LogCaptureFixture):
    ward = Ward(slots=1, sweep_seconds=0.01)
    doorbell = FaultyDoorbell()
    pool = WorkerPool(ward.store, doorbell, ward.runs, slots=1, sweep_seconds=0.01)
    pool.start()
    async with asyncio.timeout(10):
        while doorbell.faults:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert pool.alive
    assert "ZeroDivisionError" in caplog.text
    await ward.bring(ring=False)
    (await ward.runs.next()).finish()
    await pool.stop()


async def test_a_place_that_is_lent_lets_another_work_and_is_waited_for_again():
    ward = Ward(slots=1)
    ward.pool.start()
    await ward.bring()
    first = await ward.runs.next()
    await ward.bring()
    first.place.lend()
    second = await ward.runs.next()
    assert ward.pool.counts == WorkerCounts(active=1, idle=0, error=0), "one only watches"
    assert ward.pool.has_work
    again = asyncio.create_task(first.place.take_back())
    await asyncio.sleep(0)
    assert not again.done()
    second.finish()
    async with asyncio.timeout(10):
        await again
    assert ward.pool.counts == WorkerCounts(active=1, idle=0, error=0)
    first.finish()
    await ward.until(lambda counts: counts == WorkerCounts(active=0, idle=1, error=0))
    await ward.bring()
    await ward.runs.next()  # the place was given back just once: there is one, and no more
    await ward.bring()
    await asyncio.sleep(0.01)
    assert not ward.runs.waiting
    await ward.pool.stop()


async def test_a_task_that_is_stopped_while_its_place_is_lent_gives_nothing_back_twice():
    ward = Ward(slots=1)
    ward.pool.start()
    task_id = await ward.bring()
    first = await ward.runs.next()
    first.place.lend()
    assert ward.pool.has_work, "whoever began the generation may be gone, and the model writes for this one"
    await ward.store.stop(task_id, sample_request().caller, 0.0)
    async with asyncio.timeout(10):
        await first.ended.wait()
    await ward.until(lambda _: not ward.pool.has_work)
    assert ward.pool.counts == WorkerCounts(active=0, idle=1, error=0)
    for _ in range(2):
        await ward.bring()
    await ward.runs.next()
    await asyncio.sleep(0.01)
    assert not ward.runs.waiting
    await ward.pool.stop()


# -- a worker for a task that is only being accepted -------------------------------------------------------------------


async def accept_with(ward: Ward, **changes: Any) -> Any:
    async with ward.pool.free_worker() as worker:
        return await ward.store.accept(sample_request(**changes), sample_first_events, 100, None, worker)


async def test_a_free_worker_begins_without_a_claim(open_ward):
    ward = open_ward(slots=1)
    await quiet()
    accepted = await accept_with(ward)
    assert accepted.begun
    run = await ward.runs.next()
    assert (run.task.id, run.task.deliveries) == (accepted.task.id, 1)
    second = await accept_with(ward)  # all work: it waits as ever
    assert not second.begun
    ward.doorbell.ring()
    run.finish()
    following = await ward.runs.next()
    assert following.task.id == second.task.id
    following.finish()
    await ward.until(lambda counts: counts.idle == 1)


async def test_a_worker_that_got_nothing_is_free_again(open_ward):
    ward = open_ward(slots=1)
    await quiet()
    for _ in range(3):
        async with ward.pool.free_worker() as worker:
            assert worker is not None
            async with ward.pool.free_worker() as another:
                assert another is None, "there is one"
    assert (await accept_with(ward)).begun
    (await ward.runs.next()).finish()


async def test_who_is_cut_off_while_accepting_leaves_the_task_to_the_queue(open_ward):
    """The commit comes after the asker's request was given up: the place is somebody else's by then."""
    ward = open_ward(slots=1)
    await quiet()
    async with ward.pool.free_worker() as worker:
        assert worker is not None
    accepted = await ward.store.accept(sample_request(), sample_first_events, 100, None, worker)
    assert accepted.begun
    run = await ward.runs.next()  # given back, and claimed
    assert (run.task.id, run.task.deliveries) == (accepted.task.id, 1)
    run.finish()
    await ward.until(lambda counts: counts.idle == 1)
    assert await ward.status(accepted.task.id) is Status.COMPLETED


async def test_no_worker_is_free_before_the_start_and_after_the_stop(open_ward):
    ward = Ward()
    assert not (await accept_with(ward)).begun
    ward.pool.start()
    (await ward.runs.next()).finish()
    await ward.until(lambda counts: counts.active == 0)
    await ward.pool.stop()
    assert not (await accept_with(ward)).begun

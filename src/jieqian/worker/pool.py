"""The workers of one process: claim, lease, heartbeat, run, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from jieqian.errors import JieqianError, LeaseLost, StoreError, StoreUnwritable
from jieqian.events.event import Failed, StoredEvent
from jieqian.tasks.clock import steady
from jieqian.tasks.store import FreeWorker, TaskStore
from jieqian.tasks.task import LEASE_SECONDS, MAX_DELIVERIES, Status, Task
from jieqian.tasks.timings import settled
from jieqian.worker.doorbell import Doorbell
from jieqian.worker.place import Place

logger = logging.getLogger(__name__)

#: How often a worker looks without being rung, for what a crash left behind, in seconds.
SWEEP_SECONDS = 5.0
#: When it looks for another task after it found one and nobody rings, in seconds: until then what that one writes first
#: goes before.
NEXT_SECONDS = 0.005
#: The longest rest after tasks that the database would not take the work of (a nearly full disk), in seconds.
LONGEST_REST_SECONDS = 60.0

RunTask = Callable[[Task, str, Place], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """Workers by what they do. `error`: those whose last task ended in an unexpected error."""

    active: int
    idle: int
    error: int


class WorkerPool:
    """Runs up to `slots` tasks at a time, each under a lease of its own."""

    def __init__(
        self,
        store: TaskStore,
        doorbell: Doorbell,
        run_task: RunTask,
        *,
        slots: int,
        lease_seconds: float = LEASE_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
        on_end: Callable[[Task], None] = lambda _task: None,
    ) -> None:
        """`on_end` is told of a task that the pool itself ended as failed."""
        self.slots = slots
        self._store = store
        self._doorbell = doorbell
        self._run_task = run_task
        self._on_end = on_end
        self._lease_seconds = lease_seconds
        self._sweep_seconds = sweep_seconds
        self._free = asyncio.Semaphore(slots)
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}  # by lease token: task id, its work
        self._places: dict[str, Place] = {}  # by lease token
        self._owed: dict[str, tuple[str, bool]] = {}  # by lease token: a task to be given back, and whether it counts
        self._unwritable = 0  # tasks in a row whose work could not be written
        self._rest_until = 0.0
        self._failing = 0
        self._giving_back: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    @property
    def counts(self) -> WorkerCounts:
        """What the workers do just now."""
        active = sum(not place.lent for place in self._places.values())
        error = min(self._failing, self.slots - active)
        return WorkerCounts(active=active, idle=self.slots - active - error, error=error)

    @property
    def has_work(self) -> bool:
        """Whether any task is under way just now, be it one that only watches another's generation."""
        return bool(self._running)

    @property
    def running(self) -> set[str]:
        """The ids of the tasks under way."""
        return {task_id for task_id, _ in self._running.values()}

    def start(self) -> None:
        """Begin to claim tasks."""
        self._loop = asyncio.create_task(self._claim_for_ever(), name="worker-pool")

    @property
    def alive(self) -> bool:
        """Whether tasks are being claimed."""
        return self._loop is not None and not self._loop.done()

    async def stop(self) -> None:
        """Stop claiming; give the tasks under way back to the queue, their finished sections kept."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        running = [work for _, work in self._running.values()]
        for work in running:
            work.cancel()
        await asyncio.gather(*running, *self._giving_back, return_exceptions=True)
        self._rest_until = 0.0
        await self._give_back_owed()

    def task_changed(self, task_id: str, events: Sequence[StoredEvent]) -> None:
        """A task was stopped or erased (by anybody): whoever works on it stops at once."""
        if not events or events[-1].type == "stopped":
            for running_id, work in self._running.values():
                if running_id == task_id:
                    work.cancel()

    async def _claim_for_ever(self) -> None:
        while True:
            try:
                while await self._claim_one():
                    await self._doorbell.wait(NEXT_SECONDS)
                await self._doorbell.wait(self._sweep_seconds)
            except StoreError as error:
                logger.error("cannot claim: %s", error, extra={"action": "claim_failed"})
                await self._doorbell.wait(self._sweep_seconds)
            except Exception:
                # Whatever it is, claiming goes on: a worker that stopped here would leave every asker waiting.
                logger.exception("cannot claim", extra={"action": "claim_failed"})
                await asyncio.sleep(self._sweep_seconds)

    async def _claim_one(self) -> bool:
        """Wait for a free slot and begin the next task; says whether there was one."""
        await self._free.acquire()
        token = str(uuid.uuid4())
        task = None
        try:
            await self._give_back_owed()
            task = await self._claim(token)
        finally:
            if task is None:
                self._free.release()
        if task is None:
            return False
        self._begin(task, token)
        return True

    def _begin(self, task: Task, token: str) -> None:
        """Work on a task that is leased under that token; a place was taken for it."""
        place = self._places[token] = Place(self._free)
        work = asyncio.create_task(self._work_on(task, token, place), name=f"task-{task.id}")
        self._running[token] = (task.id, work)
        # Not in the work's own `finally`: work that is stopped before its first step never gets there.
        work.add_done_callback(partial(self._left, task, token))
        self._log_counts("task_claimed", task)

    @asynccontextmanager
    async def free_worker(self) -> AsyncIterator[FreeWorker | None]:
        """A worker for a task that is accepted within this block; None where all work, or none may now."""
        if not self.alive or self._free.locked() or time.monotonic() < self._rest_until:
            yield None
            return
        await self._free.acquire()  # returns at once
        token, now = str(uuid.uuid4()), steady()
        free = True

        def begin(task: Task) -> None:
            nonlocal free
            if free and self.alive:
                free = False
                self._begin(task, token)
            else:  # whoever asked was cut off before the commit, or all stops
                self._giving_back.add(giving := asyncio.create_task(self._give_back(task.id, token, counts=False)))
                giving.add_done_callback(self._giving_back.discard)

        try:
            yield FreeWorker(token, now, now + self._lease_seconds, begin)
        finally:
            if free:
                free = False
                self._free.release()

    async def _claim(self, token: str) -> Task | None:
        claim = self._store.claim(token, steady(), self._lease_seconds, held=(*self._running, *self._owed))
        claiming = asyncio.ensure_future(claim)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # The claim is made all the same: without this its task would wait for the lease to run out.
            with contextlib.suppress(StoreError):
                task = await claiming
                if task is not None:
                    await self._give_back(task.id, token, counts=False)
            raise

    async def _work_on(self, task: Task, token: str, place: Place) -> None:
        heartbeat = asyncio.create_task(self._beat(task.id, token, asyncio.current_task()), name=f"heartbeat-{task.id}")
        try:
            await self._run_task(task, token, place)
            self._failing = self._unwritable = 0
        except LeaseLost:
            logger.info("lease lost", extra={"action": "lease_lost", "task_id": task.id})
        except asyncio.CancelledError:
            # Stopped or erased: the lease is gone and there is nothing to give back. Stopping in order: it is.
            await self._give_back(task.id, token, counts=False)
            raise
        except StoreUnwritable as error:
            # Not the task's fault, so it does not count; and no use to try again before the database takes writes.
            logger.error("cannot write: %s", error, extra={"action": "task_unwritable", "task_id": task.id})
            self._owe_after_a_rest(task.id, token)
        except Exception as error:
            # Whatever it is, the task must not be lost: it is delivered again; it ends as failed once that is no use.
            self._failing += 1
            logger.exception("unexpected error", extra={"action": "task_error", "task_id": task.id})
            if task.deliveries > MAX_DELIVERIES:
                await self._give_up(task, token, error)
            else:
                await self._give_back(task.id, token, counts=True)
        finally:
            heartbeat.cancel()

    def _left(self, task: Task, token: str, _work: asyncio.Task[None]) -> None:
        self._running.pop(token, None)
        self._places.pop(token).leave()
        self._log_counts("task_left", task)

    async def _give_back(self, task_id: str, token: str, *, counts: bool) -> None:
        try:
            await self._store.release(task_id, token, counts=counts)
        except LeaseLost:
            return
        except StoreError as error:
            logger.error("cannot give back: %s", error, extra={"action": "release_failed", "task_id": task_id})
            self._owed[token] = (task_id, counts)
            return
        self._doorbell.ring()

    def _owe_after_a_rest(self, task_id: str, token: str) -> None:
        """Where a little can be written and the rest cannot, every try would ask the model again: the rests grow."""
        self._owed[token] = (task_id, False)
        rest = min(self._sweep_seconds * 2**self._unwritable, LONGEST_REST_SECONDS)
        self._unwritable = min(self._unwritable + 1, 10)
        self._rest_until = time.monotonic() + rest

    async def _give_back_owed(self) -> None:
        """Give back what could not be when its work ended: so it goes on at once, not when its lease runs out."""
        if not self._owed or time.monotonic() < self._rest_until:
            return
        owed, self._owed = self._owed, {}
        for token, (task_id, counts) in owed.items():
            await self._give_back(task_id, token, counts=counts)

    async def _give_up(self, task: Task, token: str, error: Exception) -> None:
        problem = (error if isinstance(error, JieqianError) else JieqianError()).problem()
        timings = settled(task, time.time())
        try:
            await self._store.end(task.id, token, Status.FAILED, timings, [Failed(problem)], error=problem)
            self._on_end(replace(task, status=Status.FAILED, timings=timings))
        except (LeaseLost, StoreError):
            logger.exception("cannot end a failed task", extra={"action": "give_up_failed", "task_id": task.id})

    async def _beat(self, task_id: str, token: str, worker: asyncio.Task[None] | None) -> None:
        """Renew the lease three times in its span; a lost one ends the work, so that two never write."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await self._store.heartbeat(task_id, token, steady() + self._lease_seconds)
            except LeaseLost:
                if worker is not None:
                    worker.cancel()
                return
            except StoreError as error:
                logger.error("no heartbeat: %s", error, extra={"action": "heartbeat_failed", "task_id": task_id})

    def _log_counts(self, action: str, task: Task) -> None:
        now = self.counts
        logger.info(
            action,
            extra={"action": action, "task_id": task.id, "active": now.active, "idle": now.idle, "error": now.error},
        )

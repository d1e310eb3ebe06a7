"""A worker pool with everything around it, and runs that wait to be told how they end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from jieqian.events.event import Completed
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Status, Task
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import sample_first_events, sample_request
from jieqian.worker.doorbell import InProcessDoorbell
from jieqian.worker.place import Place
from jieqian.worker.pool import WorkerCounts, WorkerPool

LONG = 3600.0


@dataclass
class Run:
    """One delivery under way, waiting to be told how it ends."""

    task: Task
    token: str
    place: Place
    told: asyncio.Future[None]
    ended: asyncio.Event
    cancelled: bool = False

    def finish(self) -> None:
        self.told.set_result(None)

    def fail(self, error: Exception) -> None:
        self.told.set_exception(error)


class ScriptedRuns:
    """A `RunTask` whose runs wait to be told; a run that finishes completes its task."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._started: asyncio.Queue[Run] = asyncio.Queue()

    async def __call__(self, task: Task, token: str, place: Place) -> None:
        run = Run(task, token, place, asyncio.get_running_loop().create_future(), asyncio.Event())
        self._started.put_nowait(run)
        try:
            await run.told
            await self._store.end(task.id, token, Status.COMPLETED, {}, [Completed({})])
        except asyncio.CancelledError:
            run.cancelled = True
            raise
        finally:
            run.ended.set()

    async def next(self) -> Run:
        async with asyncio.timeout(10):
            return await self._started.get()

    @property
    def waiting(self) -> int:
        """Runs that began and were not looked at."""
        return self._started.qsize()


class Ward:
    """A pool with everything around it."""

    def __init__(self, make_store: Callable[..., MemoryTaskStore] = MemoryTaskStore, **options) -> None:
        self.store = make_store(lambda task_id, events: self.pool.task_changed(task_id, events))
        self.doorbell = InProcessDoorbell()
        self.runs = ScriptedRuns(self.store)
        settings = {"slots": 2, "lease_seconds": LONG, "sweep_seconds": LONG} | options
        self.pool = WorkerPool(self.store, self.doorbell, self.runs, **settings)

    async def bring(self, *, ring: bool = True) -> str:
        accepted = await self.store.accept(sample_request(), sample_first_events, 100)
        if ring:
            self.doorbell.ring()
        return accepted.task.id

    async def status(self, task_id: str) -> Status:
        return (await self.store.get(task_id)).status

    async def until(self, holds: Callable[[WorkerCounts], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds(self.pool.counts):  # noqa: ASYNC110  counts have no event of their own
                await asyncio.sleep(0.001)

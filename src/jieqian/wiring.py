"""The only place that names concrete classes: the whole house, put together from the settings."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jieqian.checks.language import resolve_language
from jieqian.errors import StoreError, UsageError
from jieqian.events.event import StoredEvent
from jieqian.events.live import LiveEvents
from jieqian.llm.client import ModelInfo
from jieqian.llm.selection import Choice, choose_client
from jieqian.logs import LOOP_BLOCKED
from jieqian.lots.library import LotLibrary
from jieqian.metrics.loop_watch import Block, LoopWatch, watch
from jieqian.metrics.prometheus import Metrics
from jieqian.reading.accept import FrontDesk, ReadingRequest, accept_request, care_for
from jieqian.reading.engines import Engines
from jieqian.reading.reading import timings_of
from jieqian.reading.record import log_end
from jieqian.reading.run import Desk, run_reading
from jieqian.sections.retelling import Retelling
from jieqian.sections.sequential import Sequential
from jieqian.sections.strategy import Strategy, WritingOptions
from jieqian.sections.warming import warm_up
from jieqian.settings import Settings, make_data_dir, session_secret
from jieqian.tasks.database import migrate, url_of
from jieqian.tasks.limits import RateLimit
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.store import Accepted
from jieqian.tasks.task import Mode, Status, StrategyName, Task
from jieqian.worker.doorbell import InProcessDoorbell
from jieqian.worker.pool import WorkerPool
from jieqian.worker.positions import Estimate, tell_positions

logger = logging.getLogger(__name__)

#: The longest answer asked for, in tokens: seven sections in Chinese take about 1,400, thinking comes on top.
MOST_TOKENS = 3000
#: How often the counts behind the gauges are read from the database, in seconds.
GAUGE_SECONDS = 5.0


class House:
    """One running service: its parts, started and stopped in order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.owner = own_data_dir(settings.data_dir)
        self.secret = session_secret(settings)
        url = url_of(settings)
        migrate(url)
        self.live = LiveEvents()
        self.metrics = Metrics()
        self.store = SqlTaskStore(url, announce=self._announce)
        self.lots = LotLibrary.in_data_dir(settings.data_dir)
        self.engines = Engines(
            lambda: choose(settings), strategy_for, lambda model, mode: options(settings, model, mode)
        )
        self.doorbell = InProcessDoorbell()
        self.pool = WorkerPool(self.store, self.doorbell, self._run_task, slots=settings.workers, on_end=self._ended)
        self.estimate = Estimate(settings.workers, lambda: self.pool.counts.active)
        self.rate_limit = RateLimit(settings.rate_limit_per_minute)
        self._front = FrontDesk(
            store=self.store,
            lots=self.lots,
            estimate=self.estimate,
            max_queue=settings.max_queue,
            rate_limit=self.rate_limit,
        )
        self._desk = Desk(
            store=self.store,
            lots=self.lots,
            engines=self.engines,
            metrics=self.metrics,
            deadline_seconds=settings.task_deadline_seconds,
        )
        self.works_here = False
        self._loop_watch: LoopWatch | None = None
        self._counts: dict[Status, int] = {}
        self._side_tasks: list[asyncio.Task[None]] = []
        self._show_gauges()

    async def start(self, *, with_worker: bool = True) -> None:
        """Look for models and begin to work."""
        await asyncio.to_thread(warm_checks)
        await self.engines.start()
        released = await self.store.release_leases()  # we own the data: whoever held them is gone
        if released:
            logger.info("taken over", extra={"action": "leases_released", "tasks": released})
        if self.settings.loop_watch_ms is not None:
            self._loop_watch = watch(asyncio.get_running_loop(), self.settings.loop_watch_ms, log_block)
        self.works_here = with_worker
        if with_worker:
            self.pool.start()
        self._side_tasks = [
            asyncio.create_task(tell_positions(self.store, self.live, self.estimate), name="positions"),
            asyncio.create_task(self._keep_counting(), name="gauges"),
        ]

    async def stop(self) -> None:
        """Give tasks under way back to the queue and close everything."""
        self.live.close()
        await self.pool.stop()
        for side_task in self._side_tasks:
            side_task.cancel()
        await asyncio.gather(*self._side_tasks, return_exceptions=True)
        if self._loop_watch is not None:
            await asyncio.to_thread(self._loop_watch.stop)
        await self.engines.close()
        await self.store.close()
        self.owner.release()

    async def accept(
        self,
        asked: ReadingRequest,
        caller: str,
        idempotency_key: str | None = None,
        *,
        arrived: float = 0.0,
        limited_as: str | None = None,
    ) -> Accepted:
        """Check and store a request, and wake a worker; see `accept_request`."""
        accepted = await accept_request(
            asked,
            caller,
            self._front,
            idempotency_key=idempotency_key,
            arrived=arrived or time.time(),
            limited_as=limited_as,
        )
        if accepted.created:
            task = accepted.task
            self.metrics.task_accepted(task.collection, task.language.value)
            if task.care:
                self.metrics.care_given(str(task.care["kind"]))
                self._ended(task)
            else:
                self.doorbell.ring()
        return accepted

    async def stop_task(self, task_id: str, caller: str) -> Task:
        """Stop the caller's task; one that has ended is left as it is."""
        now = time.time()
        task = await self.store.stop(task_id, caller, now)
        if task.ended_at == now:
            self._ended(task)
        return task

    def _ended(self, task: Task) -> None:
        """Count and log a task that ended without a worker's report."""
        timings = timings_of(task, task.timings)
        self.metrics.reading_ended(timings, task.status.value)
        log_end(task.status.value, timings)

    async def _run_task(self, task: Task, token: str) -> None:
        begun = time.perf_counter()
        await run_reading(task, token, self._desk)
        self.estimate.reading_took(time.perf_counter() - begun)

    def _announce(self, task_id: str, events: Sequence[StoredEvent]) -> None:
        self.live.announce(task_id, events)
        self.pool.task_changed(task_id, events)

    async def _keep_counting(self) -> None:
        while True:
            try:
                self._counts = await self.store.counts()
            except StoreError as error:
                logger.error("cannot count: %s", error, extra={"action": "counting_failed"})
            await asyncio.sleep(GAUGE_SECONDS)

    def _show_gauges(self) -> None:
        gauge, total = self.metrics.gauge, self.metrics.total
        gauge("jieqian_workers", "Workers by what they do", "state", self._worker_states)
        gauge(
            "jieqian_queue_tasks",
            "Tasks not ended",
            "status",
            lambda: {status.value: float(number) for status, number in self._counts.items()},
        )
        gauge("jieqian_event_streams", "Open event streams", "state", lambda: {"open": self.live.open_streams})
        total("jieqian_lot_lookups", "Look-ups of a lot", lambda: self.lots.lookups)
        total("jieqian_lot_hits", "Look-ups of a lot that found one", lambda: self.lots.hits)

    def _worker_states(self) -> dict[str, float]:
        counts = self.pool.counts
        return {"active": counts.active, "idle": counts.idle, "error": counts.error}


def warm_checks() -> None:
    """Read tables and compile patterns before the first question comes, not while it waits."""
    warm_up()
    care_for("籤", resolve_language(None, "籤"))


def log_block(block: Block) -> None:
    """Say what kept the event loop from its work."""
    logger.error(LOOP_BLOCKED, extra={"action": "loop_blocked", "ms": round(block.ms), "stack": block.stack})


def own_data_dir(data_dir: Path) -> FileLock:
    """Make the data folder and become its one owner. Raises `UsageError` where it cannot be used or is owned."""
    try:
        make_data_dir(data_dir)
        lock = FileLock(data_dir / "jieqian.lock", thread_local=False)
        lock.acquire(timeout=0)
        (data_dir / "jieqian.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    except Timeout as error:
        raise UsageError(
            f"Another jieqian process uses the data folder {data_dir}. Stop it, or set JIEQIAN_DATA_DIR to another."
        ) from error
    except OSError as error:
        raise UsageError(f"The data folder {data_dir} cannot be used: {error}. Set JIEQIAN_DATA_DIR.") from error
    return lock


async def choose(settings: Settings) -> Choice:
    """Which model server, and which of its models."""
    return await choose_client(
        provider=settings.llm_provider.value,
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key,
        model=settings.llm_model,
        fast_model=settings.llm_fast_model,
        context_tokens=settings.llm_context_tokens,
    )


def strategy_for(model: ModelInfo, _asked: StrategyName) -> Strategy:
    """How this model is asked. `parallel` will be chosen here once it is there; until then it is `sequential`."""
    return Retelling() if model.tiny else Sequential()


def options(settings: Settings, model: ModelInfo, mode: Mode) -> WritingOptions:
    """The mode's options for this model."""
    window: dict[str, Any] = {
        "context_tokens": min(settings.llm_context_tokens, model.context_tokens or settings.llm_context_tokens)
    }
    thinking = model.thinking_off if mode is Mode.FAST and model.thinking_off is not None else None
    if thinking is None and model.thinking:
        thinking = model.thinking[0]
    return WritingOptions(
        max_tokens=min(MOST_TOKENS, window["context_tokens"] // 2),
        thinking=thinking,
        first_token_seconds=settings.llm_first_token_seconds,
        between_tokens_seconds=settings.llm_silence_seconds,
        **window,
    )

"""Makes candidates after readings have ended, one at a time and off the askers' path.

What waits is kept in memory alone: a crash loses the candidates of the last readings, never a reading. The queue is
bounded, and what does not fit is dropped and counted, so a busy hour costs candidates and not memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from jieqian.errors import StoreError, UnknownCollection, UnknownLot, UnknownTask
from jieqian.faq.candidate import Looked, Passed, look_at
from jieqian.faq.entry import FaqEntry
from jieqian.lots.library import LotLibrary
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Task

logger = logging.getLogger(__name__)

#: Readings that may wait to be looked at.
MOST_WAITING = 10_000
#: While readings are being written it rests so many times as long as the last candidate took.
_RESTS, _LOOK_SECONDS = 20, 0.1
#: How many of a lot's entries a new question is compared with.
_MOST_COMPARED = 500
#: How long an orderly stop waits for the candidates of the last readings, in seconds.
STOP_SECONDS = 5.0


class FaqMeasured(Protocol):
    """Whoever counts candidates."""

    def faq_done(self, outcome: str, seconds: float | None) -> None:
        """`made`, `dropped`, `failed`, `erased`, or why there is none (`Passed`); None where nothing was looked at."""
        ...


class FaqScribe:
    """Offers each ended reading for review, where it is worth one."""

    def __init__(
        self,
        store: TaskStore,
        lots: LotLibrary,
        metrics: FaqMeasured,
        *,
        most_waiting: int = MOST_WAITING,
        most_unanswered: int = 0,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`most_unanswered`: so many questions are kept for which no approved entry was found; 0: none."""
        self._store = store
        self._lots = lots
        self._metrics = metrics
        self._most_unanswered = most_unanswered
        self._waiting: asyncio.Queue[str] = asyncio.Queue(most_waiting)
        self._work: asyncio.Task[None] | None = None
        self._is_busy = is_busy
        self._took = 0.0
        self._hurry = asyncio.Event()

    def offer(self, task_id: str) -> None:
        """A reading has ended and its asker has it. Returns at once."""
        try:
            self._waiting.put_nowait(task_id)
        except asyncio.QueueFull:
            self._metrics.faq_done("dropped", None)
            logger.warning("candidate dropped", extra={"action": "faq_dropped", "task_id": task_id})

    def start(self) -> None:
        """Begin to work."""
        self._work = asyncio.create_task(self._work_on(), name="faq")

    async def settled(self) -> None:
        """Wait until nothing waits."""
        await self._waiting.join()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Finish what waits, for so long; the rest is dropped. The store must still be open."""
        if self._work is None:
            return
        self._hurry.set()
        try:
            async with asyncio.timeout(seconds):
                await self.settled()
        except TimeoutError:
            logger.warning("candidates dropped", extra={"action": "faq_dropped", "tasks": self._waiting.qsize()})
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)
        self._work = None

    async def _work_on(self) -> None:
        while True:
            task_id = await self._waiting.get()
            try:
                await self._a_quiet_moment()
                begun = time.perf_counter()
                await self._look_at(task_id)
                self._took = time.perf_counter() - begun
            except Exception:
                # Whatever it is, later readings are still to be looked at, and no asker is concerned.
                self._metrics.faq_done("failed", None)
                logger.exception("no candidate", extra={"action": "faq_failed", "task_id": task_id})
            finally:
                self._waiting.task_done()

    async def _a_quiet_moment(self) -> None:
        """Masking takes processor time that readings under way need: beside them it gets a small share of it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._took * _RESTS):
                while self._is_busy() and not self._hurry.is_set():  # noqa: ASYNC110 (nobody tells when all is quiet)
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _look_at(self, task_id: str) -> None:
        begun = time.perf_counter()
        try:
            task = await self._store.get(task_id)
            looked = await self._looked_at(task)
        except (UnknownTask, UnknownLot, UnknownCollection):  # erased or withdrawn meanwhile
            self._metrics.faq_done("erased", None)
            return
        if not task.status.ended:  # given back: whoever ends it offers it again
            return
        made = looked.candidate
        outcome = made.value if isinstance(made, Passed) else "made"
        if isinstance(made, FaqEntry) and not await self._store.add_faq_entry(made):
            outcome = "erased"
        if looked.unanswered is not None:
            await self._store.add_unanswered(looked.unanswered, self._most_unanswered)
        seconds = time.perf_counter() - begun
        faq_ms = round(seconds * 1000, 1)
        try:
            await self._store.time_after_end(task_id, {"faq_ms": faq_ms})
        except StoreError as error:
            logger.error("faq_ms is lost: %s", error, extra={"action": "faq_untimed", "task_id": task_id})
        self._metrics.faq_done(outcome, seconds)
        logger.info("faq", extra={"action": "faq", "task_id": task_id, "outcome": outcome, "faq_ms": faq_ms})

    async def _looked_at(self, task: Task) -> Looked:
        known = await self._store.faq_questions(task.collection, task.lot, task.language, _MOST_COMPARED)
        return await asyncio.to_thread(self._compute, task, known)

    def _compute(self, task: Task, known: list[str]) -> Looked:
        lot, collection = self._lots.lot(task.collection, task.lot), self._lots.collection(task.collection)
        return look_at(task, lot, collection, known, keeps_unanswered=self._most_unanswered > 0)

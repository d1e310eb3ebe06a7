"""Tells the operator's address of each ended task: off the askers' path, tried again for days, over restarts too."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import aiohttp

from jieqian import __version__
from jieqian.errors import StoreError, UnknownTask
from jieqian.tasks.store import Notice, TaskStore
from jieqian.tasks.task import Task
from jieqian.webhook.message import body_of, headers_of

logger = logging.getLogger(__name__)

#: Seconds between one try and the next (the specification's example); after the last the receiver is given up on.
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
_ANSWER_SECONDS = 15.0
#: So many are told at a time, and looked up at a time: what waits lies in the database.
_AT_ONCE, _LOOKED_UP = 4, 100
_LOOK_SECONDS = 30.0
_GONE = 410


class WebhookSender:
    """One receiver. `skips` names callers whose tasks concern nobody (the service's own)."""

    def __init__(
        self,
        store: TaskStore,
        url: str,
        key: bytes,
        *,
        skips: frozenset[str] = frozenset(),
        waits: Sequence[float] = WAITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._url = url
        self._key = key
        self._skips = skips
        self._waits = waits
        self._clock = clock
        self._rung = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """A task has ended. Returns at once."""
        self._rung.set()

    def start(self) -> None:
        """Begin: first what waits since before the start."""
        self._rung.set()
        self._work = asyncio.create_task(self._work_on(), name="webhook")

    async def stop(self) -> None:
        """Leave off; what was not told is told after the next start."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
            self._work = None

    async def _work_on(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, headers={"user-agent": f"jieqian/{__version__}"}) as session:
            while True:
                self._rung.clear()
                try:
                    full = await self._tell_due(session)
                except StoreError as error:
                    logger.error("cannot look for what to tell: %s", error, extra={"action": "webhook_store"})
                    full = False
                if not full:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._rung.wait(), min(_LOOK_SECONDS, *self._waits))

    async def _tell_due(self, session: aiohttp.ClientSession) -> bool:
        """Tell what is due; whether there may be more."""
        due = await self._store.due_notices(self._clock(), _LOOKED_UP)
        room = asyncio.Semaphore(_AT_ONCE)

        async def tell(notice: Notice) -> None:
            async with room:
                await self._tell(session, notice)

        await asyncio.gather(*(tell(notice) for notice in due))
        return len(due) == _LOOKED_UP

    async def _tell(self, session: aiohttp.ClientSession, notice: Notice) -> None:
        try:
            task = await self._store.get(notice.task_id)
        except UnknownTask:  # erased a moment ago, its notice with it
            return
        if task.caller in self._skips:
            await self._store.forget_notice(task.id)
            return
        fault = await self._send(session, task)
        tries = notice.tries + 1
        if fault is None or fault == _GONE or tries > len(self._waits):
            await self._store.forget_notice(task.id)
        else:
            wait = self._waits[tries - 1] * random.uniform(1.0, 1.1)
            await self._store.put_off_notice(task.id, tries, self._clock() + wait)
        if fault is None:
            logger.info("webhook told", extra={"action": "webhook_told", "task_id": task.id, "tries": tries})
        else:
            told = {"action": "webhook_failed", "task_id": task.id, "tries": tries, "answer": fault}
            logger.warning("the webhook was not taken: %s", fault, extra=told)

    async def _send(self, session: aiohttp.ClientSession, task: Task) -> int | str | None:
        """None where it was taken; else the status or what went wrong. A redirect is not followed, so not taken."""
        body = body_of(task)
        headers = headers_of(task.id, body, self._key, self._clock())
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                return None if 200 <= answer.status < 300 else answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__

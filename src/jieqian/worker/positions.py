"""Tells waiting askers their place in the queue, and how long it may take."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from statistics import median

from jieqian.errors import StoreError
from jieqian.events.event import Queued
from jieqian.events.live import LiveEvents
from jieqian.events.sse import encode_frame
from jieqian.tasks.store import TaskStore

logger = logging.getLogger(__name__)

#: How often a place is looked up, in seconds; an asker hears of it only when it changed.
TELL_SECONDS = 2.0
#: How many of the last readings the estimate rests on.
REMEMBERED = 50


class Estimate:
    """How long until a task starts, from the last readings of this process."""

    def __init__(self, slots: int, active: Callable[[], int]) -> None:
        self._slots = slots
        self._active = active
        self._seconds: list[float] = []

    def reading_took(self, seconds: float) -> None:
        """Remember how long one reading held a worker."""
        self._seconds = [*self._seconds[1 - REMEMBERED :], seconds]

    def seconds_until_start(self, ahead: int) -> float | None:
        """Seconds, or None while no reading was measured and there is somebody to wait for."""
        to_wait_for = ahead + self._active() - self._slots + 1
        if to_wait_for <= 0:
            return 0.0
        return round(to_wait_for * median(self._seconds) / self._slots, 1) if self._seconds else None


async def tell_positions(store: TaskStore, live: LiveEvents, estimate: Estimate, seconds: float = TELL_SECONDS) -> None:
    """Send each watched, waiting task its new place; runs until cancelled."""
    told: dict[str, int] = {}
    while True:
        await asyncio.sleep(seconds)
        watched = live.watched()
        try:
            ahead = await store.ahead_of(watched) if watched else {}
        except StoreError as error:
            logger.error("no queue positions: %s", error, extra={"action": "positions_failed"})
            continue
        for task_id, place in ahead.items():
            if told.get(task_id) != place:
                wait = estimate.seconds_until_start(place)
                body = json.dumps(Queued(place, wait).data(), separators=(",", ":"))
                live.whisper(task_id, encode_frame(Queued.type, body))
        told = ahead

"""Counts ended tasks into the dashboard's figures, behind the readings: in small pieces, with rests between them.

Nothing is lost where it stops: which tasks are still to be counted stands in the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Protocol

from jieqian.errors import StoreError
from jieqian.worker.doorbell import InProcessDoorbell

logger = logging.getLogger(__name__)

#: So many tasks are counted in one transaction; writes of readings wait for it.
PIECE = 50
#: After a piece it rests so many times as long as that took, and so long at most.
_RESTS, _LONGEST_REST = 3, 5.0
#: After a task has ended it waits so long for others, in seconds: together they cost less.
_GATHER_SECONDS = 1.0
#: How often it looks without being told, in seconds: tasks that another process ended, hours that are past.
_LOOK_SECONDS = 20.0


class CountedPiece(Protocol):
    """What was counted together."""

    @property
    def tasks(self) -> int:
        """How many."""
        ...

    @property
    def hours(self) -> frozenset[int]:
        """In which hours they ended."""
        ...


class CountsTasks(Protocol):
    """The store's part of it; see `tasks.figure_rows.FigureRows`."""

    async def count_ended(self, most: int) -> CountedPiece:
        """Count up to so many ended tasks that were not yet."""
        ...

    async def tidy_figures(self, now: float, busy_hours: Collection[int] = ()) -> bool:
        """Make one longer block of shorter ones; False: there is none to be made."""
        ...


class FigureCounting:
    """Keeps the figures up to date while the service runs."""

    def __init__(self, store: CountsTasks, *, piece: int = PIECE, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._piece = piece
        self._clock = clock
        self._ended = InProcessDoorbell()
        self._work: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """A task has ended."""
        self._ended.ring()

    def start(self) -> None:
        """Begin to work."""
        self._work = asyncio.create_task(self._work_on(), name="figures")

    async def stop(self) -> None:
        """Leave the rest for the next start."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
            self._work = None

    async def step(self) -> bool:
        """Count a piece and make one longer block; False: nothing more is to be done now."""
        piece = await self._store.count_ended(self._piece)
        is_more = piece.tasks == self._piece
        # Of tasks that waited long, the next piece is likely in the same hours: these are made once all are counted.
        made = await self._store.tidy_figures(self._clock(), piece.hours if is_more else ())
        return is_more or made

    async def _work_on(self) -> None:
        while True:
            begun = time.perf_counter()
            try:
                is_more = await self.step()
            except StoreError as error:
                logger.error("cannot count ended tasks: %s", error, extra={"action": "figures_failed"})
                is_more = False
            except Exception:
                # Whatever it is, later tasks are still to be counted, and no reading is concerned.
                logger.exception("cannot count ended tasks", extra={"action": "figures_failed"})
                is_more = False
            if is_more:
                await asyncio.sleep(min(_RESTS * (time.perf_counter() - begun), _LONGEST_REST))
            elif await self._ended.wait(_LOOK_SECONDS):
                await asyncio.sleep(_GATHER_SECONDS)

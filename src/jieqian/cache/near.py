"""Near questions: a reading the caller had of that lot serves a question of the same sense, and is marked as reused.

Only the caller's own readings do, and only where what the model was told has not changed: each is looked for under the
key its own words would have now (`cache/key.py`). Whether two questions have the same sense, `cache/sense.py` says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jieqian.cache.answer import OwnReading
from jieqian.cache.filling import CALLER as FILLING
from jieqian.cache.sense import likeness, same_sense, sense_of
from jieqian.errors import StoreError
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import NewTask

logger = logging.getLogger(__name__)

#: How many of the caller's readings of a lot are compared, the newest first, and how many of those that fit are tried.
MOST_COMPARED, MOST_TRIED = 20, 3
#: The longest a question waits for the look, in seconds.
PATIENCE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class NearReading:
    """A reading to a question of the same sense. `similarity`: the share of letters both have, from 0 to 1."""

    reading: OwnReading
    similarity: float


class NearAnswers(Protocol):
    """Finds readings to a question of the same sense that this caller may be given."""

    async def find(self, new: NewTask, key: str) -> Sequence[NearReading]:
        """The newest first; none where there is none. Never raises. `key`: of an answer to the very words."""
        ...


@dataclass(frozen=True, slots=True)
class NoNearAnswers:
    """The switch is off."""

    async def find(self, _new: NewTask, _key: str) -> Sequence[NearReading]:
        """Nothing is near."""
        return ()


class OwnReadings:
    """The caller's own. `known`: whether an answer is kept under a key, so that nobody need look for a near one."""

    def __init__(self, store: TaskStore, known: Callable[[str], bool]) -> None:
        self._store = store
        self._known = known

    async def find(self, new: NewTask, key: str) -> Sequence[NearReading]:
        """See `NearAnswers.find`."""
        if asks_for_others(new.caller) or self._known(key):
            return ()
        sense = sense_of(new.question)
        if sense is None:
            return ()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                earlier = await self._store.own_readings(new, MOST_COMPARED)
        except (StoreError, TimeoutError) as error:
            logger.warning("near questions were not looked at: %s", error, extra={"action": "near_failed"})
            return ()
        found: list[NearReading] = []
        for reading in earlier:
            other = sense_of(reading.question)
            if other is not None and same_sense(sense, other):
                found.append(NearReading(reading, likeness(new.question, reading.question)))
            if len(found) == MOST_TRIED:
                break
        return found


def asks_for_others(caller: str) -> bool:
    """Whether more than one person may stand behind that caller: an integrator's key, or the filling of the cache."""
    return caller == FILLING or caller.startswith("key:")

"""Readings written while nobody waits, so that whoever asks the same words later is answered at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.errors import NothingKept, QueueFull
from jieqian.languages import Language
from jieqian.tasks.store import Accepted
from jieqian.tasks.task import Mode, Status, StrategyName, Task

logger = logging.getLogger(__name__)

#: Who asks; no asker's history shows these, and none becomes an FAQ candidate.
CALLER = "filling the cache"
_LOOK_SECONDS = 0.5
#: How often one reading is stopped because somebody asks, before it is left for another night.
_MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """One reading to have in store."""

    collection: str
    lot: int
    question: str
    language: Language
    mode: Mode
    strategy: StrategyName = StrategyName.AUTO
    experiment: str | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillDesk:
    """What filling needs at hand.

    `known`: whether an answer is kept already, which then counts as wanted just now. `others_ask(ours)`: whether
    anybody's task but ours (None: none is) waits or runs. `keeps`: whether answers of that mode are kept here; `most`
    of them are.
    """

    known: Callable[[Wanted], Awaitable[bool]]
    ask: Callable[[Wanted], Awaitable[Accepted]]
    look: Callable[[str], Awaitable[Task]]
    stop: Callable[[str], Awaitable[object]]
    others_ask: Callable[[str | None], Awaitable[bool]]
    keeps: Callable[[Mode], bool]
    most: int


async def fill(desk: FillDesk, wanted: Sequence[Wanted], seconds: float | None) -> AsyncIterator[dict[str, Any]]:
    """Have them written one after another for so long; steps `{"done", "of", "what"}`, then `{"result": counts}`.

    Counts: `known` were kept already, `written` are now, `not_kept` no model wrote whole, `left` gave way to askers, to
    the time, or to those before them, where no more are kept. Raises `NothingKept` where no answers are kept here.
    """
    if not all(desk.keeps(mode) for mode in {one.mode for one in wanted}):
        raise NothingKept
    until = None if seconds is None else time.monotonic() + seconds
    counts: Counter[str] = Counter(dict.fromkeys(("known", "written", "not_kept", "left"), 0))
    for done, one in enumerate(wanted):
        yield {"done": done, "of": len(wanted), "what": f"{one.collection} {one.lot}, {one.language.value}"}
        if done == desk.most or (until is not None and time.monotonic() > until):
            counts["left"] += len(wanted) - done
            break
        counts["known" if await desk.known(one) else await _write(desk, one, until)] += 1
    yield {"done": len(wanted), "of": len(wanted), "what": None}
    yield {"result": dict(counts)}


async def _write(desk: FillDesk, one: Wanted, until: float | None) -> str:
    for _ in range(_MOST_TRIES):
        while await desk.others_ask(None):
            if until is not None and time.monotonic() > until:
                return "left"
            await asyncio.sleep(_LOOK_SECONDS)
        try:
            accepted = await desk.ask(one)
        except QueueFull:  # others came first
            continue
        task = accepted.task
        if task.status.ended:
            return "known" if task.timings.get("cache_hit") else "not_kept"
        ended = await _ended(desk, task)
        if ended is not None:
            whole = ended.status is Status.COMPLETED and ended.timings.get("degraded") is False
            return "written" if whole else "not_kept"
    return "left"


async def _ended(desk: FillDesk, task: Task) -> Task | None:
    """The task once it has ended; None where it was stopped because somebody asks."""
    try:
        while not task.status.ended:
            if await desk.others_ask(task.id):
                await desk.stop(task.id)
                return None
            await asyncio.sleep(_LOOK_SECONDS)
            task = await desk.look(task.id)
    except asyncio.CancelledError:  # who wanted it is gone
        await asyncio.shield(desk.stop(task.id))
        raise
    return task

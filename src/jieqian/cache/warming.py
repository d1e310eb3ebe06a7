"""Lets the model server read a lot's prefix while its asker still types: the first token then comes sooner.

One token at most, only where nobody waits for a model, one prefix at a time, so many a caller; whoever asks for a
reading meanwhile ends it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from jieqian.errors import ModelError, RateLimited
from jieqian.llm.client import Message, ModelClient, ModelRequest
from jieqian.sections.calling import calling
from jieqian.tasks.limits import RateLimit

logger = logging.getLogger(__name__)

#: Prefixes a caller may have warmed in a minute.
A_MINUTE = 6
#: A prefix warmed so short a time ago is not warmed again, in seconds; so many are remembered.
FRESH_SECONDS, _MOST_REMEMBERED = 300.0, 500
#: What stands where the question will: the prefix ends before it.
_STAND_IN = "…"


@dataclass(frozen=True, slots=True)
class Wish:
    """A prefix to be read by that model."""

    client: ModelClient
    model: str
    prefix: str
    context_tokens: int
    thinking: str | bool | None
    first_token_seconds: float


class Warmer:
    """`busy`: whether somebody has a reading written or waits for one."""

    def __init__(self, busy: Callable[[], bool], *, a_minute: int = A_MINUTE) -> None:
        self.warmed = 0
        self._busy = busy
        self._limit = RateLimit(a_minute)
        self._recent: OrderedDict[tuple[int, str, str], float] = OrderedDict()
        self._work: asyncio.Task[None] | None = None

    def wish(self, caller: str, wish: Wish) -> None:
        """Warm it if that harms nobody. Returns at once and never raises."""
        key = (id(wish.client), wish.model, wish.prefix)
        busy = self._busy() or (self._work is not None and not self._work.done())
        if busy or time.monotonic() - self._recent.get(key, -FRESH_SECONDS) < FRESH_SECONDS:
            return
        with suppress(RateLimited):
            self._limit.take(caller)
            self._work = asyncio.create_task(self._warm(key, wish), name="warm-prefix")

    def disturb(self) -> None:
        """Somebody asks for a reading: the server is theirs."""
        if self._work is not None:
            self._work.cancel()

    async def stop(self) -> None:
        """End."""
        self.disturb()
        if self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)

    async def _warm(self, key: tuple[int, str, str], wish: Wish) -> None:
        request = ModelRequest(
            model=wish.model,
            messages=(Message("system", wish.prefix), Message("user", _STAND_IN)),
            max_tokens=1,
            context_tokens=wish.context_tokens,
            thinking=wish.thinking,
            first_token_seconds=wish.first_token_seconds,
        )
        begun = time.perf_counter()
        try:
            async with calling(wish.client, request) as chunks:
                async for _ in chunks:
                    pass
        except ModelError as error:
            logger.info("not warmed: %s", error, extra={"action": "warming_failed"})
            return
        self._recent[key] = time.monotonic()
        self._recent.move_to_end(key)
        while len(self._recent) > _MOST_REMEMBERED:
            self._recent.popitem(last=False)
        self.warmed += 1
        logger.info("warmed", extra={"action": "prefix_warmed", "ms": round((time.perf_counter() - begun) * 1000, 1)})

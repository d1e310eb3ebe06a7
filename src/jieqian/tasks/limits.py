"""A basic rate limit: so many new tasks a caller in a minute, refilled steadily."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

from jieqian.errors import RateLimited

#: Callers remembered; the one longest unseen is forgotten first (its bucket is full again by then).
MOST_CALLERS = 10_000


class RateLimit:
    """Token buckets by caller. `per_minute` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, caller: str) -> None:
        """Raises `RateLimited` where the caller has nothing left; takes nothing."""
        if self._per_minute and self._left(caller) < 1:
            wait = math.ceil((1 - self._left(caller)) * 60 / self._per_minute)
            raise RateLimited(retry_after=max(1, wait))

    def count(self, caller: str) -> None:
        """Take one: a task was made."""
        if not self._per_minute:
            return
        self._buckets[caller] = (self._left(caller) - 1, time.monotonic())
        self._buckets.move_to_end(caller)
        while len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)

    def _left(self, caller: str) -> float:
        left, at = self._buckets.get(caller, (float(self._per_minute), 0.0))
        return min(self._per_minute, left + (time.monotonic() - at) * self._per_minute / 60)

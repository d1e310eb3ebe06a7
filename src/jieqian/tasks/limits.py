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

    def take(self, caller: str) -> None:
        """Take one of the caller's; raises `RateLimited` where nothing is left."""
        if not self._per_minute:
            return
        left = self._left(caller)
        if left < 1:
            raise RateLimited(retry_after=max(1, math.ceil((1 - left) * 60 / self._per_minute)))
        self._set(caller, left - 1)

    def give_back(self, caller: str) -> None:
        """Nothing came of what was taken."""
        if self._per_minute:
            self._set(caller, min(self._per_minute, self._left(caller) + 1))

    def _set(self, caller: str, left: float) -> None:
        self._buckets[caller] = (left, time.monotonic())
        self._buckets.move_to_end(caller)
        while len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)

    def _left(self, caller: str) -> float:
        left, at = self._buckets.get(caller, (float(self._per_minute), 0.0))
        return min(self._per_minute, left + (time.monotonic() - at) * self._per_minute / 60)

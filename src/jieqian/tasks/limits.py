"""A basic rate limit: so many new tasks a caller in a minute, refilled steadily."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

from jieqian.errors import RateLimited

#: A name that begins so is many callers' (an address with a whole office behind it) and has so many times as much.
SHARED, SHARED_TIMES = "shared:", 8
#: Callers remembered; the one longest unseen is forgotten first (its bucket is full again by then).
MOST_CALLERS = 10_000


class RateLimit:
    """Token buckets by caller. `per_minute` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, *callers: str) -> None:
        """Take one of each of these names; raises `RateLimited` where one has nothing left, and takes nothing."""
        if not self._per_minute:
            return
        for caller in callers:
            if (left := self._left(caller)) < 1:
                raise RateLimited(retry_after=max(1, math.ceil((1 - left) * 60 / self._most(caller))))
        for caller in callers:
            self._set(caller, self._left(caller) - 1)

    def give_back(self, *callers: str) -> None:
        """Nothing came of what was taken."""
        if self._per_minute:
            for caller in callers:
                self._set(caller, min(self._most(caller), self._left(caller) + 1))

    def _most(self, caller: str) -> int:
        return self._per_minute * (SHARED_TIMES if caller.startswith(SHARED) else 1)

    def _set(self, caller: str, left: float) -> None:
        self._buckets[caller] = (left, time.monotonic())
        self._buckets.move_to_end(caller)
        while len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)

    def _left(self, caller: str) -> float:
        most = self._most(caller)
        left, at = self._buckets.get(caller, (float(most), 0.0))
        return min(most, left + (time.monotonic() - at) * most / 60)

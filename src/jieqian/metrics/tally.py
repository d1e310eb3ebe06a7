"""Roll-ups taken together: thousands of packed rows to counts, sums and spreads, a few microseconds each."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence

from jieqian.metrics.counted import MEASURES, NUMBERS, TENTHS
from jieqian.metrics.figures import Spread
from jieqian.metrics.sketch import Buckets, decode, little, percentiles

_LENGTHS = struct.Struct(f"<{len(MEASURES)}H")
_PLACES = {name: place for place, name in enumerate(MEASURES)}
_SHORT = 4 * len(NUMBERS)


class Tally:
    """What rows come to; only the sketches of `measures` are looked at."""

    def __init__(self, measures: Sequence[str]) -> None:
        self._sketches: dict[int, list[bytes]] = {_PLACES[name]: [] for name in measures}
        self._last = max(self._sketches, default=-1)
        self._short: list[bytes] = []
        self._long: list[bytes] = []
        self._sums: dict[str, int] | None = None

    def add(self, numbers: bytes, sketches: bytes) -> None:
        """Take one row more, as `metrics.counted.pack` made it."""
        (self._short if len(numbers) == _SHORT else self._long).append(numbers)
        start = _LENGTHS.size
        for place, length in enumerate(_LENGTHS.unpack_from(sketches)):
            if length:
                end = start + 4 * length
                if place in self._sketches:
                    self._sketches[place].append(sketches[start:end])
                start = end
            if place == self._last:
                return

    def __getitem__(self, name: str) -> int:
        """One of `NUMBERS`."""
        if self._sums is None:
            short = little(array("I", b"".join(self._short)))
            long = little(array("Q", b"".join(self._long)))
            every = len(NUMBERS)
            self._sums = {
                name: sum(short[place::every]) + sum(long[place::every]) for place, name in enumerate(NUMBERS)
            }
        return self._sums[name]

    def buckets(self, measure: str) -> Buckets:
        """How often each bucket of a measure was hit."""
        return decode(self._sketches[_PLACES[measure]])

    def spread(self, measure: str) -> Spread:
        """How a measure lies."""
        buckets = self.buckets(measure)
        samples = buckets.total()
        if not samples:
            return Spread()
        p50, p95 = percentiles(buckets, (50, 95))
        return Spread(samples=samples, mean=self[f"{measure}_sum"] / TENTHS / samples, p50=p50, p95=p95)

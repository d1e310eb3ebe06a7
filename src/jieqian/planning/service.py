"""What one reading takes: distributions of measured times, and what slots at work at once cost each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from random import Random
from statistics import NormalDist, fmean

#: A distribution is held as so many of its values at most, at even shares of it.
_VALUES = 2000
_P95_DEVIATIONS = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True, slots=True)
class Spread:
    """A time's distribution: its values in seconds, in order, each as likely as another."""

    values: tuple[float, ...]

    @staticmethod
    def constant(seconds: float) -> Spread:
        """Always the same."""
        return Spread((seconds,))

    @staticmethod
    def lognormal(p50: float, p95: float) -> Spread:
        """With this median and this P95, and the long tail that times have. Where there is no spread: constant."""
        if p50 <= 0 or p95 <= p50:
            return Spread.constant(p50)
        normal = NormalDist(log(p50), log(p95 / p50) / _P95_DEVIATIONS)
        return Spread.by_shares(lambda share: exp(normal.inv_cdf(share)), _VALUES)

    @staticmethod
    def by_shares(value_at: Callable[[float], float], count: int) -> Spread:
        """From what is told of a share of all values (0 to 1); `count` is how many there were."""
        kept = max(1, min(count, _VALUES))
        return Spread(tuple(value_at((place + 0.5) / kept) for place in range(kept)))

    @staticmethod
    def of(seconds: Sequence[float]) -> Spread:
        """Of values that were measured."""
        return Spread(tuple(sorted(seconds)))

    @property
    def mean(self) -> float:
        """In seconds."""
        return fmean(self.values)

    def at(self, share: float) -> float:
        """The value that so large a share of all stays below."""
        return self.values[min(len(self.values) - 1, int(share * len(self.values)))]

    def draw(self, random: Random) -> float:
        """One of its values."""
        return self.values[int(random.random() * len(self.values))]


@dataclass(frozen=True, slots=True)
class Gain:
    """What readings at once on one server gain: `points` of (how many, throughput beside that of one), in order.

    Between two points it is a straight line, beyond the last it stays. Without points a server's slots cost each other
    nothing.
    """

    points: tuple[tuple[int, float], ...] = ()

    def of(self, at_once: int) -> float:
        """Throughput of so many at once, in that of one."""
        if not self.points:
            return float(at_once)
        before = (1, 1.0)
        for point in self.points:
            if at_once <= point[0]:
                if point[0] == before[0]:
                    return point[1]
                along = (at_once - before[0]) / (point[0] - before[0])
                return before[1] + along * (point[1] - before[1])
            before = point
        return before[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a reading takes. Times in seconds.

    `generation` holds a model's slot and a worker, `overhead` (looking up, passages, writing down) a worker alone.
    `cache_share` of the readings have their answer kept already: they take `reuse_seconds` and no slot.
    `joined_share` ask what is being written just then: they wait for its end, and take no slot either.
    """

    generation: Spread
    overhead: Spread = Spread((0.0,))
    reuse_seconds: float = 0.01
    cache_share: float = 0.0
    joined_share: float = 0.0
    gain: Gain = Gain()

    @property
    def held_seconds(self) -> float:
        """What a reading that a model writes holds a worker for on average, where it is alone."""
        return self.generation.mean + self.overhead.mean

    @property
    def written_share(self) -> float:
        """The share of readings a model writes."""
        return (1 - self.cache_share) * (1 - self.joined_share)

    def slot_seconds(self, slots_per_server: int) -> float:
        """What a reading holds a slot for where all of a server's are at work."""
        slowed = slots_per_server / self.gain.of(slots_per_server)
        return self.generation.mean * slowed + self.overhead.mean

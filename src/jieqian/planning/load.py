"""How readings are asked for: so many a day, of which the busiest hour counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

#: The share of a day's readings in its busiest hour: 2.4 times an even day's. Roads are planned with about as much.
BUSIEST_HOUR_SHARE = 0.1
#: An hour has no less of a day than this.
EVEN_SHARE = 1 / 24
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """Readings a day, and the share of them in the busiest hour."""

    per_day: float
    busiest_hour_share: float = BUSIEST_HOUR_SHARE

    @property
    def per_hour(self) -> float:
        """Readings in the busiest hour."""
        return self.per_day * self.busiest_hour_share

    @property
    def per_second(self) -> float:
        """The busiest hour's rate."""
        return self.per_hour / _HOUR_SECONDS

    def at(self, per_second: float) -> Load:
        """The day whose busiest hour has this rate."""
        return Load(per_second * _HOUR_SECONDS / self.busiest_hour_share, self.busiest_hour_share)


def poisson(random: Random, per_second: float) -> Iterator[float]:
    """Seconds from each arrival to the next, for ever: askers do not know of one another."""
    while True:
        yield random.expovariate(per_second)

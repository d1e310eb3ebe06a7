"""Whether two models part: differences paired by question, with bootstrap intervals minding how many are seen."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Any

#: How often a difference is drawn again from the questions.
DRAWS = 4000
#: The chance taken of one wrong verdict in all the comparisons of a kind.
CHANCE = 0.05
#: The chance of a verdict that the questions told as needed would give, if the difference is as seen.
_POWER = 0.8
_MOST_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with what it may be: percentiles of means drawn again from the same samples."""

    n: int
    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"n": self.n, "mean": round(self.mean, 4), "low": round(self.low, 4), "high": round(self.high, 4)}

    def __str__(self) -> str:
        return f"{self.mean:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Difference:
    """One less the other, question by question. `parts`: 1 the first is shown to be more, -1 less, 0 neither.

    `more`: how many questions more would about be needed to show a difference as large as that seen; None: it is
    shown, none is seen, or beyond ten thousand.
    """

    interval: Interval
    parts: int
    more: int | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**self.interval.as_dict(), "parts": self.parts, "more_questions": self.more}


def interval(samples: Sequence[float], *, chance: float = CHANCE, seed: int = 1) -> Interval:
    """The samples' mean and its interval at `1 - chance`. Raises `ValueError` where there are none."""
    if not samples:
        raise ValueError("no samples")
    n, dice = len(samples), random.Random(f"{seed} {len(samples)}")
    drawn = sorted(sum(dice.choices(samples, k=n)) / n for _ in range(DRAWS))
    low = drawn[math.floor(chance / 2 * (DRAWS - 1))]
    high = drawn[math.ceil((1 - chance / 2) * (DRAWS - 1))]
    return Interval(n, fmean(samples), low, high)


def difference(pairs: Sequence[tuple[float, float]], *, comparisons: int = 1, seed: int = 1) -> Difference:
    """How the first of each pair differs from the second, where `comparisons` such are looked at together.

    A verdict takes an interval, at `CHANCE` shared among the comparisons (Bonferroni), without 0; and so many
    questions that all of them falling to one side would not happen by chance alone: a bootstrap of few samples is
    too sure of itself. Raises `ValueError` where there are no pairs.
    """
    chance = CHANCE / comparisons
    gaps = [one - other for one, other in pairs]
    found = interval(gaps, chance=chance, seed=seed)
    enough = 2 ** (1 - len(gaps)) <= chance
    parts = (found.low > 0) - (found.high < 0) if enough else 0
    return Difference(found, parts, None if parts else _more(gaps, chance))


def _more(gaps: Sequence[float], chance: float) -> int | None:
    mean = fmean(gaps)
    if abs(mean) < 1e-9:
        return None
    fewest = math.ceil(1 - math.log2(chance))
    spread = stdev(gaps) if len(gaps) > 1 else abs(mean)
    reach = NormalDist().inv_cdf(1 - chance / 2) + NormalDist().inv_cdf(_POWER)
    needed = max(fewest, math.ceil((reach * spread / mean) ** 2))
    return max(1, needed - len(gaps)) if needed <= _MOST_TOLD else None

"""Intervals, and what may be said of a difference however often one looks.

The unit is the caller, not the reading: readings of one caller are alike, and it is callers who were given a variant.
Every measure is a mean over callers of each caller's own mean, so one way serves shares and times.

A difference counts as real where its *confidence sequence* leaves out nought. A confidence interval for one look is
wrong for those who look every day and stop when they like what they see; a confidence sequence holds at all times at
once: the chance that it ever leaves out the truth is at most `alpha`. It is the normal mixture of Robbins, as the mSPRT
of Johari, Koomen, Pekelis and Walsh, "Always Valid Inference" (Operations Research 70, 2022), inverts it for a
difference of means; that it may be used with an estimated variance, for large numbers, show Waudby-Smith and others,
"Time-uniform central limit theory" (Annals of Statistics 52, 2024), https://arxiv.org/abs/2103.06476.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

#: Fewer callers than this with a figure, and nothing is said of a difference: the theory is one of large numbers.
FEWEST_CALLERS = 30
#: With what chance a difference is to be found by the callers that are told to be needed.
POWER = 0.8
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Sample:
    """Callers with a figure: how many, the mean of their means, and the variance between them."""

    callers: int
    mean: float
    variance: float

    @property
    def of_mean(self) -> float:
        """The variance of the mean."""
        return self.variance / self.callers if self.callers else math.inf


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a second sample's mean from a first's: the estimate, and the confidence sequence about it."""

    estimate: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        """Whether "no difference" is left out."""
        return self.low > 0 or self.high < 0


def sample_of(means: Sequence[float], *, shares: bool) -> Sample:
    """The callers' means as a sample.

    Of `shares` the variance is that of two callers more, one with 0 and one with 1 (Agresti and Caffo, 2000): where no
    caller has had a rare thing yet, its share is not known to be nought without doubt.
    """
    number = len(means)
    if not number:
        return Sample(0, math.nan, math.nan)
    mean = math.fsum(means) / number
    counted = [*means, 0.0, 1.0] if shares else means
    if len(counted) < 2:
        return Sample(number, mean, math.nan)
    middle = math.fsum(counted) / len(counted)
    variance = math.fsum((one - middle) ** 2 for one in counted) / (len(counted) - 1)
    return Sample(number, mean, variance)


def half_width(variance: float, worth: float, alpha: float) -> float:
    """Of the confidence sequence about a difference estimated with that variance.

    `worth`: the size of difference it is tuned to, the mixture's standard deviation; it holds whatever that is.
    """
    mixed = variance + worth * worth
    return math.sqrt(2 * variance * mixed / (worth * worth) * (-math.log(alpha) + math.log(mixed / variance) / 2))


def difference(first: Sample, second: Sample, worth: float, alpha: float) -> Difference | None:
    """The second's mean less the first's; None where either has too few callers."""
    if min(first.callers, second.callers) < FEWEST_CALLERS:
        return None
    variance = first.of_mean + second.of_mean
    estimate = second.mean - first.mean
    half = half_width(variance, worth, alpha) if variance > 0 else 0.0
    return Difference(estimate, estimate - half, estimate + half)


def callers_for(first: Sample, second: Sample, size: float, worth: float, alpha: float) -> int | None:
    """How many callers in all find a difference of that size with a chance of `POWER`, their shares being as now.

    None where the spread between callers is not known yet, or the size is nought.
    """
    if min(first.callers, second.callers) < 2 or not size:
        return None
    now = first.of_mean + second.of_mean
    if not now > 0:
        return None
    wanted = _variance_for(abs(size), worth, alpha)
    return math.ceil((first.callers + second.callers) * now / wanted)


def _variance_for(size: float, worth: float, alpha: float) -> float:
    """The variance of the estimate at which a difference of that size is found with a chance of `POWER`."""
    luck = _NORMAL.inv_cdf(POWER)

    def finds(variance: float) -> bool:
        return half_width(variance, worth, alpha) + luck * math.sqrt(variance) <= size

    low, high = 0.0, size * size
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if finds(middle) else (low, middle)
    return low or high


def share_interval(mean: float, sample: Sample, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share, for one look, with the number of readings that would have this spread.

    Readings of one caller tell less than as many of several: the number is that of independent readings with the
    variance between callers (Korn and Graubard, 1998), and the callers' own number where all had the same.
    """
    number = float(sample.callers)
    if 0 < mean < 1 and sample.variance > 0:
        number = max(1.0, mean * (1 - mean) / sample.of_mean)
    z = _NORMAL.inv_cdf((1 + level) / 2)
    middle = (mean + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * math.sqrt(mean * (1 - mean) / number + z * z / (4 * number * number))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(sample: Sample, level: float = 0.95) -> tuple[float, float]:
    """The normal interval of a mean, for one look; without end where the spread is not known."""
    if not sample.variance >= 0:
        return -math.inf, math.inf
    half = _NORMAL.inv_cdf((1 + level) / 2) * math.sqrt(sample.of_mean)
    return sample.mean - half, sample.mean + half


def shares_came_out(counts: Sequence[int], shares: Sequence[int], alpha: float = 0.0005) -> bool:
    """False where callers did not come by their variants as the shares say: then something is wrong with the counts."""
    number, whole = sum(counts), sum(shares)
    most = _NORMAL.inv_cdf(1 - alpha / (2 * len(counts)))
    for count, share in zip(counts, shares, strict=True):
        part = share / whole
        if abs(count - number * part) > most * math.sqrt(number * part * (1 - part)) + 1:
            return False
    return True

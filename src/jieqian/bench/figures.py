"""Samples in milliseconds, and what is told of them: percentiles with their number, never a bare mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Summary:
    """What is told of samples; percentiles by the nearest rank, so each is a sample that was seen."""

    n: int
    p50: float
    p95: float
    p99: float
    least: float
    most: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it, rounded to microseconds where the samples are milliseconds."""
        return {name: round(getattr(self, name), 3) for name in self.__slots__}


def summarize(samples: Sequence[float]) -> Summary:
    """The samples' summary. Raises `ValueError` where there are none."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return Summary(
        len(ordered),
        percentile(ordered, 50),
        percentile(ordered, 95),
        percentile(ordered, 99),
        ordered[0],
        ordered[-1],
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of samples that are in order."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def shown(value: float) -> str:
    """A figure for a table: three digits that matter."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 2)}f}"

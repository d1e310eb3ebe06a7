"""What a tally comes to: figures by stage, with what is known of their error, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jieqian.analysis.ended import Stage
from jieqian.analysis.stamps import SECOND_MS
from jieqian.analysis.tally import StageTally, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFigures:
    """One stage over the completed tasks. Figures are None where there is none to tell.

    `below`: it was over sooner than the stamps can tell, so there is no figure, which is not the same as 0.
    """

    stage: Stage
    count: int
    mean_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    share: float | None = None
    resolution_ms: float | None = None
    below: bool = False
    exact: bool = True

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "mean_ms": rounded(self.mean_ms),
            "p50_ms": rounded(self.p50_ms),
            "p95_ms": rounded(self.p95_ms),
            "share": None if self.share is None else round(self.share, 4),
            "count": self.count,
            "resolution_ms": self.resolution_ms,
            "below_resolution": self.below,
        }

    def told(self, ms: float | None) -> str:
        """One of its figures in words."""
        if self.below:
            return f"under {SECOND_MS / 1000:.0f} s"
        if ms is None:
            return "not told"
        if self.resolution_ms is None:
            return in_words(ms)
        return f"{ms / 1000:.1f}".removesuffix(".0") + f" ± {self.resolution_ms / 1000:.0f} s"

    @property
    def told_share(self) -> str:
        """Its share in words."""
        return "" if self.share is None else per_cent(self.share)


def stage_figures(tally: Tally) -> dict[Stage, StageFigures]:
    """All stages in order."""
    waited = tally.waited.sum
    return {stage: _figures(stage, tally.stages[stage], waited) for stage in Stage}


def _figures(stage: Stage, tally: StageTally, waited: float) -> StageFigures:
    samples = tally.samples
    resolution = SECOND_MS if tally.coarse else None
    if not samples.count:
        return StageFigures(stage=stage, count=0)
    if resolution is not None and samples.most <= resolution and (samples.mean or 0.0) < resolution:
        return StageFigures(stage=stage, count=samples.count, resolution_ms=resolution, below=True)
    share = tally.waited_ms / waited if waited else None
    return StageFigures(
        stage=stage,
        count=samples.count,
        mean_ms=samples.mean,
        p50_ms=samples.percentile(50),
        p95_ms=samples.percentile(95),
        share=None if share is None else min(1.0, share),
        resolution_ms=resolution,
        exact=samples.exact,
    )


def rounded(ms: float | None) -> float | None:
    """To a tenth of a millisecond."""
    return None if ms is None else round(ms, 1)


def in_words(ms: float | None) -> str:
    """A time for a reader: milliseconds, seconds or hours."""
    if ms is None:
        return "not told"
    if ms < 1000:
        return f"{ms:.0f} ms" if ms >= 10 or ms == 0 else f"{ms:.1f} ms"
    if ms < 600_000:
        return f"{ms / 1000:.2f} s"
    return f"{ms / 60_000:,.1f} min" if ms < 7_200_000 else f"{ms / 3_600_000:,.1f} h"


def per_cent(share: float) -> str:
    """A share as 94.5 %."""
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def counted(number: int, one: str, more: str | None = None) -> str:
    """`1 task`, `2,000 tasks`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"

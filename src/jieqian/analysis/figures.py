"""Samples in milliseconds: their mean and percentiles in constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jieqian.bench.figures import percentile

if TYPE_CHECKING:
    from ddsketch import LogCollapsingLowestDenseDDSketch

#: So many samples are kept as they are; more are told by a sketch, whose percentiles are off by this much at most.
EXACT_SAMPLES = 4096
SKETCH_ERROR = 0.01
_BINS = 2048


class Samples:
    """What is told of samples: exact up to `EXACT_SAMPLES`, percentiles within `SKETCH_ERROR` beyond."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self.most = 0.0
        self.least = 0.0
        self._kept: list[float] = []
        self._in_order = True
        self._sketch: LogCollapsingLowestDenseDDSketch | None = None

    def add(self, ms: float) -> None:
        """Take one more."""
        self.least = ms if not self.count else min(self.least, ms)
        self.most = max(self.most, ms)
        self.count += 1
        self.sum += ms
        if self._sketch is not None:
            self._sketch.add(ms)
            return
        self._kept.append(ms)
        self._in_order = False
        if self.count > EXACT_SAMPLES:
            self._fold()

    def _fold(self) -> None:
        from ddsketch import LogCollapsingLowestDenseDDSketch

        sketch = LogCollapsingLowestDenseDDSketch(relative_accuracy=SKETCH_ERROR, bin_limit=_BINS)
        for ms in self._kept:
            sketch.add(ms)
        self._sketch, self._kept = sketch, []

    @property
    def exact(self) -> bool:
        """Whether the percentiles are samples that were seen."""
        return self._sketch is None

    @property
    def mean(self) -> float | None:
        """None where there are no samples."""
        return self.sum / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """By the nearest rank; None where there are no samples."""
        if not self.count:
            return None
        if self._sketch is None:
            if not self._in_order:
                self._kept.sort()
                self._in_order = True
            return percentile(self._kept, percent)
        found = self._sketch.get_quantile_value(percent / 100)
        return self.most if found is None else min(max(found, self.least), self.most)

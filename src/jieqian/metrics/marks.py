"""What the figures are measured by: the older system's baseline and the targets set for it.

Both come from the analysis of that system's logs. Figures without a mark have neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

METRICS_OF_OLDER = "the older system's analysis, Success Metrics"
STAGES_OF_OLDER = "the older system's analysis, time by stage of one reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the older system had and what was set as the goal: each from the lower to the higher end, often the same.

    `unit` is `ms` or `share`. The goal is met at or below its higher end, or with `higher_is_better` at or above its
    lower one; `below`: only below it, not at it.
    """

    unit: str
    baseline: tuple[float, float] | None = None
    target: tuple[float, float] | None = None
    higher_is_better: bool = False
    below: bool = False
    source: str = METRICS_OF_OLDER

    def is_met(self, value: float | None) -> bool | None:
        """Whether a figure meets the target; None where there is no figure or no target."""
        if value is None or self.target is None:
            return None
        if self.higher_is_better:
            return value >= self.target[0]
        return value < self.target[1] if self.below else value <= self.target[1]


def _stage(baseline_ms: float) -> Mark:
    return Mark(unit="ms", baseline=(baseline_ms, baseline_ms), source=STAGES_OF_OLDER)


#: By what is measured. `stage.…`: a stage's mean, by its name in `StageTime`.
MARKS: Mapping[str, Mark] = MappingProxyType(
    {
        "total.mean": Mark(unit="ms", baseline=(37_000, 40_000), target=(12_000, 18_000)),
        "total.p95": Mark(unit="ms", baseline=(40_000, 40_000), target=(22_000, 22_000)),
        "overhead.mean": Mark(unit="ms", baseline=(3_000, 3_000), target=(1_000, 1_000)),
        "first_event.p95": Mark(unit="ms", target=(5_000, 5_000), below=True),
        "first_token.p95": Mark(unit="ms", target=(5_000, 5_000), below=True),
        "cached.p95": Mark(unit="ms", target=(2_000, 2_000)),
        "cache_rate": Mark(unit="share", baseline=(0, 0), target=(0.10, 0.20), higher_is_better=True),
        "error_rate": Mark(unit="share", baseline=(0, 0), target=(0.01, 0.01), below=True),
        "stage.queue_wait": _stage(1_000),
        "stage.rag_retrieval": _stage(1_000),
        "stage.llm_generation": Mark(
            unit="ms", baseline=(36_000, 36_000), target=(10_000, 14_000), source=METRICS_OF_OLDER
        ),
        "stage.validation": _stage(300),
        "stage.faq": _stage(300),
    }
)

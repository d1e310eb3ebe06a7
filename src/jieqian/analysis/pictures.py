"""Pictures of a report as SVG elements: bars of the stages, and a waterfall of each of the slowest tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jieqian.analysis.analysis import Analysis
from jieqian.analysis.ended import EndedTask, Stage
from jieqian.analysis.results import in_words

WIDE = 640
_LABELS, _ROW = 110, 22
COLOURS = {
    Stage.QUEUE: "#7a7a7a",
    Stage.POEM: "#2f5d8a",
    Stage.RETRIEVAL: "#5b8c5a",
    Stage.GENERATION: "#c2693a",
    Stage.VALIDATION: "#8a5a83",
    Stage.FAQ: "#3a8f8c",
    Stage.OTHER: "#a59a4c",
    Stage.TOTAL: "#5a6b7d",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it begins, how wide it is, its row's top, what it says."""

    left: float
    wide: float
    top: float
    colour: str
    label: str
    figure: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Bars under one another."""

    title: str
    high: float
    bars: Sequence[Bar]


def stage_picture(analysis: Analysis) -> Picture | None:
    """The mean of each stage; None where there is nothing to draw."""
    told = [(stage, analysis.stages[stage]) for stage in Stage if analysis.stages[stage].mean_ms]
    if not told:
        return None
    most = max(figures.mean_ms or 0.0 for _, figures in told)
    spans = [(stage, 0.0, figures.mean_ms or 0.0, figures.told(figures.mean_ms)) for stage, figures in told]
    return _picture("Mean of each stage", spans, most)


def task_picture(task: EndedTask) -> Picture | None:
    """A task's stages one after another."""
    spans, begun = [], 0.0
    for stage in Stage:
        ms = task.ms.get(stage)
        if ms and stage is not Stage.TOTAL:
            spans.append((stage, begun, ms, in_words(ms) + (" ± 1 s" if stage in task.coarse else "")))
            begun += ms
    return _picture(f"{task.id}: {in_words(task.waited_ms)}", spans, begun) if spans else None


def _picture(title: str, spans: Sequence[tuple[Stage, float, float, str]], most: float) -> Picture:
    across = (WIDE - 2 * _LABELS) / most if most else 0.0
    bars = [
        Bar(
            round(_LABELS + begun * across, 1),
            round(max(1.0, ms * across), 1),
            row * _ROW,
            COLOURS[stage],
            stage.value,
            figure,
        )
        for row, (stage, begun, ms, figure) in enumerate(spans)
    ]
    return Picture(title, len(bars) * _ROW, bars)

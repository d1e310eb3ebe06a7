"""One task's time as bars that begin where they began: its stages one after another, its sections as they were written.

When a section began is in the timings (`section_start_ms`) of tasks of this release. For others it follows: sections
that were written one after another begin where the one before ended, those of parallel calls with the first token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jieqian.metrics.counted import STAGES
from jieqian.metrics.figures import Bar
from jieqian.sections.section import SECTIONS

_BEFORE_THE_MODEL = ("queue_wait_ms", "poem_lookup_ms", "rag_retrieval_ms")


def bars_of(timings: Mapping[str, Any]) -> tuple[Bar, ...]:
    """Stages in their order, then sections by their start. Only the first stage's start was measured: it is 0."""
    stages, start = [], 0.0
    for stage in STAGES:
        ms = _ms(timings.get(f"{stage}_ms"))
        if ms > 0:
            stages.append(Bar(kind="stage", name=stage, start_ms=round(start, 1), ms=ms, known=start == 0))
        start += ms
    return (*stages, *_sections(timings))


def _sections(timings: Mapping[str, Any]) -> list[Bar]:
    spent, starts = _mapping(timings.get("section_ms")), _mapping(timings.get("section_start_ms"))
    following = _ms(timings.get("time_to_first_token_ms")) or sum(_ms(timings.get(key)) for key in _BEFORE_THE_MODEL)
    bars = []
    for section in SECTIONS:
        ms, begun = _ms(spent.get(section.value)), starts.get(section.value)
        if ms <= 0:
            continue
        known = isinstance(begun, int | float)
        start = _ms(begun) if known else following
        bars.append(Bar(kind="section", name=section.value, start_ms=round(start, 1), ms=ms, known=known))
        if timings.get("strategy") != "parallel":
            following = start + ms
    return sorted(bars, key=lambda bar: bar.start_ms)


def _ms(given: Any) -> float:
    return float(given) if isinstance(given, int | float) and given > 0 else 0.0


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}

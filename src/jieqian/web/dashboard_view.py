"""The dashboard's figures as the page shows them: each in words, beside what it is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jieqian.metrics.figures import (
    NONE,
    OTHERS,
    Breakdown,
    Dimension,
    Histogram,
    Live,
    Progress,
    Series,
    SlowTask,
    StageTime,
    Summary,
    share,
)
from jieqian.metrics.marks import MARKS
from jieqian.web.dashboard_words import NOTHING, count_text, range_text, rate_text, share_text, target_text, time_text
from jieqian.web.texts import LANGUAGE_NAMES, Texts, known_language


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that one page shows, as it was asked for."""

    summary: Summary
    series: Series
    histogram: Histogram
    stages: Sequence[StageTime]
    breakdowns: Sequence[Breakdown]
    slowest: Sequence[SlowTask]
    progress: Progress
    live: Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One figure. `target`, `baseline`: what it is measured by, None where nothing was set or known.

    `met`: whether it holds its target; None where that cannot be said.
    """

    key: str
    name: str
    value: str
    note: str = ""
    target: str | None = None
    baseline: str | None = None
    met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Figures of one kind, under a heading."""

    key: str
    title: str
    figures: Sequence[Shown]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All in one sentence. `missed`: names of the figures that miss their target."""

    held: int
    missed: Sequence[str]
    most_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """One value of a dimension, in the table of parts."""

    name: str
    cells: Sequence[str]


def groups(figures: Figures, t: Texts) -> list[Group]:
    """Every figure, in the order the page has them."""
    summary, stages = figures.summary, {stage.stage: stage for stage in figures.stages}
    model = stages.get("llm_generation")
    quick = [
        _shown(t, "total.mean", time_text(summary.total.mean), summary.total.mean),
        _shown(t, "total.p50", time_text(summary.total.p50)),
        _shown(t, "total.p95", time_text(summary.total.p95), summary.total.p95),
        _shown(t, "first_event.p95", time_text(summary.first_event.p95), summary.first_event.p95),
        _shown(t, "first_token.p95", time_text(summary.first_token.p95), summary.first_token.p95),
        _shown(
            t,
            "stage.llm_generation",
            time_text(model.spread.mean if model else None),
            model.spread.mean if model else None,
        ),
        _shown(t, "overhead.mean", time_text(summary.overhead.mean), summary.overhead.mean),
        _shown(t, "tokens_per_second", rate_text(summary.tokens_per_second.mean)),
    ]
    ended = t("dashboard.ended", completed=summary.completed, failed=summary.failed, stopped=summary.stopped)
    kinds = t("dashboard.kinds", exact=summary.cache_exact, semantic=summary.cache_semantic)
    sound = [
        _shown(t, "tasks", count_text(summary.tasks), note=ended),
        _shown(t, "error_rate", share_text(summary.error_rate), summary.error_rate),
        _shown(t, "degraded_rate", share_text(summary.degraded_rate), note=_of(t, summary.degraded, summary.tasks)),
        _shown(t, "attempts", rate_text(summary.attempts_mean)),
        _shown(t, "cache_rate", share_text(summary.cache_rate), summary.cache_rate, note=kinds),
        _shown(t, "cached.p95", time_text(summary.cached.p95), summary.cached.p95),
    ]
    return [
        Group(key="quick", title=t("dashboard.quick"), figures=quick),
        Group(key="sound", title=t("dashboard.sound"), figures=sound),
    ]


def now_figures(live: Live, t: Texts) -> list[Shown]:
    """This moment: the queue, the workers, the lots at hand."""
    workers = live.workers_active + live.workers_idle + live.workers_error
    sound, hits = live.workers_error == 0, share(live.lot_hits, live.lot_lookups)
    return [
        _shown(t, "queued", count_text(live.queued)),
        _shown(t, "running", count_text(live.running)),
        _shown(t, "workers_active", count_text(live.workers_active), note=t("dashboard.of_workers", workers=workers)),
        _shown(t, "workers_idle", count_text(live.workers_idle)),
        replace(_shown(t, "workers_error", count_text(live.workers_error)), met=sound, target="0", baseline="0"),
        _shown(t, "lot_hits", share_text(hits), note=_of(t, live.lot_hits, live.lot_lookups)),
        _shown(t, "shared", count_text(live.generations_shared)),
    ]


def _of(t: Texts, part: int, whole: int) -> str:
    return t("dashboard.of", part=count_text(part), whole=count_text(whole)) if whole else ""


def _shown(t: Texts, key: str, value: str, measured: float | None = None, note: str = "") -> Shown:
    mark = MARKS.get(key)
    name = t(f"dashboard_figure.{key}")
    if mark is None:
        return Shown(key=key, name=name, value=value, note=note)
    return Shown(
        key=key,
        name=name,
        value=value,
        note=note,
        target=target_text(mark, lambda told: t("dashboard.under", limit=told)),
        baseline=range_text(mark.baseline, mark.unit) if mark.baseline else None,
        met=mark.is_met(measured),
    )


def verdict(shown: Sequence[Group], now: Sequence[Shown], figures: Figures, t: Texts) -> Verdict:
    """Whether all is well, and where the time goes."""
    judged = [figure for group in shown for figure in group.figures if figure.met is not None]
    judged += [figure for figure in now if figure.met is False]
    longest = max((stage for stage in figures.stages if stage.share), key=lambda each: each.share or 0, default=None)
    most = (
        t("dashboard.most_time", stage=stage_name(t, longest.stage), share=share_text(longest.share)) if longest else ""
    )
    return Verdict(
        held=sum(figure.met is True for figure in judged),
        missed=[figure.name for figure in judged if figure.met is False],
        most_time=most,
    )


def part_rows(breakdown: Breakdown, t: Texts) -> list[PartRow]:
    """A row a value."""
    return [
        PartRow(
            name=value_name(t, breakdown.dimension, part.value),
            cells=[
                count_text(part.tasks),
                time_text(part.total.mean),
                time_text(part.total.p50),
                time_text(part.total.p95),
                time_text(part.first_token.p50),
                rate_text(part.tokens_per_second.mean),
                share_text(part.error_rate),
                share_text(share(part.cache_hits, part.tasks)),
            ],
        )
        for part in breakdown.parts
    ]


def stage_name(t: Texts, stage: str) -> str:
    """A stage or a section, as the pages call it."""
    for key in (f"dashboard_stage.{stage}", f"section.{stage}"):
        if t.has(key):
            return t(key)
    return stage


def value_name(t: Texts, dimension: Dimension, value: str) -> str:
    """A value as the page calls it; a model and a collection by their own names."""
    if value in (NONE, OTHERS):
        return t(f"dashboard.value_{value}")
    if dimension is Dimension.LANGUAGE and (language := known_language(value)) is not None:
        return LANGUAGE_NAMES[language]
    key = f"dashboard_{dimension.value}.{value}"
    return t(key) if t.has(key) else value or NOTHING

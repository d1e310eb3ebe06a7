"""The dashboard's pictures: each with what it shows in words, and the table of the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jieqian.metrics.figures import DAY, Bin, Histogram, Series, SlowTask, StageTime, Summary, share
from jieqian.metrics.marks import MARKS
from jieqian.web import charts
from jieqian.web.charts import Spec
from jieqian.web.clock import wall_clock
from jieqian.web.dashboard_filters import wall_ms
from jieqian.web.dashboard_view import Figures, stage_name
from jieqian.web.dashboard_words import count_text, range_text, share_text, step_text, time_text
from jieqian.web.texts import Texts

#: So many of the slowest tasks have a picture of their own.
WATERFALLS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The same figures as text: the first cell of a row names it."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture. `told`: what it shows, in a sentence; `spec` None where there is nothing to draw."""

    key: str
    title: str
    told: str
    spec: Spec | None
    table: Table


def pictures(figures: Figures, t: Texts) -> list[Picture]:
    """Every picture but the waterfalls, in the page's order."""
    return [
        _histogram(figures.histogram, t),
        _over_time(figures.series, t),
        _stages(figures.stages, t),
        _errors(figures.series, figures.summary, t),
        _caches(figures.series, figures.summary, t),
        _load(figures.series, figures.summary, t),
    ]


def waterfalls(figures: Figures, t: Texts) -> list[Picture]:
    """The slowest tasks, each as bars of its stages and sections on one axis of time."""
    return [_waterfall(task, place, t) for place, task in enumerate(figures.slowest[:WATERFALLS])]


def _histogram(found: Histogram, t: Texts) -> Picture:
    bins = _without_empty_ends(found)
    tasks = sum(bin.tasks for bin in bins)
    rows = [
        [
            _bin_name(bin.from_ms, bin.to_ms, t),
            count_text(bin.tasks),
            share_text(share(bin.tasks, tasks)),
        ]
        for bin in bins
    ]
    mark = MARKS["total.p95"]
    lines = []
    if mark.target:
        told = t("dashboard.mark_target", limit=range_text(mark.target, mark.unit))
        lines.append(charts.Mark(at=mark.target[1] / 1000, label=told, met=True))
    if mark.baseline:
        told = t("dashboard.mark_baseline", limit=range_text(mark.baseline, mark.unit))
        lines.append(charts.Mark(at=mark.baseline[1] / 1000, label=told))
    spec, told = None, t("dashboard.nothing")
    if tasks:
        edges = [bin.from_ms / 1000 for bin in bins] + [bins[-1].to_ms / 1000 if bins[-1].to_ms else None]
        spec = charts.histogram(edges, [bin.tasks for bin in bins], lines, across=t("dashboard.seconds"))
        most = max(bins, key=lambda bin: bin.tasks)
        told = t(
            "dashboard.histogram_told",
            tasks=tasks,
            share=share_text(share(most.tasks, tasks)),
            times=_bin_name(most.from_ms, most.to_ms, t),
        )
    heads = (t("dashboard.time"), t("dashboard.readings"), t("dashboard.share"))
    return Picture(
        key="histogram",
        title=t("dashboard.histogram"),
        told=told,
        spec=spec,
        table=Table(heads=heads, rows=rows if tasks else []),
    )


def _without_empty_ends(found: Histogram) -> list[Bin]:
    """The bins from the first to the last that the picture needs: those with tasks, and those of its marks."""
    mark = MARKS["total.p95"]
    most = max(mark.baseline[1] if mark.baseline else 0, mark.target[1] if mark.target else 0)
    bins = list(found.bins)
    while len(bins) > 1 and not bins[-1].tasks and bins[-1].from_ms >= most:
        bins.pop()
    return bins


def _bin_name(low: float, high: float | None, t: Texts) -> str:
    if high is None:
        return t("dashboard.or_longer", time=f"{low / 1000:g}\N{NO-BREAK SPACE}s")
    return f"{low / 1000:g}–{high / 1000:g}\N{NO-BREAK SPACE}s"


def _over_time(series: Series, t: Texts) -> Picture:
    points = series.points
    moments = [wall_ms(point.at) for point in points]
    lines = [
        charts.Line(name="P95", values=_seconds(p.p95 for p in points), colour=charts.BAD),
        charts.Line(name=t("dashboard.mean"), values=_seconds(p.mean for p in points), colour=charts.PLAIN),
        charts.Line(name="P50", values=_seconds(p.p50 for p in points), colour=charts.GOOD, dash=(5, 3)),
    ]
    there = [point for point in points if point.tasks]
    spec, told = None, t("dashboard.nothing")
    if there:
        mark = MARKS["total.p95"]
        marks = []
        if mark.target:
            label = t("dashboard.mark_target", limit=range_text(mark.target, mark.unit))
            marks.append(charts.Mark(at=mark.target[1] / 1000, label=label, met=True))
        spec = charts.over_time(moments, lines, marks, up=t("dashboard.seconds"))
        last = there[-1]
        told = t(
            "dashboard.over_time_told",
            low=time_text(min(point.p95 or 0 for point in there)),
            high=time_text(max(point.p95 or 0 for point in there)),
            mean=time_text(last.mean),
            p95=time_text(last.p95),
        )
    rows = [
        [_moment(p.at, series), count_text(p.tasks), time_text(p.mean), time_text(p.p50), time_text(p.p95)]
        for p in reversed(there)
    ]
    heads = (t("dashboard.from"), t("dashboard.readings"), t("dashboard.mean"), "P50", "P95")
    return Picture(
        key="over-time",
        title=t("dashboard.over_time"),
        told=told,
        spec=spec,
        table=Table(heads=heads, rows=rows),
    )


def _seconds(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else round(value / 1000, 3) for value in values]


def _moment(at: float, series: Series) -> str:
    """The beginning of a step, as exactly as steps of that length need."""
    return wall_clock(at).strftime("%Y-%m-%d" if series.step_seconds >= DAY else "%m-%d %H:%M")


def _stages(stages: Sequence[StageTime], t: Texts) -> Picture:
    parts = [
        charts.Part(
            name=stage_name(t, stage.stage),
            value=stage.share,
            colour=charts.STAGE_COLOURS.get(stage.stage, charts.PLAIN),
            label=f"{stage_name(t, stage.stage)} {share_text(stage.share)}",
        )
        for stage in stages
        if stage.share
    ]
    rows = []
    for stage in stages:
        mark = MARKS.get(f"stage.{stage.stage}")
        spread = stage.spread
        rows.append(
            [
                stage_name(t, stage.stage),
                share_text(stage.share),
                time_text(spread.mean),
                time_text(spread.p50),
                time_text(spread.p95),
                range_text(mark.baseline, mark.unit) if mark and mark.baseline else "–",
                range_text(mark.target, mark.unit) if mark and mark.target else "–",
            ]
        )
    longest = sorted(parts, key=lambda part: -part.value)[:3]
    heads = [t("dashboard.stage"), t("dashboard.share"), t("dashboard.mean"), "P50", "P95"]
    return Picture(
        key="stages",
        title=t("dashboard.stages"),
        told=", ".join(part.label for part in longest) or t("dashboard.nothing"),
        spec=charts.pie(parts) if parts else None,
        table=Table(heads=[*heads, t("dashboard.baseline"), t("dashboard.target")], rows=rows if parts else []),
    )


def _errors(series: Series, summary: Summary, t: Texts) -> Picture:
    stacks = [
        ("failed", [point.failed for point in series.points], charts.BAD),
        ("degraded", [point.degraded for point in series.points], charts.WARN),
    ]
    told = t(
        "dashboard.errors_told",
        tasks=summary.tasks,
        failed=count_text(summary.failed),
        degraded=count_text(summary.degraded),
        rate=share_text(summary.error_rate),
    )
    return _shares_over_time("errors", "error_rate", stacks, told, series, t)


def _caches(series: Series, summary: Summary, t: Texts) -> Picture:
    stacks = [
        ("exact", [point.cache_exact for point in series.points], charts.PLAIN),
        ("semantic", [point.cache_semantic for point in series.points], charts.SOFT),
    ]
    told = t(
        "dashboard.caches_told",
        exact=share_text(share(summary.cache_exact, summary.tasks)),
        semantic=share_text(share(summary.cache_semantic, summary.tasks)),
    )
    return _shares_over_time("caches", "cache_rate", stacks, told, series, t)


def _shares_over_time(
    key: str, mark: str, stacks: Sequence[tuple[str, Sequence[int], str]], told: str, series: Series, t: Texts
) -> Picture:
    """Parts of each step's tasks, stacked, below the line of their target."""
    points = series.points
    there = [place for place, point in enumerate(points) if point.tasks]
    lines = [
        charts.Line(
            name=t(f"dashboard_kind.{kind}"),
            values=[
                100 * count / point.tasks if point.tasks else None for count, point in zip(counts, points, strict=True)
            ],
            colour=colour,
        )
        for kind, counts, colour in stacks
    ]
    target = MARKS[mark].target
    limit = (
        t("dashboard.mark_least" if MARKS[mark].higher_is_better else "dashboard.mark_most", limit=f"{target[0]:.0%}")
        if target
        else ""
    )
    marks = [charts.Mark(at=100 * target[0], label=limit, met=True)] if target else []
    rows = [
        [_moment(points[place].at, series), count_text(points[place].tasks)]
        + [f"{counts[place]:,} · {share_text(share(counts[place], points[place].tasks))}" for _, counts, _ in stacks]
        for place in reversed(there)
    ]
    moments = [wall_ms(point.at) for point in points]
    spec = charts.bars_over_time(moments, series.step_seconds * 1000, lines, marks, up=t("dashboard.per_cent"))
    heads = [t("dashboard.from"), t("dashboard.readings"), *(t(f"dashboard_kind.{kind}") for kind, _, _ in stacks)]
    return Picture(
        key=key,
        title=t(f"dashboard.{key}"),
        told=told if there else t("dashboard.nothing"),
        spec=spec if there else None,
        table=Table(heads=heads, rows=rows),
    )


def _load(series: Series, summary: Summary, t: Texts) -> Picture:
    points = series.points
    there = [point for point in points if point.tasks]
    line = charts.Line(name=t("dashboard.readings"), values=[point.tasks for point in points], colour=charts.PLAIN)
    moments = [wall_ms(point.at) for point in points]
    busiest = max(there, key=lambda point: point.tasks, default=None)
    told = t("dashboard.nothing")
    if busiest is not None:
        told = t(
            "dashboard.load_told",
            tasks=summary.tasks,
            most=count_text(busiest.tasks),
            step=step_text(series.step_seconds),
        )
    rows = [[_moment(point.at, series), count_text(point.tasks)] for point in reversed(there)]
    spec = charts.bars_over_time(moments, series.step_seconds * 1000, [line], [], up=t("dashboard.readings"))
    return Picture(
        key="load",
        title=t("dashboard.load"),
        told=told,
        spec=spec if there else None,
        table=Table(heads=(t("dashboard.from"), t("dashboard.readings")), rows=rows),
    )


def _waterfall(task: SlowTask, place: int, t: Texts) -> Picture:
    bars = [bar for bar in task.bars if bar.ms > 0]
    rows = [
        charts.Row(
            name=stage_name(t, bar.name),
            start=round(bar.start_ms / 1000, 3),
            end=round((bar.start_ms + bar.ms) / 1000, 3),
            colour=charts.STAGE_COLOURS.get(bar.name, charts.PLAIN) if bar.kind == "stage" else charts.SOFT,
            label=time_text(bar.ms),
        )
        for bar in bars
    ]
    cells = [
        [
            stage_name(t, bar.name),
            time_text(bar.start_ms),
            time_text(bar.ms),
            t("dashboard.worked_out") if bar.kind == "section" and not bar.known else "",
        ]
        for bar in bars
    ]
    longest = max((bar for bar in bars if bar.kind == "stage"), key=lambda bar: bar.ms, default=None)
    told = t("dashboard.nothing")
    if longest is not None:
        told = t(
            "dashboard.waterfall_told",
            total=time_text(task.total_ms),
            stage=stage_name(t, longest.name),
            time=time_text(longest.ms),
        )
    heads = (t("dashboard.stage_or_section"), t("dashboard.begins"), t("dashboard.lasts"), t("dashboard.remark"))
    return Picture(
        key=f"slow-{place + 1}",
        title=time_text(task.total_ms),
        told=told,
        spec=charts.waterfall(rows, across=t("dashboard.since_request")) if rows else None,
        table=Table(heads=heads, rows=cells),
    )

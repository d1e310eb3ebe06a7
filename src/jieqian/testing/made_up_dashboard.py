"""A dashboard with figures that are made up, and the same for the same question: for pages and their tests."""

from __future__ import annotations

import math

from jieqian.metrics.figures import (
    DAY,
    NONE,
    Bar,
    Bin,
    Breakdown,
    Dimension,
    Histogram,
    Live,
    Part,
    Point,
    Progress,
    Series,
    SlowTask,
    Span,
    Spread,
    StageTime,
    Summary,
    Values,
    Which,
)
from jieqian.metrics.spans import step_of
from jieqian.sections.section import SECTIONS

VALUES = Values(
    mode=("fast", "quality"),
    model=(NONE, "qwen2.5:7b", "qwen3:14b"),
    strategy=("commentary", "parallel", "sequential"),
    language=("en", "ja", "zh-Hans", "zh-Hant"),
    collection=("guandi", "guanyin", "yuelao"),
)
_EDGES = (0, 500, 1000, 2000, 5000, 8000, 12_000, 15_000, 18_000, 22_000, 30_000, 40_000, 60_000, 120_000)
_BINS = (9, 4, 2, 3, 8, 17, 21, 16, 9, 6, 3, 1, 1, 0)
_STAGES = (
    ("queue_wait", 210.0),
    ("poem_lookup", 1.2),
    ("rag_retrieval", 35.0),
    ("llm_generation", 11_900.0),
    ("validation", 12.0),
    ("other", 18.0),
)
_FAQ_MS = 90.0
_A_DAY = 11_000


def _spread(samples: int, mean: float) -> Spread:
    if not samples:
        return Spread()
    return Spread(samples=samples, mean=mean, p50=mean * 0.93, p95=mean * 1.7)


class MadeUpDashboard:
    """`Dashboard`; `empty`: as before the first task. `waiting`: tasks of an upgrade that are not counted yet."""

    def __init__(self, *, empty: bool = False, waiting: int = 0) -> None:
        self._empty = empty
        self._waiting = waiting

    def _tasks(self, span: Span, which: Which) -> int:
        return 0 if self._empty else math.ceil(_A_DAY * span.seconds / DAY / 2.5 ** len(which.wanted()))

    async def summary(self, span: Span, which: Which) -> Summary:
        """See `Dashboard.summary`."""
        tasks = self._tasks(span, which)
        hits, asked = round(tasks * 0.13), round(tasks * 0.87)
        return Summary(
            tasks=tasks,
            completed=tasks - round(tasks * 0.012),
            failed=round(tasks * 0.002),
            stopped=round(tasks * 0.01),
            degraded=round(tasks * 0.005),
            cache_exact=round(tasks * 0.11),
            cache_semantic=hits - round(tasks * 0.11),
            attempts=round(asked * 1.04),
            asked_model=asked,
            prompt_tokens=asked * 1450,
            completion_tokens=asked * 610,
            total=_spread(tasks, 12_176.2),
            cached=_spread(hits, 21.0),
            overhead=_spread(asked, 276.2),
            first_event=_spread(tasks, 6.1),
            first_token=_spread(asked, 1_450.0),
            tokens_per_second=_spread(asked, 58.0),
        )

    async def series(self, span: Span, which: Which) -> Series:
        """See `Dashboard.series`."""
        step = step_of(span)
        points = []
        for at in range(span.since - span.since % step, span.until, step):
            wave = 1 + 0.4 * math.sin(at / DAY * 2 * math.pi) + 0.1 * math.sin(at * 0.0137)
            tasks = round(self._tasks(Span(at, at + step), which) * wave)
            its = _spread(tasks, 12_000 * (0.8 + wave / 5))
            points.append(
                Point(
                    at=at,
                    tasks=tasks,
                    errors=tasks // 140,
                    failed=tasks // 420,
                    degraded=tasks // 140 - tasks // 420,
                    cache_exact=round(tasks * 0.11),
                    cache_semantic=round(tasks * 0.02),
                    mean=its.mean,
                    p50=its.p50,
                    p95=its.p95,
                )
            )
        return Series(step_seconds=step, points=tuple(points))

    async def histogram(self, span: Span, which: Which) -> Histogram:
        """See `Dashboard.histogram`."""
        tasks = self._tasks(span, which)
        ends = (*map(float, _EDGES[1:]), None)
        filled = zip(_EDGES, ends, _BINS, strict=True)
        return Histogram(
            bins=tuple(Bin(from_ms=low, to_ms=high, tasks=tasks * part // 100) for low, high, part in filled)
        )

    async def stages(self, span: Span, which: Which) -> tuple[StageTime, ...]:
        """See `Dashboard.stages`."""
        tasks = self._tasks(span, which)
        whole = sum(ms for _, ms in _STAGES)
        six = [
            StageTime(stage=name, spread=_spread(tasks, ms), share=ms / whole if tasks else None)
            for name, ms in _STAGES
        ]
        return (*six, StageTime(stage="faq", spread=_spread(round(tasks * 0.8), _FAQ_MS), share=None))

    async def breakdown(self, span: Span, which: Which, by: Dimension) -> Breakdown:
        """See `Dashboard.breakdown`."""
        only = which.wanted().get(by)
        values = [value for value in getattr(VALUES, by.value) if only in (None, value)]
        tasks = self._tasks(span, which)
        parts = []
        for place, value in enumerate(reversed(values)):
            mine = round(tasks * 2 * (len(values) - place) / (len(values) * (len(values) + 1)))
            if mine:
                part = Part(
                    value=value,
                    tasks=mine,
                    failed=mine // 400,
                    degraded=mine // 150,
                    cache_hits=mine // 8,
                    total=_spread(mine, 9_000.0 + 2_000 * place),
                    first_token=_spread(mine - mine // 8, 1_100.0 + 300 * place),
                    tokens_per_second=_spread(mine - mine // 8, 70.0 - 9 * place),
                )
                parts.append(part)
        return Breakdown(dimension=by, parts=tuple(parts))

    async def slowest(self, span: Span, which: Which, limit: int = 10) -> tuple[SlowTask, ...]:
        """See `Dashboard.slowest`."""
        some = min(limit, self._tasks(span, which))
        return tuple(_slow_task(span, place) for place in range(some))

    async def values(self) -> Values:
        """See `Dashboard.values`."""
        return Values() if self._empty else VALUES

    async def progress(self) -> Progress:
        """See `Dashboard.progress`."""
        return Progress(waiting=self._waiting, at_most=1_000_000)

    async def live(self) -> Live:
        """See `Dashboard.live`."""
        return Live(
            at=1_790_000_000.0,
            queued=2,
            running=3,
            workers_active=3,
            workers_idle=1,
            workers_error=0,
            streams=7,
            lot_lookups=2_412,
            lot_hits=2_398,
            generations_shared=31,
            prefixes_warmed=120,
        )


def _slow_task(span: Span, place: int) -> SlowTask:
    """Parallel ones overlap; of every third it is not known when its sections began."""
    parallel, known = place % 2 == 1, place % 3 != 2
    generation = 52_000.0 - 2_700 * place
    bars, start = [], 0.0
    for stage, ms in (*_STAGES[:3], ("llm_generation", generation), *_STAGES[4:]):
        bars.append(Bar(kind="stage", name=stage, start_ms=start, ms=ms, known=False))
        start += ms
    begun = sum(ms for _, ms in _STAGES[:3])
    for index, section in enumerate(SECTIONS):
        ms = generation * (0.5 + index * 0.08 if parallel else 1 / len(SECTIONS))
        since = begun + (index * 40.0 if parallel else index * ms)
        bars.append(Bar(kind="section", name=section.value, start_ms=since, ms=ms, known=known))
    return SlowTask(
        id=f"00000000-0000-4000-8000-{place:012d}",
        ended_at=span.until - 60.0 * (place + 1),
        status="completed",
        total_ms=start,
        attempts=1 + place % 2,
        degraded=place == 1,
        mode="quality",
        model="qwen3:14b",
        strategy="parallel" if parallel else "sequential",
        language="zh-Hant",
        collection="yuelao",
        lot=place + 1,
        bars=tuple(bars),
    )

"""The dashboard's figures from the roll-ups, with as few rows as its span and filter allow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from jieqian.metrics.counted import AMOUNTS, COUNTS, STAGES, CellKey, timings_read
from jieqian.metrics.figures import (
    MINUTE,
    NONE,
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
    StageTime,
    Summary,
    Values,
    Which,
    share,
)
from jieqian.metrics.sketch import middle_of
from jieqian.metrics.spans import MONTH, blocks_of, coarsest_in, step_of
from jieqian.metrics.tally import Tally
from jieqian.metrics.waterfall import bars_of
from jieqian.tasks.figure_cells import ANY, DIMENSIONS, ONE_DIMENSION_FROM, WHOLE, all_cells
from jieqian.tasks.tables import UNCOUNTED, figures, stale_figures, tasks

Found = TypeVar("Found")
Group = TypeVar("Group", bound=Hashable)

#: Where the bins of the histogram begin, in milliseconds. The targets and the baseline are among them.
BIN_EDGES = (
    *(0, 500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10_000, 12_000, 15_000, 18_000, 22_000, 26_000, 30_000),
    *(35_000, 40_000, 50_000, 60_000, 90_000, 120_000, 300_000),
)
#: So many waiting tasks are counted at most; that is quick.
MOST_WAITING = 1_000_000

#: The slowest of a filter are looked for among so many times as many of all first.
_AMONG = 50
_SUMMED_UP = ("total", "cached", "overhead", "first_event", "first_token", "tokens_per_second")
_ROWS = sa.select(figures.c.cell, figures.c.at, figures.c.numbers, figures.c.sketches).where(
    figures.c.level == sa.bindparam("its_level"),
    figures.c.cell.in_(sa.bindparam("cells", expanding=True)),
    figures.c.at >= sa.bindparam("since"),
    figures.c.at < sa.bindparam("until"),
)
_STALE = sa.select(stale_figures.c.level, stale_figures.c.at)
_IN_SPAN = sa.and_(
    tasks.c.ended_at >= sa.bindparam("since"),
    tasks.c.ended_at < sa.bindparam("until"),
    tasks.c.total_time_ms >= sa.bindparam("least"),
)
_SLOWEST = sa.select(tasks.c.seq).where(_IN_SPAN).order_by(tasks.c.total_time_ms.desc()).limit(sa.bindparam("most"))
_SLOWEST_OF_CELLS = _SLOWEST.where(tasks.c.figure_cell.in_(sa.bindparam("cells", expanding=True)))
_SLOW_COLUMNS = ("id", "status", "ended_at", "total_time_ms", "mode", "language", "collection", "lot", "attempts")
_SLOW_TASKS = (
    sa.select(*(tasks.c[name] for name in _SLOW_COLUMNS), sa.type_coerce(tasks.c.timings, sa.Text).label("timings"))
    .where(tasks.c.seq.in_(sa.bindparam("numbers", expanding=True)))
    .order_by(tasks.c.total_time_ms.desc(), tasks.c.seq)
)
_WAITING = sa.select(sa.func.count()).select_from(
    sa.select(tasks.c.seq).where(UNCOUNTED).limit(MOST_WAITING).subquery()
)


class Looked(Protocol):
    """Where the figures are."""

    async def look_at_figures(self, look: Callable[[sa.Connection], Found]) -> Found:
        """Run a look beside everything else. Raises `StoreError`."""
        ...


class StoredFigures:
    """`metrics.dashboard.Dashboard` over the roll-ups; `live` tells of this moment."""

    def __init__(self, store: Looked, live: Callable[[], Awaitable[Live]]) -> None:
        self._look = store.look_at_figures
        self._live = live

    async def summary(self, span: Span, which: Which) -> Summary:
        """See `Dashboard.summary`."""
        return await self._look(lambda connection: _summary(tally(connection, span, which, _SUMMED_UP)))

    async def series(self, span: Span, which: Which) -> Series:
        """See `Dashboard.series`."""
        step = step_of(span)

        def look(connection: sa.Connection) -> Series:
            found = tallies(connection, span, which, ("total",), lambda _, at: at - at % step, up_to=coarsest_in(step))
            starts = range(span.since - span.since % step, span.until, step)
            return Series(step_seconds=step, points=tuple(_point(at, found.get(at)) for at in starts))

        return await self._look(look)

    async def histogram(self, span: Span, which: Which) -> Histogram:
        """See `Dashboard.histogram`."""
        return await self._look(lambda connection: _histogram(tally(connection, span, which, ("total",))))

    async def stages(self, span: Span, which: Which) -> tuple[StageTime, ...]:
        """See `Dashboard.stages`."""
        return await self._look(lambda connection: _stages(tally(connection, span, which, (*STAGES, "faq"))))

    async def breakdown(self, span: Span, which: Which, by: Dimension) -> Breakdown:
        """See `Dashboard.breakdown`."""
        measures = ("total", "first_token", "tokens_per_second")

        def look(connection: sa.Connection) -> Breakdown:
            found = tallies(connection, span, which, measures, lambda value, _: value, by=by)
            parts = sorted(
                (_part(value, one) for value, one in found.items()), key=lambda part: (-part.tasks, part.value)
            )
            return Breakdown(dimension=by, parts=tuple(parts))

        return await self._look(look)

    async def slowest(self, span: Span, which: Which, limit: int = 10) -> tuple[SlowTask, ...]:
        """See `Dashboard.slowest`."""
        return await self._look(lambda connection: _slowest(connection, span, which, limit))

    async def values(self) -> Values:
        """See `Dashboard.values`."""

        def look(connection: sa.Connection) -> Values:
            found: dict[str, set[str]] = {name: set() for name in DIMENSIONS}
            for key in all_cells(connection):
                for name, value in zip(DIMENSIONS, key, strict=True):
                    found[name].add(value)
            return Values(**{name: tuple(sorted(values - {ANY})) for name, values in found.items()})

        return await self._look(look)

    async def progress(self) -> Progress:
        """See `Dashboard.progress`."""
        waiting = await self._look(lambda connection: int(connection.execute(_WAITING).scalar_one()))
        return Progress(waiting=waiting, at_most=MOST_WAITING)

    async def live(self) -> Live:
        """See `Dashboard.live`."""
        return await self._live()


def tally(connection: sa.Connection, span: Span, which: Which, measures: tuple[str, ...]) -> Tally:
    """All of the span and filter together."""
    found = tallies(connection, span, which, measures, lambda _value, _at: None)
    return found.get(None) or Tally(measures)


def tallies(
    connection: sa.Connection,
    span: Span,
    which: Which,
    measures: tuple[str, ...],
    group: Callable[[str, int], Group],
    *,
    by: Dimension | None = None,
    up_to: int = MONTH,
) -> dict[Group, Tally]:
    """The span's rows by what `group` makes of their value of `by` and when their block begins (seconds).

    No block is longer than `up_to` seconds.
    """
    stale = {(level * MINUTE, at * MINUTE) for level, at in connection.execute(_STALE)}
    known = all_cells(connection)
    found: dict[Group, Tally] = {}
    for blocks in blocks_of(span, coarsest=up_to, stale=stale):
        values = _cells(known, which, by, blocks.level)
        if not values:
            continue
        asked = {
            "its_level": blocks.level // MINUTE,
            "cells": list(values),
            "since": blocks.since // MINUTE,
            "until": blocks.until // MINUTE,
        }
        for cell, at, numbers, sketches in connection.execute(_ROWS, asked):
            its = group(values[cell], at * MINUTE)
            one = found.get(its)
            if one is None:
                one = found[its] = Tally(measures)
            one.add(numbers, sketches)
    return found


def _cells(known: Mapping[CellKey, int], which: Which, by: Dimension | None, level: int) -> dict[int, str]:
    """The fewest cells that tell it at that level, each with its value of `by`."""
    wanted = which.wanted()
    told = [dimension in wanted or dimension is by for dimension in Dimension]
    if not any(told):
        return {WHOLE: ANY}
    # One value by itself where that is kept, else every combination with it.
    apart = told if sum(told) == 1 and level >= ONE_DIMENSION_FROM else [True] * len(told)
    found = {}
    for key, cell in known.items():
        its = dict(zip(Dimension, key, strict=True))
        if [value != ANY for value in key] == apart and wanted.items() <= its.items():
            found[cell] = its[by] if by is not None else ANY
    return found


def _summary(found: Tally) -> Summary:
    told: dict[str, Any] = {name: found[name] for name in (*COUNTS, *AMOUNTS)}
    return Summary(**told | {name: found.spread(name) for name in _SUMMED_UP})


def _point(at: int, found: Tally | None) -> Point:
    if found is None:
        return Point(at=at, tasks=0, errors=0, mean=None, p50=None, p95=None)
    its = found.spread("total")
    return Point(
        at=at,
        tasks=found["tasks"],
        errors=found["failed"] + found["degraded"],
        failed=found["failed"],
        degraded=found["degraded"],
        cache_exact=found["cache_exact"],
        cache_semantic=found["cache_semantic"],
        mean=its.mean,
        p50=its.p50,
        p95=its.p95,
    )


def _histogram(found: Tally) -> Histogram:
    counts = [0] * len(BIN_EDGES)
    for bucket, times in found.buckets("total").items():
        middle = middle_of(bucket)
        counts[max(place for place, edge in enumerate(BIN_EDGES) if edge <= middle)] += times
    ends = (*BIN_EDGES[1:], None)
    bins = zip(BIN_EDGES, ends, counts, strict=True)
    return Histogram(bins=tuple(Bin(from_ms=low, to_ms=high, tasks=number) for low, high, number in bins))


def _stages(found: Tally) -> tuple[StageTime, ...]:
    whole = sum(found[f"{stage}_sum"] for stage in STAGES)
    six = (
        StageTime(stage=stage, spread=found.spread(stage), share=share(found[f"{stage}_sum"], whole))
        for stage in STAGES
    )
    return (*six, StageTime(stage="faq", spread=found.spread("faq"), share=None))


def _part(value: str, found: Tally) -> Part:
    return Part(
        value=value,
        tasks=found["tasks"],
        failed=found["failed"],
        degraded=found["degraded"],
        cache_hits=found["cache_exact"] + found["cache_semantic"],
        total=found.spread("total"),
        first_token=found.spread("first_token"),
        tokens_per_second=found.spread("tokens_per_second"),
    )


def _slowest(connection: sa.Connection, span: Span, which: Which, limit: int) -> tuple[SlowTask, ...]:
    asked: dict[str, Any] = {"since": float(span.since), "until": float(span.until), "most": limit}
    query = _SLOWEST
    if which.wanted():
        query = _SLOWEST_OF_CELLS
        asked["cells"] = list(_cells(all_cells(connection), which, None, MINUTE))
        if not asked["cells"]:
            return ()
    # Far the most tasks are passed over by one number. Where too few are left, all are looked at.
    for least in (_far_up(connection, span, limit * _AMONG), 0.0):
        numbers = connection.execute(query, {**asked, "least": least}).scalars().all()
        if len(numbers) == limit or not least:
            break
    if not numbers:
        return ()
    rows = connection.execute(_SLOW_TASKS, {"numbers": list(numbers)}).mappings()
    return tuple(_slow_task(row) for row in rows)


def _far_up(connection: sa.Connection, span: Span, tasks_above: int) -> float:
    """A total time that at least so many of the span's tasks took, whatever the filter; 0 where there are fewer."""
    buckets = tally(connection, span, Which(), ("total",)).buckets("total")
    for bucket in sorted(buckets, reverse=True):
        tasks_above -= buckets[bucket]
        if tasks_above <= 0:
            return middle_of(bucket - 1)  # below all that is in the bucket
    return 0.0


def _slow_task(row: sa.RowMapping) -> SlowTask:
    timings = timings_read(row["timings"])
    return SlowTask(
        id=row["id"],
        ended_at=row["ended_at"],
        status=row["status"],
        total_ms=row["total_time_ms"],
        attempts=row["attempts"],
        degraded=timings.get("degraded") is True,
        mode=row["mode"],
        model=str(timings.get("llm_model") or NONE),
        strategy=str(timings.get("strategy") or NONE),
        language=row["language"],
        collection=row["collection"],
        lot=row["lot"],
        bars=bars_of(timings),
    )

"""`bench dashboard`: what the dashboard's panels take over so many ended tasks, and how near its percentiles are."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.bench.charts import Chart
from jieqian.bench.figure_tasks import OldTasks, fill, put_in_again
from jieqian.bench.figures import percentile, shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.overhead import Advance
from jieqian.bench.report import Report, Table
from jieqian.metrics.figures import DAY, HOUR, RELATIVE_ERROR, Dimension, Live, Span, Spread, Which
from jieqian.tasks.database import migrate, sqlite_url
from jieqian.tasks.figure_looks import StoredFigures
from jieqian.tasks.sql_store import SqlTaskStore

Found = TypeVar("Found")
#: No task ended later; a day begins. The same tasks each time.
UNTIL = 1_789_948_800
_LATER = UNTIL + 60 * DAY
#: What a panel may take, in milliseconds, and how far off a percentile may be.
MOST_MS, MOST_ERROR = 300, 0.03
#: Off every whole block on both sides.
_OFF = 77 * 60
FILTERS = {
    "all": Which(),
    "mode": Which(mode="quality"),
    "mode, strategy": Which(mode="quality", strategy="sequential"),
    "model, language": Which(model="qwen3:14b", language="en"),
}
_MEASURES = {
    "total": "total_time_ms",
    "first_event": "time_to_first_event_ms",
    "first_token": "time_to_first_token_ms",
    "tokens_per_second": "tokens_per_second",
}
_FILE = "tasks.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """So many tasks of so many days; `folder`: where the filled database is kept, or was by an earlier run.

    Only the newest of `parts` equal parts are made and counted; the others are those again, with their figures.
    """

    tasks: int = 1_000_000
    days: int = 60
    runs: int = 5
    parts: int = 1
    piece: int = 500
    folder: Path | None = None

    @property
    def part(self) -> OldTasks:
        """The tasks that are made."""
        return OldTasks(tasks=self.tasks // self.parts, days=self.days // self.parts, until=float(UNTIL))

    def spans(self) -> dict[str, Span]:
        """By name, the longest last."""
        lengths = {"an hour": HOUR, "a day": DAY, "a week": 7 * DAY, "30 days": 30 * DAY, "a year": 366 * DAY}
        return {name: Span.around(UNTIL - _OFF - length, UNTIL - _OFF) for name, length in lengths.items()}


@dataclass(slots=True)
class _Took:
    """What one panel took over one span and filter, in milliseconds: by the clock, and of a processor."""

    panel: str
    span: str
    which: str
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


class _Timed:
    """The store's look, which also tells what of a processor it took."""

    def __init__(self, store: SqlTaskStore) -> None:
        self._store = store
        self.processor_ms = 0.0

    async def look_at_figures(self, look: Callable[[sa.Connection], Found]) -> Found:
        """See `SqlTaskStore.look_at_figures`."""

        def run(connection: sa.Connection) -> Found:
            begun = time.thread_time()
            found = look(connection)
            self.processor_ms += (time.thread_time() - begun) * 1000
            return found

        return await self._store.look_at_figures(run)


async def measure(plan: Plan, advance: Advance) -> Report:
    """Fill, count, ask every panel, and compare with the tasks themselves."""
    machine = await asyncio.to_thread(describe_machine)
    with _folder(plan) as folder:
        database = folder / _FILE
        advance(0, None, "filling")
        filled_bytes = await asyncio.to_thread(_filled, database, plan)
        store = SqlTaskStore(sqlite_url(database))
        try:
            counted = await _count(store, database, plan, advance)
            counted |= await asyncio.to_thread(_sizes, database, filled_bytes)
            took = await _ask(store, plan, advance)
            advance(0, None, "comparing with the tasks")
            errors = await _errors(store, database, plan)
        finally:
            await store.close()
    return _report(machine, plan, counted, took, errors)


@contextmanager
def _folder(plan: Plan) -> Iterator[Path]:
    if plan.folder is not None:
        yield plan.folder
        return
    with tempfile.TemporaryDirectory(prefix="jieqian-bench-") as folder:
        yield Path(folder)


def _filled(database: Path, plan: Plan) -> int:
    """Fill it, unless an earlier run did; how large it was before anything was counted (0: not known)."""
    database.parent.mkdir(parents=True, exist_ok=True)
    migrate(sqlite_url(database))
    with closing(sqlite3.connect(database)) as connection:
        (there,) = connection.execute("select count(*) from tasks").fetchone()
    if there:
        return 0
    fill(database, plan.part)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    return database.stat().st_size


async def _count(store: SqlTaskStore, database: Path, plan: Plan, advance: Advance) -> dict[str, Any]:
    """Count all, as the service does at an upgrade but without its rests."""
    tasks, pieces = 0, []
    begun, processor = time.perf_counter(), time.process_time()
    while True:
        started = time.perf_counter()
        piece = await store.count_ended(plan.piece)
        pieces.append((time.perf_counter() - started) * 1000)
        tasks += piece.tasks
        await store.tidy_figures(_LATER, piece.hours)
        advance(tasks, plan.part.tasks, "counting")
        if piece.tasks < plan.piece:
            break
    await _make_longer(store, advance)
    seconds, processor = time.perf_counter() - begun, time.process_time() - processor
    if not tasks:
        return {"counted": 0}
    if plan.parts > 1:
        advance(0, None, "putting them in again")
        await asyncio.to_thread(put_in_again, database, plan.part, plan.parts - 1)
        await _make_longer(store, advance)
    return {
        "counted": tasks,
        "seconds": round(seconds, 1),
        "processor_us_a_task": round(processor * 1e6 / tasks, 1),
        "piece": plan.piece,
        "piece_ms": summarize(pieces).as_dict(),
    }


async def _make_longer(store: SqlTaskStore, advance: Advance) -> None:
    made = 0
    while await store.tidy_figures(_LATER):
        made += 1
        advance(made, None, "making hours and longer")


def _sizes(database: Path, filled_bytes: int) -> dict[str, Any]:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        rows = dict(connection.execute("select level, count(*) from figures group by level").fetchall())
        (held,) = connection.execute("select sum(length(numbers) + length(sketches)) from figures").fetchone()
    figures = {"rows_by_level_minutes": rows, "figures_bytes": held, "database_bytes": database.stat().st_size}
    return figures | ({"database_bytes_before": filled_bytes} if filled_bytes else {})


async def _ask(store: SqlTaskStore, plan: Plan, advance: Advance) -> list[_Took]:
    timed = _Timed(store)
    figures = StoredFigures(timed, _no_moment)
    took = []
    for span_name, span in plan.spans().items():
        for which_name, which in FILTERS.items():
            advance(0, None, f"asking: {span_name}, {which_name}")
            for panel, ask in _panels(figures, span, which).items():
                its = _Took(panel, span_name, which_name)
                for _ in range(plan.runs):
                    timed.processor_ms, begun = 0.0, time.perf_counter()
                    await ask()
                    its.wall.append((time.perf_counter() - begun) * 1000)
                    its.processor.append(timed.processor_ms)
                took.append(its)
    return took


def _panels(figures: StoredFigures, span: Span, which: Which) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "summary": lambda: figures.summary(span, which),
        "series": lambda: figures.series(span, which),
        "histogram": lambda: figures.histogram(span, which),
        "stages": lambda: figures.stages(span, which),
        **{
            f"by {by.value}": lambda by=by: figures.breakdown(span, which, by)  # type: ignore[misc]
            for by in (Dimension.MODEL, Dimension.COLLECTION)
        },
        "slowest": lambda: figures.slowest(span, which),
        "values": figures.values,
        "progress": figures.progress,
    }


async def _no_moment() -> Live:
    raise NotImplementedError


async def _errors(store: SqlTaskStore, database: Path, plan: Plan) -> list[dict[str, Any]]:
    """How far each percentile is off that of the tasks themselves."""
    exact = await asyncio.to_thread(_exact, database, plan)
    figures = StoredFigures(store, _no_moment)
    errors = []
    for span_name, span in plan.spans().items():
        for which_name, which in FILTERS.items():
            summary = await figures.summary(span, which)
            for measure in _MEASURES:
                spread: Spread = getattr(summary, measure)
                values = sorted(exact.get((span_name, which_name, measure), ()))
                for percent, told in ((50, spread.p50), (95, spread.p95)):
                    if not values or told is None:
                        continue
                    true = percentile(values, percent)
                    place = {"span": span_name, "filter": which_name, "measure": measure, "percent": percent}
                    error = abs(told - true) / true if true else 0.0
                    errors.append({**place, "samples": len(values), "exact": true, "told": told, "error": error})
                    if spread.samples != len(values):
                        raise AssertionError(f"{place}: {spread.samples} samples told of {len(values)}")
    return errors


def _exact(database: Path, plan: Plan) -> dict[tuple[str, str, str], array[float]]:
    """Every value by span, filter and measure, from the tasks themselves."""
    found: dict[tuple[str, str, str], array[float]] = {}
    spans = plan.spans()
    with closing(sqlite3.connect(database)) as connection:
        for ended_at, mode, language, kept in connection.execute("select ended_at, mode, language, timings from tasks"):
            timings = json.loads(kept)
            its = {"mode": mode, "language": language}
            its |= {"model": timings["llm_model"], "strategy": timings["strategy"]}
            mine = [
                (span_name, which_name)
                for span_name, span in spans.items()
                if span.since <= ended_at < span.until
                for which_name, which in FILTERS.items()
                if all(its[dimension.value] == value for dimension, value in which.wanted().items())
            ]
            for measure, key in _MEASURES.items():
                if timings.get(key) is not None:
                    for span_name, which_name in mine:
                        found.setdefault((span_name, which_name, measure), array("d")).append(timings[key])
    return found


def _report(
    machine: dict[str, Any], plan: Plan, counted: dict[str, Any], took: list[_Took], errors: list[dict[str, Any]]
) -> Report:
    panels = list(dict.fromkeys(one.panel for one in took))
    rows, figures, slowest = [], {}, {}
    for panel in panels:
        its = [one for one in took if one.panel == panel]
        wall = summarize([ms for one in its for ms in one.wall])
        processor = summarize([ms for one in its for ms in one.processor])
        worst = max(its, key=lambda one: summarize(one.processor).p50)
        slowest[panel] = summarize(worst.processor).p50
        figures[panel] = {"wall_ms": wall.as_dict(), "processor_ms": processor.as_dict()}
        figures[panel] |= {"worst": {"span": worst.span, "filter": worst.which, "processor_p50_ms": slowest[panel]}}
        told = (wall.p50, wall.p95, processor.p50, processor.p95, slowest[panel])
        rows.append((panel, *(shown(ms) for ms in told), f"{worst.span}; {worst.which}"))
    worst_error = max((one["error"] for one in errors), default=0.0)
    by_measure = [
        (measure, f"{max(one['error'] for one in errors if one['measure'] == measure):.2%}")
        for measure in _MEASURES
        if any(one["measure"] == measure for one in errors)
    ]
    return Report(
        name="dashboard",
        title="The dashboard's panels over many tasks",
        machine=machine,
        figures={
            "tasks": plan.tasks,
            "days": plan.days,
            "counting": counted,
            "panels": figures,
            "all": [
                {"panel": one.panel, "span": one.span, "filter": one.which, "wall_ms": _rounded(one.wall)}
                | {"processor_ms": _rounded(one.processor)}
                for one in took
            ],
            "percentiles": {"stated": RELATIVE_ERROR, "most": MOST_ERROR, "worst": worst_error, "each": errors},
        },
        tables=[
            Table(
                f"Every panel over {len(plan.spans())} spans and {len(FILTERS)} filters, {plan.runs} times each, in ms "
                f"(at most {MOST_MS})",
                ("panel", "P50", "P95", "P50 of a processor", "P95 of a processor", "slowest span and filter", "which"),
                rows,
            ),
            Table("Percentiles beside those of the tasks themselves", ("measure", "largest error"), by_measure),
        ],
        charts=[
            Chart(
                title="Each panel's slowest span and filter, P50 of a processor",
                kind="bars",
                places=panels,
                series={"ms": [slowest[panel] for panel in panels]},
                unit="ms",
            )
        ],
        notes=_notes(plan, counted, worst_error),
    )


def _notes(plan: Plan, counted: dict[str, Any], worst_error: float) -> list[str]:
    notes = [
        f"{plan.tasks:,} made-up tasks of {plan.days} days, three models, four languages, six collections, two "
        "strategies. Spans begin and end off every hour. `of a processor`: without what others on the machine took.",
        f"Percentiles are {RELATIVE_ERROR:.0%} off at most by construction; found {worst_error:.2%}; bound "
        f"{MOST_ERROR:.0%}.",
        f"Figures in the database: {counted['figures_bytes'] / 1e6:,.0f} MB in "
        f"{sum(counted['rows_by_level_minutes'].values()):,} rows, of {counted['database_bytes'] / 1e6:,.0f} MB in all "
        "(these tasks have neither sections nor events).",
    ]
    if counted["counted"]:
        notes.append(
            f"Counting took {counted['processor_us_a_task']:,.0f} µs of a processor a task, in transactions of "
            f"{counted['piece']} tasks."
        )
    if plan.parts > 1:
        notes.append(
            f"{plan.part.tasks:,} of them were made and counted; the others are those again, with their figures."
        )
    return notes


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 2) for value in values]

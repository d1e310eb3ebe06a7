"""The dashboard's figures over SQLite and, where a server is at hand, PostgreSQL: all is counted, and once."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from jieqian.bench.figure_tasks import OldTasks, old_tasks
from jieqian.bench.figures import percentile
from jieqian.metrics.figures import DAY, HOUR, MINUTE, RELATIVE_ERROR, Dimension, Span, Spread, Summary, Which
from jieqian.tasks.database import open_engine, sqlite_url
from jieqian.tasks.figure_cells import cells_of
from jieqian.tasks.figure_looks import StoredFigures
from jieqian.tasks.figure_rows import count_before_erasing, count_waiting
from jieqian.tasks.figure_tidying import next_made, put_made
from jieqian.tasks.tables import figure_cells, figures, metadata, stale_figures, tasks

Found = TypeVar("Found")
NOW = 1_790_000_040
SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432"
ALL = Which()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[sa.Engine]:
    """An empty database."""
    if request.param == "sqlite":
        path = tmp_path / "jieqian.db"
        shutil.copyfile(migrated_file, path)
        made = open_engine(sqlite_url(path), writes=True)
        yield made
        made.dispose()
        return
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed")
    server = sa.create_engine(f"{SERVER}/postgres", isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2})
    name = f"figures_{uuid.uuid4().hex}"
    try:
        with server.connect() as connection:
            connection.execute(sa.text(f"create database {name}"))
    except sa.exc.OperationalError:
        pytest.skip("no PostgreSQL server is at hand")
    made = sa.create_engine(f"{SERVER}/{name}")
    metadata.create_all(made)
    yield made
    made.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"drop database {name}"))
    server.dispose()


def add(engine: sa.Engine, rows: list[dict[str, Any]]) -> None:
    """Put ended tasks in."""
    values = [{**row, "timings": json.loads(row["timings"]), "sources": [], "fresh": False} for row in rows]
    with engine.begin() as connection:
        connection.execute(sa.insert(tasks), values)


def made_up(number: int, days: float = 3, seed: int = 1, until: float = NOW) -> list[dict[str, Any]]:
    return list(old_tasks(OldTasks(tasks=number, days=days, until=until, seed=seed)))


def one(ended_at: float | None, total_ms: float = 1000.0, **changes: Any) -> dict[str, Any]:
    """A task that ended then."""
    row = made_up(1)[0]
    timings = {**json.loads(row["timings"]), "total_time_ms": total_ms}
    told = {"id": str(uuid.uuid4()), "ended_at": ended_at, "total_time_ms": total_ms, "timings": json.dumps(timings)}
    return row | told | changes


def count(engine: sa.Engine, piece: int = 1000) -> int:
    with engine.begin() as connection:
        return count_waiting(connection, piece).tasks


def tidy(engine: sa.Engine, now: float = NOW + 60 * DAY) -> int:
    """Make all that can be made; how many blocks that were."""
    number = 0
    while True:
        with engine.begin() as connection:
            made = next_made(connection, now, ())
            if made is None:
                return number
            put_made(connection, made)
            number += 1


class Beside:
    """Looks in a thread, as the store does."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    async def look_at_figures(self, look: Callable[[sa.Connection], Found]) -> Found:
        def run() -> Found:
            with self._engine.connect() as connection:
                return look(connection)

        return await asyncio.to_thread(run)


def asked(engine: sa.Engine, call: Callable[[StoredFigures], Any]) -> Any:
    return asyncio.run(call(StoredFigures(Beside(engine), lambda: None)))  # type: ignore[arg-type,return-value]


def summed(engine: sa.Engine, span: Span, which: Which = ALL) -> Summary:
    found: Summary = asked(engine, lambda figures: figures.summary(span, which))
    return found


def kept_in(rows: list[dict[str, Any]], span: Span, which: Which = ALL) -> list[dict[str, Any]]:
    """The timings of those that the span and filter mean."""
    found = []
    for row in rows:
        timings = json.loads(row["timings"]) | {"status": row["status"]}
        its = {**row, "model": timings["llm_model"], "strategy": timings["strategy"]}
        if (
            span.since <= row["ended_at"] < span.until
            and which.wanted().items() <= {dimension: its[dimension.value] for dimension in Dimension}.items()
        ):
            found.append(timings)
    return found


def is_spread_of(spread: Spread, values: list[float]) -> bool:
    if not values:
        return spread == Spread()
    values = sorted(values)
    near = [pytest.approx(percentile(values, percent), rel=RELATIVE_ERROR, abs=0.1) for percent in (50, 95)]
    return (spread.samples, [spread.p50, spread.p95]) == (len(values), near) and spread.mean == pytest.approx(
        sum(values) / len(values), abs=0.051
    )


SPANS = {
    "all": Span.around(NOW - 4 * DAY, NOW + HOUR),
    "hours": Span.around(NOW - 30 * HOUR, NOW - 7 * HOUR),
    "odd minutes": Span.around(NOW - 2 * DAY - 17 * MINUTE, NOW - 61 * MINUTE),
    "none": Span.around(NOW - 90 * DAY, NOW - 80 * DAY),
}
FILTERS = {
    "all": ALL,
    "mode": Which(mode="fast"),
    "two": Which(model="qwen3:14b", language="en"),
    "five": Which(mode="quality", model="qwen3:14b", strategy="parallel", language="zh-Hant", collection="guanyin"),
    "unknown": Which(collection="nowhere"),
}


def test_figures_are_those_of_the_tasks_whatever_is_counted_when(engine: sa.Engine) -> None:
    rows = made_up(300)
    for half in (0, 1):  # the second is of hours, and of days, that are made by then
        add(engine, rows[half::2])
        while count(engine, 41):
            tidy(engine, NOW - DAY)
        tidy(engine, NOW - 5 * HOUR)
    for span in SPANS.values():
        for which in FILTERS.values():
            its, found = kept_in(rows, span, which), summed(engine, span, which)
            assert found.tasks == len(its)
            assert found.failed == sum(one["status"] == "failed" for one in its)
            assert found.cache_exact == sum(one["cache_hit"] == "exact" for one in its)
            assert found.degraded == sum(one.get("degraded", False) for one in its if one["status"] == "completed")
            assert found.completion_tokens == sum(one.get("completion_tokens", 0) for one in its)
            assert is_spread_of(found.total, [one["total_time_ms"] for one in its])
            firsts = [one["time_to_first_token_ms"] for one in its if "time_to_first_token_ms" in one]
            assert is_spread_of(found.first_token, firsts)


def test_panels_agree_with_each_other(engine: sa.Engine) -> None:
    rows = made_up(300)
    add(engine, rows)
    count(engine)
    tidy(engine, NOW - 5 * HOUR)
    for span in (SPANS["odd minutes"], SPANS["all"]):
        for which in (ALL, FILTERS["mode"]):
            whole = summed(engine, span, which)
            series = asked(engine, lambda figures, span=span, which=which: figures.series(span, which))
            assert sum(point.tasks for point in series.points) == whole.tasks
            assert [point.at for point in series.points] == [
                at for at in range(series.points[0].at, span.until, series.step_seconds)
            ]
            bins = asked(engine, lambda figures, span=span, which=which: figures.histogram(span, which)).bins
            assert sum(one.tasks for one in bins) == whole.tasks
            for by in Dimension:
                parts = asked(
                    engine, lambda figures, span=span, which=which, by=by: figures.breakdown(span, which, by)
                ).parts
                assert sum(part.tasks for part in parts) == whole.tasks
                assert all(is_same(engine, span, which, by, part.value, part.total) for part in parts)
            stages = asked(engine, lambda figures, span=span, which=which: figures.stages(span, which))
            assert sum(stage.share for stage in stages if stage.share) == pytest.approx(1)
            slowest = asked(engine, lambda figures, span=span, which=which: figures.slowest(span, which, 5))
            totals = sorted((one["total_time_ms"] for one in kept_in(rows, span, which)), reverse=True)
            assert [task.total_ms for task in slowest] == totals[:5]


def is_same(engine: sa.Engine, span: Span, which: Which, by: Dimension, value: str, total: Spread) -> bool:
    if by in which.wanted():
        return value == which.wanted()[by]
    narrowed = Which(**{**{key.value: one for key, one in which.wanted().items()}, by.value: value})
    return summed(engine, span, narrowed).total == total


def test_the_slowest_of_a_filter_are_found_below_all_others(engine: sa.Engine) -> None:
    quick = [one(NOW + number, 20.0 + number, mode="fast") for number in range(3)]
    add(engine, [one(NOW + number, 50_000.0 + number, mode="quality") for number in range(300)] + quick)
    count(engine)
    for limit, expected in ((2, [22.0, 21.0]), (5, [22.0, 21.0, 20.0])):
        its = asked(engine, lambda figures, limit=limit: figures.slowest(SPANS["all"], Which(mode="fast"), limit))
        assert [task.total_ms for task in its] == expected
    assert asked(engine, lambda figures: figures.slowest(SPANS["all"], ALL, 1))[0].total_ms == 50_299


def test_an_empty_database_answers_every_panel(engine: sa.Engine) -> None:
    span = SPANS["all"]
    assert summed(engine, span).tasks == 0
    assert summed(engine, span).error_rate is None
    assert {point.tasks for point in asked(engine, lambda figures: figures.series(span, ALL)).points} == {0}
    assert asked(engine, lambda figures: figures.slowest(span, ALL)) == ()
    assert asked(engine, lambda figures: figures.breakdown(span, ALL, Dimension.MODEL)).parts == ()
    assert asked(engine, lambda figures: figures.stages(span, ALL))[0].share is None
    assert asked(engine, lambda figures: figures.values()).mode == ()
    assert asked(engine, lambda figures: figures.progress()).complete
    assert count(engine) == 0
    assert tidy(engine) == 0


@pytest.mark.parametrize("tidied", [False, True])
def test_a_span_holds_its_first_minute_and_not_its_last(engine: sa.Engine, tidied: bool) -> None:
    hour = NOW // HOUR * HOUR
    add(engine, [one(hour), one(hour - 0.001), one(hour + HOUR - 0.001), one(hour + HOUR)])
    count(engine)
    if tidied:
        tidy(engine)
    assert summed(engine, Span(hour, hour + HOUR)).tasks == 2
    assert summed(engine, Span(hour - MINUTE, hour)).tasks == 1
    assert summed(engine, Span(hour + HOUR, hour + HOUR + MINUTE)).tasks == 1


def test_one_task_is_told_by_itself(engine: sa.Engine) -> None:
    add(engine, [one(NOW, 12_345.6)])
    assert asked(engine, lambda figures: figures.progress()).waiting == 1
    assert count(engine) == 1
    total = summed(engine, Span(NOW, NOW + MINUTE)).total
    assert (total.samples, total.mean) == (1, 12_345.6)
    assert total.p50 == total.p95 == pytest.approx(12_345.6, rel=RELATIVE_ERROR)


class Killed(Exception):
    pass


def half_way(engine: sa.Engine, step: Callable[[sa.Connection], object]) -> None:
    """Do that, and die before the commit."""

    def die() -> None:
        with engine.begin() as connection:
            step(connection)
            raise Killed

    with pytest.raises(Killed):
        die()


def make_one(connection: sa.Connection) -> None:
    made = next_made(connection, NOW, ())
    assert made is not None
    put_made(connection, made)


def test_what_dies_half_way_is_counted_once_later(engine: sa.Engine) -> None:
    add(engine, made_up(30))
    for _ in range(2):
        half_way(engine, lambda connection: count_waiting(connection, 20))
    assert summed(engine, SPANS["all"]).tasks == 0
    assert (count(engine, 20), count(engine, 20), count(engine, 20)) == (20, 10, 0)
    half_way(engine, make_one)
    assert summed(engine, SPANS["all"]).tasks == 30
    tidy(engine)
    assert summed(engine, SPANS["all"]).tasks == 30


def test_what_is_counted_while_an_hour_is_made_is_not_lost(engine: sa.Engine) -> None:
    hour = NOW // HOUR * HOUR
    add(engine, [one(hour + 5)])
    count(engine)
    with engine.begin() as connection:
        made = next_made(connection, NOW + DAY, ())
    assert made is not None
    add(engine, [one(hour + 10)])
    count(engine)
    with engine.begin() as connection:
        put_made(connection, made)
    assert summed(engine, Span(hour, hour + HOUR)).tasks == 2
    tidy(engine)
    assert summed(engine, Span(hour, hour + HOUR)).tasks == 2
    with engine.connect() as connection:
        assert connection.execute(sa.select(stale_figures)).all() == []


def test_late_and_early_ends_are_counted_where_they_belong(engine: sa.Engine) -> None:
    add(engine, [one(NOW), one(NOW - 40 * DAY), one(NOW + 20 * DAY), one(1000.0), one(9e9)])
    count(engine)
    assert tidy(engine, NOW) > 0  # what is not past yet is told by its minutes
    assert summed(engine, Span.around(NOW + 19 * DAY, NOW + 21 * DAY)).tasks == 1
    add(engine, [one(NOW - 40 * DAY + 1)])
    count(engine)
    assert summed(engine, Span.around(NOW - 60 * DAY, NOW - DAY)).tasks == 2
    tidy(engine, NOW)
    assert summed(engine, Span.around(NOW - 60 * DAY, NOW - DAY)).tasks == 2
    assert summed(engine, Span.around(NOW - 15 * 365 * DAY, NOW + 30 * DAY)).tasks == 4


def test_two_that_count_at_once_count_each_once(engine: sa.Engine) -> None:
    add(engine, made_up(200))
    others = (
        sa.create_engine(engine.url)
        if engine.dialect.name == "postgresql"
        else open_engine(str(engine.url), writes=True)
    )
    counted: list[int] = []

    def work(mine: sa.Engine) -> None:
        while number := count(mine, 10):
            counted.append(number)

    threads = [threading.Thread(target=work, args=(each,)) for each in (engine, others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    others.dispose()
    assert sum(counted) == 200
    assert summed(engine, SPANS["all"]).tasks == 200


def test_an_erased_task_stays_counted_and_leaves_nothing_of_itself(engine: sa.Engine) -> None:
    row = one(NOW, question="一個秘密")
    add(engine, [row])
    with engine.begin() as connection:
        count_before_erasing(connection, row["id"])
        connection.execute(sa.delete(tasks).where(tasks.c.id == row["id"]))
    assert count(engine) == 0
    assert summed(engine, SPANS["all"]).tasks == 1
    assert asked(engine, lambda figures: figures.slowest(SPANS["all"], ALL)) == ()
    with engine.connect() as connection:
        kept = [
            str(each) for table in (figures, figure_cells, stale_figures) for each in connection.execute(table.select())
        ]
    assert not [each for each in kept if row["id"] in each or row["caller"] in each or "秘密" in each]


def test_a_task_under_way_is_not_counted(engine: sa.Engine) -> None:
    add(engine, [one(None, status="queued")])
    assert count(engine) == 0
    assert asked(engine, lambda figures: figures.progress()).complete


def test_cells_are_bounded(engine: sa.Engine) -> None:
    keys = [("quality", f"model {number}", "sequential", "en", f"c{number % 50}") for number in range(3000)]
    with engine.begin() as connection:
        found = cells_of(connection, keys)
        assert len(found) == 3000
        assert connection.execute(sa.select(sa.func.count()).select_from(figure_cells)).scalar_one() < 2010
        assert cells_of(connection, keys) == found

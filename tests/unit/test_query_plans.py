"""No statement of a reading's way looks at every task there ever was, whatever SQLite's planner is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from jieqian.errors import UnknownTask
from jieqian.events.event import Completed
from jieqian.metrics.figures import DAY, Dimension, Live, Span, Which
from jieqian.tasks.database import migrate, sqlite_url
from jieqian.tasks.figure_looks import StoredFigures
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.store import FromCache
from jieqian.tasks.task import Status
from jieqian.testing.sample_tasks import SAMPLE_TIME, sample_first_events, sample_request, sample_section

Step = Callable[[SqlTaskStore], Awaitable[object]]


async def erased(store: SqlTaskStore) -> None:
    await store.erase("a task", "asker")
    with pytest.raises(UnknownTask):
        await store.get("a task")


STEPS: dict[str, Step] = {
    "accept": lambda store: store.accept(
        sample_request(id="another", idempotency_key="k", body_hash="h"),
        sample_first_events,
        10,
        FromCache("key", lambda _: pytest.fail("nothing is kept")),
    ),
    "task_of_key": lambda store: store.task_of_key("asker", "k", SAMPLE_TIME),
    "claim": lambda store: store.claim("other", SAMPLE_TIME, 30, held=("token",)),
    "heartbeat": lambda store: store.heartbeat("a task", "token", 2e9),
    "append": lambda store: store.append("a task", "token", [Completed({})]),
    "keep_sources": lambda store: store.keep_sources("a task", "token", [], {}, []),
    "finish_section": lambda store: store.finish_section("a task", "token", sample_section(), {}, []),
    "end": lambda store: store.end("a task", "token", Status.COMPLETED, {}, [Completed({})]),
    "release": lambda store: store.release("a task", "token", counts=False),
    "release_leases": lambda store: store.release_leases(),
    "stop": lambda store: store.stop("a task", "asker", SAMPLE_TIME),
    "get": lambda store: store.get("a task"),
    "events": lambda store: store.events("a task", 0, 10),
    "history": lambda store: store.history("asker", 20, None),
    "ahead_of": lambda store: store.ahead_of(["a task"]),
    "counts": lambda store: store.counts(),
    "median_total_ms": lambda store: store.median_total_ms("quality"),
    "own_readings": lambda store: store.own_readings(sample_request(), 20),
    "answer": lambda store: store.answer("key"),
    "renew_answer": lambda store: store.renew_answer("key", SAMPLE_TIME),
    "erase": erased,
}


async def no_moment() -> Live:
    raise NotImplementedError


def figures(store: SqlTaskStore) -> StoredFigures:
    return StoredFigures(store, no_moment)


SPAN, SOME = Span.around(SAMPLE_TIME - 40 * DAY, SAMPLE_TIME + 40 * DAY), Which(mode="quality")
#: Cells and stale blocks are few; what waits to be counted has an index of its own.
FEW = (
    *("SCAN figure_cells", "SCAN stale_figures", "SCAN anon_1", "SCAN (subquery-1)"),
    *("SCAN tasks USING COVERING INDEX ix_tasks_uncounted", "SCAN tasks USING INDEX ix_tasks_uncounted"),
)
LOOKS: dict[str, Step] = {
    "count_ended": lambda store: store.count_ended(10),
    "tidy": lambda store: store.tidy_figures(SAMPLE_TIME + 60 * DAY),
    "summary": lambda store: figures(store).summary(SPAN, Which()),
    "series": lambda store: figures(store).series(SPAN, SOME),
    "breakdown": lambda store: figures(store).breakdown(SPAN, SOME, Dimension.MODEL),
    "slowest": lambda store: figures(store).slowest(SPAN, Which()),
    "slowest of some": lambda store: figures(store).slowest(SPAN, SOME),
    "progress": lambda store: figures(store).progress(),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_no_step_reads_every_task(step: Step, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "x.db")
    migrate(url)
    store = SqlTaskStore(url)
    await store.accept(sample_request(id="a task"), sample_first_events, 10)
    await store.claim("token", SAMPLE_TIME, 1e9)
    scans = await scans_of(step, store)
    assert not [plan for plan in scans if "ix_tasks_waiting" not in plan], scans


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_no_figure_reads_every_task_or_every_roll_up(look: Step, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "x.db")
    migrate(url)
    store = SqlTaskStore(url)
    await store.accept(
        sample_request(id="a task", care={"kind": "k"}, timings={"total_time_ms": 1.0}), sample_first_events, 10
    )
    if look is not LOOKS["count_ended"]:
        await store.count_ended(10)
    scans = await scans_of(look, store)
    assert not [plan for plan in scans if not plan.startswith(FEW)], scans
    if look in (LOOKS["count_ended"], LOOKS["progress"]):
        assert [plan for plan in scans if "ix_tasks_uncounted" in plan], scans


async def scans_of(step: Step, store: SqlTaskStore) -> list[str]:
    """Do the step and close the store; which of its statements read all of something."""
    plans: list[str] = []

    def explain(_connection, cursor, statement, parameters, _context, executemany) -> None:
        if statement.split()[0].upper() in ("SELECT", "UPDATE", "DELETE", "INSERT"):
            one = parameters[0] if executemany else parameters
            told = cursor.connection.execute(f"explain query plan {statement}", one).fetchall()
            plans.extend(f"{row[3]}  <- {statement}" for row in told)

    for engine in (store._write_engine, store._read_engine):
        sa.event.listen(engine, "before_cursor_execute", explain)
    await step(store)
    await store.close()
    assert plans, "nothing was asked"
    return [plan.split("  <- ")[0] for plan in plans if plan.startswith("SCAN") and "SCAN CONSTANT ROW" not in plan]

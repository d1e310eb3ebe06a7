"""Counting ended tasks into the roll-ups, each once: the roll-ups and the task's mark change in one transaction.

Which tasks are to be counted is told by the tasks themselves (`figure_cell` is null), by no order and no clock: so it
does not matter when a task ended, in which order, or which process ended it, and an earlier release's are found too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.metrics.counted import AMOUNTS, COUNTS, MEASURES, CellKey, CountedTask, counted, minute_of
from jieqian.metrics.figures import MINUTE, OTHERS, Dimension
from jieqian.metrics.sketch import bucket_of, decode, encode
from jieqian.metrics.spans import LEVELS
from jieqian.tasks.tables import UNCOUNTED, figure_cells, figures, tasks

Result = TypeVar("Result")
#: The cell that all tasks are counted in.
WHOLE = 0
#: So many combinations of values are kept apart; then models, then collections too, count together as others.
MOST_CELLS, MOST_WITH_MODELS = 2000, 1500
#: Sums are kept in tenths.
TENTHS = 10
#: Numbers of a kept sketch above which it is put in order, each bucket once.
_LOOSE = 16
_LOCK = 0x6A69_6571  # PostgreSQL: processes count one after another

_COLUMNS = ("seq", "status", "mode", "language", "collection", "ended_at")
_WAITING = sa.select(
    *(tasks.c[name] for name in _COLUMNS),
    sa.type_coerce(tasks.c.timings, sa.Text).label("timings"),  # one that cannot be read must not stop the others
    tasks.c.care.is_not(None).label("has_care"),
).where(UNCOUNTED)
_NEWEST = _WAITING.order_by(tasks.c.seq.desc()).limit(sa.bindparam("most"))
_ONE = _WAITING.where(tasks.c.id == sa.bindparam("its_id"))
_MARK = sa.update(tasks).where(tasks.c.seq == sa.bindparam("its_seq")).values(figure_cell=sa.bindparam("its_cell"))
_KEY = (figures.c.level, figures.c.cell, figures.c.at)
_NUMBERS = (*COUNTS, *AMOUNTS, *(f"{name}_sum" for name in MEASURES))
_VALUES = tuple(column.name for column in figures.c if not column.primary_key)
_KEPT = sa.select(figures).where(sa.tuple_(*_KEY).in_(sa.bindparam("keys", expanding=True)))
_ADD = sa.insert(figures)
DIMENSIONS = tuple(dimension.value for dimension in Dimension)
_CELLS = sa.select(figure_cells.c.id, *(figure_cells.c[name] for name in DIMENSIONS))
_NEW_CELL = sa.insert(figure_cells).returning(figure_cells.c.id)
_CHANGE = (
    sa.update(figures)
    .where(*(column == sa.bindparam(f"its_{column.name}") for column in _KEY))
    .values({name: sa.bindparam(f"new_{name}") for name in _VALUES})
)
#: Level, cell, and when the block begins; all in minutes.
Key = tuple[int, int, int]
Row = dict[str, Any]


class FigureRows:
    """The part of `SqlTaskStore` that counts ended tasks, and lets the dashboard look."""

    async def _write(self, operation: Callable[[sa.Connection], Result], *, durable: bool = True) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def count_ended(self, most: int) -> int:
        """Count up to so many ended tasks that were not yet, those accepted last first; says how many these were."""
        return await self._write(lambda connection: count_waiting(connection, most), durable=False)

    async def look_at_figures(self, look: Callable[[sa.Connection], Result]) -> Result:
        """Run a look in a thread of its own. Raises `StoreError`."""
        return await self._read(look)


def count_waiting(connection: sa.Connection, most: int) -> int:
    """Count up to so many; see `FigureRows.count_ended`."""
    lock_figures(connection)
    rows = connection.execute(_NEWEST, {"most": most}).mappings().all()
    _count(connection, [counted(dict(row)) for row in rows])
    return len(rows)


def count_before_erasing(connection: sa.Connection, task_id: str) -> None:
    """A task that is erased before its turn came is counted first, if it has ended."""
    lock_figures(connection)
    rows = connection.execute(_ONE, {"its_id": task_id}).mappings()
    _count(connection, [counted(dict(row)) for row in rows])


def count_late(connection: sa.Connection, cell: int, ended_at: float, measures: Mapping[str, float]) -> None:
    """Add measures that came after their task was counted, into the same cell and minute."""
    deltas: dict[Key, Row] = {}
    _add(deltas, cell, minute_of(ended_at), {}, measures)
    _put(connection, deltas)


def lock_figures(connection: sa.Connection) -> None:
    """Until the transaction's end nobody else counts. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _count(connection: sa.Connection, ended: Sequence[CountedTask]) -> None:
    if not ended:
        return
    cells = _cells_of(connection, {task.cell for task in ended})
    deltas: dict[Key, Row] = {}
    for task in ended:
        _add(deltas, cells[task.cell], task.minute, task.counts, task.measures)
    _put(connection, deltas)
    connection.execute(_MARK, [{"its_seq": task.seq, "its_cell": cells[task.cell]} for task in ended])


def _add(
    deltas: dict[Key, Row], cell: int, minute: int, counts: Mapping[str, int], measures: Mapping[str, float]
) -> None:
    """Add a task's figures to every block it belongs to."""
    samples = [(name, round(value * TENTHS), bucket_of(value)) for name, value in measures.items()]
    for level in LEVELS:
        length = level // MINUTE
        for its_cell in (cell, WHOLE):
            delta = deltas.setdefault((length, its_cell, minute - minute % length), defaultdict(int))
            for name, number in counts.items():
                delta[name] += number
            for name, tenths, bucket in samples:
                delta[f"{name}_sum"] += tenths
                delta[name] = (delta[name] or b"") + encode({bucket: 1})


def _put(connection: sa.Connection, deltas: Mapping[Key, Row]) -> None:
    """Add these to what is kept."""
    kept = {tuple(row)[:3]: row._mapping for row in connection.execute(_KEPT, {"keys": list(deltas)})}
    changed, new = [], []
    for key, delta in deltas.items():
        row = kept.get(key)
        level, cell, at = key
        values = {name: (row[name] if row else 0) + delta[name] for name in _NUMBERS}
        values |= {name: _joined((row[name] if row else b"") + (delta[name] or b"")) for name in MEASURES}
        if row is None:
            new.append({"level": level, "cell": cell, "at": at, **values})
        else:
            places = {"its_level": level, "its_cell": cell, "its_at": at}
            changed.append(places | {f"new_{name}": value for name, value in values.items()})
    if changed:
        connection.execute(_CHANGE, changed)
    if new:
        connection.execute(_ADD, new)


def _joined(sketch: bytes) -> bytes:
    return sketch if len(sketch) <= _LOOSE * 4 else encode(decode([sketch]))


def _cells_of(connection: sa.Connection, keys: Iterable[CellKey]) -> dict[CellKey, int]:
    """The cells of these combinations; those that are new are made."""
    known: dict[CellKey, int] = {}
    for cell, mode, model, strategy, language, collection in connection.execute(_CELLS):
        known[mode, model, strategy, language, collection] = cell
    found: dict[CellKey, int] = {}
    for wanted in keys:
        key = _bounded(wanted, known)
        if key not in known:
            values = dict(zip(DIMENSIONS, key, strict=True))
            known[key] = connection.execute(_NEW_CELL, values).scalar_one()
        found[wanted] = known[key]
    return found


def _bounded(key: CellKey, known: Mapping[CellKey, int]) -> CellKey:
    """The combination itself while there is room for more, else with what has the most values as others."""
    mode, _, strategy, language, collection = key
    if key in known or len(known) < MOST_WITH_MODELS:
        return key
    fewer = (mode, OTHERS, strategy, language, collection)
    return fewer if fewer in known or len(known) < MOST_CELLS else (mode, OTHERS, strategy, language, OTHERS)

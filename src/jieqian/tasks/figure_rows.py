"""Counting ended tasks into the roll-ups, each once: the roll-ups and the task's mark change in one transaction.

Which tasks are to be counted is told by the tasks themselves (`figure_cell` is null), by no order and no clock: so it
does not matter when a task ended, in which order, or which process ended it, and an earlier release's are found too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import sqlalchemy as sa

from jieqian.metrics.counted import (
    Amounts,
    CellKey,
    CountedTask,
    added_up,
    amounts_of,
    counted,
    minute_of,
    pack,
    unpack_numbers,
    unpack_sketches,
)
from jieqian.metrics.figures import MINUTE, OTHERS, Dimension
from jieqian.metrics.sketch import decode, encode
from jieqian.metrics.spans import LEVELS
from jieqian.tasks.tables import UNCOUNTED, figure_cells, figures, tasks

Result = TypeVar("Result")
#: The cell that all tasks are counted in.
WHOLE = 0
#: So many combinations of values are kept apart; then models, then collections too, count together as others.
MOST_CELLS, MOST_WITH_MODELS = 2000, 1500
#: Numbers of a kept sketch above which it is put in order, each bucket once.
_LOOSE = 32
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
#: By cells and moments apart: SQLite reads the whole table for a list of whole keys.
_KEPT = sa.select(figures).where(
    figures.c.level == sa.bindparam("its_level"),
    figures.c.cell.in_(sa.bindparam("cells", expanding=True)),
    figures.c.at.in_(sa.bindparam("moments", expanding=True)),
)
_ADD = sa.insert(figures)
_CHANGE = (
    sa.update(figures)
    .where(*(figures.c[name] == sa.bindparam(f"its_{name}") for name in ("level", "cell", "at")))
    .values(numbers=sa.bindparam("new_numbers"), sketches=sa.bindparam("new_sketches"))
)
_LENGTHS = tuple(level // MINUTE for level in LEVELS)
DIMENSIONS = tuple(dimension.value for dimension in Dimension)
_CELLS = sa.select(figure_cells.c.id, *(figure_cells.c[name] for name in DIMENSIONS))
_NEW_CELL = sa.insert(figure_cells).returning(figure_cells.c.id)
#: Level, cell, and when the block begins; all in minutes.
Key = tuple[int, int, int]


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
    _put(connection, _blocks_of([(cell, minute_of(ended_at), amounts_of({}, measures))]))


def lock_figures(connection: sa.Connection) -> None:
    """Until the transaction's end nobody else counts. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _count(connection: sa.Connection, ended: Sequence[CountedTask]) -> None:
    if not ended:
        return
    cells = _cells_of(connection, {task.cell for task in ended})
    _put(connection, _blocks_of((cells[task.cell], task.minute, task.amounts) for task in ended))
    connection.execute(_MARK, [{"its_seq": task.seq, "its_cell": cells[task.cell]} for task in ended])


def _blocks_of(counted_in: Iterable[tuple[int, int, Amounts]]) -> dict[Key, list[Amounts]]:
    """Every block that a task of this cell and minute belongs to, with its amounts."""
    blocks: dict[Key, list[Amounts]] = {}
    for cell, minute, amounts in counted_in:
        for length in _LENGTHS:
            at = minute - minute % length
            blocks.setdefault((length, cell, at), []).append(amounts)
            blocks.setdefault((length, WHOLE, at), []).append(amounts)
    return blocks


def _put(connection: sa.Connection, blocks: Mapping[Key, list[Amounts]]) -> None:
    """Add these to what is kept."""
    kept: dict[Key, Amounts] = {}
    for length in _LENGTHS:
        mine = [(cell, at) for level, cell, at in blocks if level == length]
        cells, moments = {cell for cell, _ in mine}, {at for _, at in mine}
        asked = {"its_level": length, "cells": list(cells), "moments": list(moments)}
        for level, cell, at, numbers, sketches in connection.execute(_KEPT, asked):
            kept[level, cell, at] = Amounts(unpack_numbers(numbers), unpack_sketches(sketches))
    changed, new = [], []
    for key, more in blocks.items():
        numbers, sketches = pack(_in_order(added_up([kept[key], *more] if key in kept else more)))
        level, cell, at = key
        if key in kept:
            places = {"its_level": level, "its_cell": cell, "its_at": at}
            changed.append({**places, "new_numbers": numbers, "new_sketches": sketches})
        else:
            new.append({"level": level, "cell": cell, "at": at, "numbers": numbers, "sketches": sketches})
    if changed:
        connection.execute(_CHANGE, changed)
    if new:
        connection.execute(_ADD, new)


def _in_order(amounts: Amounts) -> Amounts:
    """Each bucket once, where there are more than a few."""
    if max(map(len, amounts.sketches)) <= _LOOSE * 4:
        return amounts
    ordered = (one if len(one) <= _LOOSE * 4 else encode(decode([one])) for one in amounts.sketches)
    return Amounts(amounts.numbers, tuple(ordered))


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

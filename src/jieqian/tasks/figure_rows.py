"""Counting ended tasks into the roll-ups by minute, each once: with the task's mark, in one transaction.

Which tasks are to be counted is told by the tasks themselves (`figure_cell` is null), by no order and no clock: so it
does not matter when a task ended, in which order, or which process ended it, and an earlier release's are found too.
What is longer than a minute is made of shorter ones later (`figure_tidying`); until then it is stale.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from jieqian.metrics.counted import (
    Amounts,
    CountedTask,
    added_up,
    amounts_of,
    counted,
    in_order,
    minute_of,
    pack,
    unpack_numbers,
    unpack_sketches,
)
from jieqian.metrics.figures import HOUR, MINUTE
from jieqian.metrics.spans import LEVELS
from jieqian.tasks.figure_cells import WHOLE, cells_of
from jieqian.tasks.figure_tidying import next_made, put_made
from jieqian.tasks.tables import UNCOUNTED, figures, stale_figures, tasks

Result = TypeVar("Result")
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
_KEPT = sa.select(figures.c.cell, figures.c.at, figures.c.numbers, figures.c.sketches).where(
    figures.c.level == 1,
    figures.c.cell.in_(sa.bindparam("cells", expanding=True)),
    figures.c.at.in_(sa.bindparam("moments", expanding=True)),
)
_NEW = sa.insert(figures)
_CHANGE = (
    sa.update(figures)
    .where(figures.c.level == 1, figures.c.cell == sa.bindparam("its_cell"), figures.c.at == sa.bindparam("its_at"))
    .values(numbers=sa.bindparam("new_numbers"), sketches=sa.bindparam("new_sketches"))
)
_FRESHEN = sa.delete(stale_figures).where(
    stale_figures.c.level == sa.bindparam("its_level"),
    stale_figures.c.at.in_(sa.bindparam("moments", expanding=True)),
)
_STALE = sa.insert(stale_figures)
_HOUR = HOUR // MINUTE


@dataclass(frozen=True, slots=True)
class Piece:
    """Tasks that were counted together: how many, and in which hours they ended (minutes since the epoch)."""

    tasks: int = 0
    hours: frozenset[int] = frozenset()


class FigureRows:
    """The part of `SqlTaskStore` that counts ended tasks, and lets the dashboard look."""

    async def _write(self, operation: Callable[[sa.Connection], Result], *, durable: bool = True) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def count_ended(self, most: int) -> Piece:
        """Count up to so many ended tasks that were not yet, those accepted last first."""
        return await self._write(lambda connection: count_waiting(connection, most), durable=False)

    async def tidy_figures(self, now: float, busy_hours: Collection[int] = ()) -> bool:
        """Make one hour or longer, all of which is past, of shorter ones; False: there is none to be made.

        `busy_hours`: not these, nor what holds one: more tasks are being counted there.
        """
        made = await self._read(lambda connection: next_made(connection, now, busy_hours))
        if made is None:
            return False
        await self._write(lambda connection: put_made(connection, made), durable=False)
        return True

    async def look_at_figures(self, look: Callable[[sa.Connection], Result]) -> Result:
        """Run a look in a thread of its own. Raises `StoreError`."""
        return await self._read(look)


def count_waiting(connection: sa.Connection, most: int) -> Piece:
    """Count up to so many; see `FigureRows.count_ended`."""
    lock_figures(connection)
    ended = [counted(dict(row)) for row in connection.execute(_NEWEST, {"most": most}).mappings()]
    _count(connection, ended)
    return Piece(len(ended), frozenset(task.minute - task.minute % _HOUR for task in ended))


def count_before_erasing(connection: sa.Connection, task_id: str) -> None:
    """A task that is erased before its turn came is counted first, if it has ended."""
    lock_figures(connection)
    rows = connection.execute(_ONE, {"its_id": task_id}).mappings()
    _count(connection, [counted(dict(row)) for row in rows])


def count_late(connection: sa.Connection, combination: int, ended_at: float, measures: Mapping[str, float]) -> None:
    """Add measures that came after their task was counted, into the same cells and minute."""
    _add(connection, [(combination, minute_of(ended_at), amounts_of({}, measures))])


def lock_figures(connection: sa.Connection) -> None:
    """Until the transaction's end nobody else counts. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _count(connection: sa.Connection, ended: Sequence[CountedTask]) -> None:
    if not ended:
        return
    cells = cells_of(connection, {task.cell for task in ended})
    _add(connection, [(cells[task.cell], task.minute, task.amounts) for task in ended])
    connection.execute(_MARK, [{"its_seq": task.seq, "its_cell": cells[task.cell]} for task in ended])


def _add(connection: sa.Connection, more: Sequence[tuple[int, int, Amounts]]) -> None:
    """Add amounts to a cell's minute and to that of all; what is made of such minutes is stale from now on."""
    blocks: dict[tuple[int, int], list[Amounts]] = {}
    for cell, minute, amounts in more:
        for each in (cell, WHOLE):
            blocks.setdefault((each, minute), []).append(amounts)
    _put(connection, blocks)
    for level in LEVELS[1:]:
        length = level // MINUTE
        moments = list({minute - minute % length for _, minute, _ in more})
        connection.execute(_FRESHEN, {"its_level": length, "moments": moments})
        stamp = uuid.uuid4().hex
        connection.execute(_STALE, [{"level": length, "at": at, "stamp": stamp} for at in moments])


def _put(connection: sa.Connection, blocks: Mapping[tuple[int, int], list[Amounts]]) -> None:
    """Add these to the minutes that are kept."""
    asked = {"cells": list({cell for cell, _ in blocks}), "moments": list({at for _, at in blocks})}
    kept = {
        (cell, at): Amounts(unpack_numbers(numbers), unpack_sketches(sketches))
        for cell, at, numbers, sketches in connection.execute(_KEPT, asked)
    }
    changed, new = [], []
    for (cell, at), more in blocks.items():
        earlier = kept.get((cell, at))
        if earlier is None:
            numbers, sketches = pack(added_up(more))
            new.append({"level": 1, "cell": cell, "at": at, "numbers": numbers, "sketches": sketches})
        else:
            numbers, sketches = pack(in_order(added_up([earlier, *more])))
            changed.append({"its_cell": cell, "its_at": at, "new_numbers": numbers, "new_sketches": sketches})
    if changed:
        connection.execute(_CHANGE, changed)
    if new:
        connection.execute(_NEW, new)

"""Hours made of minutes, quarters of a day of hours, and so on: anew from all of the shorter ones, so that it may fail.

It is worked out by a reader, while others write; what was counted meanwhile made the block stale again, under another
stamp, and then what was worked out is thrown away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jieqian.metrics.counted import Amounts, added_up, in_order, pack, unpack_numbers, unpack_sketches
from jieqian.metrics.figures import MINUTE
from jieqian.metrics.spans import LEVELS
from jieqian.tasks.figure_cells import WHOLE, all_cells, singles_of
from jieqian.tasks.tables import figures, stale_figures

#: In minutes; the first is a minute itself.
_LENGTHS = tuple(level // MINUTE for level in LEVELS)
_STALE = sa.select(stale_figures).order_by(stale_figures.c.level, stale_figures.c.at.desc())
_PARTS = sa.select(figures.c.numbers, figures.c.sketches, figures.c.cell).where(
    figures.c.level == sa.bindparam("its_level"),
    figures.c.cell.in_(sa.bindparam("cells", expanding=True)),
    figures.c.at >= sa.bindparam("since"),
    figures.c.at < sa.bindparam("until"),
)
_NO_LONGER_STALE = sa.delete(stale_figures).where(
    *(stale_figures.c[name] == sa.bindparam(f"its_{name}") for name in ("level", "at", "stamp"))
)
_OLD = sa.delete(figures).where(
    figures.c.level == sa.bindparam("its_level"),
    figures.c.cell.in_(sa.bindparam("cells", expanding=True)),
    figures.c.at == sa.bindparam("its_at"),
)
_NEW = sa.insert(figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One block, worked out: its rows, and the stamp under which it was stale."""

    level: int
    at: int
    stamp: str
    rows: list[dict[str, Any]]


def next_made(connection: sa.Connection, now: float, busy_hours: Collection[int]) -> Made | None:
    """Work out the newest of the shortest stale blocks that are past; None where there is none."""
    stale = [(row.level, row.at, row.stamp) for row in connection.execute(_STALE)]
    known = {(level, at) for level, at, _ in stale}
    for level, at, stamp in stale:
        past = (at + level) * MINUTE <= now
        busy = any(at <= hour < at + level for hour in busy_hours)
        part = _LENGTHS[_LENGTHS.index(level) - 1]
        if past and not busy and not any((part, each) in known for each in range(at, at + level, part)):
            return Made(level=level, at=at, stamp=stamp, rows=_rows(connection, level, at, part))
    return None


def put_made(connection: sa.Connection, made: Made) -> None:
    """Put it in the place of what was there, unless it is stale again."""
    known = {"its_level": made.level, "its_at": made.at}
    if connection.execute(_NO_LONGER_STALE, {**known, "its_stamp": made.stamp}).rowcount != 1:
        return
    connection.execute(_OLD, {**known, "cells": [row["cell"] for row in made.rows]})
    connection.execute(_NEW, made.rows)


def _rows(connection: sa.Connection, level: int, at: int, part: int) -> list[dict[str, Any]]:
    cells = {cell: key for key, cell in all_cells(connection).items()}
    numbers = {key: cell for cell, key in cells.items()}
    parts: dict[int, list[Amounts]] = {}
    asked = {"its_level": part, "cells": [WHOLE, *cells], "since": at, "until": at + level}
    for packed, sketches, cell in connection.execute(_PARTS, asked):
        amounts = Amounts(unpack_numbers(packed), unpack_sketches(sketches))
        parts.setdefault(cell, []).append(amounts)
        if part == 1 and cell != WHOLE:  # by single values it is counted from the hour on
            for single in singles_of(cells[cell]):
                parts.setdefault(numbers[single], []).append(amounts)
    rows = []
    for cell, amounts_of_parts in parts.items():
        packed, sketches = pack(in_order(added_up(amounts_of_parts)))
        rows.append({"level": level, "cell": cell, "at": at, "numbers": packed, "sketches": sketches})
    return rows

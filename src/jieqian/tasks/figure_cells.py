"""The cells of the roll-ups: all tasks, those with one value of one dimension, and those with one value of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from jieqian.metrics.counted import CellKey
from jieqian.metrics.figures import HOUR, OTHERS, Dimension
from jieqian.tasks.tables import figure_cells

#: The cell of all tasks. It stands in no row.
WHOLE = 0
#: In a cell's row: whatever the task has.
ANY = ""
#: So many combinations of values are kept apart; then models, then collections too, count together as others.
MOST_WITH_MODELS, MOST_CELLS = 1500, 2000
#: From this level on there are cells of one dimension: below, a span has few blocks, and combinations serve.
ONE_DIMENSION_FROM = HOUR

DIMENSIONS = tuple(dimension.value for dimension in Dimension)
_CELLS = sa.select(figure_cells.c.id, *(figure_cells.c[name] for name in DIMENSIONS))
_NEW_CELL = sa.insert(figure_cells).returning(figure_cells.c.id)


def all_cells(connection: sa.Connection) -> dict[CellKey, int]:
    """Every cell but the whole."""
    found = connection.execute(_CELLS)
    return {(mode, model, how, language, collection): cell for cell, mode, model, how, language, collection in found}


def cells_of(connection: sa.Connection, keys: Iterable[CellKey]) -> dict[CellKey, int]:
    """The cells of these combinations; those that are new are made, with those of their single values."""
    known = all_cells(connection)
    found: dict[CellKey, int] = {}
    for wanted in keys:
        key = _bounded(wanted, known)
        for each in (key, *singles_of(key)):
            if each not in known:
                known[each] = connection.execute(_NEW_CELL, dict(zip(DIMENSIONS, each, strict=True))).scalar_one()
        found[wanted] = known[key]
    return found


def singles_of(key: CellKey) -> tuple[CellKey, ...]:
    """Each value by itself, the others being whatever they are."""
    mode, model, strategy, language, collection = key
    return (
        (mode, ANY, ANY, ANY, ANY),
        (ANY, model, ANY, ANY, ANY),
        (ANY, ANY, strategy, ANY, ANY),
        (ANY, ANY, ANY, language, ANY),
        (ANY, ANY, ANY, ANY, collection),
    )


def _bounded(key: CellKey, known: Mapping[CellKey, int]) -> CellKey:
    """The combination itself while there is room for more, else with what has the most values as others."""
    mode, _, strategy, language, collection = key
    if key in known or len(known) < MOST_WITH_MODELS:
        return key
    fewer = (mode, OTHERS, strategy, language, collection)
    return fewer if fewer in known or len(known) < MOST_CELLS else (mode, OTHERS, strategy, language, OTHERS)

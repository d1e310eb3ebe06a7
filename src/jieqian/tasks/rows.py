"""Rows to values and values to rows; each function works on a given connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jieqian.errors import JieqianError, StoreError, UnknownTask
from jieqian.events.event import Event, Failed, StoredEvent, encode
from jieqian.languages import Language
from jieqian.sections.section import SECTIONS, Section, SectionName, SectionSource
from jieqian.tasks.tables import events, sections, tasks
from jieqian.tasks.task import Mode, Status, StrategyName, Task

Row = Mapping[str, Any] | sa.RowMapping

_PLAIN_COLUMNS = (
    *("id", "seq", "caller", "collection", "lot", "question", "model", "fresh", "parent_id", "draw_id", "care"),
    *("created_at", "claimed_at", "ended_at", "touched_at", "lease_token", "lease_expires_at"),
    *("deliveries", "attempts", "last_event_id", "timings", "error", "experiment", "variant"),
)

# Statements are made once: building one costs more than SQLite takes to run it.
_TASK = sa.select(tasks).where(tasks.c.id == sa.bindparam("its_id"))
_OWN_TASK = _TASK.where(tasks.c.caller == sa.bindparam("its"))
_SECTIONS_OF = sa.select(sections).where(sections.c.task_id == sa.bindparam("its_task"))
_ADD_SECTIONS, _ADD_EVENTS = sa.insert(sections), sa.insert(events)
_EVENTS_AFTER = (
    sa.select(events.c.id, events.c.type, events.c.data)
    .where(events.c.task_id == sa.bindparam("its_task"), events.c.id > sa.bindparam("after"))
    .order_by(events.c.id)
    .limit(sa.bindparam("most"))
)


def task_from(row: Row, finished: Sequence[Section]) -> Task:
    """The task of a row."""
    return Task(
        status=Status(row["status"]),
        language=Language(row["language"]),
        mode=Mode(row["mode"]),
        strategy=StrategyName(row["strategy"]),
        sections=tuple(finished),
        sources=tuple(row["sources"]),
        **{name: row[name] for name in _PLAIN_COLUMNS},
    )


def whole_task(connection: sa.Connection, row: Row) -> Task:
    """The task of a row with its finished sections. Raises `StoreError` for a row this version cannot read."""
    try:
        return task_from(row, sections_of(connection, row["id"]))
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"The record of task {row['id']} cannot be read by this version: {error}.") from error


def is_readable(row: Row) -> bool:
    """Whether this version knows every word of the row."""
    try:
        task_from(row, ())
    except (ValueError, TypeError, KeyError):
        return False
    return True


def give_up(connection: sa.Connection, row: Row, now: float, error: JieqianError) -> list[StoredEvent]:
    """End a task whose row cannot be read, so that it stands in nobody's way; answers its last event."""
    problem = error.problem()
    stored = log(connection, row["id"], row["last_event_id"], [Failed(problem)])
    ended = {"status": Status.FAILED, "ended_at": now, "lease_token": None, "lease_expires_at": None}
    change = sa.update(tasks).where(tasks.c.id == row["id"])
    connection.execute(change.values(**ended, error=problem, last_event_id=stored[-1].id))
    return stored


def row_of(connection: sa.Connection, task_id: str, caller: str | None) -> sa.RowMapping:
    """The task's row; with `caller`, only if it is theirs. Raises `UnknownTask`."""
    query, asked = (_TASK, {"its_id": task_id}) if caller is None else (_OWN_TASK, {"its_id": task_id, "its": caller})
    row = connection.execute(query, asked).mappings().one_or_none()
    if row is None:
        raise UnknownTask
    return row


def sections_of(connection: sa.Connection, task_id: str) -> tuple[Section, ...]:
    """The finished sections of a task, in the order a reading shows them."""
    found = connection.execute(_SECTIONS_OF, {"its_task": task_id}).mappings()
    finished = [
        Section(SectionName(row["name"]), row["text"], SectionSource(row["source"]), row["attempt"], row["ms"])
        for row in found
    ]
    return tuple(sorted(finished, key=lambda section: SECTIONS.index(section.name)))


def add_sections(connection: sa.Connection, task_id: str, finished: Sequence[Section]) -> None:
    """Insert finished sections."""
    columns = ("name", "text", "source", "attempt", "ms")
    values = [{name: getattr(section, name) for name in columns} for section in finished]
    if values:
        connection.execute(_ADD_SECTIONS, [{"task_id": task_id, **row} for row in values])


def events_after(connection: sa.Connection, task_id: str, after: int, limit: int) -> list[StoredEvent]:
    """The log from the first id over `after`."""
    asked = {"its_task": task_id, "after": after, "most": limit}
    return [StoredEvent(*row) for row in connection.execute(_EVENTS_AFTER, asked)]


def log(connection: sa.Connection, task_id: str, last: int, new: Sequence[Event]) -> list[StoredEvent]:
    """Add events after the id `last`."""
    return log_encoded(connection, task_id, last, [(event.type, encode(event)) for event in new])


def log_encoded(
    connection: sa.Connection, task_id: str, last: int, new: Sequence[tuple[str, str]]
) -> list[StoredEvent]:
    """Add events, given as type and JSON, after the id `last`."""
    stored = [StoredEvent(last + place, kind, data) for place, (kind, data) in enumerate(new, start=1)]
    if stored:
        connection.execute(
            _ADD_EVENTS,
            [{"task_id": task_id, "id": event.id, "type": event.type, "data": event.data} for event in stored],
        )
    return stored

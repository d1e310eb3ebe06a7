"""FAQ entries: their rows, and what becomes of them when their task is erased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.errors import UnknownFaqEntry
from jieqian.faq.entry import FaqEntry, FaqReviewed, FaqStatus
from jieqian.languages import Language
from jieqian.tasks.figure_rows import count_late, lock_figures
from jieqian.tasks.tables import faq_entries, tasks

Result = TypeVar("Result")
#: An id may be shortened to so many characters, if no other begins so.
SHORTEST_ID = 4
_ID_LETTERS = frozenset("0123456789abcdef-")


class FaqRows:
    """The part of `SqlTaskStore` that keeps the FAQ."""

    async def _write(self, operation: Callable[[sa.Connection], Result], *, durable: bool = True) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def add_faq_entry(self, entry: FaqEntry) -> bool:
        """See `TaskStore.add_faq_entry`."""
        row = {name: getattr(entry, name) for name in entry.__slots__}

        def insert(connection: sa.Connection) -> bool:
            known = connection.execute(sa.select(tasks.c.id).where(tasks.c.id == entry.task_id)).scalar()
            mine = sa.select(faq_entries.c.id).where(faq_entries.c.task_id == entry.task_id)
            if known is None or connection.execute(mine).scalar() is not None:
                return False
            connection.execute(sa.insert(faq_entries).values(row))
            return True

        return await self._write(insert)

    async def faq_entry(self, entry_id: str) -> FaqEntry:
        """See `TaskStore.faq_entry`."""
        return await self._read(lambda connection: _entry(_row_of(connection, entry_id)))

    async def faq_entries(
        self, status: FaqStatus | None = None, language: Language | None = None, limit: int | None = None
    ) -> list[FaqEntry]:
        """See `TaskStore.faq_entries`."""
        query = sa.select(faq_entries).order_by(faq_entries.c.created_at, faq_entries.c.id).limit(limit)
        if status is not None:
            query = query.where(faq_entries.c.status == status)
        if language is not None:
            query = query.where(faq_entries.c.language == language)
        found = await self._read(lambda connection: connection.execute(query).mappings().all())
        return [_entry(row) for row in found]

    async def count_faq(self, status: FaqStatus | None = None, language: Language | None = None) -> int:
        """See `TaskStore.count_faq`."""
        query = sa.select(sa.func.count()).select_from(faq_entries)
        if status is not None:
            query = query.where(faq_entries.c.status == status)
        if language is not None:
            query = query.where(faq_entries.c.language == language)
        return await self._read(lambda connection: int(connection.execute(query).scalar_one()))

    async def faq_questions(self, collection: str, lot: int, language: Language, limit: int) -> list[str]:
        """See `TaskStore.faq_questions`."""
        query = (
            sa.select(faq_entries.c.question)
            .where(faq_entries.c.collection == collection, faq_entries.c.lot == lot)
            .where(faq_entries.c.language == language)
            .order_by(faq_entries.c.created_at.desc())
            .limit(limit)
        )
        return await self._read(lambda connection: list(connection.execute(query).scalars()))

    async def review_faq(self, entry_id: str, reviewed: FaqReviewed, now: float) -> FaqEntry:
        """See `TaskStore.review_faq`."""
        changes = {"status": reviewed.status, "reviewed_at": now, **reviewed.mended()}

        def change(connection: sa.Connection) -> FaqEntry:
            row = _row_of(connection, entry_id)
            connection.execute(sa.update(faq_entries).where(faq_entries.c.id == row["id"]).values(changes))
            return _entry(_row_of(connection, row["id"]))

        return await self._write(change)

    async def time_after_end(self, task_id: str, timings: Mapping[str, Any]) -> None:
        """See `TaskStore.time_after_end`."""
        ended = sa.and_(tasks.c.id == task_id, tasks.c.ended_at.is_not(None))

        def add(connection: sa.Connection) -> None:
            lock_figures(connection)  # it is counted before or after this, not meanwhile
            query = sa.select(tasks.c.timings, tasks.c.figure_cell, tasks.c.ended_at).where(ended)
            found = connection.execute(query).one_or_none()
            if found is None:
                return
            measured, cell, ended_at = found
            connection.execute(sa.update(tasks).where(ended).values(timings={**measured, **timings}))
            faq_ms = timings.get("faq_ms")
            if cell is not None and faq_ms is not None and measured.get("faq_ms") is None:
                count_late(connection, cell, ended_at, {"faq": float(faq_ms)})

        await self._write(add, durable=False)


def forget_task(connection: sa.Connection, task_id: str) -> None:
    """The task is erased: an approved entry stays without its link, every other goes."""
    mine = faq_entries.c.task_id == task_id
    connection.execute(sa.delete(faq_entries).where(mine, faq_entries.c.status != FaqStatus.APPROVED))
    connection.execute(sa.update(faq_entries).where(mine).values(task_id=None))


def is_start_of_id(given: str) -> bool:
    """Whether this may be an id or the beginning of one."""
    return len(given) >= SHORTEST_ID and _ID_LETTERS.issuperset(given)


def one_of(given: str, found: int) -> None:
    """Raise `UnknownFaqEntry` unless just one entry was found."""
    if found > 1:
        raise UnknownFaqEntry(f"More than one FAQ entry begins with {given}. Give more of the id.")
    if not found:
        raise UnknownFaqEntry


def _row_of(connection: sa.Connection, entry_id: str) -> sa.RowMapping:
    given = entry_id.lower()
    if not is_start_of_id(given):
        raise UnknownFaqEntry
    query = sa.select(faq_entries).where(faq_entries.c.id.startswith(given, autoescape=True)).limit(2)
    found = connection.execute(query).mappings().all()
    one_of(given, len(found))
    return found[0]


def _entry(row: sa.RowMapping) -> FaqEntry:
    known = {**row, "status": FaqStatus(row["status"]), "language": Language(row["language"])}
    return FaqEntry(**known)

"""FAQ entries: their rows, and what becomes of them when their task is erased."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.errors import ChangedMeanwhile, UnknownFaqEntry
from jieqian.faq.entry import FaqBulk, FaqEntry, FaqMadeBy, FaqReviewed, FaqStatus
from jieqian.languages import Language
from jieqian.tasks.figure_rows import count_late, lock_figures
from jieqian.tasks.tables import faq_entries, faq_hits, faq_unanswered, tasks

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

    async def write_faq_entry(self, entry: FaqEntry, answers: Collection[str] = ()) -> None:
        """See `FaqStore.write_faq_entry`."""
        row = {name: getattr(entry, name) for name in entry.__slots__}

        def insert(connection: sa.Connection) -> None:
            if entry.translated_from is not None:
                its_own = sa.select(faq_entries.c.language).where(faq_entries.c.id == entry.translated_from)
                others = sa.select(faq_entries.c.language).where(faq_entries.c.translated_from == entry.translated_from)
                first = connection.execute(its_own).scalar()
                if first is None:
                    raise UnknownFaqEntry
                if entry.language in (first, *connection.execute(others).scalars()):
                    raise ChangedMeanwhile("It is there in that language already; look at that one.")
            connection.execute(sa.insert(faq_entries).values(row))
            if answers:
                connection.execute(sa.delete(faq_unanswered).where(faq_unanswered.c.id.in_(answers)))

        await self._write(insert)

    async def faq_entries(
        self,
        status: FaqStatus | None = None,
        language: Language | None = None,
        limit: int | None = None,
        *,
        collection: str | None = None,
        category: str | None = None,
    ) -> list[FaqEntry]:
        """See `FaqStore.faq_entries`."""
        query = sa.select(faq_entries).order_by(faq_entries.c.created_at, faq_entries.c.id).limit(limit)
        query = query.where(
            *narrowed(faq_entries, status=status, language=language, collection=collection, category=category)
        )
        # Made in the reader's thread: of ten thousand the event loop would hear nothing for a tenth of a second.
        return await self._read(lambda connection: [_entry(row) for row in connection.execute(query).mappings()])

    async def count_faq(
        self,
        status: FaqStatus | None = None,
        language: Language | None = None,
        *,
        collection: str | None = None,
        category: str | None = None,
    ) -> int:
        """See `FaqStore.count_faq`."""
        query = sa.select(sa.func.count()).select_from(faq_entries)
        query = query.where(
            *narrowed(faq_entries, status=status, language=language, collection=collection, category=category)
        )
        return await self._read(lambda connection: int(connection.execute(query).scalar_one()))

    async def faq_translations(self, entry: FaqEntry) -> list[FaqEntry]:
        """See `FaqStore.faq_translations`."""
        same = sa.or_(faq_entries.c.id == entry.root, faq_entries.c.translated_from == entry.root)
        query = sa.select(faq_entries).where(same, faq_entries.c.id != entry.id).order_by(faq_entries.c.language)
        found = await self._read(lambda connection: connection.execute(query).mappings().all())
        return [_entry(row) for row in found]

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

    async def review_faq(
        self, entry_id: str, reviewed: FaqReviewed, now: float, *, mark: str | None = None
    ) -> FaqEntry:
        """See `FaqStore.review_faq`."""

        def change(connection: sa.Connection) -> FaqEntry:
            before = _entry(_row_of(connection, entry_id))
            if mark is not None and mark != before.mark:
                raise ChangedMeanwhile
            return _decide(connection, before, reviewed, now)

        return await self._write(change)

    async def review_faq_all(self, wanted: Mapping[str, str | None], status: FaqStatus, now: float) -> FaqBulk:
        """See `FaqStore.review_faq_all`."""

        def change(connection: sa.Connection) -> FaqBulk:
            ids = list(wanted)
            query = sa.select(faq_entries).where(faq_entries.c.id.in_(ids))
            found = {row["id"]: _entry(row) for row in connection.execute(query).mappings()}
            before, done, left = [], [], {}
            for entry_id, mark in wanted.items():
                entry = found.get(entry_id)
                if entry is None:
                    left[entry_id] = "gone"
                elif mark is not None and mark != entry.mark:
                    left[entry_id] = "changed"
                else:
                    before.append(entry)
                    done.append(_decide(connection, entry, FaqReviewed(status=status), now))
            return FaqBulk(tuple(before), tuple(done), left)

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
    """The task is erased: an approved entry stays without its link, every other goes, and so do its translations."""
    mine = faq_entries.c.task_id == task_id
    roots = list(connection.execute(sa.select(faq_entries.c.id).where(mine)).scalars())
    if roots:
        unapproved = faq_entries.c.status != FaqStatus.APPROVED
        words = sa.or_(mine, faq_entries.c.translated_from.in_(roots))
        gone = list(connection.execute(sa.select(faq_entries.c.id).where(words, unapproved)).scalars())
        connection.execute(sa.delete(faq_entries).where(faq_entries.c.id.in_(gone)))
        connection.execute(sa.delete(faq_hits).where(faq_hits.c.entry_id.in_(gone)))
        of_none = faq_entries.c.translated_from.in_(gone)
        connection.execute(sa.update(faq_entries).where(of_none).values(translated_from=None))
        connection.execute(sa.update(faq_entries).where(mine).values(task_id=None))
    connection.execute(sa.delete(faq_unanswered).where(faq_unanswered.c.task_id == task_id))


def narrowed(table: sa.Table, **wanted: str | None) -> list[sa.ColumnElement[bool]]:
    """Conditions on the columns of these names, for those that are given."""
    return [table.c[name] == value for name, value in wanted.items() if value is not None]


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


def _decide(connection: sa.Connection, before: FaqEntry, reviewed: FaqReviewed, now: float) -> FaqEntry:
    changes: dict[str, Any] = dict(reviewed.mended())
    if reviewed.status is not None:
        changes |= {"status": reviewed.status, "reviewed_at": reviewed_at(reviewed.status, now)}
        if before.task_id is not None:  # what waited for this decision need not be told twice
            connection.execute(sa.delete(faq_unanswered).where(faq_unanswered.c.task_id == before.task_id))
    if changes:
        connection.execute(sa.update(faq_entries).where(faq_entries.c.id == before.id).values(changes))
    return replace(before, **changes)


def reviewed_at(status: FaqStatus, now: float) -> float | None:
    """When an entry of that status was reviewed: one that is pending (again) was not."""
    return None if status is FaqStatus.PENDING else now


def _entry(row: sa.RowMapping) -> FaqEntry:
    known = {
        **row,
        "status": FaqStatus(row["status"]),
        "language": Language(row["language"]),
        "made_by": FaqMadeBy(row["made_by"]),
    }
    return FaqEntry(**known)

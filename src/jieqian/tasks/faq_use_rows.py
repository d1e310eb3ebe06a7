"""How often FAQ entries were used, where they came from, and questions that none was found for: their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.cache.filling import CALLER as FILLING
from jieqian.faq.entry import FaqEntry, FaqOrigin, FaqStatus, FaqUse, Unanswered
from jieqian.languages import Language
from jieqian.tasks.faq_rows import narrowed
from jieqian.tasks.faq_store import DAYS_KEPT
from jieqian.tasks.tables import answers, faq_entries, faq_hits, faq_unanswered, feedback, tasks

Result = TypeVar("Result")
_CITED = "faq/"
_COUNT = sa.text(
    "insert into faq_hits (entry_id, day, hits) select id, :day, 1 from faq_entries where id = :entry "
    "on conflict (entry_id, day) do update set hits = faq_hits.hits + 1"
)
_FORGET = sa.delete(faq_hits).where(
    faq_hits.c.entry_id == sa.bindparam("entry"), faq_hits.c.day < sa.bindparam("first_day")
)
_ENDED = sa.select(tasks.c.caller, tasks.c.sources).where(tasks.c.id == sa.bindparam("its_id"))


class FaqUseRows:
    """The part of `SqlTaskStore` that knows what became of FAQ entries, and what is missing among them."""

    async def _write(
        self, operation: Callable[[sa.Connection], Result], *, durable: bool = True, leaves_no_trace: bool = False
    ) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def faq_origins(self, task_ids: Collection[str]) -> dict[str, FaqOrigin]:
        """See `FaqStore.faq_origins`."""
        model = tasks.c.timings["llm_model"].as_string()
        theirs = sa.select(tasks.c.id, tasks.c.mode, model, feedback.c.score)
        joined = theirs.select_from(tasks.outerjoin(feedback, feedback.c.task_id == tasks.c.id))
        query = joined.where(tasks.c.id.in_(list(task_ids)))
        found = await self._read(lambda connection: connection.execute(query).all())
        return {row[0]: FaqOrigin(row[1], row[2], row[3]) for row in found}

    async def faq_uses(self) -> dict[str, FaqUse]:
        """See `FaqStore.faq_uses`."""
        total, last = sa.func.sum(faq_hits.c.hits), sa.func.max(faq_hits.c.day)
        query = sa.select(faq_hits.c.entry_id, total, last).group_by(faq_hits.c.entry_id)
        found = await self._read(lambda connection: connection.execute(query).all())
        return {row[0]: FaqUse(int(row[1]), row[2]) for row in found}

    async def faq_use_days(self, entry_id: str, since_day: str) -> list[tuple[str, int]]:
        """See `FaqStore.faq_use_days`."""
        mine = sa.select(faq_hits.c.day, faq_hits.c.hits).where(faq_hits.c.entry_id == entry_id)
        query = mine.where(faq_hits.c.day >= since_day).order_by(faq_hits.c.day)
        found = await self._read(lambda connection: connection.execute(query).all())
        return [(row[0], int(row[1])) for row in found]

    async def forget_answers_citing(self, entries: Sequence[FaqEntry]) -> int:
        """See `FaqStore.forget_answers_citing`."""
        places = {f"{_CITED}{entry.id}" for entry in entries}
        collections = {entry.collection for entry in entries}
        query = sa.select(answers.c.key, answers.c.document).where(
            answers.c.collection.in_(collections), answers.c.document.contains(f'"{_CITED}')
        )

        def citing(connection: sa.Connection) -> list[str]:
            return [key for key, document in connection.execute(query) if places & _sources_of(document)]

        if not places or not (keys := await self._read(citing)):
            return 0
        gone = sa.delete(answers).where(answers.c.key.in_(keys))
        return await self._write(lambda connection: int(connection.execute(gone).rowcount), leaves_no_trace=True)

    async def add_unanswered(self, asked: Unanswered, most: int) -> bool:
        """See `FaqStore.add_unanswered`."""
        row = {name: getattr(asked, name) for name in asked.__slots__}

        def insert(connection: sa.Connection) -> bool:
            known = connection.execute(sa.select(tasks.c.id).where(tasks.c.id == asked.task_id)).scalar()
            mine = sa.select(faq_unanswered.c.id).where(faq_unanswered.c.task_id == asked.task_id)
            if known is None or connection.execute(mine).scalar() is not None:
                return False
            connection.execute(sa.insert(faq_unanswered).values(row))
            _trim(connection, most)
            return True

        return await self._write(insert, durable=False)

    async def unanswered(
        self, *, language: Language | None = None, collection: str | None = None, category: str | None = None
    ) -> list[Unanswered]:
        """See `FaqStore.unanswered`."""
        wanted = narrowed(faq_unanswered, language=language, collection=collection, category=category)
        order = (faq_unanswered.c.created_at.desc(), faq_unanswered.c.id)
        query = sa.select(faq_unanswered).where(*wanted).order_by(*order)
        found = await self._read(lambda connection: connection.execute(query).mappings().all())
        return [Unanswered(**{**row, "language": Language(row["language"])}) for row in found]

    async def drop_unanswered(self, ids: Collection[str]) -> int:
        """See `FaqStore.drop_unanswered`."""
        gone = sa.delete(faq_unanswered).where(faq_unanswered.c.id.in_(list(ids)))
        return await self._write(lambda connection: int(connection.execute(gone).rowcount), leaves_no_trace=True)

    async def trim_unanswered(self, most: int) -> None:
        """See `FaqStore.trim_unanswered`."""
        if await self._read(lambda connection: _surplus(connection, most)) > 0:
            await self._write(lambda connection: _trim(connection, most), leaves_no_trace=True)


def count_uses_of(connection: sa.Connection, task_id: str, now: float) -> None:
    """A reading is completed: count the entries it had among its sources."""
    row = connection.execute(_ENDED, {"its_id": task_id}).one_or_none()
    if row is not None:
        count_uses(connection, row.caller, row.sources, now)


def count_uses(connection: sa.Connection, caller: str, sources: Iterable[Mapping[str, Any]], now: float) -> None:
    """Count the entries among these sources of that caller's reading, once each."""
    cited = cited_entries(sources)
    if not cited or caller == FILLING:
        return
    today = datetime.fromtimestamp(now, UTC).date()
    for entry in sorted(cited):
        connection.execute(_COUNT, {"entry": entry, "day": today.isoformat()})
        connection.execute(_FORGET, {"entry": entry, "first_day": (today - timedelta(days=DAYS_KEPT)).isoformat()})


def cites_only_approved(connection: sa.Connection, sources: Iterable[Mapping[str, Any]]) -> bool:
    """Whether all entries among these sources are approved now: one may have been withdrawn while it was read."""
    cited = cited_entries(sources)
    if not cited:
        return True
    approved = (
        sa.select(sa.func.count())
        .select_from(faq_entries)
        .where(faq_entries.c.id.in_(cited), faq_entries.c.status == FaqStatus.APPROVED)
    )
    return int(connection.execute(approved).scalar_one()) == len(cited)


def cited_entries(sources: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of the entries among a reading's sources."""
    places = (str(source.get("id", "")) for source in sources)
    return {place.removeprefix(_CITED) for place in places if place.startswith(_CITED)}


def _sources_of(document: str) -> set[str]:
    try:
        return {str(source["id"]) for source in json.loads(document)["sources"]}
    except (ValueError, KeyError, TypeError):  # one that this version cannot read is served to nobody
        return set()


def _surplus(connection: sa.Connection, most: int) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(faq_unanswered)).scalar_one()) - most


def _trim(connection: sa.Connection, most: int) -> None:
    if (surplus := _surplus(connection, most)) > 0:
        oldest = sa.select(faq_unanswered.c.id).order_by(faq_unanswered.c.created_at, faq_unanswered.c.id)
        connection.execute(sa.delete(faq_unanswered).where(faq_unanswered.c.id.in_(oldest.limit(surplus))))

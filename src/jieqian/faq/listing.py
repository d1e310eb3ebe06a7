"""What reviewers are shown together: waiting entries, and questions without one, in groups of nearly the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any

from jieqian.faq.entry import FaqEntry, FaqOrigin, FaqStatus, FaqUse, Unanswered
from jieqian.faq.likeness import groups_of
from jieqian.languages import Language
from jieqian.tasks.store import TaskStore

#: Groupings remembered: to leaf through ten thousand entries costs their grouping once.
_MOST_REMEMBERED = 4
#: The days an entry's history tells of.
DAYS_TOLD = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqFilter:
    """Which entries are meant; None: all."""

    language: Language | None = None
    collection: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class EntryStory:
    """All there is to tell of an entry: the reading it came from, its uses, and itself in other languages."""

    entry: FaqEntry
    origin: FaqOrigin | None
    use: FaqUse
    days: Sequence[tuple[str, int]]
    translations: Sequence[FaqEntry]

    def as_dict(self) -> dict[str, Any]:
        """As `GET /admin/faq/{id}` answers."""
        return {
            **self.entry.as_dict(),
            "origin": self.origin.as_dict() if self.origin else None,
            "uses": uses_dict(self.use),
            "days": [{"day": day, "hits": hits} for day, hits in self.days],
            "translations": [
                {"id": each.id, "language": each.language.value, "status": each.status.value}
                for each in self.translations
            ],
        }


class FaqLists:
    """Reads the store; groups in a thread."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._grouped: OrderedDict[tuple[Any, ...], list[list[Any]]] = OrderedDict()
        self._remembering = Lock()

    async def waiting(self, which: FaqFilter) -> list[list[FaqEntry]]:
        """Pending entries, oldest first, nearly the same ones together: of one lot, or of one topic of a collection.

        Both Chinese scripts serve the same readings, so they are compared; other languages are not.
        """
        found = await self._store.faq_entries(
            FaqStatus.PENDING, which.language, collection=which.collection, category=which.category
        )
        return await asyncio.to_thread(self._in_groups, found, _alike)

    async def unanswered(self, which: FaqFilter) -> list[list[Unanswered]]:
        """Questions without an entry, most asked first, then the newest."""
        found = await self._store.unanswered(
            language=which.language, collection=which.collection, category=which.category
        )
        groups = await asyncio.to_thread(self._in_groups, found, lambda _one, _other: True)
        return sorted(groups, key=lambda group: -len(group))

    async def reviewed(
        self, status: FaqStatus, which: FaqFilter, *, by_hits: bool = False, unused_days: int | None = None
    ) -> list[tuple[FaqEntry, FaqUse]]:
        """Approved or rejected entries with their uses: decided last first, or most used first.

        `unused_days`: only those that were no source in so many days, today among them.
        """
        found = await self._store.faq_entries(
            status, which.language, collection=which.collection, category=which.category
        )
        uses = await self._store.faq_uses()
        told = [(entry, uses.get(entry.id, FaqUse())) for entry in found]
        if unused_days is not None:
            since = day_before(unused_days - 1)
            told = [(entry, use) for entry, use in told if use.last_day is None or use.last_day < since]
        told.sort(key=lambda each: -(each[0].reviewed_at or each[0].created_at))
        return sorted(told, key=lambda each: -each[1].total) if by_hits else told

    async def story(self, entry: FaqEntry) -> EntryStory:
        """All there is to tell of it."""
        origins = await self._store.faq_origins([entry.task_id]) if entry.task_id else {}
        days = await self._store.faq_use_days(entry.id, day_before(DAYS_TOLD - 1))
        use = (await self._store.faq_uses()).get(entry.id, FaqUse())
        translations = await self._store.faq_translations(entry)
        return EntryStory(entry, origins.get(entry.task_id or ""), use, days, translations)

    def _in_groups(self, found: Sequence[Any], alike: Callable[[Any, Any], bool]) -> list[list[Any]]:
        key = tuple((item.id, item.question, item.category) for item in found)
        groups = self._grouped.get(key)
        if groups is None:
            groups = groups_of(found, _question, _place, alike)
            with self._remembering:
                self._grouped[key] = groups
                while len(self._grouped) > _MOST_REMEMBERED:
                    self._grouped.popitem(last=False)
        by_id = {item.id: item for item in found}  # as they are now, not as they were when they were grouped
        return [[by_id[item.id] for item in group] for group in groups]


def uses_dict(use: FaqUse) -> dict[str, Any]:
    """`{"total", "last_day"}`."""
    return {"total": use.total, "last_day": use.last_day}


def question_dict(group: Sequence[Unanswered]) -> dict[str, Any]:
    """A group of questions without an entry, as the API shows it; the newest speaks for all."""
    newest = group[0]
    return {
        **newest.as_dict(),
        "count": len(group),
        "lots": sorted({asked.lot for asked in group}),
        "ids": [asked.id for asked in group],
    }


def day_before(days: int) -> str:
    """The day so many days before today, UTC."""
    today: date = datetime.now(UTC).date()
    return (today - timedelta(days=days)).isoformat()


def _question(item: FaqEntry | Unanswered) -> str:
    return item.question


def _place(item: FaqEntry | Unanswered) -> tuple[str, str]:
    return item.collection, "zh" if item.language.is_chinese else item.language.value


def _alike(one: FaqEntry, other: FaqEntry) -> bool:
    return one.lot == other.lot or one.category == other.category

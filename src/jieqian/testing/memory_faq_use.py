"""The part of the memory store that knows what became of FAQ entries, and what is missing among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from jieqian.cache.filling import CALLER as FILLING
from jieqian.faq.entry import FaqEntry, FaqOrigin, FaqStatus, FaqUse, Unanswered
from jieqian.languages import Language
from jieqian.tasks.faq_store import DAYS_KEPT
from jieqian.tasks.faq_use_rows import cited_entries
from jieqian.tasks.task import Feedback, Task


class MemoryFaqUse:
    """Uses and unanswered questions in dictionaries."""

    _tasks: dict[str, Task]
    _faq: dict[str, FaqEntry]
    _faq_hits: dict[str, dict[str, int]]
    _unanswered: dict[str, Unanswered]
    _feedback: dict[str, tuple[Feedback, float]]
    _answers: dict[str, Any]

    async def _turn(self) -> None:
        raise NotImplementedError

    async def faq_origins(self, task_ids: Collection[str]) -> dict[str, FaqOrigin]:
        """See `FaqStore.faq_origins`."""
        await self._turn()
        found = {}
        for task_id in {*task_ids} & self._tasks.keys():
            task, given = self._tasks[task_id], self._feedback.get(task_id)
            found[task_id] = FaqOrigin(
                task.mode.value, task.timings.get("llm_model"), given[0].score if given else None
            )
        return found

    async def faq_uses(self) -> dict[str, FaqUse]:
        """See `FaqStore.faq_uses`."""
        await self._turn()
        return {place: FaqUse(sum(days.values()), max(days)) for place, days in self._faq_hits.items()}

    async def faq_use_days(self, entry_id: str, since_day: str) -> list[tuple[str, int]]:
        """See `FaqStore.faq_use_days`."""
        await self._turn()
        return sorted((day, hits) for day, hits in self._faq_hits.get(entry_id, {}).items() if day >= since_day)

    async def forget_answers_citing(self, entries: Sequence[FaqEntry]) -> int:
        """See `FaqStore.forget_answers_citing`."""
        await self._turn()
        ids = {entry.id for entry in entries}
        gone = [key for key, kept in self._answers.items() if cited_entries(kept.answer.sources) & ids]
        for key in gone:
            del self._answers[key]
        return len(gone)

    async def add_unanswered(self, asked: Unanswered, most: int) -> bool:
        """See `FaqStore.add_unanswered`."""
        await self._turn()
        if asked.task_id not in self._tasks or asked.task_id in {each.task_id for each in self._unanswered.values()}:
            return False
        self._unanswered[asked.id] = asked
        self._trim_unanswered(most)
        return True

    async def unanswered(
        self, *, language: Language | None = None, collection: str | None = None, category: str | None = None
    ) -> list[Unanswered]:
        """See `FaqStore.unanswered`."""
        await self._turn()
        found = [
            asked
            for asked in self._unanswered.values()
            if language in (None, asked.language)
            and collection in (None, asked.collection)
            and category in (None, asked.category)
        ]
        return sorted(found, key=lambda asked: (-asked.created_at, asked.id))

    async def drop_unanswered(self, ids: Collection[str]) -> int:
        """See `FaqStore.drop_unanswered`."""
        await self._turn()
        return sum(self._unanswered.pop(place, None) is not None for place in {*ids})

    async def trim_unanswered(self, most: int) -> None:
        """See `FaqStore.trim_unanswered`."""
        await self._turn()
        self._trim_unanswered(most)

    def _trim_unanswered(self, most: int) -> None:
        oldest = sorted(self._unanswered.values(), key=lambda asked: (asked.created_at, asked.id))
        for asked in oldest[: max(0, len(oldest) - most)]:
            del self._unanswered[asked.id]

    def _cites_only_approved(self, sources: Iterable[Mapping[str, Any]]) -> bool:
        entries = (self._faq.get(place) for place in cited_entries(sources))
        return all(entry is not None and entry.status is FaqStatus.APPROVED for entry in entries)

    def _count_uses(self, caller: str, sources: Iterable[Mapping[str, Any]], now: float) -> None:
        today = datetime.fromtimestamp(now, UTC).date()
        first = (today - timedelta(days=DAYS_KEPT)).isoformat()
        for place in cited_entries(sources) & self._faq.keys() if caller != FILLING else ():
            days = {day: hits for day, hits in self._faq_hits.get(place, {}).items() if day >= first}
            self._faq_hits[place] = days | {today.isoformat(): days.get(today.isoformat(), 0) + 1}

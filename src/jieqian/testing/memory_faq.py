"""The part of the memory store that keeps the FAQ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jieqian.faq.entry import FaqEntry, FaqReviewed, FaqStatus
from jieqian.languages import Language
from jieqian.tasks.faq_rows import is_start_of_id, one_of
from jieqian.tasks.task import Task


class MemoryFaq:
    """FAQ entries in a dictionary."""

    _tasks: dict[str, Task]

    def __init__(self) -> None:
        super().__init__()
        self._faq: dict[str, FaqEntry] = {}

    async def _turn(self) -> None:
        raise NotImplementedError

    async def add_faq_entry(self, entry: FaqEntry) -> bool:
        """See `TaskStore.add_faq_entry`."""
        await self._turn()
        if entry.task_id not in self._tasks or any(known.task_id == entry.task_id for known in self._faq.values()):
            return False
        if not entry.question or not entry.answer or entry.id in self._faq:
            raise ValueError("an FAQ entry has an id of its own, a question and an answer")
        self._faq[entry.id] = entry
        return True

    async def faq_entry(self, entry_id: str) -> FaqEntry:
        """See `TaskStore.faq_entry`."""
        await self._turn()
        return self._faq_of(entry_id)

    def _faq_of(self, entry_id: str) -> FaqEntry:
        given = entry_id.lower()
        found = [entry for entry in self._faq.values() if is_start_of_id(given) and entry.id.startswith(given)]
        one_of(given, len(found))
        return found[0]

    async def faq_entries(
        self, status: FaqStatus | None = None, language: Language | None = None, limit: int | None = None
    ) -> list[FaqEntry]:
        """See `TaskStore.faq_entries`."""
        await self._turn()
        found = [
            entry
            for entry in self._faq.values()
            if status in (None, entry.status) and language in (None, entry.language)
        ]
        return sorted(found, key=lambda entry: (entry.created_at, entry.id))[:limit]

    async def count_faq(self, status: FaqStatus | None = None, language: Language | None = None) -> int:
        """See `TaskStore.count_faq`."""
        return len(await self.faq_entries(status, language))

    async def faq_questions(self, collection: str, lot: int, language: Language, limit: int) -> list[str]:
        """See `TaskStore.faq_questions`."""
        found = await self.faq_entries(language=language)
        mine = [entry for entry in found if (entry.collection, entry.lot) == (collection, lot)]
        return [entry.question for entry in reversed(mine)][:limit]

    async def review_faq(self, entry_id: str, reviewed: FaqReviewed, now: float) -> FaqEntry:
        """See `TaskStore.review_faq`."""
        await self._turn()
        entry = self._faq_of(entry_id)
        changes: dict[str, Any] = {"status": reviewed.status, "reviewed_at": now, **reviewed.mended()}
        self._faq[entry.id] = changed = replace(entry, **changes)
        return changed

    async def time_after_end(self, task_id: str, timings: Mapping[str, Any]) -> None:
        """See `TaskStore.time_after_end`."""
        await self._turn()
        task = self._tasks.get(task_id)
        if task is not None and task.status.ended:
            self._tasks[task_id] = replace(task, timings={**task.timings, **timings})

    def _forget_faq(self, task_id: str) -> None:
        mine = [entry for entry in self._faq.values() if entry.task_id == task_id]
        for entry in mine:
            del self._faq[entry.id]
            if entry.status is FaqStatus.APPROVED:
                self._faq[entry.id] = replace(entry, task_id=None)

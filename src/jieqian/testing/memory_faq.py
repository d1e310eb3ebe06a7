"""The part of the memory store that keeps the FAQ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from jieqian.errors import ChangedMeanwhile, UnknownFaqEntry
from jieqian.faq.entry import FaqBulk, FaqEntry, FaqReviewed, FaqStatus, Unanswered
from jieqian.languages import Language
from jieqian.tasks.faq_rows import is_start_of_id, one_of, reviewed_at
from jieqian.tasks.task import Task


class MemoryFaq:
    """FAQ entries in a dictionary."""

    _tasks: dict[str, Task]

    def __init__(self) -> None:
        super().__init__()
        self._faq: dict[str, FaqEntry] = {}
        self._faq_hits: dict[str, dict[str, int]] = {}
        self._unanswered: dict[str, Unanswered] = {}

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

    async def write_faq_entry(self, entry: FaqEntry, answers: Collection[str] = ()) -> None:
        """See `FaqStore.write_faq_entry`."""
        await self._turn()
        if entry.translated_from is not None:
            if entry.translated_from not in self._faq:
                raise UnknownFaqEntry
            if entry.language in {each.language for each in self._faq.values() if each.root == entry.translated_from}:
                raise ChangedMeanwhile
        self._faq[entry.id] = entry
        for place in answers:
            self._unanswered.pop(place, None)

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
        await self._turn()
        found = [
            entry
            for entry in self._faq.values()
            if status in (None, entry.status)
            and language in (None, entry.language)
            and collection in (None, entry.collection)
            and category in (None, entry.category)
        ]
        return sorted(found, key=lambda entry: (entry.created_at, entry.id))[:limit]

    async def count_faq(
        self,
        status: FaqStatus | None = None,
        language: Language | None = None,
        *,
        collection: str | None = None,
        category: str | None = None,
    ) -> int:
        """See `FaqStore.count_faq`."""
        return len(await self.faq_entries(status, language, collection=collection, category=category))

    async def faq_translations(self, entry: FaqEntry) -> list[FaqEntry]:
        """See `FaqStore.faq_translations`."""
        await self._turn()
        same = [each for each in self._faq.values() if each.root == entry.root and each.id != entry.id]
        return sorted(same, key=lambda each: each.language)

    async def faq_questions(self, collection: str, lot: int, language: Language, limit: int) -> list[str]:
        """See `TaskStore.faq_questions`."""
        found = await self.faq_entries(language=language)
        mine = [entry for entry in found if (entry.collection, entry.lot) == (collection, lot)]
        return [entry.question for entry in reversed(mine)][:limit]

    async def review_faq(
        self, entry_id: str, reviewed: FaqReviewed, now: float, *, mark: str | None = None
    ) -> FaqEntry:
        """See `FaqStore.review_faq`."""
        await self._turn()
        entry = self._faq_of(entry_id)
        if mark is not None and mark != entry.mark:
            raise ChangedMeanwhile
        return self._decide(entry, reviewed, now)

    def _decide(self, entry: FaqEntry, reviewed: FaqReviewed, now: float) -> FaqEntry:
        changes: dict[str, Any] = dict(reviewed.mended())
        if reviewed.status is not None:
            changes |= {"status": reviewed.status, "reviewed_at": reviewed_at(reviewed.status, now)}
            self._forget_unanswered(entry.task_id)
        self._faq[entry.id] = changed = replace(entry, **changes)
        return changed

    async def review_faq_all(self, wanted: Mapping[str, str | None], status: FaqStatus, now: float) -> FaqBulk:
        """See `FaqStore.review_faq_all`."""
        await self._turn()
        left = {place: "gone" for place in wanted if place not in self._faq}
        here = {place: self._faq[place] for place in wanted if place not in left}
        left |= {place: "changed" for place, entry in here.items() if wanted[place] not in (None, entry.mark)}
        before = tuple(entry for place, entry in here.items() if place not in left)
        done = tuple(self._decide(entry, FaqReviewed(status=status), now) for entry in before)
        return FaqBulk(before, done, left)

    async def time_after_end(self, task_id: str, timings: Mapping[str, Any]) -> None:
        """See `TaskStore.time_after_end`."""
        await self._turn()
        task = self._tasks.get(task_id)
        if task is not None and task.status.ended:
            self._tasks[task_id] = replace(task, timings={**task.timings, **timings})

    def _forget_faq(self, task_id: str) -> None:
        self._forget_unanswered(task_id)
        mine = [entry.id for entry in self._faq.values() if entry.task_id == task_id]
        told = [entry for entry in self._faq.values() if entry.root in mine and entry.status is not FaqStatus.APPROVED]
        for entry in told:
            del self._faq[entry.id]
            self._faq_hits.pop(entry.id, None)
        for place, entry in self._faq.items():
            here = entry.translated_from if entry.translated_from in self._faq else None
            self._faq[place] = replace(
                entry, task_id=None if entry.task_id == task_id else entry.task_id, translated_from=here
            )

    def _forget_unanswered(self, task_id: str | None) -> None:
        self._unanswered = {place: asked for place, asked in self._unanswered.items() if asked.task_id != task_id}

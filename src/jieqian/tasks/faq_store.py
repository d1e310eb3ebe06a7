"""What a store promises of the FAQ: entries and their review, how often they were used, and questions without one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from jieqian.faq.entry import FaqBulk, FaqEntry, FaqOrigin, FaqReviewed, FaqStatus, FaqUse, Unanswered
from jieqian.languages import Language

#: How long a day's count of an entry's uses is kept, in days.
DAYS_KEPT = 400
#: Decisions on so many entries at most are written at a time.
MOST_AT_ONCE = 1_000


class FaqStore(Protocol):
    """The part of `TaskStore` that keeps the FAQ."""

    async def add_faq_entry(self, entry: FaqEntry) -> bool:
        """Keep a candidate. False, and nothing is kept, where its task was erased meanwhile or has an entry already."""
        ...

    async def write_faq_entry(self, entry: FaqEntry, answers: Collection[str] = ()) -> None:
        """Keep what a reviewer wrote or translated; the unanswered questions of these ids are answered by it.

        Raises `UnknownFaqEntry` where the entry it was translated from is gone, `ChangedMeanwhile` where that one has a
        translation into the language already.
        """
        ...

    async def faq_entry(self, entry_id: str) -> FaqEntry:
        """The entry of that id or of the only id that begins so. Raises `UnknownFaqEntry`."""
        ...

    async def faq_entries(
        self,
        status: FaqStatus | None = None,
        language: Language | None = None,
        limit: int | None = None,
        *,
        collection: str | None = None,
        category: str | None = None,
    ) -> list[FaqEntry]:
        """Entries, oldest first; all of them unless narrowed."""
        ...

    async def count_faq(
        self,
        status: FaqStatus | None = None,
        language: Language | None = None,
        *,
        collection: str | None = None,
        category: str | None = None,
    ) -> int:
        """How many entries there are."""
        ...

    async def faq_translations(self, entry: FaqEntry) -> list[FaqEntry]:
        """The entry in other languages: those translated from the same one, and that one; without itself."""
        ...

    async def faq_questions(self, collection: str, lot: int, language: Language, limit: int) -> list[str]:
        """The newest entries' questions on that lot in that language, whatever became of them."""
        ...

    async def review_faq(
        self, entry_id: str, reviewed: FaqReviewed, now: float, *, mark: str | None = None
    ) -> FaqEntry:
        """Decide on an entry, or mend it (again and again, if need be); answers the entry as it is now.

        With `mark` only if that is still its mark (`FaqEntry.mark`). Raises `UnknownFaqEntry`, `ChangedMeanwhile`.
        """
        ...

    async def review_faq_all(self, wanted: Mapping[str, str | None], status: FaqStatus, now: float) -> FaqBulk:
        """Decide the same on all of these whole ids, each by itself and only if its mark is the one given (or None)."""
        ...

    async def faq_origins(self, task_ids: Collection[str]) -> dict[str, FaqOrigin]:
        """The readings that entries came from, by task; erased ones are left out."""
        ...

    async def faq_uses(self) -> dict[str, FaqUse]:
        """How often each entry was a source of a completed reading in the days that are kept (`DAYS_KEPT`), by id.

        Counted with the end of the reading, also of one that an earlier answer completes; none of the cache's filling.
        """
        ...

    async def faq_use_days(self, entry_id: str, since_day: str) -> list[tuple[str, int]]:
        """Days (`2026-11-29`, UTC) with a use, oldest first, and how often."""
        ...

    async def forget_answers_citing(self, entries: Sequence[FaqEntry]) -> int:
        """Throw away kept answers that have one of these among their sources; says how many."""
        ...

    async def add_unanswered(self, asked: Unanswered, most: int) -> bool:
        """Keep a question that no entry was found for; beyond `most` the oldest go. False where its task was erased."""
        ...

    async def unanswered(
        self, *, language: Language | None = None, collection: str | None = None, category: str | None = None
    ) -> list[Unanswered]:
        """Questions that no entry was found for, newest first."""
        ...

    async def drop_unanswered(self, ids: Collection[str]) -> int:
        """Forget these; says how many there were."""
        ...

    async def trim_unanswered(self, most: int) -> None:
        """Forget all but the newest; 0: all."""
        ...

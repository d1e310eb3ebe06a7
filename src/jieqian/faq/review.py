"""A person's decision on an entry. An approved entry is a passage at once, any other never is."""

from __future__ import annotations

import asyncio
import time

from jieqian.errors import InvalidRequest
from jieqian.faq.entry import (
    CATEGORIES,
    LONGEST_QUESTION,
    LONGEST_REVIEWED_ANSWER,
    FaqEntry,
    FaqReviewed,
    FaqStatus,
)
from jieqian.languages import Language
from jieqian.retrieval.passage import FaqIndex, FaqPassage
from jieqian.tasks.store import TaskStore


class FaqReview:
    """Decisions in the store and, in the same order, in the index of passages."""

    def __init__(self, store: TaskStore, index: FaqIndex) -> None:
        self._store = store
        self._index = index
        self._one_at_a_time = asyncio.Lock()  # else the index might hear of two decisions in the other order

    async def approve(
        self, entry_id: str, *, question: str | None = None, answer: str | None = None, category: str | None = None
    ) -> FaqEntry:
        """Approve, with the text mended where it is given. Raises `UnknownFaqEntry`, `InvalidRequest`."""
        reviewed = FaqReviewed(
            status=FaqStatus.APPROVED,
            question=_text(question, "question", LONGEST_QUESTION),
            answer=_text(answer, "answer", LONGEST_REVIEWED_ANSWER),
            category=_category(category),
        )
        async with self._one_at_a_time:
            entry = await self._store.review_faq(entry_id, reviewed, time.time())
            await self._index.add_faq([passage_of(entry)])
        return entry

    async def reject(self, entry_id: str) -> FaqEntry:
        """Reject, also what was approved before. Raises `UnknownFaqEntry`."""
        async with self._one_at_a_time:
            entry = await self._store.review_faq(entry_id, FaqReviewed(status=FaqStatus.REJECTED), time.time())
            await self._index.remove_faq([entry.id])
        return entry


def passage_of(entry: FaqEntry) -> FaqPassage:
    """An entry as retrieval takes it."""
    return FaqPassage(
        id=entry.id,
        collection=entry.collection,
        lot=entry.lot,
        language=Language(entry.language),
        category=entry.category,
        question=entry.question,
        answer=entry.answer,
    )


def _text(given: str | None, field: str, longest: int) -> str | None:
    if given is None:
        return None
    text = " ".join("".join(c if c.isprintable() else " " for c in given).split())
    if not text:
        raise InvalidRequest(f"{field}: it must not be empty.")
    if len(text) > longest:
        raise InvalidRequest(f"{field}: {longest} characters at most; this has {len(text)}.")
    return text


def _category(given: str | None) -> str | None:
    if given is not None and given not in CATEGORIES:
        raise InvalidRequest(f"category: one of {', '.join(CATEGORIES)}.")
    return given

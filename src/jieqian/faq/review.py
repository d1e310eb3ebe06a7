"""A person's decision on an entry. An approved entry is a passage at once, any other never is."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence

from jieqian.errors import InvalidRequest
from jieqian.faq.entry import (
    CATEGORIES,
    LONGEST_QUESTION,
    LONGEST_REVIEWED_ANSWER,
    FaqBulk,
    FaqEntry,
    FaqMadeBy,
    FaqReviewed,
    FaqStatus,
)
from jieqian.languages import Language
from jieqian.retrieval.passage import FaqIndex, FaqPassage
from jieqian.tasks.faq_store import MOST_AT_ONCE
from jieqian.tasks.store import TaskStore


class FaqReview:
    """Decisions in the store and, in the same order, in the index of passages.

    `forget_searches` is called with every change of what is approved: a search that began before must serve nobody.
    """

    def __init__(self, store: TaskStore, index: FaqIndex, forget_searches: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._index = index
        self._forget_searches = forget_searches
        self._one_at_a_time = asyncio.Lock()  # else the index might hear of two decisions in the other order

    async def approve(
        self,
        entry_id: str,
        *,
        question: str | None = None,
        answer: str | None = None,
        category: str | None = None,
        mark: str | None = None,
    ) -> FaqEntry:
        """Approve, with the text mended where it is given; with `mark` only if it is still as it was then.

        Raises `UnknownFaqEntry`, `InvalidRequest`, `ChangedMeanwhile`.
        """
        return await self._review(entry_id, _reviewed(FaqStatus.APPROVED, question, answer, category), mark)

    async def reject(self, entry_id: str, *, mark: str | None = None) -> FaqEntry:
        """Reject, also what was approved before. Raises `UnknownFaqEntry`, `ChangedMeanwhile`."""
        return await self._review(entry_id, FaqReviewed(status=FaqStatus.REJECTED), mark)

    async def take_back(self, entry_id: str, *, mark: str | None = None) -> FaqEntry:
        """Let it wait for review again. Raises `UnknownFaqEntry`, `ChangedMeanwhile`."""
        return await self._review(entry_id, FaqReviewed(status=FaqStatus.PENDING), mark)

    async def mend(
        self,
        entry_id: str,
        *,
        question: str | None = None,
        answer: str | None = None,
        category: str | None = None,
        mark: str | None = None,
    ) -> FaqEntry:
        """Change its text and leave it where it stands; an approved one is a source in its new words at once.

        Raises `UnknownFaqEntry`, `InvalidRequest`, `ChangedMeanwhile`.
        """
        return await self._review(entry_id, _reviewed(None, question, answer, category), mark)

    async def decide(self, wanted: Mapping[str, str | None], status: FaqStatus) -> FaqBulk:
        """The same decision on many, by id with the mark they had when they were looked at: each by itself.

        Raises `InvalidRequest` for more than `MOST_AT_ONCE`.
        """
        if len(wanted) > MOST_AT_ONCE:
            raise InvalidRequest(f"entries: {MOST_AT_ONCE} at most at a time; these are {len(wanted)}.")
        async with self._one_at_a_time:
            bulk = await self._store.review_faq_all(wanted, status, time.time())
            await self._tell(bulk.before, bulk.done)
        return bulk

    async def write(
        self,
        *,
        collection: str,
        lot: int,
        language: Language,
        category: str,
        question: str,
        answer: str,
        approved: bool = False,
        translated_from: FaqEntry | None = None,
        answers: Collection[str] = (),
    ) -> FaqEntry:
        """A new entry by hand, or of another one in another language; `answers`: unanswered questions it settles.

        The lot must be there. Raises `InvalidRequest`, `ChangedMeanwhile`, `UnknownFaqEntry`.
        """
        told = _reviewed(None, question, answer, category).mended()
        now = time.time()
        entry = FaqEntry(
            id=str(uuid.uuid4()),
            task_id=None,
            collection=collection,
            lot=lot,
            category=told["category"],
            language=language,
            question=told["question"],
            answer=told["answer"],
            status=FaqStatus.APPROVED if approved else FaqStatus.PENDING,
            created_at=now,
            reviewed_at=now if approved else None,
            made_by=FaqMadeBy.HAND if translated_from is None else FaqMadeBy.TRANSLATION,
            translated_from=None if translated_from is None else translated_from.root,
        )
        async with self._one_at_a_time:
            await self._store.write_faq_entry(entry, answers)
            await self._tell((), (entry,))
        return entry

    async def _review(self, entry_id: str, reviewed: FaqReviewed, mark: str | None) -> FaqEntry:
        async with self._one_at_a_time:
            before = await self._store.faq_entry(entry_id)
            entry = await self._store.review_faq(before.id, reviewed, time.time(), mark=mark)
            await self._tell((before,), (entry,))
        return entry

    async def _tell(self, before: Sequence[FaqEntry], now: Sequence[FaqEntry]) -> None:
        """Bring retrieval to what is approved now, and throw away answers that stand on what no longer is."""
        was = {entry.id: entry for entry in before if entry.status is FaqStatus.APPROVED}
        approved = [entry for entry in now if entry.status is FaqStatus.APPROVED]
        added = [entry for entry in approved if entry.id not in was or was[entry.id].mark != entry.mark]
        gone = [entry for entry in now if entry.status is not FaqStatus.APPROVED]
        if added:
            await self._index.add_faq([passage_of(entry) for entry in added])
        if gone:  # also those that were not approved: the index may be behind
            await self._index.remove_faq([entry.id for entry in gone])
        self._forget_searches()
        # Their keys serve nobody any more; what they tell is not to lie there either.
        stale = [entry for entry in (*gone, *added) if entry.id in was]
        if stale:
            await self._store.forget_answers_citing(stale)


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


def _reviewed(status: FaqStatus | None, question: str | None, answer: str | None, category: str | None) -> FaqReviewed:
    """Raises `InvalidRequest`; its `faults` say of each field what is wrong, its `kinds` of what kind that is."""
    faults: dict[str, str] = {}
    kinds: dict[str, tuple[str, int | None]] = {}
    texts = {"question": (question, LONGEST_QUESTION), "answer": (answer, LONGEST_REVIEWED_ANSWER)}
    told: dict[str, str | None] = {"category": category}
    for field, (given, longest) in texts.items():
        told[field] = text = None if given is None else one_line(given)
        if text == "":
            faults[field], kinds[field] = "it must not be empty", ("empty", None)
        elif text is not None and len(text) > longest:
            faults[field] = f"{longest} characters at most; this has {len(text)}"
            kinds[field] = ("long", longest)
    if category is not None and category not in CATEGORIES:
        faults["category"], kinds["category"] = f"one of {', '.join(CATEGORIES)}", ("choose", None)
    if faults:
        said = " ".join(f"{field}: {fault}." for field, fault in faults.items())
        raise InvalidRequest(said, faults=faults, kinds=kinds)
    return FaqReviewed(status=status, **told)


def one_line(given: str) -> str:
    """The text in one line, without what cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in given).split())

"""What an entry of the FAQ is: a question and a short answer on one lot, both masked, waiting for or after review."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jieqian.languages import Language
from jieqian.lots.lot import ASKED_TOPICS

#: Where nothing in the question tells its topic.
GENERAL = "general"
CATEGORIES = (*ASKED_TOPICS, GENERAL)
#: Lengths in characters; a reviewer may write longer answers than the service proposes.
LONGEST_QUESTION = 300
LONGEST_ANSWER = 240
LONGEST_REVIEWED_ANSWER = 600


class FaqStatus(StrEnum):
    """Where an entry stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class FaqMadeBy(StrEnum):
    """Where an entry came from."""

    READING = "reading"
    HAND = "hand"
    TRANSLATION = "translation"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqEntry:
    """One entry. `task_id` is None once its task was erased; times are seconds since the epoch.

    `translated_from`: the id of the entry whose words it tells in another language; None too where that one is gone.
    """

    id: str
    task_id: str | None
    collection: str
    lot: int
    category: str
    language: Language
    question: str
    answer: str
    status: FaqStatus = FaqStatus.PENDING
    created_at: float
    reviewed_at: float | None = None
    made_by: FaqMadeBy = FaqMadeBy.READING
    translated_from: str | None = None

    @property
    def mark(self) -> str:
        """16 hexadecimal digits that change with whatever a reviewer decides: who decides on another state is told."""
        told = (self.category, self.language, self.question, self.answer, self.status)
        return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]

    @property
    def is_erased(self) -> bool:
        """Whether its asker erased the reading it came from."""
        return self.made_by is FaqMadeBy.READING and self.task_id is None

    @property
    def root(self) -> str:
        """The id that it and all its translations share."""
        return self.translated_from or self.id

    def as_dict(self) -> dict[str, Any]:
        """The entry as the API shows it; the task it came from is not told."""
        return {
            "id": self.id,
            "collection": self.collection,
            "lot": self.lot,
            "category": self.category,
            "language": self.language.value,
            "question": self.question,
            "answer": self.answer,
            "status": self.status.value,
            "created_at": self.created_at,
            "reviewed_at": self.reviewed_at,
            "made_by": self.made_by.value,
            "translated_from": self.translated_from,
            "erased": self.is_erased,
            "mark": self.mark,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqReviewed:
    """What a reviewer decides; what is None stays as it is."""

    status: FaqStatus | None = None
    question: str | None = None
    answer: str | None = None
    category: str | None = None

    def mended(self) -> dict[str, str]:
        """The fields that change beside the status."""
        given = {"question": self.question, "answer": self.answer, "category": self.category}
        return {name: text for name, text in given.items() if text is not None}


@dataclass(frozen=True, slots=True)
class FaqUse:
    """How often an approved entry was a source of a reading, and on which day last (`2026-11-29`, UTC)."""

    total: int = 0
    last_day: str | None = None


@dataclass(frozen=True, slots=True)
class FaqOrigin:
    """The reading an entry came from: who wrote it, how, and what its asker thought of it (-1, 1 or None)."""

    mode: str
    model: str | None
    feedback: int | None

    def as_dict(self) -> dict[str, Any]:
        """`{"mode", "model", "feedback"}`."""
        return {"mode": self.mode, "model": self.model, "feedback": self.feedback}


@dataclass(frozen=True, slots=True)
class FaqBulk:
    """What came of one decision on many entries.

    `before` holds those that were decided on as they were, `done` as they are now; `left` says of the others `changed`
    or `gone`, by id.
    """

    before: tuple[FaqEntry, ...]
    done: tuple[FaqEntry, ...]
    left: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A masked question whose reading had no approved entry on its topic; `passages`: whether it had any source."""

    id: str
    task_id: str
    collection: str
    lot: int
    category: str
    language: Language
    question: str
    passages: bool
    created_at: float

    def as_dict(self) -> dict[str, Any]:
        """The question as the API shows it; the task it came from is not told."""
        return {
            "id": self.id,
            "collection": self.collection,
            "lot": self.lot,
            "category": self.category,
            "language": self.language.value,
            "question": self.question,
            "passages": self.passages,
            "created_at": self.created_at,
        }

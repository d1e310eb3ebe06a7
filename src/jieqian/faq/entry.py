"""What an entry of the FAQ is: a question and a short answer on one lot, both masked, waiting for or after review."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqEntry:
    """One entry. `task_id` is None once its task was erased; times are seconds since the epoch."""

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
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqReviewed:
    """What a reviewer decides; texts that are None stay as they are."""

    status: FaqStatus
    question: str | None = None
    answer: str | None = None
    category: str | None = None

    def mended(self) -> dict[str, str]:
        """The fields that change beside the status."""
        given = {"question": self.question, "answer": self.answer, "category": self.category}
        return {name: text for name, text in given.items() if text is not None}

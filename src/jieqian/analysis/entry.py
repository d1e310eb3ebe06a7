"""What one line of a log tells, whatever its dialect."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

#: A cause is no longer than this, and its numbers and ids are left out: so that alike ones count together.
_LONGEST_CAUSE = 100
_LONGEST_MS = 1e11
_MOST_TEXT = 2000
_QUESTION = re.compile(r"\bquestion\b", re.IGNORECASE)
_ID = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Dialect(Enum):
    """Whose log it is."""

    OWN_TEXT = "jieqian text"
    OWN_JSON = "jieqian JSON"
    OLDER = "older plain text"
    OLDER_PERF = "older with [PERF] figures"


class Kind(Enum):
    """What a line is about. The second half is told by older logs alone."""

    OTHER = "other"
    ERROR = "error"
    CLAIMED = "claimed"
    STAGE = "stage"
    MODEL_FAILED = "model failed"
    REFUSED = "section refused"
    ENDED = "ended"
    LEFT = "left"
    FAQ = "faq"
    BLOCKED = "blocked"
    TASK_ERROR = "task error"

    POOL = "pool"
    CREATED = "created"
    SUBMITTED = "submitted"
    STARTED = "started"
    PROCESSING = "processing"
    LOT = "lot"
    GET_POEM = "get poem"
    RETRIEVED = "retrieved"
    FOUND = "found"
    QUERY = "query"
    ATTEMPT = "attempt"
    ATTEMPT_FAILED = "attempt failed"
    SERVICE_RETRY = "service retry"
    FALLBACK = "fallback"
    VALIDATED = "validated"
    INTERPRETED = "interpreted"
    DATABASE_VALIDATED = "database validated"
    PERF = "perf"
    SUMMARY = "summary"
    SUCCESS = "success"
    FAILED = "failed"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: when, what, and whose. `at` in seconds; `figures` and `text` as the kind has them."""

    kind: Kind
    dialect: Dialect
    at: float | None = None
    dated: bool = True
    fine: bool = True
    task: str | None = None
    worker: str | None = None
    lot: str | None = None
    asked: str | None = None
    text: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def moved(self, at: float) -> Entry:
        """The same at another moment."""
        return replace(self, at=at)


def number(value: Any) -> float | None:
    """A figure that can be one: finite, not below 0, not beyond all measure."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if math.isfinite(figure) and 0 <= figure <= _LONGEST_MS else None


def cause_of(text: str) -> str:
    """An error's text as a cause: one line, without ids, numbers and what was asked, cut."""
    told, *asked = _QUESTION.split(text[:_MOST_TEXT], maxsplit=1)
    told = " ".join(told.split()).rstrip(",;( " if asked else None)
    line = _NUMBER.sub("N", _ID.sub("ID", told)) or "not told in the log"
    return line if len(line) <= _LONGEST_CAUSE else line[: _LONGEST_CAUSE - 1].rstrip() + "…"

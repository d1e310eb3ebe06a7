"""The events of a task (contract, section 3): typed values on the way in, stored lines on the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from jieqian.sections.section import Section, SectionName


class Stage(StrEnum):
    """The stages of a reading, in order."""

    QUEUE = "queue"
    POEM = "poem"
    RETRIEVAL = "retrieval"
    GENERATION = "generation"
    VALIDATION = "validation"


class Event:
    """One event; `type` is its SSE name, `data()` its JSON."""

    type: ClassVar[str]
    #: An event that ends the stream.
    final: ClassVar[bool] = False

    def data(self) -> dict[str, Any]:
        """The JSON object the client gets."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Queued(Event):
    """Accepted. `ahead` are the tasks before this one; `estimate_seconds` until it starts, None if unknown."""

    ahead: int
    estimate_seconds: float | None
    type: ClassVar[str] = "queued"

    def data(self) -> dict[str, Any]:
        """`position` counts from 1."""
        return {"position": self.ahead + 1, "ahead": self.ahead, "estimate_seconds": self.estimate_seconds}


@dataclass(frozen=True, slots=True)
class StageStarted(Event):
    """A stage began."""

    stage: Stage
    message: str
    attempt: int
    type: ClassVar[str] = "stage"

    def data(self) -> dict[str, Any]:
        """`state` is `started`."""
        return {"stage": self.stage, "state": "started", "message": self.message, "attempt": self.attempt}


@dataclass(frozen=True, slots=True)
class StageFinished(Event):
    """A stage ended after `ms`."""

    stage: Stage
    message: str
    attempt: int
    ms: int
    type: ClassVar[str] = "stage"

    def data(self) -> dict[str, Any]:
        """`state` is `finished`."""
        return {
            "stage": self.stage,
            "state": "finished",
            "ms": self.ms,
            "message": self.message,
            "attempt": self.attempt,
        }


@dataclass(frozen=True, slots=True)
class LotShown(Event):
    """The whole lot with its commentary: something to read before the model starts."""

    lot: Mapping[str, Any]
    type: ClassVar[str] = "lot"

    def data(self) -> dict[str, Any]:
        """The lot as the API shows it."""
        return dict(self.lot)


@dataclass(frozen=True, slots=True)
class CareShown(Event):
    """Help lines instead of a fortune."""

    care: Mapping[str, Any]
    type: ClassVar[str] = "care"

    def data(self) -> dict[str, Any]:
        """`{kind, message, help_lines}`."""
        return dict(self.care)


@dataclass(frozen=True, slots=True)
class SectionStarted(Event):
    """A section is being written; `index` counts from 1 to `of`."""

    section: SectionName
    attempt: int
    index: int
    of: int
    type: ClassVar[str] = "section_started"

    def data(self) -> dict[str, Any]:
        """Which section, at which attempt."""
        return {"section": self.section, "attempt": self.attempt, "index": self.index, "of": self.of}


@dataclass(frozen=True, slots=True)
class SectionDelta(Event):
    """New text of a section, whole code points."""

    section: SectionName
    text: str
    type: ClassVar[str] = "section_delta"

    def data(self) -> dict[str, Any]:
        """Only the new text."""
        return {"section": self.section, "text": self.text}


@dataclass(frozen=True, slots=True)
class SectionReset(Event):
    """Drop what was shown of a section."""

    section: SectionName
    reason: str
    type: ClassVar[str] = "section_reset"

    def data(self) -> dict[str, Any]:
        """Which section, and why."""
        return {"section": self.section, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class SectionFinished(Event):
    """A section passed its checks, or was taken from the commentary."""

    finished: Section
    type: ClassVar[str] = "section_finished"

    def data(self) -> dict[str, Any]:
        """The whole text with its source."""
        return {"section": self.finished.name, **self.finished.as_dict(), "ms": self.finished.ms}


@dataclass(frozen=True, slots=True)
class Completed(Event):
    """The end: the whole reading."""

    reading: Mapping[str, Any]
    type: ClassVar[str] = "completed"
    final: ClassVar[bool] = True

    def data(self) -> dict[str, Any]:
        """The reading of the contract's section 2."""
        return dict(self.reading)


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The end: a problem document."""

    problem: Mapping[str, Any]
    type: ClassVar[str] = "failed"
    final: ClassVar[bool] = True

    def data(self) -> dict[str, Any]:
        """The problem object."""
        return dict(self.problem)


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The end: the asker stopped it; finished sections are kept."""

    sections: Mapping[str, Any]
    type: ClassVar[str] = "stopped"
    final: ClassVar[bool] = True

    def data(self) -> dict[str, Any]:
        """The sections kept, by name."""
        return {"sections": dict(self.sections)}


FINAL_TYPES = frozenset(kind.type for kind in (Completed, Failed, Stopped))


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One line of a task's log. `id` rises by one within a task; `data` is JSON text."""

    id: int
    type: str
    data: str

    @property
    def final(self) -> bool:
        """Whether the stream ends after it."""
        return self.type in FINAL_TYPES


def encode(event: Event) -> str:
    """The event's data as one line of JSON, text left readable."""
    return json.dumps(event.data(), ensure_ascii=False, separators=(",", ":"))

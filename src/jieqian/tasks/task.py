"""The task: the durable record of one request for a reading. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from jieqian.languages import Language
from jieqian.sections.section import SECTIONS, Section, SectionName

#: Attempts at producing the missing sections of one task; the only counter of tries there is.
MAX_ATTEMPTS = 3
#: Times a task may be claimed (a crash costs one); after that commentary stands in.
MAX_DELIVERIES = 5
#: Length of a worker's lease in seconds; it is renewed three times in that span.
LEASE_SECONDS = 30.0

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    return _NOTHING  # by a factory: Python 3.11's dataclasses take the unhashable proxy for a mutable default


class Status(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"  # accepted, waits for a worker
    RUNNING = "running"  # a worker holds its lease
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in (Status.COMPLETED, Status.FAILED, Status.STOPPED)


class Mode(StrEnum):
    """A named choice of model, strategy and options."""

    FAST = "fast"
    QUALITY = "quality"


class StrategyName(StrEnum):
    """How sections are asked for."""

    AUTO = "auto"
    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """An accepted request, ready to be stored. Times are seconds since the epoch."""

    id: str
    caller: str
    collection: str
    lot: int
    question: str
    language: Language
    mode: Mode
    strategy: StrategyName
    model: str | None = None
    fresh: bool = False
    parent_id: str | None = None
    draw_id: str | None = None
    care: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    body_hash: str | None = None
    experiment: str | None = None
    variant: str | None = None
    created_at: float
    timings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as the store knows it. `timings` holds the contract's section 4 as far as measured."""

    id: str
    seq: int
    caller: str
    status: Status
    collection: str
    lot: int
    question: str
    language: Language
    mode: Mode
    strategy: StrategyName
    model: str | None
    fresh: bool
    parent_id: str | None
    draw_id: str | None
    care: Mapping[str, Any] | None
    created_at: float
    claimed_at: float | None = None
    ended_at: float | None = None
    touched_at: float | None = None
    lease_token: str | None = None
    lease_expires_at: float | None = None
    deliveries: int = 0
    attempts: int = 0
    last_event_id: int = 0
    sections: tuple[Section, ...] = ()
    timings: Mapping[str, Any] = field(default_factory=_nothing)
    sources: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None
    experiment: str | None = None
    variant: str | None = None

    @property
    def missing(self) -> tuple[SectionName, ...]:
        """The sections not finished yet, in order."""
        done = {section.name for section in self.sections}
        return tuple(name for name in SECTIONS if name not in done)

    def sections_dict(self) -> dict[str, Any]:
        """Finished sections by name, in order, as a reading shows them."""
        by_name = {section.name: section for section in self.sections}
        return {name.value: by_name[name].as_dict() for name in SECTIONS if name in by_name}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What an asker thought of a reading: `score` is -1 or 1."""

    score: int
    comment: str | None

"""One task as a log told of it, from its first line to its last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Stage(Enum):
    """Where time goes, in order. The total is the program's own figure; `other` is what no stage claims."""

    QUEUE = "queue"
    POEM = "poem"
    RETRIEVAL = "retrieval"
    GENERATION = "generation"
    VALIDATION = "validation"
    FAQ = "faq"
    OTHER = "other"
    TOTAL = "total"


class Outcome(Enum):
    """How a task ended, as far as the log tells."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTask:
    """What is known of a task.

    `ms` by stage; those in `coarse` were worked out from stamps of whole seconds. `waited_ms`: what its asker waited.
    `lost_ms`: of that, in attempts that came to nothing. `lookups`: how often the older system asked its store of lots
    and passages, `booked_lookups` of them inside the figure it calls the model's.
    """

    id: str
    outcome: Outcome
    own: bool
    begun: float | None = None
    ended: float | None = None
    ms: Mapping[Stage, float] = field(default_factory=dict)
    coarse: frozenset[Stage] = frozenset()
    waited_ms: float | None = None
    attempts: int = 0
    lost_ms: float = 0.0
    cause: str | None = None
    cache: str | None = None
    model: str | None = None
    degraded: bool = False
    first_text_ms: float | None = None
    tokens_per_second: float | None = None
    lookups: int = 0
    booked_lookups: int = 0
    lookup_ms: float | None = None
    lot_cached: bool | None = None
    polled_ms: float | None = None
    repeats: bool = False
    last_stage: str | None = None

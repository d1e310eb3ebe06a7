"""What an experiment is judged by, task by task."""

from __future__ import annotations

from typing import NamedTuple


class TaskFigures(NamedTuple):
    """One task of an experiment. Times in milliseconds; what was not measured is None.

    `status` as the task has it. `follows`: it is a follow-up to another reading. `cache_hit`: `none`, `exact` or
    `semantic`, None before the end. `score`: -1 or 1 where the asker gave one.
    """

    caller: str
    variant: str
    status: str
    created_at: float
    collection: str
    lot: int
    follows: bool
    cache_hit: str | None
    degraded: bool
    total_ms: float | None
    first_token_ms: float | None
    model_error: str | None
    score: int | None

"""An answer that is kept: whole sections a model wrote, under a key that tells nothing. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jieqian.sections.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """A reading's seven sections, all of them a model's, with its sources.

    `key`: see `cache/key.py`. `task_id`: the task it was written for; erasing that task erases it. `facts`: what the
    timings tell of its making (`llm_provider`, `llm_model`, `strategy`, `retrieval`).
    """

    key: str
    task_id: str
    collection: str
    lot: int
    language: str
    mode: str
    model: str
    created_at: float
    sections: tuple[Section, ...]
    sources: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]


#: So many of a caller's latest tasks are looked at for one that is near.
MOST_OWN = 200


@dataclass(frozen=True, slots=True)
class OwnReading:
    """A completed reading of a caller's. `copied_from`: when the answer that completed it was written, if one did."""

    task_id: str
    question: str
    copied_from: float | None = None

    def is_of(self, answer: KeptAnswer) -> bool:
        """Whether it holds just that answer: written for it, or copied into it."""
        return answer.task_id == self.task_id or answer.created_at == self.copied_from


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """How many answers are kept, how large they are, how often they served, and since when. Times in seconds."""

    entries: int
    bytes: int
    hits: int
    oldest_at: float | None
    newest_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFilter:
    """Which answers: all unless narrowed."""

    collection: str | None = None
    lot: int | None = None
    model: str | None = None
    before: float | None = None

"""How the sections get written: the protocol of a strategy, and the drafts that come out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jieqian.llm.client import Finished, ModelClient, ModelInfo
from jieqian.prompt.prompt import Prompt
from jieqian.sections.section import SectionName


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingOptions:
    """The mode's options for the model: tokens, temperature, thinking level, and the two waits in seconds.

    `length` scales how long the sections are asked to be.
    """

    context_tokens: int
    max_tokens: int
    temperature: float = 0.7
    repeat_penalty: float | None = None
    thinking: str | bool | None = None
    length: float = 1.0
    first_token_seconds: float = 300.0
    between_tokens_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingOrder:
    """What one attempt is to write.

    `wanted` are the missing sections in order; `complaints` says of some of them why the last try was refused;
    `written` holds the text of those already finished, so that none is told twice; `others` are the sections that
    other calls write at the same time, so that each keeps to its share.
    """

    client: ModelClient
    model: ModelInfo
    prompt: Prompt
    wanted: tuple[SectionName, ...]
    options: WritingOptions
    complaints: Mapping[SectionName, str] = field(default_factory=dict)
    written: Mapping[SectionName, str] = field(default_factory=dict)
    others: tuple[SectionName, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftStarted:
    """The model has begun this section."""

    section: SectionName


@dataclass(frozen=True, slots=True)
class DraftText:
    """New text of this section, whole code points."""

    section: SectionName
    text: str


@dataclass(frozen=True, slots=True)
class DraftEnded:
    """The whole section as drafted; equals its `DraftText`s joined. Not yet checked."""

    section: SectionName
    text: str


@dataclass(frozen=True, slots=True)
class ModelSpoke:
    """The first token of a model call arrived (text or thinking)."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """One model call ended properly.

    `seconds` of speaking since the one before, and whether the call is this reading's own to count: see
    `cache/flights.py`, which tells both.
    """

    finished: Finished
    seconds: float = 0.0
    ours: bool = True


Draft = DraftStarted | DraftText | DraftEnded | ModelSpoke | CallEnded


class Strategy(Protocol):
    """A way to get the wanted sections out of a model.

    `shows_drafts`: text may be shown while it is written; if False only after its check.
    `most_attempts`: how many attempts this way is worth (at most 3 a task).
    """

    name: str
    shows_drafts: bool
    most_attempts: int

    def write(self, order: WritingOrder) -> AsyncIterator[Draft]:
        """The drafts of one attempt. A section the model left out, or cut, has no `DraftEnded`. Raises `ModelError`."""
        ...

"""The one protocol every model server is spoken to by, and the values that cross it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from jieqian.languages import Language


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One call of a model.

    `schema` is a JSON Schema the answer should follow; a server may ignore it, so the answer is always validated.
    `max_tokens` bounds the answer, `context_tokens` is the whole window (prompt and answer), both in tokens.
    `thinking` is a level the model's profile names (`"low"`, `False` …) or None to say nothing of it.
    `first_token_seconds` bounds the wait for the first chunk (a cold model loads), `between_tokens_seconds` the
    silence between two chunks.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    context_tokens: int
    schema: Mapping[str, Any] | None = None
    temperature: float = 0.7
    repeat_penalty: float | None = None
    thinking: str | bool | None = None
    stop: tuple[str, ...] = ()
    first_token_seconds: float = 300.0
    between_tokens_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class TextDelta:
    """New text of the answer, whole code points."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """New text of the model's thinking: counted, never shown."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one answer. `length`: it was cut at `max_tokens`. Counts are None where the server gives none.

    `model` is the server's own name for what answered, if it tells one.
    """

    reason: Literal["stop", "length"]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    model: str | None = field(default=None, compare=False)


ModelChunk = TextDelta | ThinkingDelta | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a server says of one of its models, completed by its profile.

    `digest` identifies the weights (None where the server tells none); `context_tokens` is the longest window it can
    open (None: unknown); `thinking` the levels it takes (empty: it does not think); `languages` those it writes well
    enough; `tiny`: it only retells (see `sections/retelling.py`). `schema_needs_thinking`: with its thinking off its
    server takes a schema and gives no heed to it, or worse.
    """

    name: str
    digest: str | None = None
    context_tokens: int | None = None
    parameters: float | None = None
    schema: bool = True
    thinking: tuple[str | bool, ...] = ()
    thinking_off: str | bool | None = None
    languages: frozenset[Language] = field(default_factory=lambda: frozenset(Language))
    chat: bool = True
    tiny: bool = False
    schema_needs_thinking: bool = False


class ModelClient(Protocol):
    """One model server. Every method raises only `ModelError` and its kinds."""

    provider: str
    base_url: str | None

    async def models(self) -> list[ModelInfo]:
        """The chat models the server has, by name."""
        ...

    async def describe(self, model: str) -> ModelInfo:
        """What that model can do; `ModelNotFound` names the nearest one there is and how to get this one."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """The answer as it is written: deltas, then exactly one `Finished`. Closing the iterator ends generation."""
        ...

    async def close(self) -> None:
        """Close connections; nothing may be asked afterwards."""
        ...

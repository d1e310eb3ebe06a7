"""What a stand-in model server does with each request: the behaviours, their pace, and the log of what came in.

The Ollama and the OpenAI stand-in share this engine; each only puts the pieces into its own wire format. Behaviours are
set over HTTP (`POST /_script`), one a request in order; without any, the default one answers: first token after
500 ms, then 100 tokens/s, 300 tokens, a whole reading that follows the schema sent.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

from jieqian.testing.readings import answer_for

# One token: up to four characters of a script with spaces, up to two of one without, with the white space before it.
_DENSE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"\s*(?:[{_DENSE}]{{1,2}}|[^\s{_DENSE}]{{1,4}})|\s+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered (or `times` of them).

    Text: `text` as it stands, else a reading made from prompt and schema; `language` writes it in another language;
    `ignore_schema` gives prose instead; `malformed` breaks the JSON; `thinking` comes first, in its own field or with
    `thinking_in_content` between `<think>` tags. `tokens` cuts the text into exactly so many even pieces.
    Pace: `load_ms` before anything, `first_token_ms`, `tokens_per_second`, by deadline: what is late is caught up.
    Faults: `status` (with `error`, `retry_after`) refuses; `error_after`, `cut_after`, `stall_after` pieces; `hang`
    answers nothing; `end_early` ends in order without the last message; `chunk_bytes` writes so many bytes at a time;
    `split_at` pauses at that byte of the stream; `raw` is sent as the whole body.
    Counts: `prompt_tokens` told instead of the counted (0: left out). `knows_truncate` False cuts a long prompt.
    Notes: `note_pieces` keeps each piece and when it was sent.
    OpenAI's only: `refuse` fields answered 400; `usage`, `done`, `crlf`, `comments`, `finish_reason`,
    `reasoning_field`.
    """

    text: str | None = None
    language: str | None = None
    ignore_schema: bool = False
    malformed: bool = False
    thinking: str = ""
    thinking_in_content: bool = False
    tokens: int | None = None
    load_ms: float = 0.0
    first_token_ms: float = 500.0
    tokens_per_second: float = 100.0
    times: int = 1
    status: int = 200
    error: str | None = None
    retry_after: int | None = None
    error_after: int | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    hang: bool = False
    end_early: bool = False
    chunk_bytes: int | None = None
    split_at: int | None = None
    raw: str | None = None
    prompt_tokens: int | None = None
    knows_truncate: bool = True
    refuse: tuple[str, ...] = ()
    usage: bool = True
    done: bool = True
    crlf: bool = False
    comments: bool = False
    finish_reason: str | None = None
    reasoning_field: str = "reasoning_content"
    note_pieces: bool = False


DEFAULT = Behaviour(tokens=300)
QUICK = Behaviour(first_token_ms=0.0, tokens_per_second=100_000.0)
"""No waiting at all, for tests of everything but time."""


def behaviour_from(document: Mapping[str, Any], base: Behaviour = DEFAULT) -> Behaviour:
    """A behaviour from JSON: what it names replaces the base's. Raises `ValueError` for a field there is not."""
    unknown = set(document) - {item.name for item in fields(Behaviour)}
    if unknown:
        raise ValueError(f"unknown fields: {sorted(unknown)}")
    values = dict(document)
    if "refuse" in values:
        values["refuse"] = tuple(values["refuse"])
    if values.get("text") is not None or values.get("thinking"):
        values.setdefault("tokens", None)
    return replace(base, **values)


def tokens_of(text: str) -> list[str]:
    """The stand-in's tokens; joined they are the text."""
    return _TOKEN.findall(text)


def even_pieces(text: str, count: int) -> list[str]:
    """`text` in `count` pieces of nearly the same length (fewer where it has not so many characters)."""
    count = max(1, min(count, len(text)))
    edges = [len(text) * place // count for place in range(count + 1)]
    return [text[start:end] for start, end in pairwise(edges)]


@dataclass(slots=True)
class Seen:
    """One request as it came in. Times are this machine's monotonic seconds, shared by all its processes."""

    path: str
    body: Any
    headers: dict[str, str]
    arrived: float = field(default_factory=time.monotonic)
    first_piece: float | None = None
    ended: float | None = None
    sent: int = 0
    finished: bool = False
    client_left: bool = False
    pieces: list[str] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """All fields, for `GET /_seen`."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


class Script:
    """The behaviours to come and the requests that came."""

    def __init__(self, default: Behaviour = DEFAULT) -> None:
        self.default = default
        self.seen: list[Seen] = []
        self._next: deque[Behaviour] = deque()

    def reset(self, default: Behaviour = DEFAULT) -> None:
        """Forget everything."""
        self.default = default
        self.seen.clear()
        self._next.clear()

    def add(self, behaviours: Sequence[Behaviour]) -> None:
        """Let these answer the next requests, in order, each `times` times."""
        for behaviour in behaviours:
            self._next.extend([behaviour] * behaviour.times)

    def take(self) -> Behaviour:
        """The behaviour for the request at hand."""
        return self._next.popleft() if self._next else self.default


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer, cut into pieces; `length` tells that `limit` tokens cut it."""

    pieces: tuple[tuple[str, str], ...]
    length: bool
    prompt_tokens: int

    @property
    def written(self) -> int:
        """Tokens of the answer, thinking included, as servers count them."""
        return len(self.pieces)


def prepare(
    behaviour: Behaviour, *, messages: Sequence[Mapping[str, Any]], schema: Any, limit: int | None, thinks: bool
) -> Turn:
    """The pieces of one answer; `limit` is `num_predict` or `max_tokens`, counted over thinking and text together."""
    prompt = "\n".join(str(message.get("content") or "") for message in messages)
    text = behaviour.text
    if text is None:
        text = answer_for(
            prompt, None if behaviour.ignore_schema else schema, behaviour.language, behaviour.ignore_schema
        )
    if behaviour.malformed:
        text = text.rstrip("}\n ").replace('": ', '" ', 1)
    thinking = behaviour.thinking if thinks or behaviour.thinking_in_content else ""
    if behaviour.thinking_in_content and thinking:
        text, thinking = f"<think>{thinking}</think>{text}", ""
    spoken = even_pieces(text, behaviour.tokens) if behaviour.tokens else tokens_of(text)
    pieces = [("thinking", piece) for piece in tokens_of(thinking)] + [("content", piece) for piece in spoken]
    kept = pieces if limit is None or limit < 0 else pieces[:limit]
    counted = len(tokens_of(prompt)) if behaviour.prompt_tokens is None else behaviour.prompt_tokens
    return Turn(pieces=tuple(kept), length=len(kept) < len(pieces), prompt_tokens=counted)


async def paced(turn: Turn, behaviour: Behaviour) -> AsyncIterator[tuple[int, str, str]]:
    """Each piece when it is due: (place, kind, text). Due times are fixed at the start, so lateness never adds up."""
    clock = asyncio.get_running_loop().time
    first = clock() + (behaviour.load_ms + behaviour.first_token_ms) / 1000
    for place, (kind, piece) in enumerate(turn.pieces):
        wait = first + place / behaviour.tokens_per_second - clock()
        if wait > 0:
            await asyncio.sleep(wait)
        yield place, kind, piece

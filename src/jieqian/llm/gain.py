"""What a model server gains by answering several at a time: measured once, by what a reading would ask of it.

A server may tell how many slots it has and be wrong, or have them and be slower for it, so it is not asked but timed:
one call that writes a text, then seven that each write a seventh of one, after instructions of a section's length.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from jieqian.errors import ModelCutOff
from jieqian.llm.client import Finished, Message, ModelClient, ModelInfo, ModelRequest, TextDelta

#: Calls at a time, and tokens each: seven sections.
CALLS, TOKENS = 7, 24
#: Below this seven calls are not worth it: a measurement on a machine with other work is off by some 15 %.
LEAST_GAIN = 1.25
_SYSTEM = "You write numbers in words, one after another, separated by commas. You never stop before you are stopped."
#: As many words as a section's own instruction has.
_FILLER = "The order of the numbers matters, and none of them may be left out or written twice. " * 12


@dataclass(frozen=True, slots=True)
class Gain:
    """What was measured: calls the server answers at a time (seven at most are seen), and how much faster it then is.

    `gain` 2: seven calls side by side write twice the tokens a second that one call does. `measured_at` in seconds
    since the epoch.
    """

    slots: int
    gain: float
    measured_at: float

    @property
    def pays(self) -> bool:
        """Whether sections are written side by side."""
        return self.slots > 1 and self.gain >= LEAST_GAIN


@dataclass(frozen=True, slots=True)
class _Call:
    first_at: float
    ended_at: float
    tokens: int


async def measure_gain(client: ModelClient, model: ModelInfo, context_tokens: int) -> Gain:
    """Time one call and seven at once. Raises `ModelError`. Ends its calls where it is cancelled."""
    await _call(client, model, context_tokens, 0, 1)  # loads the model, and lets the server read what all share
    begun = time.perf_counter()
    one = await _call(client, model, context_tokens, 1, CALLS * TOKENS)
    one_seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    calls = [asyncio.create_task(_call(client, model, context_tokens, 2 + number, TOKENS)) for number in range(CALLS)]
    try:
        many = await asyncio.gather(*calls)
    finally:  # one failed: the others are no use
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    many_seconds = time.perf_counter() - begun
    written = sum(each.tokens for each in many)
    if not one.tokens or not written:
        raise ModelCutOff("The model wrote nothing when it was timed.")
    first_end = min(each.ended_at for each in many)
    slots = sum(each.first_at < first_end for each in many)
    gain = (written / many_seconds) / (one.tokens / one_seconds)
    return Gain(max(1, slots), round(gain, 2), time.time())


async def _call(client: ModelClient, model: ModelInfo, context_tokens: int, number: int, tokens: int) -> _Call:
    """One call; `number` makes its instruction its own, so that no server has read it before."""
    asked = f"Number {number}. {_FILLER}Begin with {number * 1000 + 1}."
    request = ModelRequest(
        model=model.name,
        messages=(Message("system", _SYSTEM), Message("user", asked)),
        max_tokens=tokens,
        context_tokens=context_tokens,
        thinking=model.thinking_off,
    )
    first_at, written, told = 0.0, 0, None
    chunks = client.stream(request)
    try:
        async for chunk in chunks:
            if isinstance(chunk, Finished):
                told = chunk.completion_tokens
            elif chunk.text:
                first_at = first_at or time.perf_counter()
                written += isinstance(chunk, TextDelta)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    ended = time.perf_counter()
    return _Call(first_at or ended, ended, told or written)

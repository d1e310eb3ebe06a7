"""What a model server sent at once is handed on at once: a fast one's pieces are joined, a slow one's are not held."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from jieqian.errors import ModelError
from jieqian.llm.client import ModelChunk, TextDelta
from jieqian.llm.http import Call


async def in_batches(steps: AsyncIterator[list[ModelChunk]], call: Call) -> AsyncGenerator[ModelChunk, None]:
    """The chunks of each line, in order; texts are joined while a further line of `call` is here already.

    What a step raises is raised after what came before it.
    """
    waiting: list[ModelChunk] = []
    try:
        async for chunks in steps:
            for chunk in chunks:
                last = waiting[-1] if waiting else None
                if isinstance(chunk, TextDelta) and isinstance(last, TextDelta):
                    waiting[-1] = TextDelta(last.text + chunk.text)
                else:
                    waiting.append(chunk)
            if not call.has_line:
                for chunk in waiting:
                    yield chunk
                waiting = []
    except ModelError:
        for chunk in waiting:
            yield chunk
        raise
    for chunk in waiting:
        yield chunk

"""One model call whose stream is closed, and so ended on the server, however the reader leaves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jieqian.llm.client import ModelChunk, ModelClient, ModelRequest


@asynccontextmanager
async def calling(client: ModelClient, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelChunk]]:
    """The call's chunks; on leaving, by end, error or cancellation, the stream is closed."""
    chunks = client.stream(request)
    try:
        yield chunks
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()

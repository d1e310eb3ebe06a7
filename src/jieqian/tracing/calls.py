"""Model calls and searches, each with a span around it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from jieqian.errors import ModelError
from jieqian.languages import Language
from jieqian.llm.client import Finished, ModelChunk, ModelClient, ModelInfo, ModelRequest
from jieqian.lots.lot import Lot
from jieqian.retrieval.finding import Found, PassageFinder
from jieqian.sections.calling import calling
from jieqian.sections.strategy import Draft, Strategy, WritingOrder
from jieqian.tracing.attributes import (
    DATA_SOURCE,
    ERROR_TYPE,
    FINISH_REASONS,
    FIRST_CHUNK,
    OPERATION,
    RETRIEVAL,
    of_call,
    of_end,
)


class TracedStrategy:
    """A `Strategy` whose model calls are told. The client of its orders stays the engine's own for everybody else."""

    def __init__(self, strategy: Strategy, tracer: Tracer) -> None:
        self.name, self.shows_drafts = strategy.name, strategy.shows_drafts
        self.most_attempts = strategy.most_attempts
        self._strategy, self._tracer = strategy, tracer

    def write(self, order: WritingOrder) -> AsyncIterator[Draft]:
        """See `Strategy.write`."""
        return self._strategy.write(replace(order, client=_TracedClient(order.client, self._tracer)))


class _TracedClient:
    """A `ModelClient` for the length of one order."""

    def __init__(self, client: ModelClient, tracer: Tracer) -> None:
        self.provider, self.base_url = client.provider, client.base_url
        self._client, self._tracer = client, tracer

    async def models(self) -> list[ModelInfo]:
        """See `ModelClient.models`."""
        return await self._client.models()

    async def describe(self, model: str) -> ModelInfo:
        """See `ModelClient.describe`."""
        return await self._client.describe(model)

    async def close(self) -> None:
        """See `ModelClient.close`."""
        await self._client.close()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """See `ModelClient.stream`. No word of the request or the answer is told, nor of an error."""
        told = of_call(self._client, request)
        span = self._tracer.start_span(f"chat {request.model}", kind=SpanKind.CLIENT, attributes=told)
        begun, spoke, finished = time.perf_counter(), False, False
        try:
            async with calling(self._client, request) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Finished):
                        finished = True
                        span.set_attributes(of_end(chunk))
                    elif not spoke:
                        spoke = True
                        span.set_attribute(FIRST_CHUNK, time.perf_counter() - begun)
                    yield chunk
        except ModelError as error:
            _failed(span, error.code)
            raise
        except Exception as error:
            _failed(span, type(error).__name__)
            raise
        finally:
            if not finished:  # it failed, the reader left (stop, deadline), or had enough
                span.set_attribute(FINISH_REASONS, ["error"])
            span.end()


def _failed(span: Span, kind: str) -> None:
    span.set_attribute(ERROR_TYPE, kind)
    span.set_status(StatusCode.ERROR)


class TracedFinder:
    """A `PassageFinder` whose searches are told: how they went, not for what."""

    def __init__(self, passages: PassageFinder, tracer: Tracer) -> None:
        self._passages, self._tracer = passages, tracer

    async def find(self, question: str, lot: Lot, language: Language) -> Found:
        """See `PassageFinder.find`."""
        told = {OPERATION: RETRIEVAL, DATA_SOURCE: lot.collection, "jieqian.language": language.value}
        span = self._tracer.start_span(f"{RETRIEVAL} {lot.collection}", attributes=told)
        try:
            found = await self._passages.find(question, lot, language)
            span.set_attributes({"jieqian.retrieval": found.how, "jieqian.passages": len(found.passages)})
            return found
        finally:
            span.end()

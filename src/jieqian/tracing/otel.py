"""Traces by OpenTelemetry: one a reading, its id the task's id, so that either leads to the other.

The root span of a reading is written when the task ends, from its timings; its id is known beforehand, so that stages,
model calls and searches, also those of an earlier delivery that a crash ended, stand below it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakValueDictionary

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jieqian import __version__
from jieqian.errors import JieqianError
from jieqian.events.event import Stage
from jieqian.retrieval.finding import PassageFinder
from jieqian.sections.strategy import Strategy
from jieqian.tasks.task import Task
from jieqian.tracing.attributes import ERROR_TYPE, of_reading
from jieqian.tracing.calls import TracedFinder, TracedStrategy
from jieqian.tracing.export import CollectorExporter

logger = logging.getLogger(__name__)

#: How long an orderly stop waits for the collector to take what waits, in seconds.
STOP_SECONDS = 3.0
ROOT, ACCEPTANCE = "reading", "accept"
_LOWER_HALF, _RANDOM_BITS = 2**64 - 1, 2**56 - 1
#: The ids of the root span that is just being made.
_ROOT: ContextVar[SpanContext | None] = ContextVar("root", default=None)


class OtelTraces:
    """See `Traces`. The provider is ours alone, never the process's."""

    def __init__(self, exporter: CollectorExporter) -> None:
        self._exporter = exporter
        self._provider = TracerProvider(resource=_resource(), id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.sampler = _EvenSampler(self._provider.sampler)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("jieqian", __version__)
        self._deliveries: WeakValueDictionary[str, _Delivery] = WeakValueDictionary()

    def accepted(self, task: Task, traceparent: str | None) -> None:
        """See `Traces`. The caller's trace is linked, not joined: nobody outside decides what is traced here."""
        theirs = _span_context(traceparent)
        links = [] if theirs is None else [trace.Link(theirs)]
        begun = round(task.created_at * 1e9)
        span = self._tracer.start_span(ACCEPTANCE, self._below(task.id), links=links, start_time=begun)
        span.end()

    def delivery(self, task: Task) -> _Delivery:
        """See `Traces`."""
        delivery = _Delivery(task, self._tracer, self._below(task.id))
        self._deliveries[task.id] = delivery
        return delivery

    @contextmanager
    def within(self, task_id: str) -> Iterator[None]:
        """See `Traces`."""
        token = attach(self._below(task_id))
        try:
            yield
        finally:
            detach(token)

    def reading_ended(self, timings: Mapping[str, Any], status: str, created_at: float | None = None) -> None:
        """See `Traces`."""
        root, total = self._root(timings["task_id"]), round((timings.get("total_time_ms") or 0) * 1e6)
        delivery = self._deliveries.get(timings["task_id"])
        if delivery is not None:
            begun = delivery.requested_at
        else:
            begun = time.time_ns() - total if created_at is None else round(created_at * 1e9)
        token = _ROOT.set(root)
        try:
            span = self._tracer.start_span(ROOT, Context(), start_time=begun, attributes=of_reading(timings, status))
        finally:
            _ROOT.reset(token)
        if status == "failed":
            span.set_attribute(ERROR_TYPE, timings.get("model_error") or "_OTHER")
            span.set_status(StatusCode.ERROR)
        span.end(begun + total)

    def strategy(self, strategy: Strategy) -> Strategy:
        """See `Traces`."""
        return TracedStrategy(strategy, self._tracer)

    def finder(self, passages: PassageFinder) -> PassageFinder:
        """See `Traces`."""
        return TracedFinder(passages, self._tracer)

    async def close(self) -> None:
        """See `Traces`. A collector that does not take them in time loses them; nobody waits for it longer."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            if self._exporter.failing:  # else its last tries would use up the time
                self._exporter.shutdown()
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=end, name="close-traces", daemon=True).start()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await closed.wait()
        except TimeoutError:
            logger.warning("the last traces were not taken in time", extra={"action": "traces_lost"})

    def _root(self, task_id: str) -> SpanContext:
        """The root span's ids, from the task's; and whether it is kept, as OTEL_TRACES_SAMPLER says of that id."""
        number = uuid.UUID(task_id).int
        kept = self._provider.sampler.should_sample(None, number, ROOT).decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if kept else TraceFlags.DEFAULT)
        return SpanContext(number, number & _LOWER_HALF, is_remote=False, trace_flags=flags)

    def _below(self, task_id: str) -> Context:
        return trace.set_span_in_context(NonRecordingSpan(self._root(task_id)), Context())


class _Delivery:
    """See `DeliveryTrace`."""

    def __init__(self, task: Task, tracer: trace.Tracer, root: Context) -> None:
        self.requested_at = round(task.created_at * 1e9)
        self._task, self._tracer, self._root = task, tracer, root
        self._trace_id = trace.get_current_span(root).get_span_context().trace_id
        self._attempt = task.attempts

    def picked_up(self, age_ms: float) -> None:
        """See `DeliveryTrace`. After a crash the wait began with what was last written."""
        now = time.time_ns()
        self.requested_at = now - round(age_ms * 1e6)
        begun = min(now, max(self.requested_at, round((self._task.touched_at or 0.0) * 1e9)))
        told = {"jieqian.delivery": self._task.deliveries}
        self._tracer.start_span(Stage.QUEUE.value, self._root, start_time=begun, attributes=told).end(now)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """See `DeliveryTrace`. A stage within a stage stands below that."""
        self._attempt += stage is Stage.GENERATION
        told = {"jieqian.attempt": max(1, self._attempt)}
        within = trace.get_current_span().get_span_context().trace_id == self._trace_id
        around = None if within else self._root
        span = self._tracer.start_span(stage.value, around, attributes=told)
        token = attach(trace.set_span_in_context(span))
        try:
            yield
        except Exception as error:
            span.set_attribute(ERROR_TYPE, error.code if isinstance(error, JieqianError) else type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            detach(token)
            span.end()


class _Ids(RandomIdGenerator):
    """Random ids, but for root spans."""

    def generate_trace_id(self) -> int:
        """The task's id, for its root span."""
        root = _ROOT.get()
        return super().generate_trace_id() if root is None else root.trace_id

    def generate_span_id(self) -> int:
        """The end of the task's id, for its root span."""
        root = _ROOT.get()
        return super().generate_span_id() if root is None else root.span_id


class _EvenSampler(Sampler):
    """A sampler that takes a share of traces by their ids' last 64 bits, of which a UUID has two that never change.

    It is shown ids whose last 64 bits are the UUID's last 56, which all are random.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, *more: Any, **others: Any
    ) -> SamplingResult:
        """See `Sampler`."""
        return self._sampler.should_sample(parent_context, (trace_id & _RANDOM_BITS) << 8, name, *more, **others)

    def get_description(self) -> str:
        """See `Sampler`."""
        return self._sampler.get_description()


def _resource() -> Resource:
    """`service.name` is `jieqian` unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES names it."""
    told: dict[str, str | bool | int | float] = {SERVICE_VERSION: __version__}
    if SERVICE_NAME not in OTELResourceDetector().detect().attributes:
        told[SERVICE_NAME] = "jieqian"
    return Resource.create(told)


def _span_context(traceparent: str | None) -> SpanContext | None:
    """What a caller's header names; None where it names nothing. Its `tracestate` is never read."""
    if traceparent is None:
        return None
    found = TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())
    context = trace.get_current_span(found).get_span_context()
    return context if context.is_valid else None

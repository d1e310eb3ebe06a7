"""What the service tells whoever keeps traces. Without an endpoint nobody does, and nothing is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from jieqian.events.event import Stage
from jieqian.retrieval.finding import PassageFinder
from jieqian.sections.strategy import Strategy
from jieqian.tasks.task import Task


class DeliveryTrace(Protocol):
    """One delivery of a task to a worker."""

    def picked_up(self, age_ms: float) -> None:
        """A worker has it, so many milliseconds after the request."""
        ...

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """The block is this stage, or a part of it."""
        ...


class Traces(Protocol):
    """One trace a reading; its id is the task's."""

    def accepted(self, task: Task, traceparent: str | None) -> None:
        """A request became that task; `traceparent` is what it said of a trace of its own (W3C), not yet looked at."""
        ...

    def delivery(self, task: Task) -> DeliveryTrace:
        """A worker takes the task."""
        ...

    def within(self, task_id: str) -> AbstractContextManager[None]:
        """What is begun in the block belongs to that task."""
        ...

    def reading_ended(self, timings: Mapping[str, Any], status: str, created_at: float | None = None) -> None:
        """The task ended, by whomever; its timings (contract, section 4).

        `created_at`: when it was asked, in seconds since the epoch, where no worker had it.
        """
        ...

    def strategy(self, strategy: Strategy) -> Strategy:
        """The same, with its model calls told."""
        ...

    def finder(self, passages: PassageFinder) -> PassageFinder:
        """The same, with its searches told."""
        ...

    async def close(self) -> None:
        """Send what waits, for a bounded time."""
        ...


class NoDeliveryTrace:
    """A `DeliveryTrace` that keeps nothing."""

    def picked_up(self, age_ms: float) -> None:
        """See `DeliveryTrace`."""

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """See `DeliveryTrace`."""
        return nullcontext()


class NoTraces:
    """A `Traces` that keeps nothing."""

    def accepted(self, task: Task, traceparent: str | None) -> None:
        """See `Traces`."""

    def delivery(self, task: Task) -> DeliveryTrace:
        """See `Traces`."""
        return NO_DELIVERY_TRACE

    def within(self, task_id: str) -> AbstractContextManager[None]:
        """See `Traces`."""
        return nullcontext()

    def reading_ended(self, timings: Mapping[str, Any], status: str, created_at: float | None = None) -> None:
        """See `Traces`."""

    def strategy(self, strategy: Strategy) -> Strategy:
        """See `Traces`."""
        return strategy

    def finder(self, passages: PassageFinder) -> PassageFinder:
        """See `Traces`."""
        return passages

    async def close(self) -> None:
        """See `Traces`."""


NO_DELIVERY_TRACE = NoDeliveryTrace()
NO_TRACES = NoTraces()

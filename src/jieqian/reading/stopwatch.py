"""The times of one task (contract, section 4): six disjoint stages that add up to the total."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jieqian.events.event import Stage
from jieqian.tasks.task import Task
from jieqian.tasks.timings import ADDING_UP, STAGE_KEYS, age_ms
from jieqian.tracing.traces import NO_DELIVERY_TRACE, DeliveryTrace


class Stopwatch:
    """Measures from the moment a worker takes the task; earlier deliveries' times come from the task's own record.

    All time that no delivery accounts for (waiting, and while the server was down) is queue wait, so the total is
    always the time since the request. What is timed is told to `trace` too.
    """

    def __init__(self, task: Task, trace: DeliveryTrace = NO_DELIVERY_TRACE) -> None:
        self._begun = time.perf_counter()
        before = {key: float(task.timings.get(key) or 0) for key in ADDING_UP}
        before[STAGE_KEYS[Stage.QUEUE]] = 0.0
        self._active_before = sum(before.values())
        wait = age_ms(task, time.time()) - self._active_before
        self.stages = {key: before[key] for key in STAGE_KEYS.values()}
        self.stages[STAGE_KEYS[Stage.QUEUE]] = max(0.0, wait)
        self._running: list[tuple[Stage, float, float]] = []
        self._since_request = max(0.0, wait) + self._active_before
        self._trace = trace
        trace.picked_up(self._since_request)

    def now_ms(self) -> float:
        """Milliseconds since the request."""
        return self._since_request + (time.perf_counter() - self._begun) * 1000

    def worked_ms(self) -> float:
        """Milliseconds workers had the task: this delivery, and the earlier ones up to their last checkpoint."""
        return self._active_before + (time.perf_counter() - self._begun) * 1000

    def add(self, stage: Stage, ms: float) -> None:
        """Book time to a stage."""
        self.stages[STAGE_KEYS[stage]] += ms

    def stage_ms(self, stage: Stage) -> float:
        """What is booked to a stage so far."""
        return self.stages[STAGE_KEYS[stage]]

    @contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        """Book the block's wall time to a stage, less what is booked to another stage within it."""
        span = (stage, time.perf_counter(), sum(self.stages.values()))
        self._running.append(span)
        try:
            with self._trace.stage(stage):
                yield
        finally:
            self._running.remove(span)
            self.add(stage, self._spent(span))

    def measured(self) -> dict[str, Any]:
        """The stages, what is left over, and the total up to now, in milliseconds with one decimal.

        A stage that is still running counts up to now.
        """
        stages = dict(self.stages)
        for span in self._running[:1]:
            stages[STAGE_KEYS[span[0]]] += self._spent(span)
        times = {key: round(ms, 1) for key, ms in stages.items()}
        staged = sum(times.values())
        total = max(round(self.now_ms(), 1), staged)
        return {**times, "other_ms": round(total - staged, 1), "total_time_ms": round(total, 1)}

    def _spent(self, span: tuple[Stage, float, float]) -> float:
        _, start, booked = span
        within = sum(self.stages.values()) - booked
        return max(0.0, (time.perf_counter() - start) * 1000 - within)

"""What ended tasks come to, in constant memory."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass

from jieqian.analysis.ended import EndedTask, Outcome, Stage
from jieqian.analysis.figures import Samples

#: So many different causes, models and workers are told apart; the rest count together.
MOST_NAMES = 200
_OTHERS = "others"
_MINUTE = 60
#: Moments without a day are counted from the log's first midnight; those with one from the year 1.
_UNDATED_SECONDS = 100 * 365 * 86400


class Names:
    """Counts by name; a log full of different names does not fill the memory."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, of: str) -> None:
        """Count one of `of` (task, attempt …)."""
        key = (name, of)
        self.counts[key if key in self.counts or len(self.counts) < MOST_NAMES else (_OTHERS, of)] += 1


@dataclass(slots=True)
class StageTally:
    """One stage: its samples, what of them askers waited for, and whether stamps of whole seconds gave any."""

    samples: Samples
    waited_ms: float = 0.0
    coarse: bool = False


class Tally:
    """Everything that is counted."""

    def __init__(self, slowest: int) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.stages = {stage: StageTally(Samples()) for stage in Stage}
        self.waited = Samples()
        self.failed_ms = 0.0
        self.attempts = 0
        self.retried = 0
        self.lost_ms = 0.0
        self.causes = Names()
        self.caches: Counter[str] = Counter()
        self.hit_waits, self.miss_waits = Samples(), Samples()
        self.models: dict[str, Samples] = {}
        self.written = Samples()
        self.degraded = 0
        self.own = 0
        self.first_text, self.speed = Samples(), Samples()
        self.lookups, self.looking = 0, 0
        self.booked_lookups, self.booked_ms, self.perf_tasks = 0, 0.0, 0
        self.lots_cached: Counter[bool] = Counter()
        self.polled = Samples()
        self.repeats, self.asked = 0, 0
        self.last_stages: Counter[str] = Counter()
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.busiest = 0
        self.most_at_once = 0
        self._dated = False
        self._minute: tuple[int, int] = (0, 0)
        self._keep = slowest
        self._slowest: list[tuple[float, int, EndedTask]] = []
        self._number = 0

    @property
    def completed(self) -> int:
        """Tasks that were completed."""
        return self.outcomes[Outcome.COMPLETED]

    @property
    def slowest(self) -> list[EndedTask]:
        """The slowest first."""
        return [task for _, _, task in sorted(self._slowest, key=lambda each: (-each[0], each[1]))]

    def add(self, task: EndedTask) -> None:
        """Take one more task."""
        self.outcomes[task.outcome] += 1
        self.own += task.own
        self.attempts += task.attempts
        self.retried += task.attempts > 1
        self._place_in_time(task)
        if task.outcome is Outcome.FAILED:
            self.causes.add(task.cause or "not told in the log", "task")
            self.failed_ms += task.waited_ms or 0.0
        elif task.outcome is Outcome.UNFINISHED and task.last_stage:
            self.last_stages[task.last_stage] += 1
        elif task.outcome is Outcome.COMPLETED:
            self._add_completed(task)
        self._keep_slow(task)

    def add_faq(self, ms: float) -> None:
        """Made after the asker had the reading: nobody waited for it."""
        self.stages[Stage.FAQ].samples.add(ms)

    def _add_completed(self, task: EndedTask) -> None:
        self.lost_ms += task.lost_ms
        self.degraded += task.degraded
        for stage, ms in task.ms.items():
            tally = self.stages[stage]
            tally.samples.add(ms)
            tally.waited_ms += ms
            tally.coarse = tally.coarse or stage in task.coarse
        if task.waited_ms is not None:
            self.waited.add(task.waited_ms)
            if task.own and task.cache is not None:
                (self.miss_waits if task.cache == "none" else self.hit_waits).add(task.waited_ms)
        if task.cache is not None:
            known = task.cache in self.caches or len(self.caches) < MOST_NAMES
            self.caches[task.cache if known else _OTHERS] += 1
        if task.model is not None and task.attempts and Stage.GENERATION in task.ms:
            model = task.model if task.model in self.models or len(self.models) < MOST_NAMES else _OTHERS
            self.models.setdefault(model, Samples()).add(task.ms[Stage.GENERATION])
        if task.attempts and task.cache in (None, "none") and Stage.GENERATION in task.ms:
            self.written.add(task.ms[Stage.GENERATION])
        for samples, value in ((self.first_text, task.first_text_ms), (self.speed, task.tokens_per_second)):
            if value is not None and task.cache in (None, "none"):
                samples.add(value)
        if not task.own:
            self._add_older(task)

    def _add_older(self, task: EndedTask) -> None:
        self.lookups += task.lookups
        self.looking += task.lookups > 0
        if task.lookup_ms is not None:
            self.perf_tasks += 1
            self.booked_lookups += task.booked_lookups
            self.booked_ms += task.booked_lookups * task.lookup_ms
        if task.lot_cached is not None:
            self.lots_cached[task.lot_cached] += 1
        if task.polled_ms is not None:
            self.polled.add(task.polled_ms)
        self.repeats += task.repeats
        self.asked += 1

    def _place_in_time(self, task: EndedTask) -> None:
        for at in (task.begun, task.ended):
            if at is not None and self._belongs(at):
                self.first_at = at if self.first_at is None else min(self.first_at, at)
                self.last_at = at if self.last_at is None else max(self.last_at, at)
        if task.ended is not None and task.outcome is Outcome.COMPLETED:
            minute, ended = int(task.ended // _MINUTE), 1
            if minute == self._minute[0]:
                ended += self._minute[1]
            self._minute = (minute, ended)
            self.busiest = max(self.busiest, ended)

    def _belongs(self, at: float) -> bool:
        """Stamps without a day do not go together with those that have one: once there are such, they alone count."""
        dated = at > _UNDATED_SECONDS
        if dated and not self._dated:
            self._dated, self.first_at, self.last_at = True, None, None
        return dated or not self._dated

    def _keep_slow(self, task: EndedTask) -> None:
        if not self._keep or not task.ms:
            return
        self._number += 1
        held = (task.waited_ms or sum(task.ms.values()), -self._number, task)
        if len(self._slowest) < self._keep:
            heapq.heappush(self._slowest, held)
        else:
            heapq.heappushpop(self._slowest, held)

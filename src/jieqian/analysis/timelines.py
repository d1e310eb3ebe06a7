"""Tasks followed through entries of all dialects."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

from jieqian.analysis.ended import EndedTask, Outcome
from jieqian.analysis.entry import Dialect, Entry, Kind, cause_of, number
from jieqian.analysis.older_tasks import OlderTasks
from jieqian.analysis.own_tasks import OwnTasks
from jieqian.analysis.stamps import DAY_SECONDS
from jieqian.analysis.tally import Tally

#: So many tasks may be under way at once; beyond, the oldest is counted as unfinished.
MOST_UNDER_WAY = 10_000
#: So many tasks that ended are remembered, to know lines that come twice (the same log given twice).
_MOST_ENDED = 50_000
#: Threads and processes write a little out of order; what goes back further was a clock that was set.
_OUT_OF_ORDER_SECONDS = 5.0


class Timelines:
    """Takes the lines of one log after another."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.dialects: Counter[Dialect] = Counter()
        self.clock_jumps = 0
        self.told_twice = 0
        self.blocked, self.blocked_ms = 0, 0.0
        self.free_pickups, self.full_pickups = 0, 0
        self._own = OwnTasks(MOST_UNDER_WAY)
        self._older = OlderTasks(MOST_UNDER_WAY)
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._faq: OrderedDict[str, None] = OrderedDict()
        self._last_at: float | None = None
        self._undated_at: float | None = None

    @property
    def unassigned(self) -> int:
        """Lines that belong to no task that is known."""
        return self._older.unassigned

    @property
    def guessed(self) -> int:
        """Lines that could be of several tasks."""
        return self._older.guessed

    def begin_log(self) -> None:
        """Another log: its stamps need not follow those of the one before."""
        self._last_at = self._undated_at = None

    def take(self, entry: Entry) -> None:
        """Take one line."""
        self.dialects[entry.dialect] += 1
        if entry.kind is Kind.OTHER:
            return
        entry = self._timed(entry)
        if entry.kind is Kind.ERROR:
            self.tally.causes.add(entry.text, "service")
        elif entry.dialect in (Dialect.OLDER, Dialect.OLDER_PERF):
            if entry.kind in (Kind.ATTEMPT_FAILED, Kind.SERVICE_RETRY):
                self.tally.causes.add(entry.text or "not told in the log", "attempt")
            self._end(self._older.take(entry))
        elif not self._counted(entry) and entry.task not in self._ended:
            self._end(self._own.take(entry))
        elif entry.kind is Kind.ENDED:
            self.told_twice += 1
        self.tally.most_at_once = max(self.tally.most_at_once, self._older.at_work)

    def finish(self) -> None:
        """The last log has ended."""
        self._end(self._own.rest())
        self._end(self._older.rest())

    def _timed(self, entry: Entry) -> Entry:
        """The entry with a moment that goes on over midnight; notes where the clock went back."""
        if entry.at is None:
            return entry
        if not entry.dated:
            at = entry.at
            if self._undated_at is not None:
                at += DAY_SECONDS * (self._undated_at // DAY_SECONDS)
                if at < self._undated_at - DAY_SECONDS / 2:
                    at += DAY_SECONDS
            self._undated_at = at
            return entry.moved(at)
        if self._last_at is not None and entry.at < self._last_at - _OUT_OF_ORDER_SECONDS:
            self.clock_jumps += 1
            self._older.clock_jumped()
            self._last_at = entry.at
        self._last_at = entry.at if self._last_at is None else max(self._last_at, entry.at)
        return entry

    def _counted(self, entry: Entry) -> bool:
        """What is counted as it stands, and says nothing of how a task goes on."""
        kind, figures = entry.kind, entry.figures
        if kind is Kind.BLOCKED:
            self.blocked += 1
            self.blocked_ms += number(figures.get("ms")) or 0.0
            return True
        if kind in (Kind.CLAIMED, Kind.LEFT):
            active, idle = number(figures.get("active")), number(figures.get("idle"))
            if kind is Kind.CLAIMED and active is not None and idle is not None:
                self.tally.most_at_once = max(self.tally.most_at_once, int(active))
                self.free_pickups += idle > 0
                self.full_pickups += not idle
        elif kind is Kind.MODEL_FAILED:
            self.tally.causes.add(cause_of(str(figures.get("reason"))), "attempt")
        elif kind is Kind.REFUSED:
            self.tally.causes.add(cause_of(f"section refused: {figures.get('reason')}"), "section")
            return True
        elif kind is Kind.FAQ and entry.task is not None:
            ms = number(figures.get("faq_ms"))
            if ms is not None and _remember(self._faq, entry.task):
                self.tally.add_faq(ms)
            return True
        return False

    def _end(self, tasks: Iterable[EndedTask]) -> None:
        for task in tasks:
            if task.outcome is Outcome.UNFINISHED or _remember(self._ended, task.id):
                self.tally.add(task)
            else:
                self.told_twice += 1


def _remember(known: OrderedDict[str, None], name: str) -> bool:
    """Whether it is new; the oldest are forgotten."""
    if name in known:
        return False
    known[name] = None
    if len(known) > _MOST_ENDED:
        known.popitem(last=False)
    return True

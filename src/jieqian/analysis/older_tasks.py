"""The older system's tasks, followed through lines most of which name none: such a line is of its worker's task.

Where several are under way, a line is that of the task whose lot, question or state it fits. A line that fits several
and came after a wait is kept until the next line that names a task tells whose it was. What even that leaves open goes
to the task that waits longest: sums and means come out right all the same.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

from jieqian.analysis.ended import EndedTask, Outcome
from jieqian.analysis.entry import Entry, Kind
from jieqian.analysis.older_task import OlderTask

_KEPT_SECONDS, _MOST_KEPT = 5.0, 256
_MOST_ASKED = 100_000
#: Written after a wait, or after a line that was: the line before it in the file says nothing of whose it is.
_AFTER_A_WAIT = frozenset({Kind.VALIDATED, Kind.ATTEMPT_FAILED, Kind.DATABASE_VALIDATED, Kind.PERF, Kind.SUCCESS})
_TELLS_WHOSE = frozenset({Kind.INTERPRETED, Kind.FAQ, Kind.SUMMARY, Kind.COMPLETED})
_BEGINS = frozenset({Kind.CREATED, Kind.SUBMITTED, Kind.STARTED, Kind.PROCESSING})
_NOBODY = "the worker"


class OlderTasks:
    """Tasks under way; of those that never end the oldest are let go."""

    def __init__(self, most: int) -> None:
        self.unassigned = 0
        self.guessed = 0
        self._most = most
        self._open: OrderedDict[str, OlderTask] = OrderedDict()
        self._held: dict[str, str] = {}  # by worker
        self._kept: deque[Entry] = deque()
        self._last: str | None = None
        self._unnamed = 0
        self._asked: set[int] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def at_work(self) -> int:
        """How many tasks workers hold."""
        return len(self._held)

    def clock_jumped(self) -> None:
        """What stamps tell of those under way is worth nothing now."""
        for task in self._open.values():
            task.trusted = False

    def take(self, entry: Entry) -> Iterator[EndedTask]:
        """What the line ends."""
        if entry.kind is Kind.POOL:  # started anew: nobody goes on with what was under way
            for task_id in list(self._held.values()):
                yield from self._end(task_id, Outcome.UNFINISHED)
            self._held.clear()
            return
        self._settle_old(entry.at)
        task = self._owner(entry)
        if task is None:
            return
        self._apply(task, entry)
        if entry.kind in _TELLS_WHOSE:
            self._settle(task)
        if entry.kind is Kind.STARTED:
            self._hold(entry.worker or _NOBODY, task)
        elif entry.kind is Kind.COMPLETED:
            yield from self._end(task.id, None)
        elif entry.kind is Kind.FAILED and task.worker is None:  # nobody works on it
            yield from self._end(task.id, Outcome.FAILED)
        if len(self._open) > self._most:
            yield from self._end(next(iter(self._open)), Outcome.UNFINISHED)

    def rest(self) -> Iterator[EndedTask]:
        """Those that had not ended when the log did."""
        self._settle_old(None)
        for task in list(self._open.values()):
            yield from self._end(task.id, Outcome.COMPLETED if Kind.SUCCESS in task.counts else Outcome.UNFINISHED)

    def _owner(self, entry: Entry) -> OlderTask | None:
        if entry.task is not None:
            return self._named(entry.task, entry)
        if entry.kind is Kind.CREATED:
            self._unnamed += 1
            return self._named(f"task {self._unnamed}", entry)
        if entry.kind is Kind.STARTED:
            return next((task for task in self._open.values() if task.worker is None), None)
        if entry.worker is not None and entry.worker in self._held:
            return self._open.get(self._held[entry.worker])
        return self._likely(entry)

    def _named(self, task_id: str, entry: Entry) -> OlderTask | None:
        task = self._open.get(task_id)
        if task is None and entry.kind in _BEGINS:
            task = self._open[task_id] = OlderTask(task_id)
        return task

    def _likely(self, entry: Entry) -> OlderTask | None:
        held = [self._open[task_id] for task_id in self._held.values() if task_id in self._open]
        if not held:
            self.unassigned += 1
            return None
        if len(held) == 1:
            self.unassigned += not _same(held[0], entry)
            return held[0] if _same(held[0], entry) else None
        fitting = [task for task in held if task.fits(entry) and _same(task, entry)]
        fitting = [task for task in fitting if entry.lot is not None and task.lot == entry.lot] or fitting
        fitting = [task for task in fitting if task.expects(entry.kind)] or fitting
        if len(fitting) == 1:
            return fitting[0]
        if entry.kind in _AFTER_A_WAIT:
            self._keep(entry)
            return None
        if not fitting:
            self.unassigned += entry.kind is not Kind.INTERPRETED
            return None
        if entry.kind is Kind.INTERPRETED:
            return None
        last = next((task for task in fitting if task.id == self._last), None)
        self.guessed += last is None
        return last or fitting[0]

    def _keep(self, entry: Entry) -> None:
        self._kept.append(entry)
        if len(self._kept) > _MOST_KEPT:
            self._guess(self._kept.popleft())

    def _settle(self, task: OlderTask) -> None:
        """What was kept and fits the task that is named now was its own."""
        for _ in range(len(self._kept)):
            entry = self._kept.popleft()
            if task.fits(entry):
                self._apply(task, entry)
            else:
                self._kept.append(entry)

    def _settle_old(self, now: float | None) -> None:
        while self._kept and (now is None or self._kept[0].at is None or now - self._kept[0].at > _KEPT_SECONDS):
            self._guess(self._kept.popleft())

    def _guess(self, entry: Entry) -> None:
        fitting = [task for task in self._open.values() if task.worker is not None and task.fits(entry)]
        if not fitting:
            self.unassigned += 1
            return
        self.guessed += len(fitting) > 1
        self._apply(min(fitting, key=lambda task: task.first.get(Kind.ATTEMPT, 0.0)), entry)

    def _apply(self, task: OlderTask, entry: Entry) -> None:
        if entry.kind is Kind.COMPLETED:
            self._settle(task)
        task.take(entry)
        self._last = task.id

    def _hold(self, worker: str, task: OlderTask) -> None:
        if worker == _NOBODY:
            worker = f"{worker} of {task.id}"
        before = self._held.get(worker)
        if before is not None and before != task.id and before in self._open:
            self._open[before].worker = None  # its end was not told
        self._held[worker] = task.id
        task.worker = worker

    def _end(self, task_id: str, outcome: Outcome | None) -> Iterator[EndedTask]:
        task = self._open.pop(task_id, None)
        if task is None:
            return
        if task.worker is not None and self._held.get(task.worker) == task_id:
            del self._held[task.worker]
        yield task.ended(outcome, repeats=self._asked_before(task))

    def _asked_before(self, task: OlderTask) -> bool:
        """Whether the same was asked about the same lot before, as far as its line tells the question."""
        if task.lot is None or task.asked is None:
            return False
        asked = hash((task.lot, task.asked))
        before = asked in self._asked
        if len(self._asked) < _MOST_ASKED:
            self._asked.add(asked)
        return before


def _same(task: OlderTask, entry: Entry) -> bool:
    """Whether lot and question are those of the task, as far as both are known."""
    if entry.lot is not None and task.lot is not None and entry.lot != task.lot:
        return False
    if entry.asked is None or task.asked is None:
        return True
    told, asked = entry.asked.rstrip(".…").rstrip(), task.asked.rstrip(".…").rstrip()
    return told.startswith(asked) or asked.startswith(told)

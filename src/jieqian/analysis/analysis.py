"""Logs in, an analysis out: what the report of every format is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.analysis.ended import EndedTask, Outcome, Stage
from jieqian.analysis.entry import Dialect
from jieqian.analysis.figures import EXACT_SAMPLES, SKETCH_ERROR
from jieqian.analysis.findings import Finding, Ground, find
from jieqian.analysis.reading import LineReader
from jieqian.analysis.results import StageFigures, counted, per_cent, rounded, stage_figures
from jieqian.analysis.source import Source, Unreadable, in_order
from jieqian.analysis.tally import Tally
from jieqian.analysis.timelines import MOST_UNDER_WAY, Timelines


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything that is told. `troubles`: files of which not all could be read; `nothing`: no line at all was."""

    names: Sequence[str]
    lines: int
    unreadable: int
    dialects: Sequence[str]
    tally: Tally
    timelines: Timelines
    stages: dict[Stage, StageFigures]
    findings: Sequence[Finding]
    notes: Sequence[str]
    troubles: Sequence[str]

    @property
    def nothing(self) -> bool:
        """Whether there was nothing in any of the logs."""
        return not self.lines and not self.unreadable

    @property
    def slowest(self) -> Sequence[EndedTask]:
        """The slowest tasks, the slowest first."""
        return self.tally.slowest

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Causes, the commonest first; `of`: what failed by it."""
        return [
            {"cause": cause, "count": count, "of": of} for (cause, of), count in self.tally.causes.counts.most_common()
        ]

    @property
    def per_hour(self) -> float | None:
        """Tasks completed in an hour, from the first task's begin to the last one's end."""
        tally = self.tally
        if tally.first_at is None or tally.last_at is None or tally.last_at <= tally.first_at:
            return None
        return tally.completed * 3600 / (tally.last_at - tally.first_at)

    def document(self) -> dict[str, Any]:
        """As JSON (contract, section 5)."""
        tally, times = self.tally, self.timelines
        known, hits = tally.caches.total(), tally.caches.total() - tally.caches["none"]
        return {
            "files": list(self.names),
            "dialects": list(self.dialects),
            "lines": self.lines,
            "unreadable_lines": self.unreadable,
            "lines_without_task": times.unassigned,
            "guessed_lines": times.guessed,
            "clock_jumps": times.clock_jumps,
            "tasks": {"total": tally.outcomes.total(), **{each.value: tally.outcomes[each] for each in Outcome}},
            "stages": {stage.value: self.stages[stage].document() for stage in Stage},
            "written": {
                "count": tally.written.count,
                "mean_ms": rounded(tally.written.mean),
                "p50_ms": rounded(tally.written.percentile(50)),
                "p95_ms": rounded(tally.written.percentile(95)),
            },
            "attempts": tally.attempts,
            "retries": {"tasks": tally.retried, "lost_ms": rounded(tally.lost_ms)},
            "errors": self.errors,
            "cache": {
                **{name: count for name, count in sorted(tally.caches.items())},
                "hit_rate": round(hits / known, 4) if known else None,
                "lots_at_hand": tally.lots_cached[True],
                "lots_looked_up": tally.lots_cached[False],
            },
            "throughput": {
                "tasks_per_hour": rounded(self.per_hour),
                "busiest_minute": tally.busiest,
                "most_at_once": tally.most_at_once,
                "span_seconds": None
                if tally.first_at is None or tally.last_at is None
                else round(tally.last_at - tally.first_at, 3),
            },
            "findings": [finding.document() for finding in self.findings],
            "slowest": [_task(task) for task in self.slowest],
            "notes": [*self.troubles, *self.notes],
        }


def analyze(
    sources: Sequence[Source],
    slowest: int,
    on_progress: Callable[[int], None] = lambda _: None,
    troubles: Sequence[str] = (),
) -> Analysis:
    """Read logs one after another, the oldest first. `on_progress` is told the bytes read of all of them.

    `troubles` that were met before are told with those met here.
    """
    tally, reader, told = Tally(slowest), LineReader(), list(troubles)
    timelines, names, before = Timelines(tally), [], 0
    for source in in_order(sources):
        names.append(source.name)
        timelines.begin_log()
        read = _Read(before, on_progress)
        try:
            for batch in source.batches(read):
                reader.unreadable += batch.too_long
                for line in batch.lines:
                    entry = reader.entry(line)
                    if entry is not None:
                        timelines.take(entry)
        except Unreadable as error:
            told.append(str(error))
        before = read.last
    timelines.finish()
    stages = stage_figures(tally)
    dialects = [each.value for each in Dialect if timelines.dialects[each]]
    return Analysis(
        names=names,
        lines=reader.read,
        unreadable=reader.unreadable,
        dialects=dialects,
        tally=tally,
        timelines=timelines,
        stages=stages,
        findings=find(Ground(tally, timelines, stages)),
        notes=_notes(reader, timelines, stages),
        troubles=told,
    )


class _Read:
    """Adds the logs before this one."""

    def __init__(self, before: int, on_progress: Callable[[int], None]) -> None:
        self.last = self._before = before
        self._on_progress = on_progress

    def __call__(self, read: int) -> None:
        self.last = self._before + read
        self._on_progress(self.last)


def _task(task: EndedTask) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "status": task.outcome.value,
        "waited_ms": rounded(task.waited_ms),
        "attempts": task.attempts,
        "cache": task.cache,
        "model": task.model,
        "stages": {
            stage.value: {"ms": rounded(ms), "from_stamps": stage in task.coarse} for stage, ms in task.ms.items()
        },
    }


def _notes(reader: LineReader, timelines: Timelines, stages: dict[Stage, StageFigures]) -> list[str]:
    """What a reader has to know of the figures."""
    notes = []
    tally = timelines.tally
    if not tally.outcomes.total():
        notes.append(
            f"No task was found in {counted(reader.read + reader.unreadable, 'line')}: are these the program's logs?"
        )
    if any(figures.resolution_ms for figures in stages.values()):
        below = [stage.value for stage in Stage if stages[stage].below]
        notes.append(
            "The stamps are whole seconds: what is worked out from two of them is told as ± 1 s."
            + (f" Below that resolution, so without a figure: {', '.join(below)}." if below else "")
        )
    if stages[Stage.TOTAL].count and tally.completed > tally.own:
        notes.append(
            "In older logs the total is the worker's own figure, without the queue; finding the lot is a retrieval and "
            "is counted there. Shares are of queue and total together."
        )
    if tally.own and stages[Stage.FAQ].count:
        notes.append("FAQ entries are made after the reading was given: nobody waits for them.")
    if not all(figures.exact for figures in stages.values()):
        notes.append(
            f"Beyond {EXACT_SAMPLES:,} tasks P50 and P95 come from a sketch, right to {per_cent(SKETCH_ERROR)} of them."
        )
    if timelines.clock_jumps:
        notes.append(
            f"The clock went back {counted(timelines.clock_jumps, 'time')}: stamps of the tasks under way then are not "
            "used."
        )
    if timelines.guessed:
        notes.append(
            f"{counted(timelines.guessed, 'line')} without a task's id fitted several tasks; means are right, the "
            "spread may not be."
        )
    if timelines.unassigned:
        notes.append(f"{counted(timelines.unassigned, 'line')} told of a step of no task that the log knows.")
    if timelines.told_twice:
        notes.append(f"{counted(timelines.told_twice, 'task')} ended a second time (a log given twice?): counted once.")
    if tally.outcomes.total() - tally.completed > MOST_UNDER_WAY:
        notes.append(f"At most {MOST_UNDER_WAY:,} tasks are followed at once; older ones count as unfinished.")
    return notes

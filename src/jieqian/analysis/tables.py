"""The report's tables, as text; each format shows the same ones."""

from __future__ import annotations

from collections.abc import Sequence

from jieqian.analysis.analysis import Analysis
from jieqian.analysis.ended import EndedTask, Outcome, Stage
from jieqian.analysis.results import counted, in_words, per_cent
from jieqian.bench.report import Table


def summary(analysis: Analysis) -> str:
    """One paragraph: what was read and found."""
    tally = analysis.tally
    told = ", ".join(f"{tally.outcomes[each]:,} {each.value}" for each in Outcome if tally.outcomes[each])
    parts = [
        f"{counted(tally.outcomes.total(), 'task')}{f' ({told})' if told else ''}",
        f"{counted(tally.attempts, 'attempt')}, {counted(tally.retried, 'task')} with more than one",
        f"{counted(analysis.lines, 'line')} read, {analysis.unreadable:,} unreadable",
    ]
    return "; ".join(parts) + f". {', '.join(analysis.names)}: {', '.join(analysis.dialects) or 'no known log'}."


def tables(analysis: Analysis) -> list[Table]:
    """Those that have rows."""
    made = (_stages(analysis), _use(analysis), _errors(analysis), _slowest(analysis), _findings(analysis))
    return [table for table in made if table.rows]


def stage_cells(analysis: Analysis) -> Sequence[Sequence[str]]:
    """A row a stage."""
    rows = []
    for stage in Stage:
        figures = analysis.stages[stage]
        if not figures.count and stage is Stage.OTHER:
            continue
        told = [figures.told(ms) for ms in (figures.mean_ms, figures.p50_ms, figures.p95_ms)]
        rows.append([stage.value, *told, figures.told_share, f"{figures.count:,}"])
    return rows


def _stages(analysis: Analysis) -> Table:
    rows = stage_cells(analysis) if analysis.tally.completed else []
    return Table("Time by stage (tasks completed)", ("stage", "mean", "P50", "P95", "share", "tasks"), rows)


def _use(analysis: Analysis) -> Table:
    tally = analysis.tally
    rows = []
    if tally.caches:
        hits = tally.caches.total() - tally.caches["none"]
        rows.append(["answers kept", f"{hits:,} of {tally.caches.total():,} ({per_cent(hits / tally.caches.total())})"])
    if tally.lots_cached:
        rows.append(["lots at hand", f"{tally.lots_cached[True]:,} of {tally.lots_cached.total():,}"])
    if tally.waited.count:
        rows.append(
            ["askers waited", f"{in_words(tally.waited.mean)} on average, P95 {in_words(tally.waited.percentile(95))}"]
        )
    if analysis.per_hour is not None and tally.completed:
        rows.append(["throughput", f"{analysis.per_hour:,.1f} tasks an hour; {tally.busiest:,} in the busiest minute"])
    if tally.most_at_once:
        rows.append(["at work at once", f"{tally.most_at_once:,} at most"])
    if tally.retried:
        rows.append(["lost in retries", in_words(tally.lost_ms)])
    return Table("Use", ("what", "figure"), rows)


def _errors(analysis: Analysis) -> Table:
    rows = [[str(each["cause"]), f"{each['count']:,}", str(each["of"])] for each in analysis.errors[:20]]
    return Table("Failures by cause", ("cause", "count", "of"), rows)


def _slowest(analysis: Analysis) -> Table:
    rows = []
    for task in analysis.slowest:
        rows.append([task.id, in_words(task.waited_ms), timeline(task), f"{task.attempts:,}", _ending(task)])
    return Table("Slowest tasks", ("task", "waited", "timeline", "attempts", "end"), rows)


def timeline(task: EndedTask) -> str:
    """Its stages in order, those that took no time left out."""
    spans = [
        f"{stage.value} {in_words(ms)}{' (± 1 s)' if stage in task.coarse else ''}"
        for stage in Stage
        if stage is not Stage.TOTAL and (ms := task.ms.get(stage))
    ]
    return " → ".join(spans) or "no stage told"


def _ending(task: EndedTask) -> str:
    return (
        f"{task.outcome.value}: {task.cause}" if task.cause and task.outcome is Outcome.FAILED else task.outcome.value
    )


def _findings(analysis: Analysis) -> Table:
    rows = [
        [f"up to {in_words(each.gain_ms)}" if each.gain_ms else "-", each.finding, each.evidence, each.advice]
        for each in analysis.findings
    ]
    return Table("Findings, in order of what there is to gain a task", ("gain", "finding", "evidence", "advice"), rows)

"""Findings: what the figures say in words, with the evidence, and what to do. Every number is computed from the log.

`gain_ms`: how much less an asker would wait on average if what was found were wholly mended: an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jieqian.analysis.ended import Outcome, Stage
from jieqian.analysis.results import StageFigures, counted, in_words, per_cent
from jieqian.analysis.tally import Tally
from jieqian.analysis.timelines import Timelines


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding."""

    finding: str
    evidence: str
    advice: str
    gain_ms: float

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "finding": self.finding,
            "evidence": self.evidence,
            "advice": self.advice,
            "gain_ms": round(self.gain_ms, 1),
        }


@dataclass(frozen=True, slots=True)
class Ground:
    """What findings stand on."""

    tally: Tally
    timelines: Timelines
    stages: dict[Stage, StageFigures]

    def mean(self, stage: Stage) -> float:
        """A stage's mean; 0 where there is none to tell."""
        return self.stages[stage].mean_ms or 0.0

    def cost(self, stage: Stage) -> float:
        """What a stage costs each asker on average, whether or not every task had it."""
        return 0.0 if self.stages[stage].below else self.each(self.tally.stages[stage].waited_ms)

    def each(self, ms: float) -> float:
        """A sum as what it is for each completed task."""
        return ms / self.tally.completed if self.tally.completed else 0.0


#: A share of the wait that is worth a word, and how far the slowest are from the middle where they are.
_WORTH, _FAR = 0.02, 2.0


def find(ground: Ground) -> list[Finding]:
    """All findings, those of the greatest gain first."""
    found = [finding for rule in _RULES for finding in rule(ground)]
    return sorted(found, key=lambda finding: -finding.gain_ms)


def _generation(ground: Ground) -> Iterator[Finding]:
    figures = ground.stages[Stage.GENERATION]
    cost = ground.cost(Stage.GENERATION)
    if not cost or (figures.share or 0.0) < _WORTH:
        return
    tally, share = ground.tally, per_cent(figures.share or 0.0)
    evidence = f"{_spread(figures)}, {share} of what askers waited"
    if tally.first_text.count:
        evidence += f"; the first text came after {in_words(tally.first_text.mean)} on average"
    if tally.speed.count:
        evidence += f"; {tally.speed.mean:.0f} tokens a second"
    booked = ground.each(tally.booked_ms)
    if booked:
        evidence += f"; about {in_words(booked)} of each are retrievals, as told below"
    most = (figures.share or 0.0) > 0.5
    yield Finding(
        f"The model {'is what askers wait for' if most else 'takes a part of the wait'}: generation is {share} of it.",
        evidence + ".",
        "Try a faster model or the fast mode, keep answers for questions that come again, and show text as it is "
        "written. The gain is what a model that took no time would save.",
        max(0.0, cost - booked),
    )


def _models(ground: Ground) -> Iterator[Finding]:
    models = sorted(ground.tally.models.items(), key=lambda each: each[1].mean or 0.0)
    if len(models) < 2:
        return
    fastest, fast = models[0]
    told = ", ".join(f"{name} {in_words(times.mean)} ({counted(times.count, 'task')})" for name, times in models[:5])
    more = sum(times.sum - times.count * (fast.mean or 0.0) for _, times in models)
    yield Finding(
        f"Of {len(models)} models {fastest} wrote fastest.",
        f"Generation on average: {told}.",
        f"Where its readings are good enough (jieqian bench speed compares), use {fastest}.",
        ground.each(more),
    )


def _queue(ground: Ground) -> Iterator[Finding]:
    figures, cost, tally = ground.stages[Stage.QUEUE], ground.cost(Stage.QUEUE), ground.tally
    if not cost or (figures.share or 0.0) < _WORTH:
        return
    evidence = f"{_spread(figures)}, {per_cent(figures.share or 0.0)} of what askers waited"
    polled = (tally.polled.mean or 0.0) * tally.polled.count
    free, full = ground.timelines.free_pickups, ground.timelines.full_pickups
    if polled * 2 > tally.stages[Stage.QUEUE].waited_ms:
        evidence += (
            f"; of it {in_words(tally.polled.mean)} before the task was handed to the workers at all "
            f"(at most {tally.most_at_once} at work at once)"
        )
        advice = "The queue is looked at from time to time. Hand a task over as it is created."
    elif full > free:
        evidence += f"; after {full:,} of {full + free:,} pick-ups no worker was free"
        advice = "More tasks come than workers can take: raise WORKERS as far as the model server carries it."
    elif free:
        evidence += f"; after {free:,} of {full + free:,} pick-ups a worker was still free"
        advice = "Workers were free: look at what else held the machine (its processors, the disk) at those times."
    else:
        advice = "See whether the workers were busy then; if so more of them help, else a quicker hand-over does."
    yield Finding("Tasks wait before a worker takes them.", evidence + ".", advice, cost)


def _booked(ground: Ground) -> Iterator[Finding]:
    """The known error of the older system's [PERF] figures."""
    tally = ground.tally
    if not tally.booked_lookups or not tally.perf_tasks:
        return
    each = tally.booked_ms / tally.perf_tasks
    generation = ground.mean(Stage.GENERATION)
    yield Finding(
        f"The [PERF] figures book {_mean(tally.booked_lookups, tally.perf_tasks)} of "
        f"{_mean(tally.lookups, tally.looking)} retrievals of a task as the model's time.",
        f"In {counted(tally.perf_tasks, 'task')} {counted(tally.booked_lookups, 'retrieval')} came after the figure "
        f"RAG= and before the model was asked, so they are inside LLM=; by RAG= some {in_words(each)} a task. "
        f"Generation is then about {in_words(max(0.0, generation - each))}, not {in_words(generation)}, and retrieval "
        f"{in_words(ground.mean(Stage.RETRIEVAL) + each)}, not {in_words(ground.mean(Stage.RETRIEVAL))}.",
        "Read LLM= as an upper bound. Look a lot up once and pass it on: what is booked wrongly is also needless.",
        each,
    )


def _lookups(ground: Ground) -> Iterator[Finding]:
    """The older system asks its store for the lot and for passages; its retrieval is those lookups."""
    tally = ground.tally
    if not tally.looking:
        return
    evidence = (
        f"{tally.lookups:,} lookups in {counted(tally.looking, 'task')}; retrieval: "
        f"{_spread(ground.stages[Stage.RETRIEVAL])}"
    )
    if cached := tally.lots_cached[True]:
        evidence += f"; a lot was at hand already in {cached:,} of {tally.lots_cached.total():,} tasks"
    yield Finding(
        f"A task asks the store of lots {_mean(tally.lookups, tally.looking)} times.",
        evidence + ".",
        "Keep lots in memory, and look for passages once.",
        ground.cost(Stage.RETRIEVAL),
    )


def _passages(ground: Ground) -> Iterator[Finding]:
    if not ground.tally.looking:
        yield from _stage(
            Stage.RETRIEVAL,
            "Looking for passages takes a part of the wait.",
            "See whether the index is level (jieqian doctor), and whether the machine is overloaded.",
        )(ground)


def _stage(stage: Stage, found: str, advice: str) -> Callable[[Ground], Iterator[Finding]]:
    def rule(ground: Ground) -> Iterator[Finding]:
        figures, cost = ground.stages[stage], ground.cost(stage)
        if cost and (figures.share or 0.0) >= _WORTH:
            yield Finding(found, f"{_spread(figures)}, {per_cent(figures.share or 0.0)} of the wait.", advice, cost)

    return rule


def _retries(ground: Ground) -> Iterator[Finding]:
    tally = ground.tally
    if not tally.attempts:
        return
    if not tally.retried:
        yield Finding(
            "No task needed a second attempt.",
            f"{counted(tally.attempts, 'attempt')}, none of them another one of the same task.",
            "Nothing to do.",
            0.0,
        )
        return
    causes = _causes(tally, "attempt", "section")
    yield Finding(
        f"{counted(tally.retried, 'task')} needed more than one attempt.",
        f"{tally.attempts:,} attempts in all; {in_words(tally.lost_ms)} went into those that came to nothing"
        f"{f'; {causes}' if causes else ''}.",
        "See what the refused attempts have in common, and mend the commonest cause first.",
        ground.each(tally.lost_ms),
    )


def _failures(ground: Ground) -> Iterator[Finding]:
    tally = ground.tally
    failed, ended = tally.outcomes[Outcome.FAILED], tally.outcomes[Outcome.FAILED] + tally.completed
    if not ended:
        return
    if not failed:
        yield Finding("No task failed.", f"{counted(ended, 'task')} ended, all completed.", "Nothing to do.", 0.0)
        return
    yield Finding(
        f"{per_cent(failed / ended)} of the tasks failed.",
        f"{failed:,} of {ended:,}: {_causes(tally, 'task')}; {in_words(tally.failed_ms)} were waited for nothing.",
        "Mend the commonest cause first.",
        ground.each(tally.failed_ms),
    )


def _degraded(ground: Ground) -> Iterator[Finding]:
    tally = ground.tally
    if tally.degraded:
        causes = _causes(tally, "attempt")
        yield Finding(
            f"{counted(tally.degraded, 'reading')} had to do with the stand-in text, in part or whole.",
            f"{per_cent(tally.degraded / tally.completed)} of those completed{f'; {causes}' if causes else ''}.",
            "See that the model can be reached and passes the checks (jieqian doctor).",
            0.0,
        )


def _caching(ground: Ground) -> Iterator[Finding]:
    tally = ground.tally
    known = tally.caches.total()
    hits = known - tally.caches["none"]
    if not known:
        return
    generation = ground.mean(Stage.GENERATION)
    if hits:
        saved = max(0.0, (tally.miss_waits.mean or 0.0) - (tally.hit_waits.mean or 0.0))
        yield Finding(
            f"Kept answers served {per_cent(hits / known)} of the readings.",
            f"{hits:,} of {known:,}: {in_words(tally.hit_waits.mean)} on average, others "
            f"{in_words(tally.miss_waits.mean)}; that is {in_words(saved)} saved each time.",
            "Fill them beforehand for the commonest questions: jieqian cache warm.",
            0.0,
        )
    elif tally.asked:
        yield Finding(
            "No reading came from a kept answer.",
            f"{counted(tally.repeats, 'question')} of {tally.asked:,} had been asked about the same lot before, as far "
            f"as the log tells them; a kept answer saves {in_words(generation)} of generation each time.",
            "Keep answers, and look there before the model is asked.",
            generation * tally.repeats / tally.asked,
        )
    else:
        yield Finding(
            "No reading came from a kept answer.",
            f"None of {known:,}. The log holds no questions, so it does not tell how many had been asked before; a "
            f"kept answer saves {in_words(generation)} of generation each time.",
            "See CACHE_ENTRIES, and fill answers beforehand: jieqian cache warm.",
            0.0,
        )


def _tail(ground: Ground) -> Iterator[Finding]:
    waited = ground.tally.waited
    middle, slow, mean = waited.percentile(50), waited.percentile(95), waited.mean
    if middle is None or slow is None or mean is None or slow < _FAR * middle or waited.count < 2:
        return
    slowest = next(iter(ground.tally.slowest), None)
    where = (
        max(
            ((stage, ms) for stage, ms in slowest.ms.items() if stage is not Stage.TOTAL),
            key=lambda each: each[1],
            default=None,
        )
        if slowest
        else None
    )
    evidence = f"Half waited {in_words(middle)} or less, one in twenty {in_words(slow)} or more"
    if where is not None:
        evidence += f"; the slowest task spent {in_words(where[1])} in {where[0].value}"
    yield Finding(
        f"The slowest wait {slow / middle:.1f} times as long as the middle.",
        evidence + ".",
        "Look at the slowest tasks' timelines for what they share.",
        max(0.0, mean - middle),
    )


def _blocked(ground: Ground) -> Iterator[Finding]:
    times = ground.timelines
    if times.blocked:
        yield Finding(
            f"The event loop was held up {counted(times.blocked, 'time')}.",
            f"{in_words(times.blocked_ms)} in all, for every reading under way.",
            "The log's lines `event loop blocked` name the code that held it.",
            ground.each(times.blocked_ms),
        )


def _unfinished(ground: Ground) -> Iterator[Finding]:
    tally = ground.tally
    if left := tally.outcomes[Outcome.UNFINISHED]:
        stages = ", ".join(f"{count:,} in {stage}" for stage, count in tally.last_stages.most_common(5))
        yield Finding(
            f"{counted(left, 'task')} had no end in the log.",
            f"Last seen: {stages or 'not told'}.",
            "The log may be cut, or the program ended meanwhile. Give the log that follows too.",
            0.0,
        )


def _spread(figures: StageFigures) -> str:
    if figures.below or figures.mean_ms is None:
        return f"{figures.told(None)} each"
    return (
        f"{figures.told(figures.mean_ms)} on average, P95 {figures.told(figures.p95_ms)}, "
        f"in {counted(figures.count, 'task')}"
    )


def _causes(tally: Tally, *of: str) -> str:
    found = [(name, count) for (name, kind), count in tally.causes.counts.most_common() if kind in of]
    return ", ".join(f"{name} ({count:,})" for name, count in found[:3])


def _mean(number: int, of: int) -> str:
    return f"{number / of:.1f}".removesuffix(".0")


_RULES: tuple[Callable[[Ground], Iterator[Finding]], ...] = (
    _generation,
    _models,
    _queue,
    _booked,
    _lookups,
    _stage(
        Stage.POEM,
        "Finding the lot takes a part of the wait.",
        "Keep lots in memory.",
    ),
    _passages,
    _stage(
        Stage.VALIDATION,
        "The checks take a part of the wait.",
        "Check section by section while the model still writes.",
    ),
    _stage(Stage.FAQ, "Askers wait for the FAQ entry to be made.", "Make it after the reading was given."),
    _stage(
        Stage.OTHER,
        "A part of the wait is in no stage.",
        "It is storing and telling: see whether the disk or the processors are the bottleneck at those times.",
    ),
    _retries,
    _failures,
    _degraded,
    _caching,
    _tail,
    _blocked,
    _unfinished,
)

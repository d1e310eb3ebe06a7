"""What each caller of an experiment had: every measure as one mean a caller, for a caller is the unit."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from jieqian.cache.near import asks_for_others
from jieqian.experiments.figures import TaskFigures
from jieqian.tasks.task import Status

#: A lot asked about again within so many seconds was asked again.
ASKED_AGAIN_SECONDS = 1800.0
_NO_HIT = "none"


class Measure(StrEnum):
    """What variants are compared by."""

    TOTAL = "total"  # the whole time of a reading that the model wrote, in ms
    FIRST_TOKEN = "first_token"  # until its first token, in ms
    DEGRADED = "degraded"  # the share of readings with a section of commentary in the model's place
    FAILED = "failed"  # the share of readings that failed
    LIKED = "liked"  # the share of thumbs up among those given
    ASKED_AGAIN = "asked_again"  # the share of readings whose asker asked about that lot again

    @property
    def is_time(self) -> bool:
        """Whether it is a time, compared by its logarithm and so told as a factor; else a share."""
        return self in (Measure.TOTAL, Measure.FIRST_TOKEN)

    @property
    def more_is_better(self) -> bool:
        """Whether the larger figure is the better one."""
        return self is Measure.LIKED

    @property
    def worth(self) -> float:
        """A difference worth finding: a tenth of the time, or five points of a share."""
        return math.log(1.1) if self.is_time else 0.05


@dataclass(slots=True)
class Tally:
    """One variant's readings. `means`: by measure, each caller's mean (of a time: of its logarithm)."""

    callers: set[str] = field(default_factory=set)
    readings: int = 0
    under_way: int = 0
    stopped: int = 0
    cache_hits: int = 0
    model_errors: Counter[str] = field(default_factory=Counter)
    values: dict[Measure, dict[str, list[float]]] = field(default_factory=lambda: {one: {} for one in Measure})

    def means(self, measure: Measure) -> list[float]:
        """One figure a caller who has one."""
        return [math.fsum(values) / len(values) for values in self.values[measure].values()]

    def all_values(self, measure: Measure) -> list[float]:
        """One figure a reading."""
        return [value for values in self.values[measure].values() for value in values]


def tally(variants: Sequence[str], found: Iterable[TaskFigures], until: float, skips: frozenset[str]) -> list[Tally]:
    """A tally a variant, in that order; `found` oldest first. `skips`: callers that are no askers.

    `until`: when the experiment ended, or now. What is younger than half an hour then may still be asked again, and
    counts for nothing there.
    """
    tallies = {name: Tally() for name in variants}
    asked: dict[tuple[str, str, int], list[TaskFigures]] = defaultdict(list)
    for one in found:
        if one.caller in skips or one.variant not in tallies:
            continue
        _count(one, tallies[one.variant])
        if not asks_for_others(one.caller):
            asked[one.caller, one.collection, one.lot].append(one)
    for same_lot in asked.values():
        _count_asked_again(same_lot, tallies, until)
    return [tallies[name] for name in variants]


def _count(one: TaskFigures, into: Tally) -> None:
    into.callers.add(one.caller)
    if one.status == Status.STOPPED:
        into.stopped += 1
    elif one.status not in (Status.COMPLETED, Status.FAILED):
        into.under_way += 1
    else:
        into.readings += 1
        _measure(one, into)


def _measure(one: TaskFigures, into: Tally) -> None:
    def note(measure: Measure, value: float) -> None:
        into.values[measure].setdefault(one.caller, []).append(value)

    if one.score is not None:
        note(Measure.LIKED, float(one.score > 0))
    if one.model_error is not None:
        into.model_errors[one.model_error] += 1
    failed = one.status == Status.FAILED
    if one.cache_hit not in (None, _NO_HIT):
        into.cache_hits += 1
        return  # an earlier reading's answer: neither speed nor a model's work of its own
    note(Measure.FAILED, float(failed))
    if failed:
        return
    note(Measure.DEGRADED, float(one.degraded))
    if one.degraded:
        return  # commentary is there at once, or after a wait for nothing: no speed of the model's
    if one.total_ms:
        note(Measure.TOTAL, math.log(one.total_ms))
    if one.first_token_ms:
        note(Measure.FIRST_TOKEN, math.log(one.first_token_ms))


def _count_asked_again(same_lot: Sequence[TaskFigures], tallies: dict[str, Tally], until: float) -> None:
    """Of one caller and lot: each reading that has had its half hour, by whether the next question came within it."""
    asked_next: float | None = None  # when the next question came that follows no reading
    for one in reversed(same_lot):
        if one.status in (Status.COMPLETED, Status.FAILED) and one.created_at <= until - ASKED_AGAIN_SECONDS:
            again = asked_next is not None and asked_next - one.created_at <= ASKED_AGAIN_SECONDS
            tallies[one.variant].values[Measure.ASKED_AGAIN].setdefault(one.caller, []).append(float(again))
        if not one.follows:
            asked_next = one.created_at

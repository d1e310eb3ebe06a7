"""What came of an experiment: each variant's figures, and which differences from the first variant are real."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.experiments.callers import Measure, Tally, tally
from jieqian.experiments.experiment import Experiment, Variant
from jieqian.experiments.figures import TaskFigures
from jieqian.experiments.statistics import (
    FEWEST_CALLERS,
    Difference,
    Sample,
    callers_for,
    difference,
    mean_interval,
    sample_of,
    share_interval,
    shares_came_out,
)

#: The chance that any measure of any variant is ever called different in an experiment where none is.
ALPHA = 0.05

#: More callers than this are told as none: the variants are alike for all that anybody will see.
MOST_CALLERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one variant: a share, or a typical (geometric mean) time in ms, with its interval for one look."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """As the API shows it."""
        return {"value": _short(self.value), "low": _short(self.low), "high": _short(self.high)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One variant beside the first, by one measure.

    `change` and its interval (a confidence sequence): of a time a factor less 1 (0.1: a tenth longer), of a share the
    difference (0.05: five points more). None where too few callers have a figure. `callers`: those who have one, of
    both variants. `for_worth`: how many more of them, likely, to tell a change of `worth`; `for_change`: the change as
    it is now. None where that is not known, or not to be told by any number.
    """

    variant: str
    measure: Measure
    change: float | None
    low: float | None
    high: float | None
    real: bool
    better: str | None
    callers: int
    readings: int
    for_worth: int | None
    for_change: int | None

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "variant": self.variant,
            "measure": self.measure.value,
            "change": _short(self.change),
            "low": _short(self.low),
            "high": _short(self.high),
            "real": self.real,
            "better": self.better,
            "callers": self.callers,
            "readings": self.readings,
            "worth": _short(_told(self.measure, self.measure.worth)),
            "more_callers_for_worth": self.for_worth,
            "more_readings_for_worth": self.more_readings(self.for_worth),
            "more_callers_for_change": self.for_change,
            "more_readings_for_change": self.more_readings(self.for_change),
        }

    def more_readings(self, more: int | None) -> int | None:
        """So many callers as readings, each having as many as those so far."""
        return None if more is None or not self.callers else math.ceil(more * self.readings / self.callers)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantOutcome:
    """One variant's figures. Percentiles are of readings, in ms."""

    variant: Variant
    tally: Tally
    figures: Mapping[Measure, Figure]
    percentiles: Mapping[Measure, Mapping[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        told = self.tally
        return {
            **self.variant.as_dict(),
            "callers": len(told.callers),
            "readings": told.readings,
            "cache_hits": told.cache_hits,
            "stopped": told.stopped,
            "under_way": told.under_way,
            "model_errors": dict(told.model_errors.most_common()),
            "measures": {
                measure.value: {
                    **(self.figures[measure].as_dict() if measure in self.figures else {"value": None}),
                    "callers": len(told.values[measure]),
                    "readings": len(told.all_values(measure)),
                    **self.percentiles.get(measure, {}),
                }
                for measure in Measure
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The whole. `shares_held` False: the variants did not get callers as their shares say, so trust nothing here."""

    experiment: Experiment
    variants: Sequence[VariantOutcome]
    comparisons: Sequence[Comparison]
    shares_held: bool
    as_of: float

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            **self.experiment.as_dict(),
            "as_of": self.as_of,
            "shares_held": self.shares_held,
            "fewest_callers": FEWEST_CALLERS,
            "alpha": ALPHA,
            "outcome": [one.as_dict() for one in self.variants],
            "comparisons": [one.as_dict() for one in self.comparisons],
        }


def outcome_of(
    experiment: Experiment, found: Iterable[TaskFigures], now: float, skips: frozenset[str] = frozenset()
) -> Outcome:
    """What the tasks tell. `skips`: callers that are no askers. To be called off the loop: it looks at every task.

    Each measure of each variant but the first is a chance of a false alarm: they share `ALPHA` in equal parts.
    """
    names = [one.name for one in experiment.variants]
    tallies = tally(names, found, experiment.ended_at or now, skips)
    alpha = ALPHA / (len(Measure) * (len(names) - 1))
    samples = [{measure: _sample(one, measure) for measure in Measure} for one in tallies]
    comparisons = [
        _compared(names[0], name, measure, (tallies[0], other), (samples[0][measure], its[measure]), alpha)
        for measure in Measure
        for name, other, its in zip(names[1:], tallies[1:], samples[1:], strict=True)
    ]
    counts = [len(one.callers) for one in tallies]
    return Outcome(
        experiment=experiment,
        variants=[
            VariantOutcome(variant=variant, tally=one, figures=_figures(its), percentiles=_percentiles(one))
            for variant, one, its in zip(experiment.variants, tallies, samples, strict=True)
        ],
        comparisons=comparisons,
        shares_held=shares_came_out(counts, [one.share for one in experiment.variants]),
        as_of=now,
    )


def _sample(one: Tally, measure: Measure) -> Sample:
    return sample_of(one.means(measure), shares=not measure.is_time)


def _figures(samples: Mapping[Measure, Sample]) -> dict[Measure, Figure]:
    found = {}
    for measure, sample in samples.items():
        if sample.callers and measure.is_time:
            low, high = mean_interval(sample)
            found[measure] = Figure(math.exp(sample.mean), math.exp(low), math.exp(high))
        elif sample.callers:
            found[measure] = Figure(sample.mean, *share_interval(sample.mean, sample))
    return found


def _percentiles(one: Tally) -> dict[Measure, dict[str, float]]:
    found = {}
    for measure in Measure:
        values = sorted(one.all_values(measure))
        if measure.is_time and values:
            times = [math.exp(value) for value in values]
            found[measure] = {
                "mean_ms": _short(math.fsum(times) / len(times)),
                "p50_ms": _short(_percentile(times, 0.5)),
                "p95_ms": _short(_percentile(times, 0.95)),
            }
    return found


def _percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of them do not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def _compared(
    first: str, name: str, measure: Measure, tallies: tuple[Tally, Tally], samples: tuple[Sample, Sample], alpha: float
) -> Comparison:
    found = difference(*samples, measure.worth, alpha)
    callers = samples[0].callers + samples[1].callers

    def more(size: float) -> int | None:
        needed = callers_for(*samples, size, measure.worth, alpha)
        if needed is None or needed - callers > MOST_CALLERS:
            return None
        return max(0, max(needed, 2 * FEWEST_CALLERS) - callers)

    return Comparison(
        variant=name,
        measure=measure,
        change=_told(measure, found.estimate) if found else None,
        low=_told(measure, found.low) if found else None,
        high=_told(measure, found.high) if found else None,
        real=found is not None and found.real,
        better=_better(first, name, measure, found),
        callers=callers,
        readings=sum(len(one.all_values(measure)) for one in tallies),
        for_worth=more(measure.worth),
        for_change=None if found is None else 0 if found.real else more(found.estimate),
    )


def _better(first: str, name: str, measure: Measure, found: Difference | None) -> str | None:
    if found is None or not found.real:
        return None
    return name if (found.estimate > 0) is measure.more_is_better else first


def _told(measure: Measure, difference: float) -> float:
    """Of logarithms a factor less 1; of shares as it is."""
    return math.expm1(difference) if measure.is_time else difference


def _short(number: float | None) -> Any:
    """Four digits are enough for any of these; no number for what has no end."""
    if number is None or not math.isfinite(number):
        return None
    return float(f"{number:.4g}")

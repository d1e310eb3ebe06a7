"""An outcome in words, for a terminal, a log or one line of a dashboard."""

from __future__ import annotations

from jieqian.experiments.callers import Measure
from jieqian.experiments.outcome import Comparison, Outcome

_NAMES = {
    Measure.TOTAL: "time",
    Measure.FIRST_TOKEN: "time to the first token",
    Measure.DEGRADED: "degraded readings",
    Measure.FAILED: "failed readings",
    Measure.LIKED: "thumbs up",
    Measure.ASKED_AGAIN: "asked again",
}


def summary_of(outcome: Outcome) -> str:
    """One line: what is real, or how many more readings are needed."""
    experiment, first = outcome.experiment, outcome.experiment.variants[0].name
    callers = sum(len(one.tally.callers) for one in outcome.variants)
    readings = sum(one.tally.readings for one in outcome.variants)
    begin = f"{experiment.name} ({experiment.mode.value}, {readings:,} readings of {callers:,} callers):"
    if not outcome.shares_held:
        return f"{begin} callers did not come by their variants as the shares say. Trust none of its figures."
    real = [one for one in outcome.comparisons if one.real]
    if real:
        return f"{begin} {'; '.join(told_difference(one, first) for one in real)}."
    more = readings_for_worth(outcome)
    if more is None:
        return f"{begin} too few to say anything yet."
    if more == 0:
        return f"{begin} no difference is real; one of a tenth of the time would likely have shown by now."
    return f"{begin} no difference is real; about {more:,} more readings would show one of a tenth of the time."


def readings_for_worth(outcome: Outcome) -> int | None:
    """How many more would show a tenth of the time: of the variant that needs the most; None: nobody knows yet."""
    needed = [one.more_readings(one.for_worth) for one in outcome.comparisons if one.measure is Measure.TOTAL]
    return None if None in needed else max(number for number in needed if number is not None)


def told_difference(one: Comparison, first: str) -> str:
    """`b against a: time 12 % less (-20 % to -3 %)`."""
    return f"{one.variant} against {first}: {measure_name(one.measure)} {told_change(one)}"


def measure_name(measure: Measure) -> str:
    """The measure in words."""
    return _NAMES[measure]


def told_change(one: Comparison) -> str:
    """The change and its interval: of a time in per cent of it, of a share in points; a dash where it is not known."""
    if one.change is None or one.low is None or one.high is None:
        return "–"
    unit = "%" if one.measure.is_time else "points"
    way = "more" if one.change >= 0 else "less"
    return f"{abs(one.change) * 100:.1f} {unit} {way} ({one.low * 100:+.1f} to {one.high * 100:+.1f})"

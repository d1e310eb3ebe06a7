"""An experiment's outcome as the admin page shows it: words of figures, and how far an interval reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jieqian.experiments.callers import Measure
from jieqian.experiments.experiment import Variant
from jieqian.experiments.outcome import Comparison, Outcome, VariantOutcome
from jieqian.experiments.telling import readings_for_worth
from jieqian.web.texts import Texts

#: Half the width of the little pictures, in their own units; and the most they show, as a share of 1.
HALF, _MOST = 60.0, 1.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a change and its interval lie in a picture `2 * HALF` wide, nought in its middle."""

    low: float
    change: float
    high: float


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One comparison in words. None where it is not known."""

    told: Comparison
    change: str | None
    reach: str | None
    interval: Interval | None
    for_worth: int | None
    for_change: int | None


def differs(variant: Variant) -> Sequence[tuple[str, str]]:
    """What of a variant is its own: `model`, `strategy`, `template`, each with its value."""
    told = (("model", variant.model), ("strategy", variant.strategy), ("template", variant.template))
    return [(what, str(value)) for what, value in told if value is not None]


def figure_rows(outcome: Outcome) -> Mapping[Measure, Sequence[tuple[str, str] | None]]:
    """By measure, of each variant the figure and its interval for one look; None where there is none."""
    return {measure: [_figure(one, measure) for one in outcome.variants] for measure in Measure}


def percentile_rows(outcome: Outcome) -> Mapping[Measure, Sequence[str | None]]:
    """Of the times, of each variant `mean / p50 / p95` over readings."""
    return {
        measure: [
            " / ".join(_seconds(one.percentiles[measure][part]) for part in ("mean_ms", "p50_ms", "p95_ms"))
            if measure in one.percentiles
            else None
            for one in outcome.variants
        ]
        for measure in Measure
        if measure.is_time
    }


def comparison_rows(outcome: Outcome) -> Sequence[ComparisonRow]:
    """Every comparison, in its order."""
    reaches = [abs(end) for one in outcome.comparisons for end in (one.low, one.high) if end is not None]
    most = min(_MOST, max(reaches, default=_MOST)) or _MOST
    return [_comparison(one, most) for one in outcome.comparisons]


def verdict(outcome: Outcome, t: Texts) -> list[str]:
    """What can be said, a sentence or two each: of every real difference, or how many readings are still needed.

    Also the lines of a running experiment on a dashboard: `verdict(await experiments.outcome(name), Texts(language))`.
    """
    if not outcome.shares_held:
        return [t("experiments.shares_wrong")]
    first = outcome.experiment.variants[0].name
    real = [
        t(
            "experiments.real",
            variant=row.told.variant,
            other=first,
            measure=t(f"experiments.{row.told.measure}"),
            change=t(f"experiments.{'per_cent' if row.told.measure.is_time else 'points'}", change=row.change),
            reach=row.reach,
            better=row.told.better,
        )
        for row in comparison_rows(outcome)
        if row.told.real
    ]
    if real:
        return real
    more = readings_for_worth(outcome)
    if more is None:
        return [t("experiments.too_few")]
    return [t("experiments.more_needed", readings=f"{more:,}") if more else t("experiments.alike")]


def _comparison(one: Comparison, most: float) -> ComparisonRow:
    more = one.more_readings(one.for_worth), one.more_readings(one.for_change)
    if one.change is None or one.low is None or one.high is None:
        return ComparisonRow(one, None, None, None, *more)
    low, change, high = (HALF + HALF * max(-1.0, min(1.0, end / most)) for end in (one.low, one.change, one.high))
    reach = f"{one.low * 100:+.1f} … {one.high * 100:+.1f}"
    return ComparisonRow(
        one, f"{one.change * 100:+.1f}", reach, Interval(round(low, 1), round(change, 1), round(high, 1)), *more
    )


def _figure(one: VariantOutcome, measure: Measure) -> tuple[str, str] | None:
    figure = one.figures.get(measure)
    if figure is None:
        return None
    if measure.is_time:
        ends = [_seconds(end) if 0 < end < float("inf") else "–" for end in (figure.low, figure.high)]
        return _seconds(figure.value), " … ".join(ends)
    return f"{figure.value * 100:.1f} %", f"{figure.low * 100:.1f} … {figure.high * 100:.1f} %"


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.2f} s"

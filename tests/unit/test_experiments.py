"""Who gets which variant, what each caller had, and when a difference is called real."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from random import Random

import pytest

from jieqian.errors import ExperimentRefused, JieqianError, UnknownMode, UnknownStrategy
from jieqian.experiments.callers import ASKED_AGAIN_SECONDS, Measure, tally
from jieqian.experiments.experiment import Variant, variant_for
from jieqian.experiments.figures import TaskFigures
from jieqian.experiments.outcome import ALPHA, Comparison, outcome_of
from jieqian.experiments.statistics import (
    FEWEST_CALLERS,
    Sample,
    callers_for,
    difference,
    half_width,
    sample_of,
    share_interval,
    shares_came_out,
)
from jieqian.experiments.telling import summary_of
from jieqian.experiments.wish import VariantWish, Wish, checked
from jieqian.tasks.task import Mode, StrategyName
from jieqian.testing.made_up_experiment import TWO, made_up_stream, sample_experiment, sample_figures

LATER = 1e9

# -- who gets what ------------------------------------------------------------------------------------------------


def test_shares_are_kept_and_a_caller_keeps_their_variant() -> None:
    variants = (Variant(name="a", share=70), Variant(name="b", share=20), Variant(name="c", share=10))
    experiment = sample_experiment(variants=variants)
    callers = [f"session:{number}" for number in range(20_000)]
    first = [variant_for(experiment, caller, "secret").name for caller in callers]
    assert first == [variant_for(experiment, caller, "secret").name for caller in callers]
    counts = Counter(first)
    for variant in variants:
        part = variant.share / 100
        assert abs(counts[variant.name] - 20_000 * part) < 5 * math.sqrt(20_000 * part * (1 - part))


def test_another_experiment_and_another_house_draw_anew() -> None:
    callers = [f"session:{number}" for number in range(4_000)]
    drawn = {
        (name, secret): [variant_for(sample_experiment(name), caller, secret).name for caller in callers]
        for name in ("one", "two")
        for secret in ("secret", "other")
    }
    for key, other in ((("one", "secret"), ("two", "secret")), (("one", "secret"), ("one", "other"))):
        same = sum(a == b for a, b in zip(drawn[key], drawn[other], strict=True))
        assert abs(same - 2_000) < 5 * math.sqrt(1_000)


# -- what is asked for --------------------------------------------------------------------------------------------


def wish(*variants: VariantWish, **more) -> Wish:
    return Wish(**{"name": "larger", "mode": "fast", "variants": variants, **more})


NOW = VariantWish(name="now", share=60)
NEW = VariantWish(name="new", share=40, model=" large ", strategy="parallel", template="v1")


def test_a_wish_becomes_variants() -> None:
    mode, variants = checked(wish(NOW, NEW), "small")
    assert mode is Mode.FAST
    assert variants == (
        Variant(name="now", share=60),
        Variant(name="new", share=40, model="large", strategy=StrategyName.PARALLEL, template="v1"),
    )


@pytest.mark.parametrize(
    ("wanted", "error", "told"),
    [
        (wish(NOW, replace(NEW, share=39)), ExperimentRefused, "60 + 39 make 99"),
        (wish(NOW, replace(NEW, share=0)), ExperimentRefused, "new has 0"),
        (wish(replace(NOW, share=100)), ExperimentRefused, "there are 1"),
        (wish(NOW, replace(NEW, name="now")), ExperimentRefused, "twice"),
        (wish(NOW, replace(NEW, name="<b>")), ExperimentRefused, "small letters"),
        (wish(NOW, NEW, name="-x"), ExperimentRefused, "name:"),
        (wish(NOW, NEW, name="x" * 41), ExperimentRefused, "1 to 40"),
        (wish(NOW, NEW, mode="slow"), UnknownMode, ""),
        (wish(NOW, replace(NEW, strategy="fastest")), UnknownStrategy, "'fastest' of new"),
        (wish(NOW, replace(NEW, template="v9")), ExperimentRefused, "There are v1"),
        (wish(NOW, replace(NEW, model="a\u202eb")), ExperimentRefused, "model of new"),
        (wish(NOW, VariantWish(name="new", share=40)), ExperimentRefused, "all the same"),
        (
            wish(NOW, VariantWish(name="n", share=40, model="small", strategy="auto", template="v1")),
            ExperimentRefused,
            "same",
        ),
    ],
)
def test_what_is_no_experiment_is_refused(wanted: Wish, error: type[JieqianError], told: str) -> None:
    with pytest.raises(error) as refused:
        checked(wanted, "small")
    assert told in refused.value.detail


# -- what each caller had -----------------------------------------------------------------------------------------


def means(found: list[TaskFigures], measure: Measure, *, until: float = LATER) -> tuple[list[float], list[float]]:
    now, new = tally(["now", "new"], found, until, frozenset({"operator"}))
    return now.means(measure), new.means(measure)


def test_a_caller_counts_once_however_many_readings_they_had() -> None:
    found = [sample_figures("a", total_ms=math.exp(2)), sample_figures("a", total_ms=math.exp(4))]
    found += [sample_figures("b", total_ms=math.exp(9)), sample_figures("c", "new", total_ms=math.exp(5))]
    now, new = means(found, Measure.TOTAL)
    assert now == pytest.approx([3.0, 9.0])
    assert new == pytest.approx([5.0])


def test_only_what_a_model_wrote_whole_and_just_now_has_a_speed() -> None:
    found = [
        sample_figures("a"),
        sample_figures("b", cache_hit="exact", total_ms=1.0),
        sample_figures("c", cache_hit="semantic", total_ms=1.0),
        sample_figures("d", degraded=True, total_ms=1.0, model_error="model_unreachable"),
        sample_figures("e", status="failed", total_ms=1.0),
        sample_figures("f", status="stopped", total_ms=1.0),
        sample_figures("g", status="running", cache_hit=None, total_ms=None, first_token_ms=None),
        sample_figures("operator", total_ms=1.0),
    ]
    now, _ = tally(["now", "new"], found, LATER, frozenset({"operator"}))
    assert now.means(Measure.TOTAL) == pytest.approx([math.log(10_000)])
    assert now.means(Measure.DEGRADED) == [0.0, 1.0]
    assert now.means(Measure.FAILED) == [0.0, 0.0, 1.0]
    assert (now.readings, now.cache_hits, now.stopped, now.under_way) == (5, 2, 1, 1)
    assert (len(now.callers), dict(now.model_errors)) == (7, {"model_unreachable": 1})


def asked(at: float, caller: str = "session:a", **more) -> TaskFigures:
    return sample_figures(caller, created_at=at, **more)


@pytest.mark.parametrize(
    ("found", "again"),
    [
        ([asked(0), asked(ASKED_AGAIN_SECONDS)], [1.0, 0.0]),
        ([asked(0), asked(ASKED_AGAIN_SECONDS + 1)], [0.0, 0.0]),
        ([asked(0), asked(60, lot=2)], [0.0, 0.0]),
        ([asked(0), asked(60, follows=True)], [0.0, 0.0]),  # a follow-up is wanting more, not something else
        ([asked(0), asked(60, follows=True), asked(120)], [1.0, 1.0, 0.0]),
        ([asked(0), asked(60, status="stopped")], [1.0]),
        ([asked(0), asked(60, cache_hit="exact")], [1.0, 0.0]),
        ([asked(0), asked(60, caller="session:b")], [0.0, 0.0]),
        ([asked(0, caller="key:a"), asked(60, caller="key:a")], []),  # many people may stand behind a key
    ],
)
def test_what_was_asked_again(found: list[TaskFigures], again: list[float]) -> None:
    now, _ = tally(["now", "new"], found, LATER, frozenset())
    assert sorted(now.all_values(Measure.ASKED_AGAIN)) == sorted(again)


def test_a_reading_that_has_not_had_its_half_hour_is_not_yet_counted() -> None:
    found = [asked(0), asked(100, caller="session:b")]
    until = ASKED_AGAIN_SECONDS + 50
    assert means(found, Measure.ASKED_AGAIN, until=until)[0] == [0.0]


# -- statistics ---------------------------------------------------------------------------------------------------


def test_wilson_by_hand() -> None:
    sample = Sample(callers=10, mean=0.0, variance=0.0)
    low, high = share_interval(0.0, sample)
    assert (low, high) == pytest.approx((0.0, 0.2775), abs=1e-3)
    # Ten callers of whom three had it: the textbook's 3 of 10.
    three = sample_of([1.0] * 3 + [0.0] * 7, shares=False)
    assert share_interval(0.3, replace(three, variance=0.21)) == pytest.approx((0.1078, 0.6032), abs=1e-3)


def test_callers_who_are_each_alike_tell_less_than_as_many_readings() -> None:
    spread = sample_of([0.0, 1.0] * 20, shares=False)  # each has all or nothing
    even = sample_of([0.4, 0.6] * 20, shares=False)  # each has about half
    wide, narrow = share_interval(0.5, spread), share_interval(0.5, even)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_the_sequence_is_that_of_the_mixture() -> None:
    """Where the half width is, the mixture of likelihood ratios is just 1 / alpha."""
    variance, worth, alpha = 0.003, 0.1, 0.01
    half = half_width(variance, worth, alpha)
    mixed = variance + worth**2
    ratio = math.sqrt(variance / mixed) * math.exp(worth**2 * half**2 / (2 * variance * mixed))
    assert ratio == pytest.approx(1 / alpha)


def test_few_callers_are_told_nothing_and_shares_that_came_out_otherwise_are_told() -> None:
    few = Sample(callers=FEWEST_CALLERS - 1, mean=0.0, variance=1e-9)
    enough = Sample(callers=FEWEST_CALLERS, mean=1.0, variance=1e-9)
    assert difference(few, enough, 0.1, 0.05) is None
    assert difference(enough, enough, 0.1, 0.05) is not None
    assert shares_came_out([510, 490], [50, 50])
    assert not shares_came_out([600, 400], [50, 50])
    assert shares_came_out([0, 0], [50, 50])


def time_of(found: list[TaskFigures]) -> Comparison:
    outcome = outcome_of(sample_experiment(), found, LATER)
    return next(one for one in outcome.comparisons if one.measure is Measure.TOTAL)


def ever_real(stream: Iterator[TaskFigures], readings: int, look_every: int) -> tuple[bool, int]:
    """Whether anything was called real at any of the looks, and at how many readings."""
    found: list[TaskFigures] = []
    while len(found) < readings:
        found += islice(stream, look_every)
        if any(one.real for one in outcome_of(sample_experiment(), found, found[-1].created_at).comparisons):
            return True, len(found)
    return False, readings


def naively_real(stream: Iterator[TaskFigures], readings: int, look_every: int) -> bool:
    """The same with intervals of 95 % for one look at one measure."""
    found: list[TaskFigures] = []
    while len(found) < readings:
        found += islice(stream, look_every)
        tallies = tally(["now", "new"], found, found[-1].created_at, frozenset())
        for measure in Measure:
            now, new = (sample_of(one.means(measure), shares=not measure.is_time) for one in tallies)
            enough = min(now.callers, new.callers) >= FEWEST_CALLERS
            if enough and abs(new.mean - now.mean) > 1.96 * math.sqrt(now.of_mean + new.of_mean):
                return True
    return False


def test_who_looks_again_and_again_is_not_deceived() -> None:
    """Forty experiments without any difference, each looked at ten times; the how-to has a large run."""
    alarms = sum(ever_real(made_up_stream(Random(seed)), 1_000, 100)[0] for seed in range(40))
    assert alarms <= ALPHA * 40
    naive = sum(naively_real(made_up_stream(Random(seed)), 1_000, 100) for seed in range(40))
    assert naive > 10, "such looks deceive whoever takes an interval for one look"


def test_a_difference_that_is_there_is_found_by_about_the_number_that_was_told() -> None:
    slower = math.log(1.25)
    early = list(islice(made_up_stream(Random(7), slower=slower), 200))
    times = [
        sample_of(one.means(Measure.TOTAL), shares=False) for one in tally(["now", "new"], early, LATER, frozenset())
    ]
    needed = callers_for(*times, slower, Measure.TOTAL.worth, ALPHA / len(Measure))
    assert needed is not None
    found_by = [ever_real(made_up_stream(Random(seed), slower=slower), 6 * needed, 50)[1] / 2 for seed in range(10)]
    in_time = sum(callers <= 1.25 * needed for callers in found_by)
    assert in_time >= 6, (needed, found_by)


def test_the_outcome_says_which_is_better_and_how_many_more_are_needed() -> None:
    found = list(islice(made_up_stream(Random(3), slower=math.log(2)), 600))
    slow = time_of(found)
    assert (slow.real, slow.better, slow.for_change) == (True, "now", 0)
    assert slow.change == pytest.approx(1.0, abs=0.5)
    outcome = outcome_of(sample_experiment(), found, LATER)
    assert "new against now: time" in summary_of(outcome)
    alike = list(islice(made_up_stream(Random(3)), 400))
    none = time_of(alike)
    assert (none.real, none.better) == (False, None)
    assert none.for_worth is not None
    assert none.for_worth > 0
    assert f"about {none.more_readings(none.for_worth):,} more readings" in summary_of(
        outcome_of(sample_experiment(), alike, LATER)
    )
    document = outcome.as_dict()
    assert [one["name"] for one in document["outcome"]] == [one.name for one in TWO]
    assert len(document["comparisons"]) == len(Measure)


def test_alike_is_told_only_where_no_variant_needs_more_readings() -> None:
    found = list(islice(made_up_stream(Random(3)), 400))
    third = (replace(TWO[0], share=50), replace(TWO[1], share=49), Variant(name="rare", share=1, model="huge"))
    outcome = outcome_of(sample_experiment(variants=third), found, LATER)
    assert outcome.shares_held
    assert "about" in summary_of(outcome_of(sample_experiment(), found, LATER))
    assert "too few" in summary_of(outcome), "nobody had the third yet"


@pytest.mark.parametrize("found", [[], [sample_figures()], [sample_figures(), sample_figures("b", "new")]])
def test_nothing_or_nearly_nothing_is_told_as_too_little(found: list[TaskFigures]) -> None:
    outcome = outcome_of(sample_experiment(), found, LATER)
    assert "too few" in summary_of(outcome)
    assert all(one.change is None and not one.real for one in outcome.comparisons)


def test_a_share_nobody_had_is_not_taken_for_none(readings_of: Callable[[int], list[TaskFigures]]) -> None:
    """Thirty callers each without one failure are no proof that none fails."""
    outcome = outcome_of(sample_experiment(), readings_of(40), LATER)
    failed = next(one for one in outcome.comparisons if one.measure is Measure.FAILED)
    assert (failed.change, failed.real) == (0.0, False)
    assert failed.high is not None
    assert failed.high > 0.05


@pytest.fixture
def readings_of() -> Callable[[int], list[TaskFigures]]:
    return lambda callers: [
        sample_figures(f"session:{variant}{number}", variant) for variant in ("now", "new") for number in range(callers)
    ]

"""The dashboard's arithmetic: sketches, blocks of a span, what one task adds, bars of a waterfall."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from ddsketch.mapping import LogarithmicMapping
from hypothesis import given, settings
from hypothesis import strategies as st

from jieqian.bench.figures import percentile as exact
from jieqian.errors import InvalidRequest
from jieqian.metrics.counted import MEASURES, NUMBERS, added_up, counted, in_order, pack
from jieqian.metrics.figures import DAY, HOUR, LATEST, LEAST, MINUTE, MOST, RELATIVE_ERROR, Span, Which
from jieqian.metrics.sketch import bucket_of, decode, encode, middle_of, one_sample, percentile, percentiles
from jieqian.metrics.spans import LEVELS, MONTH, MOST_STEPS, STEPS, blocks_of, coarsest_in, step_of
from jieqian.metrics.tally import Tally
from jieqian.metrics.waterfall import bars_of
from jieqian.testing.made_up_dashboard import MadeUpDashboard

TIME = 1_790_000_040
STALE = st.sets(st.tuples(st.sampled_from((3600, 21_600, 86_400, 2_592_000)), st.integers(29_700_000, 29_900_000)))
MINUTES = st.integers(TIME // MINUTE - 80_000, TIME // MINUTE + 80_000)


@settings(deadline=None)
@given(st.floats(LEAST, MOST))
def test_a_bucket_tells_its_values_within_the_error(value: float) -> None:
    told = middle_of(bucket_of(value))
    assert abs(told - value) <= value * RELATIVE_ERROR * (1 + 1e-9)


@pytest.mark.parametrize("value", [0.1, 1.0, 37.5, 12_000.0, 22_000.0, 1e8])
def test_buckets_are_those_of_ddsketch(value: float) -> None:
    mapping = LogarithmicMapping(RELATIVE_ERROR)
    assert middle_of(bucket_of(value)) == pytest.approx(mapping.value(mapping.key(value)))


def test_what_is_too_short_is_nothing_and_what_is_too_long_is_the_most() -> None:
    assert middle_of(bucket_of(LEAST / 2)) == 0
    assert middle_of(bucket_of(0)) == 0
    assert bucket_of(MOST * 1000) == bucket_of(MOST)


@pytest.mark.parametrize("samples", [1, 2, 19, 20, 1000])
@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
def test_percentiles_of_merged_sketches_are_near_the_exact_ones(samples: int, percent: float) -> None:
    chance = random.Random(samples)
    values = [chance.lognormvariate(9, 1.2) for _ in range(samples)]
    found = percentile(decode(map(one_sample, values)), percent)
    assert found == pytest.approx(exact(sorted(values), percent), rel=RELATIVE_ERROR)


def test_sketches_merge_in_any_order_and_grouping_to_the_same() -> None:
    chance = random.Random(1)
    values = [round(chance.lognormvariate(8, 1), 1) for _ in range(300)]
    single = decode(map(one_sample, values))
    chance.shuffle(values)
    halves = [encode(decode(map(one_sample, some))) for some in (values[:7], values[7:])]
    assert decode(halves) == single
    assert decode([b"".join(halves)]) == single


def test_a_bucket_hit_more_often_than_a_number_holds_is_kept_whole() -> None:
    buckets = {3: 200_000, 9: 65_535, 11: 65_536, 12: 1}
    assert decode([encode(buckets)]) == buckets


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentiles({}, (50, 95)) == (None, None)


@given(
    MINUTES, st.integers(1, 70_000), st.sampled_from(LEVELS), st.sets(st.tuples(st.sampled_from(LEVELS[1:]), MINUTES))
)
def test_blocks_are_the_span_and_nothing_else(first: int, minutes: int, coarsest: int, some: set[Any]) -> None:
    span = Span(first * MINUTE, (first + minutes) * MINUTE)
    stale = {(level, minute * MINUTE - minute * MINUTE % level) for level, minute in some}
    at = span.since
    for blocks in blocks_of(span, coarsest=coarsest, stale=stale):
        assert blocks.since == at < blocks.until
        assert blocks.level <= coarsest
        assert not blocks.since % blocks.level
        assert not blocks.until % blocks.level
        assert not stale & {(blocks.level, each) for each in range(blocks.since, blocks.until, blocks.level)}
        at = blocks.until
    assert at == span.until


def test_whole_levels_are_one_block() -> None:
    month = TIME // MONTH * MONTH
    assert [blocks.level for blocks in blocks_of(Span(month, month + 2 * MONTH))] == [MONTH]
    day = TIME // DAY * DAY
    assert [blocks.level for blocks in blocks_of(Span(day, day + DAY), stale={(DAY, day)})] == [6 * HOUR]
    spread = blocks_of(Span(day - HOUR - MINUTE, day + DAY + 7 * HOUR))
    assert [blocks.level for blocks in spread] == [MINUTE, HOUR, DAY, 6 * HOUR, HOUR]


def test_each_level_is_whole_blocks_of_the_one_before() -> None:
    assert all(longer % shorter == 0 for shorter, longer in pairwise(LEVELS))


@pytest.mark.parametrize("seconds", [HOUR, 3 * HOUR, DAY, 5 * DAY, 30 * DAY, 90 * DAY, 366 * DAY, 10 * 366 * DAY])
def test_a_series_has_steps_enough_and_not_too_many(seconds: int) -> None:
    step = step_of(Span(TIME, TIME + seconds))
    assert MOST_STEPS / 2 <= seconds / step <= MOST_STEPS
    assert step % coarsest_in(step) == 0
    assert step in STEPS


@pytest.mark.parametrize(
    ("since", "until"),
    [(TIME, TIME), (TIME + 1, TIME), (0, TIME), (TIME, 1e12), (float("nan"), TIME), (1e9, 4e9)],
)
def test_what_is_no_span_is_refused(since: float, until: float) -> None:
    with pytest.raises(InvalidRequest):
        Span.around(since, until)


def test_a_span_is_widened_to_whole_minutes() -> None:
    assert Span.around(TIME + 0.5, TIME + 60.5) == Span(TIME, TIME + 120)


# -- one task ---------------------------------------------------------------------------------------------------------

TIMINGS = {
    "total_time_ms": 5000.0,
    "queue_wait_ms": 100.0,
    "poem_lookup_ms": 0.2,
    "rag_retrieval_ms": 30.0,
    "llm_generation_ms": 4800.0,
    "validation_ms": 9.8,
    "other_ms": 60.0,
    "time_to_first_token_ms": 700.5,
    "attempts": 2,
    "prompt_tokens": 1200,
    "completion_tokens": 500,
    "tokens_per_second": 110.0,
    "llm_model": "m:7b",
    "strategy": "sequential",
    "cache_hit": "none",
    "degraded": False,
}


def row(**changes: Any) -> dict[str, Any]:
    """An ended task's row as counting reads it; `timings` replace some of those above."""
    timings = {**TIMINGS, **changes.pop("timings", {})}
    asked = {"seq": 1, "status": "completed", "mode": "quality", "language": "en", "collection": "yuelao"}
    return {**asked, "ended_at": float(TIME), "has_care": False, "timings": timings, **changes}


def numbers_of(**changes: Any) -> dict[str, int]:
    """What it adds, by name, without noughts."""
    amounts = counted(row(**changes)).amounts
    return {name: number for name, number in zip(NUMBERS, amounts.numbers, strict=True) if number}


def test_a_reading_adds_its_counts_sums_and_cell() -> None:
    assert counted(row()).cell == ("quality", "m:7b", "sequential", "en", "yuelao")
    assert counted(row()).minute == TIME // MINUTE
    assert numbers_of() == {
        "tasks": 1,
        "completed": 1,
        "asked_model": 1,
        "attempts": 2,
        "prompt_tokens": 1200,
        "completion_tokens": 500,
        "total_sum": 50_000,
        "overhead_sum": 2000,
        "first_token_sum": 7005,
        "tokens_per_second_sum": 1100,
        "queue_wait_sum": 1000,
        "poem_lookup_sum": 2,
        "rag_retrieval_sum": 300,
        "llm_generation_sum": 48_000,
        "validation_sum": 98,
        "other_sum": 600,
    }


def test_an_answer_from_the_cache_has_no_stages() -> None:
    found = numbers_of(timings={"cache_hit": "exact", "attempts": 0, "total_time_ms": 12.0})
    assert found["cache_exact"] == 1
    assert found["cached_sum"] == found["total_sum"] == 120
    assert not {"asked_model", "overhead_sum", "llm_generation_sum", "queue_wait_sum"} & set(found)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"status": "failed", "timings": {"degraded": True}}, {"failed"}),
        ({"status": "stopped", "timings": {"degraded": True}}, {"stopped"}),
        ({"timings": {"degraded": True}}, {"completed", "degraded"}),
    ],
)
def test_a_task_is_an_error_once_at_most(changes: dict[str, Any], counts: set[str]) -> None:
    assert set(numbers_of(**changes)) & {"completed", "failed", "stopped", "degraded"} == counts


@pytest.mark.parametrize(
    "timings",
    [
        *("{cut", None, "[]", {}, "[" * 100_000),
        *(dict.fromkeys(TIMINGS, value) for value in ("x", float("nan"), float("inf"), 10**400, -1, "\ud800\0")),
    ],
)
def test_whatever_its_timings_hold_a_task_is_counted(timings: Any) -> None:
    task = counted({**row(), "timings": timings})
    assert task.amounts.numbers[0] == 1
    assert not any("\0" in value for value in task.cell)
    "".join(task.cell).encode("utf-8")


@pytest.mark.parametrize(("ended_at", "minute"), [(-5.0, 978_307_200 // 60), (9e12, LATEST // 60 - 1)])
def test_a_mad_clock_counts_in_the_first_or_last_minute(ended_at: float, minute: int) -> None:
    assert counted(row(ended_at=ended_at)).minute == minute


def test_packed_rows_are_taken_together_as_they_were() -> None:
    some = [counted(row(timings={"total_time_ms": 1000.0 * n, "queue_wait_ms": 3e9})).amounts for n in range(1, 101)]
    found = Tally(("total", "faq"))
    for amounts in (in_order(added_up(some[:60])), *some[60:]):
        found.add(*pack(amounts))
    assert found["tasks"] == 100
    assert found["queue_wait_sum"] == 100 * int(MOST) * 10
    spread = found.spread("total")
    assert (spread.samples, spread.mean) == (100, 50_500.0)
    assert spread.p95 == pytest.approx(95_000, rel=RELATIVE_ERROR)
    assert found.spread("faq").samples == 0


def test_every_measure_has_a_sum() -> None:
    assert set(NUMBERS) >= {f"{name}_sum" for name in MEASURES}


# -- waterfalls -------------------------------------------------------------------------------------------------------


def test_stages_follow_each_other_and_measured_sections_stand_where_they_began() -> None:
    sections = {"conclusion": 900, "line_by_line": 1500}
    starts = {"line_by_line": 710.0, "conclusion": 650.5}
    bars = bars_of({**TIMINGS, "section_ms": sections, "section_start_ms": starts})
    stages = [bar for bar in bars if bar.kind == "stage"]
    assert [bar.name for bar in stages][:4] == ["queue_wait", "poem_lookup", "rag_retrieval", "llm_generation"]
    assert stages[3].start_ms == 130.2
    assert [(bar.name, bar.start_ms, bar.known) for bar in bars if bar.kind == "section"] == [
        ("conclusion", 650.5, True),
        ("line_by_line", 710.0, True),
    ]


@pytest.mark.parametrize(("strategy", "starts"), [("sequential", [700.5, 2200.5]), ("parallel", [700.5, 700.5])])
def test_sections_of_an_earlier_release_are_placed_by_the_strategy(strategy: str, starts: list[float]) -> None:
    timings = {**TIMINGS, "strategy": strategy, "section_ms": {"line_by_line": 1500, "conclusion": 900}}
    found = [bar for bar in bars_of(timings) if bar.kind == "section"]
    assert [bar.start_ms for bar in found] == starts
    assert not any(bar.known for bar in found)


def test_of_a_task_without_timings_there_is_no_bar() -> None:
    assert bars_of({}) == ()


async def test_made_up_figures_add_up() -> None:
    dashboard, span = MadeUpDashboard(), Span(TIME, TIME + DAY)
    tasks = (await dashboard.summary(span, Which())).tasks
    assert sum(bar.tasks for bar in (await dashboard.histogram(span, Which())).bins) == pytest.approx(tasks, rel=0.01)
    assert (await MadeUpDashboard(empty=True).summary(span, Which())).total.mean is None

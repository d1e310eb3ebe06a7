"""The simulation against what queueing theory knows, and the search's answers against one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, repeat
from math import exp, factorial, log, sqrt
from random import Random
from statistics import fmean, stdev

import pytest

from jieqian.errors import UsageError
from jieqian.planning.load import Load, poisson
from jieqian.planning.search import MOST_SLOTS, Needed, Planner, Wish
from jieqian.planning.service import Gain, Service, Spread
from jieqian.planning.simulate import Fleet, Outcome, simulate

#: Student's t for twenty runs, 95 %.
RUNS, T = 20, 2.093
#: An exponential time of 1 s, as finely as its tail needs.
EXPONENTIAL = Spread(tuple(-log(1 - (place + 0.5) / 20_000) for place in range(20_000)))
CONSTANT = Spread.constant(1.0)


def fleet(workers: int, *, slots: int | None = None, servers: int = 1, max_queue: int = 10**9) -> Fleet:
    return Fleet(workers=workers, servers=servers, slots_per_server=slots or workers, max_queue=max_queue)


def service(generation: Spread, **more: object) -> Service:
    return Service(generation=generation, **more)  # type: ignore[arg-type]


def runs(takes: Service, there: Fleet, per_second: float, counted: int = 6000) -> list[Outcome]:
    return [
        simulate(takes, there, poisson(Random(seed), per_second), seed + 100, counted, 1000) for seed in range(RUNS)
    ]


def expect(values: Sequence[float], theory: float, within: float) -> None:
    """The theory's figure is in the interval of the runs, and that is no wider than this share of it."""
    give = T * stdev(values) / sqrt(len(values))
    assert give <= within * theory, "an interval so wide would show nothing"
    assert abs(fmean(values) - theory) <= give


def erlang_c(slots: int, offered: float) -> float:
    """The share that waits."""
    waiting = offered**slots / factorial(slots) * slots / (slots - offered)
    return waiting / (sum(offered**place / factorial(place) for place in range(slots)) + waiting)


@pytest.mark.parametrize(("slots", "at_work"), [(1, 0.5), (1, 0.8), (4, 0.75), (12, 0.85)])
def test_random_arrivals_and_times_wait_as_erlang_tells(slots: int, at_work: float) -> None:
    per_second = slots * at_work
    found = runs(service(EXPONENTIAL), fleet(slots), per_second)
    waiting = erlang_c(slots, per_second)
    expect([each.waits.mean or 0.0 for each in found], 1000 * waiting / (slots - per_second), within=0.15)
    tail = 1000 * log(waiting / 0.05) / (slots - per_second)
    expect([each.waits.percentile(95) or 0.0 for each in found], tail, within=0.15)
    expect([each.held_seconds / each.seconds / slots for each in found], at_work, within=0.05)


def test_times_that_are_all_the_same_wait_half_as_long() -> None:
    found = runs(service(CONSTANT), fleet(1), 0.8)
    expect([each.waits.mean or 0.0 for each in found], 1000 * 0.8 / (2 * (1 - 0.8)), within=0.1)


def test_a_server_that_gains_nothing_shares_itself_out() -> None:
    """Processor sharing: the mean is that of one alone by what is left of the server, whatever the times' spread."""
    nothing = Gain(((2, 1.0),))
    for spread in (EXPONENTIAL, CONSTANT):
        found = runs(service(spread, gain=nothing), fleet(200), 0.5, counted=4000)
        expect([each.totals.mean or 0.0 for each in found], 1000 / (1 - 0.5), within=0.1)


def test_full_gain_is_as_good_as_slots_of_their_own() -> None:
    full = Gain(((4, 4.0),))
    shared = simulate(service(EXPONENTIAL, gain=full), fleet(4), poisson(Random(3), 3.0), 4, 3000, 100)
    own = simulate(service(EXPONENTIAL), fleet(4), poisson(Random(3), 3.0), 4, 3000, 100)
    assert shared.totals.percentile(95) == pytest.approx(own.totals.percentile(95))
    assert shared.waits.mean == pytest.approx(own.waits.mean)


def test_what_can_be_reckoned_by_hand() -> None:
    evenly: Iterator[float] = repeat(1.0)
    one = simulate(service(Spread.constant(2.5)), fleet(1), evenly, 1, counted=5, warm_up=0)
    assert [one.waits.percentile(share) for share in (20, 40, 60, 80, 100)] == [0, 1500, 3000, 4500, 6000]
    assert one.totals.most == 8500
    beside = service(Spread.constant(2.0), overhead=Spread.constant(0.5))
    at_the_model = simulate(beside, fleet(8, slots=1), repeat(1.0), 1, counted=3, warm_up=0)
    assert [at_the_model.waits.percentile(share) for share in (33, 66, 100)] == [0, 1000, 2000]
    assert at_the_model.totals.most == 4500, "the third comes after 3 s, asks after 3.5 and begins after 5.5"
    two = simulate(service(Spread.constant(2.0)), fleet(2, slots=1, servers=2), repeat(1.0), 1, counted=9, warm_up=0)
    assert two.waits.most == 0


def test_a_full_queue_refuses() -> None:
    found = simulate(service(Spread.constant(10.0)), fleet(1, max_queue=2), repeat(1.0), 1, counted=10, warm_up=0)
    assert (found.offered, found.refused, found.totals.count) == (10, 7, 3)
    assert found.refused_share == 0.7


def test_kept_answers_take_no_slot() -> None:
    kept = service(EXPONENTIAL, cache_share=1.0, reuse_seconds=0.01)
    found = simulate(kept, fleet(1), poisson(Random(1), 1000.0), 1, 500, 0)
    assert (found.totals.most, found.waits.most, found.held_seconds) == (10, 0, 0)
    half = runs(service(EXPONENTIAL, cache_share=0.5), fleet(1), 1.6)
    # Half of the arrivals are an M/M/1 at 0.8; the others do not wait.
    expect([each.waits.mean or 0.0 for each in half], 1000 * 0.8 / (1 - 0.8) / 2, within=0.15)


def test_who_joins_waits_for_what_is_left_of_another_and_lends_the_worker_back() -> None:
    joining = service(Spread.constant(10.0), joined_share=1.0)
    found = simulate(joining, fleet(1), iter([1.0, 4.0, 3.0]), 1, counted=3, warm_up=0)
    assert found.waits.most == 13_000, "with one worker nobody is looked at while another's is written"
    found = simulate(joining, fleet(2), iter([1.0, 4.0, 3.0]), 1, counted=3, warm_up=0)
    assert [found.totals.percentile(share) for share in (33, 66, 100)] == [3000, 6000, 10_000]
    assert found.waits.most == 0


def test_a_spread_keeps_what_it_was_made_of() -> None:
    spread = Spread.lognormal(12.0, 18.0)
    assert spread.at(0.5) == pytest.approx(12.0, rel=0.01)
    assert spread.at(0.95) == pytest.approx(18.0, rel=0.01)
    assert spread.mean == pytest.approx(12.0 * exp((log(1.5) / 1.645) ** 2 / 2), rel=0.01)
    assert Spread.lognormal(3.0, 3.0) == Spread.constant(3.0)
    measured = Spread.of([3.0, 1.0, 2.0])
    assert {measured.draw(Random(seed)) for seed in range(50)} == {1.0, 2.0, 3.0}


def test_gain_between_its_points() -> None:
    gain = Gain(((4, 2.8), (8, 3.4)))
    assert [gain.of(count) for count in (1, 4, 6, 8, 50)] == pytest.approx([1.0, 2.8, 3.1, 3.4, 3.4])
    assert gain.of(2) == pytest.approx(1.6)
    assert [Gain().of(count) for count in (1, 7)] == [1.0, 7.0]


WISH = Wish(p95=22.0, workers_per_machine=4, slots_per_server=1, max_queue=512)
READING = service(Spread.lognormal(12.0, 18.0))


def planner_of(takes: Service = READING, wish: Wish = WISH) -> Planner:
    return Planner(takes, wish, counted=600)


def needed(per_day: float, takes: Service = READING, wish: Wish = WISH) -> Needed:
    return planner_of(takes, wish).needed(Load(per_day))


def test_more_slots_wait_less_and_more_readings_longer() -> None:
    planner = planner_of()
    by_slots = [planner.figures(Load(20_000), slots).total_p95.value for slots in (7, 8, 9, 12)]
    assert all(more <= less for less, more in pairwise(by_slots))
    assert by_slots[0] > by_slots[-1]
    by_load = [planner.figures(Load(per_day), 8).total_p95.value for per_day in (2000, 10_000, 18_000, 22_000)]
    assert all(less <= more for less, more in pairwise(by_load))
    assert by_load[0] < by_load[-1]


def test_the_fewest_slots_that_hold_and_where_they_break() -> None:
    found = needed(20_000)
    assert found.slots is not None
    assert found.breaks_at is not None
    assert found.machines == -(-found.slots // 4)
    planner = planner_of()
    enough, too_few = planner.figures(found.load, found.slots), planner.figures(found.load, found.slots - 1)
    assert enough.total_p95.value + enough.total_p95.give <= 22 < too_few.total_p95.value + too_few.total_p95.give
    assert found.breaks_at >= 20_000
    beyond = planner.figures(Load(found.breaks_at * 1.02), found.slots)
    assert beyond.total_p95.value + beyond.total_p95.give > 22


def test_kept_answers_and_a_longer_wish_need_fewer_slots() -> None:
    plain, kept = needed(20_000), needed(20_000, service(READING.generation, cache_share=0.5))
    patient = needed(20_000, wish=Wish(p95=40.0, workers_per_machine=4, slots_per_server=1, max_queue=512))
    assert plain.slots is not None
    assert kept.slots is not None
    assert patient.slots is not None
    assert kept.slots < plain.slots
    assert patient.slots <= plain.slots
    none = needed(1_000_000, service(READING.generation, cache_share=1.0))
    assert (none.slots, none.machines, none.servers) == (0, 0, 0)
    assert none.breaks_at is None


def test_slots_that_slow_each_other_down_need_more_servers() -> None:
    wish = Wish(p95=30.0, workers_per_machine=8, slots_per_server=4, max_queue=512)
    slowed = needed(20_000, service(Spread.constant(6.0), gain=Gain(((4, 2.0),))), wish)
    free = needed(20_000, service(Spread.constant(6.0), gain=Gain(((4, 4.0),))), wish)
    assert slowed.servers is not None
    assert free.servers is not None
    assert slowed.servers > free.servers


def test_no_number_of_slots_makes_a_model_faster() -> None:
    found = needed(10, service(Spread.constant(36.0)))
    assert (found.slots, found.breaks_at) == (None, None)
    assert found.figures.total_p95.value == pytest.approx(36.0)


def test_the_queue_overflows_where_it_is_told() -> None:
    wish = Wish(p95=60.0, workers_per_machine=4, slots_per_server=1, max_queue=50)
    found = needed(100, service(Spread.constant(12.0)), wish)
    assert found.slots == 1
    assert found.refuses_at == pytest.approx((300 + 50) / 0.1)
    for per_hour, refused in ((340, False), (360, True)):
        there = fleet(1, max_queue=50)
        hour = simulate(service(Spread.constant(12.0)), there, repeat(3600 / per_hour), 1, per_hour, 0)
        assert (hour.refused > 0) is refused


def test_a_load_beyond_all_measure_is_told_so() -> None:
    with pytest.raises(UsageError, match=f"{MOST_SLOTS:,} slots"):
        needed(1e8)

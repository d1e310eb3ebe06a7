"""Try what experiments say where the truth is known: false alarms of who looks often, and differences found.

nice -n 19 python tools/try_experiments.py [--runs 1000] [--readings 3000] [--look-every 100]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from random import Random

from jieqian.experiments.callers import Measure, tally
from jieqian.experiments.figures import TaskFigures
from jieqian.experiments.outcome import ALPHA, outcome_of
from jieqian.experiments.statistics import callers_for, sample_of
from jieqian.testing.made_up_experiment import made_up_stream, sample_experiment

NAMES = ["now", "new"]


def looks(stream: Iterator[TaskFigures], readings: int, look_every: int) -> Iterator[list[TaskFigures]]:
    """What is there at each look."""
    found: list[TaskFigures] = []
    while len(found) < readings:
        found += islice(stream, look_every)
        yield found


def false_alarm(seed: int, readings: int, look_every: int) -> tuple[bool, bool]:
    """Whether anything was ever called real: by us, and by an interval for one look."""
    ours = naive = False
    for found in looks(made_up_stream(Random(seed)), readings, look_every):
        outcome = outcome_of(sample_experiment(), found, found[-1].created_at)
        ours |= any(one.real for one in outcome.comparisons)
        for measure in Measure if not naive else ():
            both = [sample_of(one.tally.means(measure), shares=not measure.is_time) for one in outcome.variants]
            if min(one.callers for one in both) >= 2:
                naive |= abs(both[0].mean - both[1].mean) > 1.96 * math.sqrt(sum(one.of_mean for one in both))
    return ours, naive


def found_at(
    seed: int, measure: Measure, slower: float, degraded: tuple[float, float], readings: int, look_every: int
) -> int | None:
    """With how many callers with a figure the difference was called real; None: not within the readings."""
    stream = made_up_stream(Random(seed), slower=slower, degraded=degraded)
    for found in looks(stream, readings, look_every):
        outcome = outcome_of(sample_experiment(), found, found[-1].created_at)
        one = next(each for each in outcome.comparisons if each.measure is measure)
        if one.real:
            return one.callers
    return None


def promised(measure: Measure, size: float, slower: float, degraded: tuple[float, float]) -> int:
    """How many callers are said to be needed, after the first thousand readings of a stream of its own."""
    stream = made_up_stream(Random(0), slower=slower, degraded=degraded)
    tallies = tally(NAMES, list(islice(stream, 1000)), 1e9, frozenset())
    first, second = (sample_of(one.means(measure), shares=not measure.is_time) for one in tallies)
    needed = callers_for(first, second, size, measure.worth, ALPHA / len(Measure))
    assert needed is not None
    return needed


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--readings", type=int, default=3000)
    parser.add_argument("--look-every", type=int, default=100)
    given = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        alarm = partial(false_alarm, readings=given.readings, look_every=given.look_every)
        told = list(pool.map(alarm, range(given.runs), chunksize=4))
        ours, naive = (sum(each[place] for each in told) for place in (0, 1))
        print(f"no difference, {given.runs} runs, {given.readings // given.look_every} looks each:")
        print(
            f"  ever called real: {ours / given.runs:.1%}; by intervals for one look: {naive / given.runs:.1%}",
            flush=True,
        )
        for measure, slower, degraded, size in (
            (Measure.TOTAL, math.log(1.1), (0.05, 0.05), math.log(1.1)),
            (Measure.TOTAL, math.log(1.25), (0.05, 0.05), math.log(1.25)),
            (Measure.DEGRADED, 0.0, (0.05, 0.10), 0.05),
        ):
            needed = promised(measure, size, slower, degraded)
            look = partial(
                found_at, measure=measure, slower=slower, degraded=degraded, readings=6 * needed, look_every=100
            )
            at = list(pool.map(look, range(given.runs // 5), chunksize=2))
            by = sum(callers is not None and callers <= needed for callers in at) / len(at)
            ordered = sorted(callers if callers is not None else 10**9 for callers in at)
            middle, most = ordered[len(ordered) // 2], ordered[int(0.8 * len(ordered))]
            print(f"{measure.value}, {size:.3f}: {needed} callers promised; {by:.0%} found it by then,")
            print(f"  half by {middle}, four in five by {most}", flush=True)


if __name__ == "__main__":
    main()

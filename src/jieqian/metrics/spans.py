"""Which roll-ups a span is answered from: a series' steps, and the largest whole blocks of minutes, hours, days."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from jieqian.metrics.figures import DAY, HOUR, MINUTE, Span

QUARTER, MONTH = 6 * HOUR, 30 * DAY
#: Every level is a whole number of the one before. A quarter is of a day; a month is 30 days, counted from 1970.
LEVELS = (MINUTE, HOUR, QUARTER, DAY, MONTH)
#: How long a step of a series may be, so that a span has from 60 to 120 of them.
STEPS = (
    *(MINUTE * n for n in (1, 2, 4, 6, 12, 20, 30)),
    *(HOUR * n for n in (1, 2, 4, 6, 12)),
    *(DAY * n for n in (1, 2, 4, 7, 14, 28, 56, 112)),
)
MOST_STEPS = 120


@dataclass(frozen=True, slots=True)
class Blocks:
    """Neighbouring whole blocks of one level: `level` seconds each, from `since` up to `until`."""

    level: int
    since: int
    until: int


def step_of(span: Span) -> int:
    """How long the steps of its series are, in seconds."""
    return next((step for step in STEPS if span.seconds / step <= MOST_STEPS), STEPS[-1])


def coarsest_in(step: int) -> int:
    """The longest level that a step is a whole number of."""
    return max(level for level in LEVELS if step % level == 0)


def blocks_of(span: Span, *, coarsest: int = MONTH, stale: Container[tuple[int, int]] = ()) -> tuple[Blocks, ...]:
    """The fewest blocks that are the span and nothing else, in order.

    None is longer than `coarsest`, and none is one of the `stale` (their level and when they begin): those are told
    by shorter ones.
    """
    found: list[Blocks] = []
    for level, since, until in _cut(span.since, span.until, [each for each in LEVELS if each <= coarsest], stale):
        last = found[-1] if found else None
        if last is not None and (last.level, last.until) == (level, since):
            found[-1] = Blocks(level, last.since, until)
        else:
            found.append(Blocks(level, since, until))
    return tuple(found)


def _cut(
    since: int, until: int, levels: list[int], stale: Container[tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    """What of it is whole blocks of the last level, in pieces; what is left between and beside, in shorter ones."""
    *shorter, level = levels
    if not shorter:
        if since < until:
            yield level, since, until
        return
    left = since  # all before is told
    for at in range(-(-since // level) * level, until - level + 1, level):
        if (level, at) not in stale:
            if left < at:
                yield from _cut(left, at, shorter, stale)
            yield level, at, at + level
            left = at + level
    if left < until:
        yield from _cut(left, until, shorter, stale)

"""Which roll-ups a span is answered from: a series' steps, and the largest whole blocks of minutes, hours, days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jieqian.metrics.figures import DAY, HOUR, MINUTE, Span

MONTH = 30 * DAY
#: Every level is a whole number of the one before. A month is 30 days, counted from 1970.
LEVELS = (MINUTE, HOUR, DAY, MONTH)
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


def blocks_of(span: Span, *, coarsest: int = MONTH) -> tuple[Blocks, ...]:
    """The fewest blocks that are the span and nothing else; none longer than `coarsest`."""
    return tuple(_cut(span.since, span.until, [level for level in LEVELS if level <= coarsest]))


def coarsest_in(step: int) -> int:
    """The longest level that a step is a whole number of."""
    return max(level for level in LEVELS if step % level == 0)


def _cut(since: int, until: int, levels: list[int]) -> Iterator[Blocks]:
    """The whole blocks of the last level in the middle; what is left on both sides in smaller ones."""
    if since >= until:
        return
    *smaller, level = levels
    first, last = -(-since // level) * level, until // level * level
    if first < last:
        if smaller:
            yield from _cut(since, first, smaller)
        yield Blocks(level, first, last)
        if smaller:
            yield from _cut(last, until, smaller)
    elif smaller:
        yield from _cut(since, until, smaller)

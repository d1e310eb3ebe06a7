"""What the dashboard shows: figures of ended tasks, by span and filter. Values only.

Times are milliseconds unless they end in `_at`, `since` or `until` (seconds since the epoch); rates and shares are from
0 to 1. None stands where nothing was measured, never 0. A task belongs to the minute it ended in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from jieqian.errors import InvalidRequest

#: Percentiles are nearest ranks, read from sketches: each is off by this share of itself at most.
RELATIVE_ERROR = 0.01
#: What is shorter counts as 0, and what is longer as this, in milliseconds (tokens a second: the same numbers).
LEAST, MOST = 0.1, 1e8
MINUTE, HOUR, DAY = 60, 3600, 86400
#: The longest span that is answered, in seconds.
LONGEST_SPAN = 20 * 366 * DAY
#: No task ended before (2001) or will end after (2100) these.
EARLIEST, LATEST = 978_307_200, 4_102_444_800
#: Stands for a value that was not told (no model was asked) and for values beyond the most that are kept apart.
NONE, OTHERS = "none", "others"


class Dimension(StrEnum):
    """What figures can be told apart by. `model` and `strategy` are those that wrote, not those asked for."""

    MODE = "mode"
    MODEL = "model"
    STRATEGY = "strategy"
    LANGUAGE = "language"
    COLLECTION = "collection"


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` up to, not with, `until`; whole minutes."""

    since: int
    until: int

    @classmethod
    def around(cls, since: float, until: float) -> Span:
        """The whole minutes that hold both. Raises `InvalidRequest` for what is no span."""
        if not (EARLIEST <= since <= LATEST and EARLIEST <= until <= LATEST):
            raise InvalidRequest("since, until: times from 2001 to 2100.")
        first, last = int(since // MINUTE) * MINUTE, -int(-until // MINUTE) * MINUTE
        if until <= since:
            raise InvalidRequest("until: say a time after `since`.")
        if last - first > LONGEST_SPAN:
            raise InvalidRequest("since, until: at most 20 years apart.")
        return cls(first, last)

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.until - self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Only tasks with these values; None: whatever they have."""

    mode: str | None = None
    model: str | None = None
    strategy: str | None = None
    language: str | None = None
    collection: str | None = None

    def wanted(self) -> dict[Dimension, str]:
        """What is narrowed, and to what."""
        told = ((dimension, getattr(self, dimension.value)) for dimension in Dimension)
        return {dimension: value for dimension, value in told if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How one measure lies: of so many samples."""

    samples: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All figures of a span at once. Those of `Spread` are milliseconds, but `tokens_per_second`.

    `total`, `first_event`: of every task. `cached`: total time of those a kept answer served. `overhead`: total less
    the model's time, of those a model was asked for.
    """

    tasks: int
    completed: int
    failed: int
    stopped: int
    degraded: int
    cache_exact: int
    cache_semantic: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    total: Spread
    cached: Spread
    overhead: Spread
    first_event: Spread
    first_token: Spread
    tokens_per_second: Spread
    asked_model: int = 0

    @property
    def error_rate(self) -> float | None:
        """(failed + degraded) / all, as the contract has it."""
        return share(self.failed + self.degraded, self.tasks)

    @property
    def degraded_rate(self) -> float | None:
        """Readings with commentary in them, of all tasks."""
        return share(self.degraded, self.tasks)

    @property
    def cache_rate(self) -> float | None:
        """Tasks that a kept answer served, of all tasks."""
        return share(self.cache_exact + self.cache_semantic, self.tasks)

    @property
    def attempts_mean(self) -> float | None:
        """Attempts a task, of those a model was asked for."""
        return self.attempts / self.asked_model if self.asked_model else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One step of a series, which begins at `at`. `errors`: failed and degraded tasks."""

    at: int
    tasks: int
    errors: int
    failed: int = 0
    degraded: int = 0
    cache_exact: int = 0
    cache_semantic: int = 0
    mean: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Total time over the span: every step of it in order, also where nothing ended.

    Steps begin at multiples of `step_seconds`; the first and the last hold only what of them lies in the span.
    """

    step_seconds: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Tasks that took from `from_ms` up to `to_ms` (None: or longer)."""

    from_ms: float
    to_ms: float | None
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Total time in bins that follow each other without a gap. A task near an edge may stand on its other side."""

    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """One stage: its name in the timings without `_ms`, and its share of all tasks' total time.

    The six stages' shares add up to 1; `faq` comes after the end and has none.
    """

    stage: str
    spread: Spread
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The tasks with one value of a dimension."""

    value: str
    tasks: int
    failed: int
    degraded: int
    cache_hits: int
    total: Spread
    first_token: Spread
    tokens_per_second: Spread

    @property
    def error_rate(self) -> float | None:
        """(failed + degraded) / all."""
        return share(self.failed + self.degraded, self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The span's tasks by one dimension, most tasks first."""

    dimension: Dimension
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a waterfall, from the request on.

    `kind` is `stage` or `section`. `known`: when it began was measured; else it follows from what was.
    """

    kind: str
    name: str
    start_ms: float
    ms: float
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowTask:
    """A task with what its time went to; never its question. Stages come first, then sections by their start."""

    id: str
    ended_at: float
    status: str
    total_ms: float
    attempts: int
    degraded: bool
    mode: str
    model: str
    strategy: str
    language: str
    collection: str
    lot: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the figures are: `waiting` ended tasks are still to be counted (after an upgrade: all of them).

    `waiting` counts up to `at_most`; there may be more where it is that.
    """

    waiting: int
    at_most: int

    @property
    def complete(self) -> bool:
        """Whether every ended task is in the figures."""
        return self.waiting == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """This moment. `lot_lookups` to `prefixes_warmed`: since this process started."""

    at: float
    queued: int
    running: int
    workers_active: int
    workers_idle: int
    workers_error: int
    streams: int
    lot_lookups: int
    lot_hits: int
    generations_shared: int
    prefixes_warmed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Which values of each dimension there are, sorted."""

    mode: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    strategy: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    collection: tuple[str, ...] = ()


def share(part: float, whole: float) -> float | None:
    """Which part of the whole; None of nothing."""
    return part / whole if whole else None


def dimension_named(given: str) -> Dimension:
    """Raises `InvalidRequest` for what is none."""
    try:
        return Dimension(given)
    except ValueError as error:
        raise InvalidRequest(f"by: one of {', '.join(Dimension)}.") from error


def document(figures: Any) -> dict[str, Any]:
    """Any of these values as JSON, with what it works out itself."""
    worked_out = [name for name, found in vars(type(figures)).items() if isinstance(found, property)]
    return {**asdict(figures), **{name: getattr(figures, name) for name in worked_out}}

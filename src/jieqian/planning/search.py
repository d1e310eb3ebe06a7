"""The fewest slots that hold a wished P95, and the load at which so many slots no longer do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor, sqrt
from random import Random
from statistics import fmean, stdev

from jieqian.errors import UsageError
from jieqian.planning.load import Load, poisson
from jieqian.planning.service import Gain, Service
from jieqian.planning.simulate import Fleet, Outcome, simulate

#: Runs of the same load with other arrivals, and Student's t for their 95 % interval.
RUNS, _T_95 = 5, 2.776
#: Readings counted in a run, and more for each slot: many slots take long to fill a queue and to empty it.
COUNTED = 4000
_COUNTED_PER_SLOT, _MOST_COUNTED = 40, 40_000
_WARM_UP, _WARM_UP_PER_SLOT = 500, 20
#: The share of refused readings that still counts as holding: the service's goal for errors.
MOST_REFUSED = 0.01
#: Beyond so many slots a simulation would take minutes.
MOST_SLOTS = 5_000
#: The load that breaks is told to so much of itself.
_PRECISION = 0.005


@dataclass(frozen=True, slots=True)
class Told:
    """A figure over several runs: their mean, and the half width of its 95 % interval."""

    value: float
    give: float

    @staticmethod
    def of(values: list[float]) -> Told:
        """At least two."""
        return Told(fmean(values), _T_95 * stdev(values) / sqrt(len(values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What so many slots make of a load. Times in seconds; `busy` and `refused` are shares."""

    wait_p50: Told
    wait_p95: Told
    total_p50: Told
    total_p95: Told
    busy: float
    refused: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be held and with what: P95 in seconds; workers of one machine, slots of one server, MAX_QUEUE."""

    p95: float
    workers_per_machine: int
    slots_per_server: int
    max_queue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """One load's answer. `slots` None: no number holds it, `figures` are then those of a reading that never waits.

    `breaks_at`: readings a day at which P95 passes the wish; `refuses_at`: at which the queue overflows within the
    busiest hour. None where nothing breaks.
    """

    load: Load
    figures: Figures
    slots: int | None
    machines: int | None
    servers: int | None
    breaks_at: float | None
    refuses_at: float | None


class Planner:
    """Finds what is needed, with the same arrivals for every number of slots: more slots never look worse by chance."""

    def __init__(self, service: Service, wish: Wish, seed: int = 1, counted: int = COUNTED) -> None:
        self._service, self._wish, self._seed, self._counted = service, wish, seed, counted
        self._never_waiting: Figures | None = None

    def needed(self, load: Load, on_step: Callable[[str], None] = lambda _: None) -> Needed:
        """Search. Raises `UsageError` where the load is beyond what can be simulated."""
        if self._least(load) > MOST_SLOTS:
            raise UsageError(
                f"{load.per_day:,.0f} readings a day would keep over {MOST_SLOTS:,} slots at work, more than is "
                "simulated. Plan a part of that load.",
                usage=True,
            )
        alone = self._never_waiting = self._never_waiting or self.figures(self._alone(load), None)
        if not self._holds(alone):
            return _without_slots(load, alone, None)
        if not self._service.written_share:
            return _without_slots(load, alone, 0)
        slots, figures = self._fewest(load, on_step)
        return Needed(
            load=load,
            figures=figures,
            slots=slots,
            machines=ceil(slots / self._wish.workers_per_machine),
            servers=ceil(slots / self._wish.slots_per_server),
            breaks_at=self._breaks_at(load, slots, on_step),
            refuses_at=self._refuses_at(load, slots),
        )

    def figures(self, load: Load, slots: int | None) -> Figures:
        """What so many slots make of that load; None: as many as are asked for."""
        outcomes = [self._run(load, slots, self._seed * 1000 + number) for number in range(RUNS)]
        busy = 0.0 if slots is None else fmean(_share(each.held_seconds, slots * each.seconds) for each in outcomes)
        return Figures(
            wait_p50=Told.of([_seconds(each.waits.percentile(50)) for each in outcomes]),
            wait_p95=Told.of([_seconds(each.waits.percentile(95)) for each in outcomes]),
            total_p50=Told.of([_seconds(each.totals.percentile(50)) for each in outcomes]),
            total_p95=Told.of([_seconds(each.totals.percentile(95)) for each in outcomes]),
            busy=busy,
            refused=fmean(each.refused_share for each in outcomes),
        )

    def _run(self, load: Load, slots: int | None, seed: int) -> Outcome:
        workers = 10**9 if slots is None else slots
        per_server = min(self._wish.slots_per_server, workers)
        fleet = Fleet(
            workers=workers,
            servers=ceil(workers / per_server),
            slots_per_server=per_server,
            max_queue=self._wish.max_queue,
        )
        size = 0 if slots is None else slots
        return simulate(
            self._service if slots is not None else replace(self._service, gain=Gain()),
            fleet,
            poisson(Random(seed), load.per_second),
            seed + 1_000_000,
            min(self._counted + _COUNTED_PER_SLOT * size, _MOST_COUNTED),
            _WARM_UP + _WARM_UP_PER_SLOT * size,
        )

    def _alone(self, load: Load) -> Load:
        """A load so thin that hardly any two readings meet: at work on slots without number, none waits anyhow."""
        return load.at(1 / max(self._service.held_seconds, 1e-6) / 100)

    def _holds(self, figures: Figures) -> bool:
        return figures.total_p95.value + figures.total_p95.give <= self._wish.p95 and figures.refused <= MOST_REFUSED

    def _least(self, load: Load) -> int:
        """Fewer than this are more than busy."""
        per_slot = self._service.slot_seconds(self._wish.slots_per_server)
        return floor(load.per_second * self._service.written_share * per_slot) + 1

    def _capacity(self, slots: int) -> float:
        """Readings a second that keep so many slots at work without a pause."""
        per_server = min(slots, self._wish.slots_per_server)
        return slots / self._service.slot_seconds(per_server) / self._service.written_share

    def _fewest(self, load: Load, on_step: Callable[[str], None]) -> tuple[int, Figures]:
        """Steps of growing width up to a number that holds, then halves between it and the last that did not."""
        seen: dict[int, Figures] = {}

        def holds(slots: int) -> bool:
            on_step(f"{load.per_day:,.0f} a day, {slots:,} slots")
            if load.per_second >= self._capacity(slots):
                return False
            seen[slots] = self.figures(load, slots)
            return self._holds(seen[slots])

        first = self._least_possible(load)
        low, high, step = first - 1, first, 1
        while not holds(high):
            if high > MOST_SLOTS * 2:
                raise UsageError(f"No number of slots up to {MOST_SLOTS * 2:,} holds {load.per_day:,.0f} a day.")
            low, high, step = high, high + step, step * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) else (middle, high)
        return high, seen[high]

    def _least_possible(self, load: Load) -> int:
        """Where a server's slots slow each other down, few slots may be less slowed: the search begins with fewer."""
        alone = self._service.slot_seconds(1)
        return floor(load.per_second * self._service.written_share * alone) + 1

    def _breaks_at(self, load: Load, slots: int, on_step: Callable[[str], None]) -> float:
        """Between the load that is held and the one at which no slot ever rests."""
        low, high = load.per_second, self._capacity(slots)
        while high - low > _PRECISION * low:
            middle = sqrt(low * high) if high > 2 * low else (low + high) / 2
            tried = load.at(middle)
            on_step(f"{slots:,} slots, {tried.per_day:,.0f} a day")
            low, high = (middle, high) if self._holds(self.figures(tried, slots)) else (low, middle)
        return load.at(low).per_day

    def _refuses_at(self, load: Load, slots: int) -> float:
        """What comes in the hour beyond what the slots write in it stands in the queue: where that is full."""
        return load.at(self._capacity(slots) + self._wish.max_queue / 3600 / self._service.written_share).per_day


def _without_slots(load: Load, figures: Figures, number: int | None) -> Needed:
    return Needed(
        load=load, figures=figures, slots=number, machines=number, servers=number, breaks_at=None, refuses_at=None
    )


def _seconds(ms: float | None) -> float:
    return (ms or 0.0) / 1000


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0

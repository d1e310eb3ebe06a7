"""One run of the simulation: readings come, wait, are written and end, by SimPy's clock.

What is simulated is what the service does: a reading whose answer is kept ends at once; another takes a worker or
waits for one, in order, unless MAX_QUEUE wait already; a worker looks passages up and then asks a model server, which
answers so many at once and lets the others wait in order. A reading that is being written already is joined, and the
worker lent back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Protocol

import simpy

from jieqian.analysis.figures import Samples
from jieqian.planning.service import Gain, Service

_MS = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What there is: readings at work at once, model servers, answers each writes at once, and room in the queue."""

    workers: int
    servers: int
    slots_per_server: int
    max_queue: int


@dataclass(slots=True)
class Outcome:
    """What became of the readings that were counted. Times in milliseconds. `offered`: refused ones too."""

    waits: Samples = field(default_factory=Samples)
    totals: Samples = field(default_factory=Samples)
    offered: int = 0
    refused: int = 0
    held_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def refused_share(self) -> float:
        """Of those that were counted."""
        return self.refused / self.offered if self.offered else 0.0


@dataclass(slots=True)
class _Reading:
    counted: bool
    arrived: float
    overhead: float
    generation: float
    joins: bool
    choice: float
    began: float = 0.0
    waited: float = 0.0
    asked: float = 0.0
    place: int = -1
    followers: list[_Reading] = field(default_factory=list)


class _Models(Protocol):
    def begin(self, reading: _Reading) -> bool:
        """Write it, and tell the house of the end; False where no slot is free."""
        ...


def simulate(service: Service, fleet: Fleet, gaps: Iterator[float], seed: int, counted: int, warm_up: int) -> Outcome:
    """Let readings come `gaps` apart; those after `warm_up`, so many, are counted, and the run ends with the last.

    The same seed gives every reading the same times whatever the fleet is. Where `gaps` end, so do the arrivals.
    """
    house = _House(service, fleet, gaps, Random(seed), counted, warm_up)
    house.run()
    return house.outcome


class _House:
    def __init__(
        self, service: Service, fleet: Fleet, gaps: Iterator[float], random: Random, counted: int, warm_up: int
    ) -> None:
        self.clock = simpy.Environment()
        self.outcome = Outcome()
        self._service, self._random, self._gaps = service, random, gaps
        self._first, self._last = warm_up, warm_up + counted
        self._number = 0
        self._to_end = counted
        self._all_over = self.clock.event()
        self._free_workers, self._max_queue = fleet.workers, fleet.max_queue
        self._queue: deque[_Reading] = deque()
        self._unasked: deque[_Reading] = deque()
        self._written: list[_Reading] = []
        self._models: _Models = (
            _SharedServers(self.clock, fleet, service.gain, self._written_one)
            if service.gain.points
            else _FreeSlots(self.clock, fleet, self._written_one)
        )

    def run(self) -> None:
        """Up to the end of the last that is counted."""
        self._next_arrival()
        if self._to_end:
            self.clock.run(self._all_over)

    def _next_arrival(self) -> None:
        gap = next(self._gaps, None)
        if gap is not None:
            self._after(gap, self._arrive)

    def _after(self, seconds: float, then: Callable[[simpy.Event], None]) -> None:
        event = self.clock.timeout(seconds)
        assert event.callbacks is not None
        event.callbacks.append(then)

    def _arrive(self, _event: simpy.Event) -> None:
        counted = self._first <= self._number < self._last
        self._number += 1
        self._next_arrival()
        service, random = self._service, self._random
        # All is drawn here, used or not: so the same reading meets every fleet.
        kept, joins, choice = random.random() < service.cache_share, random.random(), random.random()
        overhead, generation = service.overhead.draw(random), service.generation.draw(random)
        now = self.clock.now
        if counted:
            self.outcome.offered += 1
            if self.outcome.offered == 1:
                self.outcome.seconds = -now
            if self.outcome.offered == self._last - self._first:
                self.outcome.seconds += now
        if kept:
            self._note(counted, 0.0, service.reuse_seconds)
            return
        reading = _Reading(counted, now, overhead, generation, joins < service.joined_share, choice)
        if self._free_workers:
            self._begin(reading)
        elif len(self._queue) < self._max_queue:
            self._queue.append(reading)
        elif counted:
            self.outcome.refused += 1
            self._one_over()

    def _begin(self, reading: _Reading) -> None:
        self._free_workers -= 1
        reading.began = self.clock.now
        reading.waited = reading.began - reading.arrived
        self._after(reading.overhead, lambda _event: self._ask(reading))

    def _ask(self, reading: _Reading) -> None:
        if reading.joins and self._written:
            self._written[int(reading.choice * len(self._written))].followers.append(reading)
            self._free_a_worker(reading)
            return
        reading.asked = self.clock.now
        reading.place = len(self._written)
        self._written.append(reading)
        if not self._models.begin(reading):
            self._unasked.append(reading)

    def _written_one(self, reading: _Reading) -> None:
        """A model server has written it: its slot is the next one's."""
        now = self.clock.now
        last = self._written.pop()
        if last is not reading:
            self._written[reading.place] = last
            last.place = reading.place
        self._note(reading.counted, reading.waited, now - reading.arrived)
        for follower in reading.followers:
            self._note(follower.counted, follower.waited, now - follower.arrived)
        if self._unasked:
            following = self._unasked.popleft()
            following.waited += now - following.asked
            self._models.begin(following)
        self._free_a_worker(reading)

    def _free_a_worker(self, reading: _Reading) -> None:
        if reading.counted:
            self.outcome.held_seconds += self.clock.now - reading.began
        self._free_workers += 1
        if self._queue:
            self._begin(self._queue.popleft())

    def _note(self, counted: bool, waited: float, total: float) -> None:
        if counted:
            self.outcome.waits.add(waited * _MS)
            self.outcome.totals.add(total * _MS)
            self._one_over()

    def _one_over(self) -> None:
        self._to_end -= 1
        if not self._to_end:
            self._all_over.succeed()


class _FreeSlots:
    """Slots that cost each other nothing: which server they are on does not matter."""

    def __init__(self, clock: simpy.Environment, fleet: Fleet, written: Callable[[_Reading], None]) -> None:
        self._clock, self._written = clock, written
        self._free = fleet.servers * fleet.slots_per_server

    def begin(self, reading: _Reading) -> bool:
        """See `_Models`."""
        if not self._free:
            return False
        self._free -= 1
        event = self._clock.timeout(reading.generation)
        assert event.callbacks is not None
        event.callbacks.append(lambda _event: self._end(reading))
        return True

    def _end(self, reading: _Reading) -> None:
        self._free += 1
        self._written(reading)


class _SharedServers:
    """Servers whose slots share one machine: each reading goes to the server with the least to do."""

    def __init__(self, clock: simpy.Environment, fleet: Fleet, gain: Gain, written: Callable[[_Reading], None]) -> None:
        speeds = [1.0, *(gain.of(count) / count for count in range(1, fleet.slots_per_server + 1))]
        self._slots = fleet.slots_per_server
        self._servers = [_Server(clock, speeds, written) for _ in range(fleet.servers)]

    def begin(self, reading: _Reading) -> bool:
        """See `_Models`."""
        least = min(self._servers, key=len)
        if len(least) >= self._slots:
            return False
        least.begin(reading)
        return True


class _Server:
    """Gives all it writes the same part of its speed. `_done`: seconds of work each has had since the beginning."""

    def __init__(self, clock: simpy.Environment, speeds: list[float], written: Callable[[_Reading], None]) -> None:
        self._clock, self._speeds, self._written = clock, speeds, written
        self._at_work: list[tuple[float, int, _Reading]] = []  # by the work at which each ends
        self._done = self._looked_at = 0.0
        self._number = 0
        self._planned: simpy.Event | None = None

    def __len__(self) -> int:
        return len(self._at_work)

    def begin(self, reading: _Reading) -> None:
        """Write it beside the others."""
        self._go_on()
        self._number += 1
        heappush(self._at_work, (self._done + reading.generation, self._number, reading))
        self._plan()

    def _go_on(self) -> None:
        now = self._clock.now
        self._done += (now - self._looked_at) * self._speeds[len(self._at_work)]
        self._looked_at = now

    def _plan(self) -> None:
        """The next end; what was planned before no longer counts."""
        if not self._at_work:
            return
        left = max(0.0, self._at_work[0][0] - self._done) / self._speeds[len(self._at_work)]
        self._planned = event = self._clock.timeout(left)
        assert event.callbacks is not None
        event.callbacks.append(self._end)

    def _end(self, event: simpy.Event) -> None:
        if event is not self._planned:
            return
        self._planned = None
        self._go_on()
        _, _, reading = heappop(self._at_work)
        self._plan()
        self._written(reading)

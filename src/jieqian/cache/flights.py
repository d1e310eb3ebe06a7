"""One generation for all who wait for the same: the model is asked once, and each asker has a view of its drafts.

There is no leader: a generation belongs to all its views. Whoever stops, erases or dies closes a view; the last one
ends the generation. Whoever joins late gets what was written so far first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Protocol, Self

from jieqian.sections.strategy import CallEnded, Draft, ModelSpoke, Strategy, WritingOrder


class Place(Protocol):
    """A worker's place among those that may ask a model at a time; `lent` while another has it."""

    lent: bool

    def lend(self) -> None:
        """Let another have it meanwhile: this task only watches."""
        ...

    async def take_back(self) -> None:
        """Wait until there is a place again; returns at once where none was lent."""
        ...

    def hand_to(self, other: Self) -> None:
        """Let that task have it, which had lent its own."""
        ...


class _Flight:
    """A generation under way: its drafts so far, and who watches."""

    def __init__(self, strategy: Strategy, order: WritingOrder) -> None:
        self.drafts: list[Draft] = []
        self.error: BaseException | None = None
        self.ended = False
        self.places: list[Place] = []  # of those who watch; the first is the generation's
        self._more = asyncio.Event()
        self.work = asyncio.create_task(self._write(strategy, order), name="generation")

    async def _write(self, strategy: Strategy, order: WritingOrder) -> None:
        try:
            async with aclosing(_timed(strategy, order)) as written:
                async for draft in written:
                    self.drafts.append(draft)
                    self._tell()
        except Exception as error:  # noqa: BLE001 (raised again in every view)
            self.error = error
        finally:
            self.ended = True
            self._tell()

    def _tell(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()

    async def view(self, place: Place) -> AsyncIterator[Draft]:
        """The drafts from the first one; raises what the strategy raised. Calls are theirs whose place is not lent."""
        seen = 0
        while True:
            while seen < len(self.drafts):
                draft = self.drafts[seen]
                seen += 1
                if isinstance(draft, CallEnded):
                    draft = replace(draft, ours=not place.lent)
                yield draft
            if self.ended:
                if self.error is not None:
                    raise self.error
                return
            await self._more.wait()


class Flights:
    """The generations of this process, by what was asked."""

    def __init__(self) -> None:
        self.shared = 0
        self._flights: dict[Hashable, _Flight] = {}
        self._begun = asyncio.Event()  # another with each flight
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def drafts(
        self, key: str | None, attempt: int, strategy: Strategy, order: WritingOrder, place: Place
    ) -> AsyncIterator[AsyncIterator[Draft]]:
        """The drafts of that order: of the generation that is under way for it, or of a new one.

        `key`: what tells one reading from another (`cache/key.py`); None: this one is nobody else's. `attempt`: a
        second attempt is another generation, also where it asks the same again. Who joins lends its `place`.
        """
        if key is None:
            async with aclosing(_timed(strategy, order)) as written:
                yield written
            return
        wanted = _what(key, attempt, strategy, order)
        await self._place_or_flight(wanted, place)
        flight = self._joinable(wanted)
        if flight is None:
            flight = self._flights[wanted] = _Flight(strategy, order)
            begun, self._begun = self._begun, asyncio.Event()
            begun.set()
        else:
            self.shared += 1
            place.lend()
        flight.places.append(place)
        try:
            async with aclosing(flight.view(place)) as view:  # type: ignore[type-var]
                yield view
        finally:
            flight.places.remove(place)
            if not flight.places:
                self._let_go(wanted, flight)
            elif not flight.ended:
                place.hand_to(flight.places[0])  # does nothing but for the one that holds it

    async def _place_or_flight(self, wanted: Hashable, place: Place) -> None:
        """Wait for a place, or until somebody who has one begins the same: joining takes none."""
        while place.lent and self._joinable(wanted) is None:
            both = [asyncio.ensure_future(place.take_back()), asyncio.ensure_future(self._begun.wait())]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.wait(both)  # a place taken in this very moment is ours

    def _joinable(self, wanted: Hashable) -> _Flight | None:
        """The generation under way for it, or one that has just ended well and is still being looked at."""
        flight = self._flights.get(wanted)
        return None if flight is None or flight.error is not None else flight

    def _let_go(self, wanted: Hashable, flight: _Flight) -> None:
        """Nobody looks any more: end it; whoever asks the same from now on begins anew."""
        if self._flights.get(wanted) is flight:
            del self._flights[wanted]
        if not flight.work.done():
            flight.work.cancel()
            self._ending.add(flight.work)
            flight.work.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every generation and wait for it."""
        works = [*self._ending, *(flight.work for flight in self._flights.values())]
        for work in works:
            work.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*works, return_exceptions=True)


async def _timed(strategy: Strategy, order: WritingOrder) -> AsyncGenerator[Draft, None]:
    """Its drafts, each `CallEnded` with the seconds a model spoke for it; of calls side by side no moment twice."""
    counted_to: float | None = None
    async with aclosing(strategy.write(order)) as written:  # type: ignore[type-var]
        async for draft in written:
            if isinstance(draft, ModelSpoke):
                counted_to = time.perf_counter()
            if isinstance(draft, CallEnded) and counted_to is not None:
                now = time.perf_counter()
                draft, counted_to = replace(draft, seconds=now - counted_to), now
            yield draft


def _what(key: str, attempt: int, strategy: Strategy, order: WritingOrder) -> Hashable:
    """Two tasks share a generation only where the model would be asked for the same sections in the same words."""
    complaints = tuple(sorted(order.complaints.items()))
    return key, attempt, strategy.name, order.wanted, complaints, tuple(sorted(order.written.items()))

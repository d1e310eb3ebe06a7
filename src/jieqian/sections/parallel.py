"""One call a section over one shared prefix: what serves best where a server answers several at a time.

The first section's call goes first, and the others once it speaks: so its text is not held up by them, and the server
has read the shared prefix by then. Each call knows its share and what the others tell (`WritingOrder.others`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from jieqian.errors import ModelError
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.sequential import Sequential
from jieqian.sections.strategy import Draft, ModelSpoke, WritingOrder


class Parallel:
    """The strategy `parallel`: drafts of several sections come interleaved. `at_once`: calls at a time at most."""

    name = "parallel"
    shows_drafts = True
    most_attempts = 3

    def __init__(self, at_once: int = len(SECTIONS)) -> None:
        self._at_once = max(1, at_once)

    async def write(self, order: WritingOrder) -> AsyncIterator[Draft]:
        """The drafts of one attempt. A call that fails costs its section; its error is raised when all have ended."""
        calls = _Calls(order, self._at_once)
        try:
            spoke = False
            async for draft in calls.drafts():
                if isinstance(draft, ModelSpoke):
                    if spoke:
                        continue
                    spoke = True
                yield draft
            if calls.faults:
                raise calls.faults[0]
            if calls.errors:
                raise next((error for error in calls.errors if not error.retryable), calls.errors[0])
        finally:
            await calls.close()


class _Calls:
    """The calls of one attempt and what comes of them, in the order it comes."""

    def __init__(self, order: WritingOrder, at_once: int) -> None:
        self.errors: list[ModelError] = []
        self.faults: list[Exception] = []
        self._order = order
        self._room = asyncio.Semaphore(at_once)
        self._coming: asyncio.Queue[Draft | None] = asyncio.Queue()
        self._works: list[asyncio.Task[None]] = []

    async def drafts(self) -> AsyncIterator[Draft]:
        """All drafts; ends when every call has."""
        first, *others = self._order.wanted
        self._start(first)
        left = 1
        while left:
            draft = await self._coming.get()
            if others and (draft is None or isinstance(draft, ModelSpoke)):
                if draft is None and self.errors:
                    return  # a server that refuses the first would refuse them all
                for section in others:
                    self._start(section)
                left += len(others)
                others = []
            if draft is None:
                left -= 1
            else:
                yield draft

    async def close(self) -> None:
        """End the calls that are still under way."""
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)

    def _start(self, section: SectionName) -> None:
        self._works.append(asyncio.create_task(self._call(section), name=f"section-{section.value}"))

    async def _call(self, section: SectionName) -> None:
        others = tuple(name for name in SECTIONS if name is not section and name not in self._order.written)
        order = replace(self._order, wanted=(section,), others=others)
        try:
            async with self._room, aclosing(Sequential().write(order)) as drafts:  # type: ignore[type-var]
                async for draft in drafts:
                    self._coming.put_nowait(draft)
        except ModelError as error:
            self.errors.append(error)
        except Exception as error:  # noqa: BLE001 (raised again by `write`: a fault of ours must not cost a section)
            self.faults.append(error)
        finally:
            self._coming.put_nowait(None)

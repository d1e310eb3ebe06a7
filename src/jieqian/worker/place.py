"""A task's place among those that may work at a time."""

from __future__ import annotations

import asyncio


class Place:
    """One of the pool's places. A task that only watches another's generation lends it, so that a third can work."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        """`free` was acquired for it."""
        self._free = free
        self.lent = False

    def lend(self) -> None:
        """Let another task have it."""
        if not self.lent:
            self.lent = True
            self._free.release()

    async def take_back(self) -> None:
        """Wait for a place again; returns at once where this one was not lent."""
        if self.lent:
            await self._free.acquire()
            self.lent = False

    def hand_to(self, other: Place) -> None:
        """Let that task have it, which had lent its own: it goes on with what this one began."""
        if not self.lent and other.lent:
            self.lent, other.lent = True, False

    def leave(self) -> None:
        """The task is over."""
        self.lend()

"""How a worker learns at once that there is work."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Doorbell(Protocol):
    """Rings are never lost: one that comes while nobody waits ends the next wait at once. Many rings may be one."""

    def ring(self) -> None:
        """There is work."""
        ...

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most so long; says whether it rang."""
        ...


class InProcessDoorbell:
    """A doorbell for the workers of this process."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """There is work."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most so long; says whether it rang."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

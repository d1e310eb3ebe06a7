"""Deltas on their way out: the first text of a section leaves at once, what follows in frames of about 30 ms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from jieqian.events.event import Event, SectionDelta
from jieqian.sections.section import SectionName

FRAME_SECONDS = 0.03


class DeltaFrames:
    """Collects events and hands them to `send` in order, never two sends at a time.

    Storing a frame and reading the model's next token go on side by side; what a send raised comes out of the next
    call.
    """

    def __init__(
        self, send: Callable[[Sequence[Event]], Awaitable[None]], frame_seconds: float = FRAME_SECONDS
    ) -> None:
        self._send = send
        self._frame_seconds = frame_seconds
        self._waiting: list[Event] = []
        self._sender: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def add(self, event: Event) -> None:
        """Send this at once, behind what waits."""
        self._waiting.append(event)
        self._hurry.set()
        self._start()

    def add_text(self, section: SectionName, text: str, *, first: bool) -> None:
        """Send this text with its frame; at once if it is the section's first."""
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, SectionDelta) and last.section is section:
            self._waiting[-1] = SectionDelta(section, last.text + text)
        else:
            self._waiting.append(SectionDelta(section, text))
        if first:
            self._hurry.set()
        self._start()

    async def take_rest(self) -> list[Event]:
        """Take what waits, to be stored together with what follows it, and wait for the send under way."""
        return await self.settle(self.take())

    def take(self) -> list[Event]:
        """Take what waits: whoever does must `settle` it before it is stored."""
        rest, self._waiting = self._waiting, []
        return rest

    async def settle(self, rest: list[Event]) -> list[Event]:
        """Wait for the send under way, which comes before what was taken; answers that."""
        if self._sender is not None:
            self._hurry.set()
            try:
                await asyncio.shield(self._sender)
            except BaseException:
                self._waiting = rest + self._waiting  # whoever takes next gets it
                raise
            self._sender = None
        return rest

    def drop(self) -> None:
        """Forget everything: the task is no longer ours."""
        self._waiting.clear()
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None

    def _start(self) -> None:
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._run())
        elif self._sender.done():
            sender, self._sender = self._sender, None
            sender.result()  # raises what the last send raised
            self._sender = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while self._waiting:
            self._hurry.clear()
            frame, self._waiting = self._waiting, []
            await self._send(frame)
            if not self._hurry.is_set():
                try:
                    async with asyncio.timeout(self._frame_seconds):
                        await self._hurry.wait()
                except TimeoutError:
                    continue

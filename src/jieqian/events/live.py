"""Who watches what in this process: stored events are handed on to the open streams."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jieqian.events.event import StoredEvent
from jieqian.events.sse import frame_of

#: Frames kept for a client that reads slowly; beyond that it catches up from the log.
MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded event; `id` is None for one that is not in the log (a queue position)."""

    id: int | None
    body: bytes
    final: bool = False


class Follower:
    """One open stream's share of a task's events."""

    __slots__ = ("_waiting", "_wake", "ended", "fell_behind")

    def __init__(self) -> None:
        self._waiting: deque[Frame] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self.ended = False
        self.fell_behind = False

    def hand(self, frames: Sequence[Frame]) -> None:
        """Give frames; too many and all are dropped, to be read from the log."""
        if len(self._waiting) + len(frames) > MOST_WAITING:
            self._waiting.clear()
            self.fell_behind = True
        else:
            self._waiting.extend(frames)
        self._wake.set()

    def end(self) -> None:
        """The task was erased, or the server stops."""
        self.ended = True
        self._wake.set()

    async def take(self, seconds: float) -> list[Frame]:
        """What came since the last take; waits up to `seconds` for something, else answers an empty list."""
        if not self._wake.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return []
        self._wake.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class LiveEvents:
    """The open streams of this process, by task."""

    def __init__(self) -> None:
        self._followers: dict[str, set[Follower]] = {}
        self._closed = False

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return sum(len(followers) for followers in self._followers.values())

    def watched(self) -> list[str]:
        """The tasks somebody watches."""
        return list(self._followers)

    def announce(self, task_id: str, events: Sequence[StoredEvent]) -> None:
        """Hand stored events to the task's streams; no events at all: the task was erased, its streams end."""
        followers = self._followers.get(task_id)
        if not followers:
            return
        if not events:
            for follower in followers:
                follower.end()
            return
        frames = [Frame(event.id, frame_of(event), event.final) for event in events]
        for follower in followers:
            follower.hand(frames)

    def whisper(self, task_id: str, body: bytes) -> None:
        """Hand on a frame that is in no log (a new queue position)."""
        for follower in self._followers.get(task_id, ()):
            follower.hand([Frame(None, body)])

    @contextmanager
    def follow(self, task_id: str) -> Iterator[Follower]:
        """Be handed all that is announced from now on."""
        follower = Follower()
        if self._closed:
            follower.end()
        self._followers.setdefault(task_id, set()).add(follower)
        try:
            yield follower
        finally:
            self._followers[task_id].discard(follower)
            if not self._followers[task_id]:
                del self._followers[task_id]

    def close(self) -> None:
        """End every stream: the server stops. Clients come back by event id."""
        self._closed = True
        for followers in self._followers.values():
            for follower in followers:
                follower.end()

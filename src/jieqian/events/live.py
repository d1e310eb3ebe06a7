"""Who watches what in this process: stored events are handed on to the open streams."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from jieqian.events.event import StoredEvent
from jieqian.events.line import Line
from jieqian.events.sse import frame_of

#: Frames kept for a client that reads slowly; beyond that it catches up from the log.
MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Frame:
    """Encoded events in a row; `first` and `last` are their ids, None for what is in no log (a queue position)."""

    first: int | None
    last: int | None
    body: bytes
    final: bool = False


class Follower:
    """One open stream's share of a task's events. `last`: the id of the last event that was sent."""

    __slots__ = ("_line", "_waiting", "_wake", "_written_at", "ended", "fell_behind", "finished", "last")

    def __init__(self, last: int = 0) -> None:
        self._waiting: deque[Frame] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self._line: Line | None = None
        self.last = last
        self.ended = False
        self.finished = False
        self.fell_behind = False
        self._written_at = 0.0

    def hand(self, frame: Frame) -> None:
        """Give a frame: written to the line where there is one, else kept; too many and all are dropped, to be read
        from the log.
        """
        if self.ended:
            return
        if self._line is not None and self._passed_on(self._line, frame):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            self.fell_behind = True
        else:
            self._waiting.append(frame)
        self._wake.set()

    def _passed_on(self, line: Line, frame: Frame) -> bool:
        if frame.first not in (None, self.last + 1) or not line.write(frame.body):
            return False
        self.last = frame.last or self.last
        self._written_at = time.monotonic()
        if frame.final:
            self.finished = True
            self._wake.set()
        return True

    def end(self) -> None:
        """The task was erased, the client left, or the server stops."""
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

    async def pass_on(self, line: Line, seconds: float) -> None:
        """Have what comes written to the line.

        It ends when nothing came for `seconds`; with what the line does not take, which `take` then gives; with the
        task's last event (`finished`); with the stream (`ended`).
        """
        self._line = line
        try:
            self._written_at = time.monotonic()
            while not self._wake.is_set() and (left := self._written_at + seconds - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._wake.wait()
        finally:
            self._line = None


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
        body = b"".join(map(frame_of, events))
        frame = Frame(events[0].id, events[-1].id, body, final=events[-1].final)
        for follower in followers:
            follower.hand(frame)

    def whisper(self, task_id: str, body: bytes) -> None:
        """Hand on a frame that is in no log (a new queue position)."""
        for follower in self._followers.get(task_id, ()):
            follower.hand(Frame(None, None, body))

    @contextmanager
    def follow(self, task_id: str, after: int = 0) -> Iterator[Follower]:
        """Be handed all that is announced from now on, after the event of that id."""
        follower = Follower(after)
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

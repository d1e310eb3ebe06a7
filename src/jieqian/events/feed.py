"""One client's view of a task's log: what it has missed, then what comes, without a gap and without a repeat."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol

from jieqian.events.event import StoredEvent
from jieqian.events.line import Line
from jieqian.events.live import Follower, Frame, LiveEvents
from jieqian.events.sse import HEARTBEAT, HEARTBEAT_SECONDS, frame_of

#: Events read from the log at a time.
PAGE = 500


class EventLog(Protocol):
    """Where a task's events are kept."""

    async def events(self, task_id: str, after: int, limit: int) -> list[StoredEvent]:
        """The log from the first id over `after`, at most `limit` events."""
        ...


async def frames(
    log: EventLog,
    live: LiveEvents,
    task_id: str,
    after: int,
    *,
    line: Line | None = None,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[bytes]:
    """Encoded events with ids over `after`, until the task ends, is erased, or the server stops.

    It listens before it reads, so nothing falls between the two; ids have no holes, so a frame that is not the next
    one means that something was missed, and it reads the log again. With a `line` to the client, what comes is written
    there, and what it does not take is answered as without one.
    """
    with live.follow(task_id, after) as follower:
        if line is not None:
            line.when_lost(follower.end)
        seen = False
        while not follower.ended:
            follower.fell_behind = False
            page = await log.events(task_id, follower.last, PAGE)
            if not (seen or page or await log.events(task_id, 0, 1)):
                return  # erased before we listened; nobody will tell us
            seen = True
            if page:
                follower.last = page[-1].id
                yield b"".join(map(frame_of, page))
                if page[-1].final:
                    return
            if len(page) == PAGE:
                continue
            async with aclosing(_as_they_come(follower, line, heartbeat_seconds)) as coming:
                async for frame in coming:
                    yield frame.body
                    if frame.final:
                        return
            if follower.finished:
                return


async def _as_they_come(follower: Follower, line: Line | None, heartbeat_seconds: float) -> AsyncGenerator[Frame, None]:
    """New frames, each the next of the log or in no log, until the log is to be read again or the stream to end."""
    while True:
        if line is not None:
            await follower.pass_on(line, heartbeat_seconds)
            if follower.finished:
                return
        taken = await follower.take(heartbeat_seconds if line is None else 0)
        if follower.ended or follower.fell_behind:
            return
        if not taken:
            yield Frame(None, None, HEARTBEAT)
            return  # the log is read again: what another process wrote to it was announced to nobody here
        for frame in taken:
            if frame.first is None or frame.last is None:
                yield frame
            elif frame.first == follower.last + 1:
                follower.last = frame.last
                yield frame
            elif frame.last > follower.last:
                return

"""Server-sent events on the wire (WHATWG HTML, 9.2): a pure encoder, and the response as raw ASGI.

How a stream ends: (1) a final event was sent; (2) the task was erased; (3) the client left; (4) the server stops;
(5) the client took no byte for `SEND_SECONDS`. In none of them is the work cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from jieqian.events.event import StoredEvent
from jieqian.events.line import Line

#: What a client is told to wait before it connects again, and the comment that keeps proxies from closing.
OPENING = b"retry: 2000\n\n"
HEARTBEAT = b": still here\n\n"
HEARTBEAT_SECONDS = 15.0
#: A client that takes nothing for so long (a suspended process, a dead line) is let go; it can come back by event id.
SEND_SECONDS = 30.0

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def encode_frame(event_type: str, data: str, event_id: int | None = None) -> bytes:
    """One event. `data` is one line of JSON (JSON text holds no raw line break, so it cannot forge a field)."""
    first = f"id: {event_id}\n" if event_id is not None else ""
    return f"{first}event: {event_type}\ndata: {data}\n\n".encode()


def frame_of(event: StoredEvent) -> bytes:
    """A stored event's frame."""
    return encode_frame(event.type, event.data, event.id)


class EventStreamResponse(Response):
    """Sends frames as they come. Never compressed; half the memory of a streaming response with a body iterator.

    With a `line` the frames end by themselves when the client leaves, so nobody need wait for that.
    """

    def __init__(self, frames: AsyncIterator[bytes], line: Line | None = None) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.raw_headers = list(_HEADERS)
        self._frames = frames
        self._line = line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one of the five endings."""
        with contextlib.suppress(OSError):  # one who is gone already is found out about below
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": OPENING, "more_body": True})
        if self._line is not None:
            self._line.go_on_with(self._send)
            return
        sender = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_client_left(receive))
        try:
            await asyncio.wait({sender, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sender, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError, TimeoutError):
                    await task

    async def _send(self, send: Send) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with contextlib.aclosing(self._frames) as frames:  # type: ignore[type-var]  # a generator in fact
                async for frame in frames:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

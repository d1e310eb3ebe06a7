"""Uvicorn's HTTP/1.1 with bounds on heads and on stalled clients, and with a line straight to the client.

By itself it takes heads and pipelined requests without end; it waits without end for a client that takes nothing,
also to close; and a frame of an event stream costs it and the application's layers three times what the system's own
call costs.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from jieqian.api.heads import MOST_HEAD_BYTES
from jieqian.events.line import LINE
from jieqian.events.sse import SEND_SECONDS

if sys.platform == "linux":
    import fcntl
    import termios

#: How long a connection may take until its request's head is whole, in seconds.
HEAD_SECONDS = 15.0
#: Requests sent ahead on one connection, before the first is answered.
MOST_AHEAD = 32
#: A client is let go that took no byte between so many looks, `SEND_SECONDS` apart. One that reads a few kB a second
#: shows it only now and then: its system tells of room by the tens or hundreds of kB.
SAME_LOOKS = 4
#: What Uvicorn looks up of a request once its answer has begun.
_NEEDED_TO_THE_END = frozenset({"type", "method", "path", "http_version", "client"})
_REFUSAL = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class StraightLine:
    """Pieces of one answer in chunks, written where Uvicorn writes them, between those that it sends itself."""

    __slots__ = ("_cycle", "_when_lost", "rest")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.rest: Callable[[Send], Awaitable[None]] | None = None
        self._when_lost: Callable[[], None] | None = None

    def write(self, body: bytes) -> bool:
        """See `Line.write`."""
        cycle = self._cycle
        if cycle.disconnected or cycle.response_complete or cycle.flow.write_paused or not cycle.chunked_encoding:
            return False
        cycle.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    def go_on_with(self, rest: Callable[[Send], Awaitable[None]]) -> None:
        """See `Line.go_on_with`."""
        self.rest = rest

    def when_lost(self, call: Callable[[], None]) -> None:
        """See `Line.when_lost`."""
        self._when_lost = call
        if self._cycle.disconnected:
            call()

    @property
    def ended(self) -> bool:
        """Whether the answer is complete."""
        return self._cycle.response_complete

    def lose(self) -> None:
        """The connection has ended."""
        self._cycle.disconnected = True
        if self._when_lost is not None:
            self._when_lost()


async def _with_the_rest(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The application, and then what it left to be sent."""
    await app(scope, receive, send)
    line = scope.get("extensions", {}).get(LINE)
    if line is not None and line.rest is not None:
        rest, line.rest = line.rest, None
        for key in scope.keys() - _NEEDED_TO_THE_END:  # headers, routes, what the layers put there: a few kB
            del scope[key]
        await rest(send)


class _TooManyAhead(Exception):
    """More requests than `MOST_AHEAD`."""


def _untaken(transport: asyncio.Transport) -> int:
    """Bytes the client has not taken, of those that wait for room; 0 where none wait.

    On Linux with those the kernel holds: it asks for more only once a third of its megabytes is free, which on a slow
    line may take a minute.
    """
    waiting = transport.get_write_buffer_size()
    if waiting and sys.platform == "linux":
        with suppress(OSError):
            told = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
            waiting += int.from_bytes(told, sys.byteorder)
    return waiting


class BoundedHttp(HttpToolsProtocol):
    """Ends the connection of a request that sends `MOST_HEAD_BYTES` on end without its head or body getting further.

    That is a head without an end, or trailers and extensions of chunks. Trailers count for nothing: Uvicorn alone would
    put them among the headers of a request that is being answered.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = partial(_with_the_rest, self.app)
        self._in_head = False
        self._too_late: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._untaken = 0
        self._same_looks = 0
        self._lines: deque[StraightLine] = deque()
        self._steps = 0
        self._bytes_since_step = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Its first request must come soon; between two, Uvicorn's own limit counts."""
        super().connection_made(transport)
        self._expect_head()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._expect_no_head()
        if self._looking is not None:
            self._looking.cancel()
        for line in self._lines:
            line.lose()  # of pipelined requests Uvicorn marks the last one alone
        super().connection_lost(exc)

    def _look(self) -> None:
        """Look now and then whether the client takes what is there for it, and let it go where it took no byte."""
        untaken = _untaken(self.transport)
        self._same_looks = self._same_looks + 1 if untaken and untaken == self._untaken else 0
        if self._same_looks == SAME_LOOKS:
            self.transport.abort()
            return
        self._untaken = untaken
        self._looking = self.loop.call_later(SEND_SECONDS, self._look)

    def _expect_head(self) -> None:
        self._expect_no_head()
        self._too_late = self.loop.call_later(HEAD_SECONDS, self._close_late)

    def _expect_no_head(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _close_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= MOST_AHEAD:
            raise _TooManyAhead  # ends the parsing
        super().on_message_begin()
        if self._too_late is None:
            self._expect_head()
        self._in_head = True
        self._steps += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer, which comes after the head, is passed over."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head has ended; whether it is too large is now the application's to say."""
        self._expect_no_head()
        self._in_head = False
        self._steps += 1
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            line = StraightLine(self.cycle)
            while self._lines and self._lines[0].ended:  # they end in their order; several: pipelined
                self._lines.popleft()
            self._lines.append(line)
            self.scope["extensions"] = {LINE: line}  # type: ignore[dict-item]  # the server's own, as ASGI allows

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It has ended."""
        self._steps += 1
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Never into the middle of an answer, nor as the answer to a request that was whole."""
        if self._owes_an_answer():
            self.transport.abort()
        else:
            super().send_400_response(msg)

    def _owes_an_answer(self) -> bool:
        cycle = self.cycle
        at_work = cycle is not None and not cycle.response_complete
        return bool(self.pipeline) or (at_work and (cycle.response_started or not cycle.more_body))

    def data_received(self, data: bytes) -> None:
        """Count what lies wholly within one head, or between two pieces of a body; other data may be bodies."""
        steps = self._steps
        super().data_received(data)
        if steps != self._steps:
            self._bytes_since_step = 0
            return
        self._bytes_since_step += len(data)
        if self._bytes_since_step > MOST_HEAD_BYTES and not self.transport.is_closing():
            if self._owes_an_answer():
                self.transport.abort()
                return
            if self._in_head:
                self.transport.write(_REFUSAL)
            self.transport.close()

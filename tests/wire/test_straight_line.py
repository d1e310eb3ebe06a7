"""Event streams over a real server's line: chunks that a client can read, slow clients, pipelined requests, losses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from jieqian.api.heads import MOST_HEAD_BYTES
from jieqian.cli import bounded_http
from jieqian.cli.bounded_http import MOST_AHEAD, BoundedHttp, StraightLine
from jieqian.events.event import StoredEvent
from jieqian.events.feed import frames
from jieqian.events.line import LINE, Line
from jieqian.events.live import LiveEvents
from jieqian.events.sse import EventStreamResponse
from jieqian.testing.frame_reader import ReadEvent, read_frames

ASK = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class WatchedLine:
    """A line that counts what it refused."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.taken = self.refused = 0
        self.ended = False

    def write(self, body: bytes) -> bool:
        taken = self.line.write(body)
        self.taken += taken
        self.refused += not taken
        return taken

    def go_on_with(self, rest: Callable[[Send], Awaitable[None]]) -> None:
        async def noted(send: Send) -> None:
            try:
                await rest(send)
            finally:
                self.ended = True

        self.line.go_on_with(noted)

    def when_lost(self, call: Callable[[], None]) -> None:
        self.line.when_lost(call)


class Desk:
    """One task's log behind a real server on loopback."""

    def __init__(self) -> None:
        self.live = LiveEvents()
        self.kept: list[StoredEvent] = []
        self.port = 0
        self.returned = 0
        self.lines: list[WatchedLine] = []
        self.server: uvicorn.Server

    async def events(self, _task_id: str, after: int, limit: int) -> list[StoredEvent]:
        return [event for event in self.kept if event.id > after][:limit]

    def write(self, text: str = "", kind: str = "section_delta") -> None:
        event = StoredEvent(len(self.kept) + 1, kind, f'"{text}"')
        self.kept.append(event)
        self.live.announce("a", [event])

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.lines.append(WatchedLine(scope["extensions"][LINE]))
        assert not self.lines[-1].line.write(b"before the head")
        coming = frames(self, self.live, "a", 0, line=self.lines[-1])
        await EventStreamResponse(coming, self.lines[-1])(scope, receive, send)
        self.returned += 1

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def until(self, streams: int) -> None:
        async with asyncio.timeout(10):
            while self.live.open_streams != streams:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # a stream that is open reads its log before it listens


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A desk that listens."""
    desk = Desk()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        desk.port = listener.getsockname()[1]
        config = uvicorn.Config(desk.answer, interface="asgi3", http=BoundedHttp, lifespan="off", log_level="warning")
        server = uvicorn.Server(config)
        desk.server = server
        serving = asyncio.create_task(server.serve([listener]))
        yield desk
        desk.live.close()
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, list[ReadEvent]]:
    """One answer's head, and its events out of chunks that must be well-formed."""
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
    return head, read_frames(body)


async def test_frames_of_both_ways_are_one_chunked_answer(desk: Desk) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK)
        await desk.until(1)
        assert desk.returned == 1, "no layer of the application waits for the stream's end"
        for text in ("二", "三" * 5000, "四"):
            desk.write(text)
        desk.write(kind="completed")
        head, events = await read_answer(reader)
        assert b"200 OK" in head
        assert [event.id for event in events] == [1, 2, 3, 4, 5]
        assert events[2].data == "三" * 5000
        assert desk.lines[0].taken == 4
        assert not desk.lines[0].write(b"x")  # it has ended
        writer.write(ASK)  # the connection goes on
        assert [event.id for event in (await read_answer(reader))[1]] == [1, 2, 3, 4, 5]


async def test_a_client_that_reads_slowly_misses_nothing(desk: Desk) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK)
        await desk.until(1)
        for _ in range(600):  # 12 MB: more than all buffers of a connection hold
            desk.write("x" * 20_000)
            await asyncio.sleep(0)
        desk.write(kind="completed")
        _, events = await read_answer(reader)
        assert [event.id for event in events] == list(range(1, 603))
        assert desk.lines[0].refused > 0


async def test_the_second_of_two_pipelined_requests_waits_for_the_first(desk: Desk) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK + ASK)
        await desk.until(1)
        desk.write("二")
        desk.write(kind="completed")
        for _ in range(2):
            assert [event.id for event in (await read_answer(reader))[1]] == [1, 2, 3]


async def test_a_client_that_leaves_ends_its_stream(desk: Desk) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK)
        await desk.until(1)
        await reader.read(10)
    await desk.until(0)
    assert desk.lines[0].ended
    assert not desk.lines[0].write(b"x")


async def test_a_client_that_leaves_with_requests_waiting_is_noticed_when_written_to(desk: Desk) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK * 3)  # Uvicorn reads nothing more until the first is answered
        await desk.until(1)
        await reader.read(10)
    for text in ("二", "三", "四"):
        desk.write(text)
        await asyncio.sleep(0.05)
    await desk.until(0)
    await asyncio.sleep(0.05)
    assert [line.ended for line in desk.lines] == [True], "the others are not begun for nobody"


async def test_pipelined_streams_that_wait_are_ended_with_their_connection(desk: Desk) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK * 3)
        await desk.until(1)
        desk.write(kind="completed")
        await read_answer(reader)
        await desk.until(0)  # the last of them has an end already
    await asyncio.sleep(0.05)
    assert all(line.ended for line in desk.lines)
    assert not any(line.write(b"x") for line in desk.lines)


async def test_so_many_requests_ahead_and_no_more(desk: Desk) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK * (1 + MOST_AHEAD))
        await desk.until(1)
        desk.write(kind="completed")
        for _ in range(1 + MOST_AHEAD):
            assert len((await read_answer(reader))[1]) == 2
    async with desk.connection() as (reader, writer):
        desk.kept.clear()
        desk.write("一")
        writer.write(ASK * (2 + MOST_AHEAD))
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert b"completed" not in await reader.read(), "the connection is ended"
    await desk.until(0)


@pytest.mark.parametrize(
    "behind",
    [b"\0\0 nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 2 * MOST_HEAD_BYTES],
    ids=["nonsense", "a head without end"],
)
async def test_what_comes_behind_a_request_is_not_answered_into_its_stream(desk: Desk, behind: bytes) -> None:
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK)
        await desk.until(1)
        for start in range(0, len(behind), 30_000):
            writer.write(behind[start : start + 30_000])
            await asyncio.sleep(0.05)
        received = b""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while more := await reader.read(1000):
                    received += more
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"400 Bad Request" not in received
    await desk.until(0)


async def test_nonsense_behind_a_whole_request_is_not_its_answer(desk: Desk) -> None:
    """No answer has begun: the client must not think that its request was refused."""
    async with desk.connection() as (reader, writer):
        writer.write(ASK + b"\0\0 nonsense\r\n\r\n")
        received = b""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                received = await reader.read()
    assert b"400 Bad Request" not in received


@pytest.mark.parametrize("ends", [False, True])
async def test_a_client_that_takes_nothing_is_let_go(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    monkeypatch.setattr(bounded_http, "SEND_SECONDS", 0.2)
    desk.write("一")
    async with desk.connection() as (reader, writer), desk.connection() as (other_reader, other):
        for each in (writer, other):
            each.write(ASK)
        await desk.until(2)
        writer.transport.pause_reading()
        for _ in range(600):  # 12 MB
            desk.write("x" * 20_000)
            await asyncio.sleep(0)
        if ends:
            desk.write(kind="completed")
        await asyncio.sleep(0.05)
        reading = asyncio.create_task(read_answer(other_reader))
        async with asyncio.timeout(10):
            while len(desk.server.server_state.connections) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        if not ends:
            desk.write(kind="completed")
        assert len((await reading)[1]) == 602, "who reads is not disturbed"
        writer.transport.resume_reading()
        received = b""
        with contextlib.suppress(ConnectionError):
            received = await asyncio.wait_for(reader.read(), 10)
        assert b"completed" not in received
    await desk.until(0)


def test_nothing_is_written_to_a_connection_that_was_lost() -> None:
    """Uvicorn itself marks only the last of several pipelined requests."""
    written: list[bytes] = []
    flow, transport = SimpleNamespace(write_paused=False), SimpleNamespace(write=written.append)
    cycle: Any = SimpleNamespace(
        disconnected=False, response_complete=False, chunked_encoding=True, flow=flow, transport=transport
    )
    line = StraightLine(cycle)
    assert line.write(b"abc")
    line.lose()
    assert not line.write(b"abc")
    assert written == [b"3\r\nabc\r\n"]


async def test_a_client_that_reads_very_slowly_is_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own buffer stands still while the kernel's, of megabytes, is read; its own, between two rooms."""
    monkeypatch.setattr(bounded_http, "SEND_SECONDS", 0.3)
    desk.write("一")
    async with desk.connection() as (reader, writer):
        writer.write(ASK)
        await desk.until(1)
        for _ in range(600):  # 12 MB
            desk.write("x" * 20_000)
            await asyncio.sleep(0)
        received = 0
        for _ in range(40):
            received += len(await reader.read(64_000))
            await asyncio.sleep(0.1)
        desk.write(kind="completed")
        async with asyncio.timeout(20):
            while more := await reader.read(1 << 20):
                received += len(more)
                if more.endswith(b"0\r\n\r\n"):
                    break
        assert received > 12_000_000

"""Streams: what a follower is handed, how frames are written, and how a response ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from jieqian.errors import StoreError
from jieqian.events.event import StoredEvent
from jieqian.events.feed import frames
from jieqian.events.live import MOST_WAITING, Follower, Frame, LiveEvents
from jieqian.events.sse import HEARTBEAT, OPENING, EventStreamResponse, encode_frame, frame_of
from jieqian.testing.frame_reader import ReadEvent, read_frames

LONG = 60.0


def stored(event_id: int, kind: str = "section_delta") -> StoredEvent:
    return StoredEvent(event_id, kind, f'{{"n":{event_id}}}')


def frame(event_id: int) -> Frame:
    return Frame(event_id, event_id, b"")


# -- frames on the wire ------------------------------------------------------------------------------------------------


def test_a_frame_on_the_wire():
    assert encode_frame("lot", '{"id":"yuelao/7"}', 2) == b'id: 2\nevent: lot\ndata: {"id":"yuelao/7"}\n\n'
    assert encode_frame("queued", "{}") == b"event: queued\ndata: {}\n\n"
    assert frame_of(stored(3)) == b'id: 3\nevent: section_delta\ndata: {"n":3}\n\n'


def test_the_first_bytes_set_the_retry_and_are_no_event():
    assert OPENING == b"retry: 2000\n\n"
    assert read_frames(OPENING + HEARTBEAT) == []


@pytest.mark.parametrize(("kind", "final"), [("completed", True), ("failed", True), ("stopped", True), ("lot", False)])
def test_which_events_end_a_stream(kind: str, final: bool):
    assert stored(1, kind).final is final


# -- a follower --------------------------------------------------------------------------------------------------------


async def test_a_follower_takes_all_that_came():
    follower = Follower()
    follower.hand(frame(1))
    follower.hand(frame(2))
    assert await follower.take(LONG) == [frame(1), frame(2)]
    assert await follower.take(0) == []


async def test_a_follower_is_woken():
    follower = Follower()
    taking = asyncio.create_task(follower.take(LONG))
    await asyncio.sleep(0)
    follower.hand(frame(1))
    assert await taking == [frame(1)]


async def test_a_follower_is_woken_by_the_end():
    follower = Follower()
    taking = asyncio.create_task(follower.take(LONG))
    await asyncio.sleep(0)
    follower.end()
    assert await taking == []
    assert follower.ended


@pytest.mark.parametrize(("over", "behind"), [(0, False), (1, True)])
async def test_a_follower_keeps_so_many_and_no_more(over: int, behind: bool):
    follower = Follower()
    for event_id in range(MOST_WAITING + over):
        follower.hand(frame(event_id))
    assert follower.fell_behind is behind
    assert len(await follower.take(0)) == (0 if behind else MOST_WAITING)


# -- who watches what --------------------------------------------------------------------------------------------------


async def test_streams_are_counted_and_forgotten():
    live = LiveEvents()
    with live.follow("a"), live.follow("a"):
        with live.follow("b"):
            assert live.open_streams == 3
            assert sorted(live.watched()) == ["a", "b"]
        assert live.watched() == ["a"]
    assert (live.open_streams, live.watched()) == (0, [])


async def test_events_go_to_their_tasks_followers_only():
    live = LiveEvents()
    with live.follow("a") as one, live.follow("a") as two, live.follow("b") as other:
        live.announce("a", [stored(1), stored(2, "completed")])
        for follower in (one, two):
            (both,) = await follower.take(0)
            assert (both.first, both.last, both.final) == (1, 2, True)
            assert both.body == frame_of(stored(1)) + frame_of(stored(2, "completed"))
        assert await other.take(0) == []
    live.announce("a", [stored(3)])  # nobody listens


async def test_a_whisper_has_no_id():
    live = LiveEvents()
    with live.follow("a") as follower:
        live.whisper("a", b"psst")
        live.whisper("b", b"for others")
        assert await follower.take(0) == [Frame(None, None, b"psst")]


# -- one client's view -------------------------------------------------------------------------------------------------


class Log:
    """A log in a list; `during` is called while a page is read."""

    def __init__(self, events: Sequence[StoredEvent], during=lambda: None) -> None:
        self.kept = list(events)
        self.during = during

    async def events(self, _task_id: str, after: int, limit: int) -> list[StoredEvent]:
        found = [event for event in self.kept if event.id > after][:limit]
        self.during()
        return found


async def read(log: Log, live: LiveEvents, after: int = 0) -> list[int | None]:
    async with asyncio.timeout(10):
        stream = b"".join([part async for part in frames(log, live, "a", after, heartbeat_seconds=LONG)])
    return [event.id for event in read_frames(stream)]


async def test_what_is_stored_between_the_page_and_the_listening_is_not_lost():
    live = LiveEvents()

    def meanwhile() -> None:
        log.during = lambda: None
        for event in (stored(2), stored(3, "completed")):
            log.kept.append(event)
            live.announce("a", [event])

    log = Log([stored(1)], meanwhile)
    assert await read(log, live) == [1, 2, 3]


async def test_what_is_in_the_page_and_announced_too_is_sent_once():
    live = LiveEvents()
    log = Log([stored(1), stored(2)])

    def meanwhile() -> None:
        log.during = lambda: None
        live.announce("a", [stored(1)])
        live.announce("a", [stored(2)])
        log.kept.append(stored(3, "completed"))
        live.announce("a", [stored(3, "completed")])

    log.during = meanwhile
    assert await read(log, live) == [1, 2, 3]


async def test_a_missing_announcement_is_made_good_from_the_log():
    live = LiveEvents()
    log = Log([stored(1)])

    def meanwhile() -> None:
        log.during = lambda: None
        log.kept += [stored(2), stored(3), stored(4, "completed")]
        live.announce("a", [stored(4, "completed")])  # 2 and 3 went to nobody

    log.during = meanwhile
    assert await read(log, live) == [1, 2, 3, 4]


async def test_what_another_process_wrote_is_found_with_the_next_heartbeat():
    live, log = LiveEvents(), Log([stored(1)])
    coming = frames(log, live, "a", 0, heartbeat_seconds=0.01)
    got = [await anext(coming), await anext(coming)]
    assert got == [frame_of(stored(1)), HEARTBEAT]
    log.kept += [stored(2), stored(3, "completed")]  # announced to nobody here
    rest = [one async for one in coming if one != HEARTBEAT]
    assert rest == [frame_of(stored(2)) + frame_of(stored(3, "completed"))]


async def test_ids_may_jump_forward_where_the_log_was_lost():
    live = LiveEvents()
    assert await read(Log([stored(1), stored(9), stored(12, "completed")]), live) == [1, 9, 12]


async def test_a_log_that_fails_ends_the_stream_with_its_error():
    class Broken(Log):
        async def events(self, _task_id: str, after: int, limit: int) -> list[StoredEvent]:
            raise StoreError

    live = LiveEvents()
    with pytest.raises(StoreError):
        await read(Broken([]), live)
    assert live.open_streams == 0


# -- the response ------------------------------------------------------------------------------------------------------


class Client:
    """An ASGI client: what it was sent, and when it leaves."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.leaving = asyncio.Event()
        self.error: OSError | None = None

    async def send(self, message: dict) -> None:
        if self.error is not None:
            raise self.error
        self.messages.append(message)

    async def receive(self) -> dict:
        await self.leaving.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    async def get(self, source: AsyncIterator[bytes]) -> None:
        async with asyncio.timeout(10):
            await EventStreamResponse(source)({"type": "http"}, self.receive, self.send)


class Source:
    """Frames that come when told; knows whether it was closed."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.closed = False

    async def frames(self) -> AsyncIterator[bytes]:
        try:
            while (part := await self.coming.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.closed = True


async def test_a_response_has_its_headers_its_frames_and_its_end():
    client, source = Client(), Source()
    for part in (encode_frame("lot", '{"詩":"關雎"}', 1), HEARTBEAT, encode_frame("completed", "{}", 2), None):
        source.coming.put_nowait(part)
    await client.get(source.frames())
    start, *bodies = client.messages
    headers = dict(start["headers"])
    assert start["status"] == 200
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-accel-buffering"] == b"no"
    assert b"content-length" not in headers
    assert client.body.startswith(OPENING)
    assert read_frames(client.body) == [ReadEvent(1, "lot", {"詩": "關雎"}), ReadEvent(2, "completed", {})]
    assert [message["more_body"] for message in bodies] == [True] * 4 + [False]
    assert source.closed


async def test_a_client_that_leaves_ends_the_stream_and_closes_its_source():
    client, source = Client(), Source()
    getting = asyncio.create_task(client.get(source.frames()))
    source.coming.put_nowait(HEARTBEAT)
    while HEARTBEAT not in client.body:  # noqa: ASYNC110  an ASGI client has no event of its own
        await asyncio.sleep(0)
    client.leaving.set()
    await getting
    assert source.closed


async def test_a_client_that_is_gone_already_is_no_error():
    client, source = Client(), Source()
    client.error = OSError("gone")
    client.leaving.set()
    await client.get(source.frames())


async def test_a_dead_line_ends_the_stream_and_is_no_error():
    client, source = Client(), Source()
    getting = asyncio.create_task(client.get(source.frames()))
    while not client.messages:  # noqa: ASYNC110
        await asyncio.sleep(0)
    client.error = OSError("broken pipe")
    source.coming.put_nowait(HEARTBEAT)
    await getting
    assert source.closed


async def test_an_error_of_the_log_is_not_hidden():
    client, source = Client(), Source()
    source.coming.put_nowait(StoreError())
    with pytest.raises(StoreError):
        await client.get(source.frames())
    assert source.closed


async def test_a_cancelled_response_closes_its_source():
    client, source = Client(), Source()
    getting = asyncio.create_task(client.get(source.frames()))
    while OPENING not in client.body:  # noqa: ASYNC110
        await asyncio.sleep(0)
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert source.closed


async def test_a_client_that_leaves_lets_go_of_its_task():
    live, client = LiveEvents(), Client()
    getting = asyncio.create_task(client.get(frames(Log([stored(1)]), live, "a", 0, heartbeat_seconds=LONG)))
    while not read_frames(client.body):  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert live.open_streams == 1
    client.leaving.set()
    await getting
    assert live.open_streams == 0

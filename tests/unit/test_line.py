"""Streams with a line straight to the client: what it takes, what it refuses, and how the two ways keep one order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from jieqian.events.event import StoredEvent
from jieqian.events.feed import frames
from jieqian.events.live import MOST_WAITING, Follower, Frame, LiveEvents
from jieqian.events.sse import HEARTBEAT
from jieqian.testing.frame_reader import read_frames

LONG = 60.0


def stored(event_id: int, kind: str = "section_delta") -> StoredEvent:
    return StoredEvent(event_id, kind, f'{{"n":{event_id}}}')


class Client:
    """What one client received by either way, in order; `takes` says whether the line takes a write now."""

    def __init__(self, takes: Callable[[], bool] = lambda: True) -> None:
        self.received: list[bytes] = []
        self.written = 0
        self.takes = takes
        self.leave: Callable[[], None] = lambda: None

    def write(self, body: bytes) -> bool:
        if not self.takes():
            return False
        self.received.append(body)
        self.written += 1
        return True

    def when_lost(self, call: Callable[[], None]) -> None:
        self.leave = call

    @property
    def ids(self) -> list[int | None]:
        return [event.id for event in read_frames(b"".join(self.received))]


class Desk:
    """A log in a list, announced as it grows, and streams over it."""

    def __init__(self) -> None:
        self.live = LiveEvents()
        self.kept: list[StoredEvent] = []
        self.reads = 0

    async def events(self, _task_id: str, after: int, limit: int) -> list[StoredEvent]:
        self.reads += 1
        found = [event for event in self.kept if event.id > after][:limit]
        await asyncio.sleep(0)
        return found

    def write(self, *events: StoredEvent, told: bool = True) -> None:
        self.kept += events
        if told:
            self.live.announce("a", events)

    async def read(self, client: Client, after: int = 0, heartbeat: float = LONG) -> None:
        async with asyncio.timeout(20):
            async for part in frames(self, self.live, "a", after, line=client, heartbeat_seconds=heartbeat):
                await asyncio.sleep(0)  # a sender waits until there is room, and only then writes
                client.received.append(part)

    async def until_listening(self) -> None:
        """Until every reader has read the log and waits."""
        reads = -1
        while reads != self.reads or not reads:
            reads = self.reads
            for _ in range(10):
                await asyncio.sleep(0)


async def test_what_comes_is_written_to_the_line():
    desk, client = Desk(), Client()
    desk.write(stored(1))
    reading = asyncio.create_task(desk.read(client))
    await desk.until_listening()
    desk.write(stored(2), stored(3))
    assert client.ids == [1, 2, 3]  # at once, without a turn of the loop
    desk.live.whisper("a", b"event: queued\ndata: {}\n\n")
    desk.write(stored(4, "completed"))
    await reading
    assert client.ids == [1, 2, 3, None, 4]
    assert client.written == 3


async def test_the_last_event_ends_the_stream_without_reading_the_log_again():
    desk, client = Desk(), Client()
    desk.write(stored(1))
    reading = asyncio.create_task(desk.read(client))
    await desk.until_listening()
    reads = desk.reads
    desk.write(stored(2, "stopped"))
    await reading
    assert desk.reads == reads


async def test_what_the_line_does_not_take_comes_the_slow_way_and_then_the_line_is_used_again():
    open_again = asyncio.Event()
    desk, client = Desk(), Client()
    client.takes = open_again.is_set
    desk.write(stored(1))
    reading = asyncio.create_task(desk.read(client))
    await desk.until_listening()
    desk.write(stored(2))
    desk.write(stored(3))
    await desk.until_listening()
    assert (client.ids, client.written) == ([1, 2, 3], 0)
    open_again.set()
    desk.write(stored(4))
    desk.write(stored(5, "completed"))
    await reading
    assert (client.ids, client.written) == ([1, 2, 3, 4, 5], 2)


async def test_what_was_sent_is_not_sent_again_and_a_hole_is_filled_from_the_log():
    desk, client = Desk(), Client()
    desk.write(stored(1), stored(2))
    reading = asyncio.create_task(desk.read(client))
    await desk.until_listening()
    desk.live.announce("a", [stored(2)])
    desk.write(stored(3), told=False)
    desk.write(stored(4, "completed"))
    await reading
    assert client.ids == [1, 2, 3, 4]


async def test_a_client_that_leaves_ends_the_stream():
    desk, client = Desk(), Client()
    desk.write(stored(1))
    reading = asyncio.create_task(desk.read(client))
    await desk.until_listening()
    client.leave()
    await reading
    assert desk.live.open_streams == 0
    desk.write(stored(2))
    assert client.ids == [1]


async def test_a_client_that_left_before_the_stream_began_is_let_go():
    desk, client = Desk(), Client()
    desk.write(stored(1))

    def at_once(call: Callable[[], None]) -> None:
        call()

    client.when_lost = at_once  # type: ignore[method-assign]
    await desk.read(client)
    assert desk.live.open_streams == 0


async def test_a_silent_line_says_that_it_lives_and_finds_what_another_process_wrote():
    desk, client = Desk(), Client()
    desk.write(stored(1))
    reading = asyncio.create_task(desk.read(client, heartbeat=0.01))
    while HEARTBEAT not in client.received:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    desk.write(stored(2, "completed"), told=False)
    await reading
    assert client.ids == [1, 2]


async def test_a_line_in_use_needs_no_heartbeat():
    desk, client = Desk(), Client()
    desk.write(stored(1))
    reading = asyncio.create_task(desk.read(client, heartbeat=0.3))
    await desk.until_listening()
    reads = desk.reads
    for event_id in range(2, 10):
        await asyncio.sleep(0.05)
        desk.write(stored(event_id))
    assert desk.reads == reads
    desk.write(stored(10, "completed"))
    await reading
    assert HEARTBEAT not in client.received


async def test_erasing_and_closing_end_the_stream():
    for end in (lambda desk: desk.live.announce("a", []), lambda desk: desk.live.close()):
        desk, client = Desk(), Client()
        desk.write(stored(1))
        reading = asyncio.create_task(desk.read(client))
        await desk.until_listening()
        end(desk)
        await reading
        assert client.ids == [1]


@pytest.mark.parametrize("seed", range(40))
async def test_one_order_whatever_the_line_takes(seed: int):
    """Readers of a log that grows in batches, some untold, over lines that refuse at random: no hole and no repeat."""
    dice = random.Random(seed)
    desk = Desk()
    willing = dice.choice((0.1, 0.5, 0.9, 1.0))
    clients = [Client(lambda: dice.random() < willing) for _ in range(6)]

    async def write() -> None:
        event_id = 0
        for _ in range(dice.choice((20, 200))):
            batch = [stored(event_id + place) for place in range(1, dice.randint(2, 5))]
            event_id = batch[-1].id
            desk.write(*batch, told=dice.random() < 0.9)
            if dice.random() < 0.1:
                desk.live.whisper("a", b"event: queued\ndata: {}\n\n")
            for _ in range(dice.choice((0, 0, 1, 5))):
                await asyncio.sleep(0)
        desk.write(stored(event_id + 1, "completed"))

    await asyncio.gather(write(), *(desk.read(client) for client in clients))
    for client in clients:
        assert [event_id for event_id in client.ids if event_id is not None] == list(range(1, desk.kept[-1].id + 1))
    assert desk.live.open_streams == 0


async def test_a_client_that_takes_nothing_for_long_catches_up_from_the_log():
    desk = Desk()
    client = Client(lambda: False)
    desk.write(stored(1))
    reading = asyncio.create_task(desk.read(client))
    await desk.until_listening()
    for event_id in range(2, MOST_WAITING + 10):
        desk.write(stored(event_id))
    desk.write(stored(MOST_WAITING + 10, "completed"))
    await reading
    assert client.ids == list(range(1, MOST_WAITING + 11))


async def test_a_heartbeat_counts_from_the_last_write():
    follower, client = Follower(), Client()
    begun = asyncio.get_running_loop().time()
    passing = asyncio.create_task(follower.pass_on(client, 1.0))
    await asyncio.sleep(0.2)
    follower.hand(Frame(1, 1, b"one"))
    await passing
    took = asyncio.get_running_loop().time() - begun
    assert client.received == [b"one"]
    assert 1.2 <= took < 2.0, "neither from the start nor a whole wait more"


async def test_one_whose_stream_ended_is_handed_nothing():
    follower, client = Follower(), Client()
    passing = asyncio.create_task(follower.pass_on(client, LONG))
    await asyncio.sleep(0)
    follower.end()
    follower.hand(Frame(1, 1, b"one"))
    await passing
    assert (client.received, await follower.take(0)) == ([], [])

"""What every event log must do for its readers: no gap, no repeat, an end."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from jieqian.events.event import Completed, Event, Failed, SectionDelta, SectionReset
from jieqian.events.feed import PAGE, frames
from jieqian.events.live import MOST_WAITING, LiveEvents
from jieqian.events.sse import HEARTBEAT, encode_frame
from jieqian.sections.section import SectionName
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Status
from jieqian.testing.frame_reader import ReadEvent, read_frames
from jieqian.testing.sample_tasks import SAMPLE_TIME, sample_first_events, sample_request

LONG = 60.0
NASTY = (
    "籤詩",
    "🏮𠮷👩‍👩‍👧",
    "a\nb\r\nc\rd",
    "\u2028\u2029\x85\x0b\x0c",
    "data: x\n\nid: 9",
    '"\\',
    "\x00\x1b[2J",
    "<script>",
)


def delta(text: str = "詩") -> SectionDelta:
    return SectionDelta(SectionName.CONCLUSION, text)


@dataclass
class Desk:
    """A claimed task, its log and its streams. Two events are in the log."""

    store: TaskStore
    live: LiveEvents
    task_id: str

    async def write(self, *events: Event) -> None:
        await self.store.append(self.task_id, "token", events)

    async def end(self, event: Event | None = None) -> None:
        await self.store.end(self.task_id, "token", Status.COMPLETED, {}, [event or Completed({"ok": True})])

    def frames(self, after: int = 0, heartbeat: float = LONG) -> AsyncIterator[bytes]:
        return frames(self.store, self.live, self.task_id, after, heartbeat_seconds=heartbeat)

    async def read_all(self, after: int = 0) -> list[ReadEvent]:
        """All events until the stream ends."""
        async with asyncio.timeout(20):
            return read_frames(b"".join([frame async for frame in self.frames(after)]))

    async def until_watched(self, streams: int = 1) -> None:
        while self.live.open_streams < streams:  # noqa: ASYNC110  streams come and go without an event
            await asyncio.sleep(0)


@pytest.fixture
async def desk(open_store: Callable[..., TaskStore]) -> Desk:
    """A task under way."""
    live = LiveEvents()
    store = open_store(live.announce)
    await store.accept(sample_request(id="a task"), sample_first_events, 10)
    await store.claim("token", SAMPLE_TIME, 1e9)
    return Desk(store, live, "a task")


def ids(events: list[ReadEvent]) -> list[int | None]:
    return [event.id for event in events]


async def test_an_ended_task_is_replayed_whole(desk: Desk):
    await desk.write(delta("一"), delta("二"))
    await desk.end()
    read = await desk.read_all()
    assert ids(read) == [1, 2, 3, 4, 5]
    assert [event.type for event in read] == ["queued", "lot", "section_delta", "section_delta", "completed"]
    assert read[2].data == {"section": "conclusion", "text": "一"}
    assert desk.live.open_streams == 0


async def test_with_an_id_it_goes_on_from_there(desk: Desk):
    await desk.write(delta())
    await desk.end()
    assert ids(await desk.read_all(after=2)) == [3, 4]


async def test_a_long_log_is_replayed_in_pages(desk: Desk):
    await desk.write(*[delta(str(number)) for number in range(2 * PAGE + 7)])
    await desk.end()
    assert ids(await desk.read_all()) == list(range(1, 2 * PAGE + 11))


@pytest.mark.parametrize("more", [-1, 0, 1])
async def test_a_log_of_about_a_page_goes_on_live(desk: Desk, more: int):
    await desk.write(*[delta() for _ in range(PAGE - 2 + more)])
    reading = asyncio.create_task(desk.read_all())
    await desk.until_watched()
    await desk.write(delta())
    await desk.end()
    assert ids(await reading) == list(range(1, PAGE + more + 3))


async def test_what_comes_later_is_sent_as_it_comes(desk: Desk):
    async with asyncio.timeout(20), aclosing(desk.frames(after=2)) as coming:
        first = asyncio.ensure_future(anext(coming))
        await desk.until_watched()
        await desk.write(delta("一"))
        assert read_frames(await first) == [ReadEvent(3, "section_delta", {"section": "conclusion", "text": "一"})]
        await desk.write(SectionReset(SectionName.CONCLUSION, "too_long"))
        assert read_frames(await anext(coming))[0].type == "section_reset"
        await desk.end(Failed({"code": "x"}))
        assert read_frames(await anext(coming)) == [ReadEvent(5, "failed", {"code": "x"})]
        with pytest.raises(StopAsyncIteration):
            await anext(coming)


@pytest.mark.parametrize("seed", range(8))
async def test_no_gap_and_no_repeat_for_many_readers(desk: Desk, seed: int):
    """Readers come, dawdle, leave and return at random while events are written from several sides."""
    dice = random.Random(seed)

    async def pause() -> None:
        for _ in range(dice.choice((0, 0, 1, 3, 10))):
            await asyncio.sleep(0)

    async def write(writer: int) -> None:
        for number in range(15):
            texts = [f"{writer} {number} {part} {dice.choice(NASTY)}" for part in range(dice.randint(1, 4))]
            await desk.write(*map(delta, texts))
            await pause()

    async def read() -> list[ReadEvent]:
        seen: list[ReadEvent] = []
        await pause()
        while not seen or seen[-1].type != "completed":
            leave_after = dice.randint(1, 40)
            async with aclosing(desk.frames(after=len(seen))) as coming:
                async for frame in coming:
                    seen += read_frames(frame)
                    await pause()
                    leave_after -= 1
                    if not leave_after:
                        break
        return seen

    async def write_all() -> None:
        await asyncio.gather(*map(write, range(4)))
        await desk.end()

    async with asyncio.timeout(30):
        *seen, _ = await asyncio.gather(*(read() for _ in range(12)), write_all())
    log = await desk.store.events(desk.task_id, 0, 10_000)
    stored = read_frames(b"".join(encode_frame(event.type, event.data, event.id) for event in log))
    assert ids(stored) == list(range(1, len(log) + 1))
    for one in seen:
        assert one == stored
    assert desk.live.open_streams == 0
    assert desk.live.watched() == []


async def test_a_reader_that_fell_behind_catches_up_from_the_log(desk: Desk):
    async with asyncio.timeout(30), aclosing(desk.frames()) as coming:
        seen = read_frames(await anext(coming))
        for _ in range(4):
            await desk.write(*[delta() for _ in range(MOST_WAITING // 4)])  # nobody takes them
        await desk.end()  # the one too many, and the last there is
        async for frame in coming:
            assert frame != HEARTBEAT
            seen += read_frames(frame)
    assert ids(seen) == list(range(1, MOST_WAITING + 4))


async def test_a_slow_reader_holds_nobody_up(desk: Desk):
    async with aclosing(desk.frames()) as slow:
        await anext(slow)
        fast = asyncio.create_task(desk.read_all())
        await desk.until_watched(2)
        for _ in range(3):
            await desk.write(*[delta() for _ in range(MOST_WAITING // 2)])
        await desk.end()
        assert len(await fast) == 3 * (MOST_WAITING // 2) + 3


async def test_erasing_ends_the_stream(desk: Desk):
    reading = asyncio.create_task(desk.read_all())
    await desk.until_watched()
    await desk.store.erase(desk.task_id, "asker")
    assert [event.type for event in await reading][-1:] in ([], ["lot"])
    assert desk.live.open_streams == 0


async def test_stopping_ends_the_stream_with_its_event(desk: Desk):
    reading = asyncio.create_task(desk.read_all())
    await desk.until_watched()
    await desk.store.stop(desk.task_id, "asker", SAMPLE_TIME)
    assert (await reading)[-1] == ReadEvent(3, "stopped", {"sections": {}})


async def test_closing_ends_every_stream_and_lets_none_begin(desk: Desk):
    reading = [asyncio.create_task(desk.read_all()) for _ in range(3)]
    await desk.until_watched(3)
    desk.live.close()
    await asyncio.gather(*reading)
    assert await desk.read_all() == []
    assert desk.live.open_streams == 0


async def test_a_write_without_events_ends_nothing(desk: Desk):
    reading = asyncio.create_task(desk.read_all())
    await desk.until_watched()
    await desk.store.append(desk.task_id, "token", [])
    await desk.store.end_attempt(desk.task_id, "token", 1, [])
    await desk.end()
    assert ids(await reading) == [1, 2, 3]


async def test_a_silent_stream_says_that_it_lives(desk: Desk):
    async with asyncio.timeout(20), aclosing(desk.frames(after=2, heartbeat=0.01)) as coming:
        assert [await anext(coming) for _ in range(3)] == [HEARTBEAT] * 3
        await desk.end()
        rest = [frame async for frame in coming if frame != HEARTBEAT]
    assert ids(read_frames(b"".join(rest))) == [3]
    assert HEARTBEAT.startswith(b":")
    assert read_frames(HEARTBEAT) == []


async def test_a_whisper_has_no_id_and_is_not_replayed(desk: Desk):
    async with asyncio.timeout(20), aclosing(desk.frames(after=2)) as coming:
        first = asyncio.ensure_future(anext(coming))
        await desk.until_watched()
        while not first.done():  # until the log was read and the stream listens
            desk.live.whisper(desk.task_id, encode_frame("queued", '{"position":1}'))
            await asyncio.sleep(0.001)
        assert read_frames(await first) == [ReadEvent(None, "queued", {"position": 1})]
    desk.live.whisper(desk.task_id, b"nobody listens")
    await desk.end()
    assert ids(await desk.read_all(after=2)) == [3]


@pytest.mark.parametrize("text", NASTY)
async def test_no_text_breaks_a_frame(desk: Desk, text: str):
    await desk.write(delta(text))
    await desk.end()
    read = await desk.read_all(after=2)
    assert [event.type for event in read] == ["section_delta", "completed"]
    assert read[0].data["text"] == text


async def test_two_tasks_are_kept_apart(desk: Desk):
    await desk.store.accept(sample_request(id="another"), sample_first_events, 10)
    reading = asyncio.create_task(desk.read_all(after=2))
    await desk.until_watched()
    await desk.store.stop("another", "asker", SAMPLE_TIME)
    await desk.end()
    assert [event.type for event in await reading] == ["completed"]

"""Deltas on their way out: at once where somebody waits for the first word, gathered where not."""

import asyncio
import gc
from collections.abc import Sequence

import pytest

from jieqian.errors import LeaseLost
from jieqian.events.event import Event, SectionDelta, SectionReset
from jieqian.reading.frames import DeltaFrames
from jieqian.sections.section import SectionName

FIRST, SECOND = SectionName.LINE_BY_LINE, SectionName.OVERALL_DEVELOPMENT
LONG = 3600.0
RESET = SectionReset(FIRST, "too_long")


class Sends:
    """A `send` that keeps what it was given, and can be held up or made to fail."""

    def __init__(self, frame_seconds: float = LONG) -> None:
        self.sent: list[list[Event]] = []
        self.under_way = 0
        self.free = asyncio.Event()
        self.free.set()
        self.error: Exception | None = None
        self.frames = DeltaFrames(self, frame_seconds)

    async def __call__(self, events: Sequence[Event]) -> None:
        assert self.under_way == 0, "two sends at a time"
        self.under_way += 1
        await self.free.wait()
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.error is not None:
            raise self.error
        self.sent.append(list(events))

    @property
    def whole(self) -> list[Event]:
        return [event for events in self.sent for event in events]


async def quiet() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_first_text_leaves_at_once():
    sends = Sends()
    sends.frames.add_text(FIRST, "關", first=True)
    await quiet()
    assert sends.sent == [[SectionDelta(FIRST, "關")]]
    sends.frames.drop()


async def test_later_text_waits_for_its_frame_as_one_delta():
    sends = Sends()
    sends.frames.add_text(FIRST, "關", first=True)
    await quiet()
    for character in "關雎鳩":
        sends.frames.add_text(FIRST, character, first=False)
        await quiet()
    assert len(sends.sent) == 1  # the frame's hour is not over
    assert await sends.frames.take_rest() == [SectionDelta(FIRST, "關雎鳩")]


async def test_a_frame_ends():
    sends = Sends(frame_seconds=0.01)
    sends.frames.add_text(FIRST, "關", first=True)
    await quiet()
    sends.frames.add_text(FIRST, "關", first=False)
    sends.frames.add_text(FIRST, "雎", first=False)
    async with asyncio.timeout(5):
        while len(sends.sent) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert sends.sent[1] == [SectionDelta(FIRST, "關雎")]
    await asyncio.sleep(0.03)
    sends.frames.add_text(FIRST, "鳩", first=False)  # after a silence
    await quiet()
    assert sends.sent[2] == [SectionDelta(FIRST, "鳩")]
    assert await sends.frames.take_rest() == []


async def test_the_next_sections_first_text_ends_the_frame():
    sends = Sends()
    sends.frames.add_text(FIRST, "一", first=True)
    await quiet()
    sends.frames.add_text(FIRST, "二", first=False)
    sends.frames.add_text(SECOND, "三", first=True)
    await quiet()
    assert sends.sent[1] == [SectionDelta(FIRST, "二"), SectionDelta(SECOND, "三")]
    sends.frames.drop()


async def test_an_event_ends_the_frame_and_keeps_its_place():
    sends = Sends()
    sends.frames.add_text(FIRST, "一", first=True)
    await quiet()
    sends.frames.add_text(FIRST, "二", first=False)
    sends.frames.add(RESET)
    sends.frames.add_text(FIRST, "三", first=False)
    await quiet()
    assert sends.sent[1] == [SectionDelta(FIRST, "二"), RESET, SectionDelta(FIRST, "三")]
    sends.frames.drop()


async def test_what_comes_during_a_send_goes_with_the_next():
    sends = Sends()
    sends.free.clear()
    sends.frames.add_text(FIRST, "一", first=True)
    await quiet()
    sends.frames.add(RESET)
    sends.frames.add_text(FIRST, "二", first=True)
    await quiet()
    assert sends.under_way == 1
    sends.free.set()
    await quiet()
    assert sends.sent == [[SectionDelta(FIRST, "一")], [RESET, SectionDelta(FIRST, "二")]]
    sends.frames.drop()


async def test_the_rest_waits_for_the_send_under_way_and_is_not_sent():
    sends = Sends()
    sends.free.clear()
    sends.frames.add_text(FIRST, "一", first=True)
    await quiet()
    sends.frames.add_text(FIRST, "二", first=False)
    taking = asyncio.create_task(sends.frames.take_rest())
    await quiet()
    assert not taking.done()
    sends.free.set()
    assert await taking == [SectionDelta(FIRST, "二")]
    assert sends.sent == [[SectionDelta(FIRST, "一")]]
    assert await sends.frames.take_rest() == []


async def test_nothing_is_lost_doubled_or_moved():
    sends = Sends(frame_seconds=0.001)
    expected, taken = "", ""
    for number in range(300):
        text = f"{number} "
        expected += text
        sends.frames.add_text(FIRST, text, first=number % 50 == 0)
        if number % 7 == 0:
            await asyncio.sleep(0.0005)
        if number % 90 == 0:
            rest = await sends.frames.take_rest()
            sends.sent.append(rest)  # stored with what follows, before anything new is added
    sends.sent.append(await sends.frames.take_rest())
    taken = "".join(event.text for event in sends.whole)
    assert taken == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda frames: frames.add(RESET),
        lambda frames: frames.add_text(FIRST, "二", first=False),
        lambda frames: frames.take_rest(),
    ],
    ids=["add", "add_text", "take_rest"],
)
async def test_what_a_send_raised_comes_out_of_the_next_call(call):
    sends = Sends()
    sends.error = LeaseLost()
    sends.frames.add_text(FIRST, "一", first=True)
    await quiet()
    with pytest.raises(LeaseLost):
        await call(sends.frames)


async def test_a_send_that_fails_while_the_rest_is_taken_is_told():
    sends = Sends()
    sends.free.clear()
    sends.error = LeaseLost()
    sends.frames.add_text(FIRST, "一", first=True)
    taking = asyncio.create_task(sends.frames.take_rest())
    await quiet()
    sends.free.set()
    with pytest.raises(LeaseLost):
        await taking


async def test_dropped_frames_are_never_sent():
    sends = Sends()
    sends.free.clear()
    sends.frames.add_text(FIRST, "一", first=True)
    await quiet()
    sends.frames.add(RESET)
    sends.frames.drop()
    sends.free.set()
    await quiet()
    assert sends.sent == []
    assert await sends.frames.take_rest() == []


async def test_dropping_after_a_failed_send_leaves_no_forgotten_error():
    forgotten: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: forgotten.append(context))
    sends = Sends()
    sends.error = LeaseLost()
    sends.frames.add(RESET)
    await quiet()
    sends.frames.drop()
    del sends
    gc.collect()  # asyncio tells of a forgotten error when its task is collected
    await quiet()
    assert forgotten == []

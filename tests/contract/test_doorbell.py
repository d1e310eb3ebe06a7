"""What every doorbell must do: no ring is lost, many rings may be one."""

import asyncio
from collections.abc import Callable

import pytest

from jieqian.worker.doorbell import Doorbell, InProcessDoorbell

LONG = 60.0
SHORT = 0.02


@pytest.fixture(params=[InProcessDoorbell])
def make_doorbell(request: pytest.FixtureRequest) -> Callable[[], Doorbell]:
    """Makes a doorbell."""
    return request.param


async def test_a_ring_wakes_who_waits(make_doorbell):
    doorbell = make_doorbell()
    waiting = asyncio.create_task(doorbell.wait(LONG))
    await asyncio.sleep(SHORT)
    assert not waiting.done()
    doorbell.ring()
    assert await waiting is True


async def test_a_ring_before_the_wait_is_kept(make_doorbell):
    doorbell = make_doorbell()
    doorbell.ring()
    assert await doorbell.wait(LONG) is True


async def test_many_rings_are_answered_and_used_up(make_doorbell):
    doorbell = make_doorbell()
    for _ in range(5):
        doorbell.ring()
    answers = [await doorbell.wait(SHORT) for _ in range(6)]
    assert answers[0]
    assert not answers[5]  # no more answers than rings


async def test_no_ring_is_a_no(make_doorbell):
    doorbell = make_doorbell()
    assert await doorbell.wait(SHORT) is False
    assert await doorbell.wait(0) is False


async def test_a_ring_after_a_wait_in_vain_is_kept(make_doorbell):
    doorbell = make_doorbell()
    await doorbell.wait(SHORT)
    doorbell.ring()
    assert await doorbell.wait(LONG) is True


async def test_a_ring_outlives_a_wait_that_was_given_up(make_doorbell):
    """The ring may come between the waiter's end and its next wait."""
    doorbell = make_doorbell()
    waiting = asyncio.create_task(doorbell.wait(LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    doorbell.ring()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert await doorbell.wait(LONG) is True


async def test_work_behind_a_bell_is_never_forgotten(make_doorbell):
    """Put work down, ring; the worker takes all there is at each ring. Nothing stays, whatever the interleaving."""
    doorbell, work, taken = make_doorbell(), [], []

    async def bring(start: int) -> None:
        for number in range(start, start + 50):
            work.append(number)
            doorbell.ring()
            if number % 3 == 0:
                await asyncio.sleep(0)

    async def fetch() -> None:
        while len(taken) < 200:
            while work:
                taken.append(work.pop())
            if len(taken) < 200:
                assert await doorbell.wait(LONG), "a ring was lost"

    async with asyncio.timeout(10):
        await asyncio.gather(fetch(), *(bring(start) for start in (0, 50, 100, 150)))
    assert sorted(taken) == list(range(200))

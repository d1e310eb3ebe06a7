"""The watch over the event loop, and the guard that every test has."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from blockbuster import BlockBuster, BlockingError

from jieqian.metrics.loop_watch import Block, seconds_in_line, watch
from jieqian.settings import Settings, session_secret

LIMIT_MS = 50
#: How long a test blocks at most until the watch has noticed, in seconds.
PATIENCE = 10.0
Work = Callable[[list[Block]], Awaitable[None]]


async def _blocks_while(work: Work) -> list[Block]:
    found: list[Block] = []
    guard = watch(asyncio.get_running_loop(), LIMIT_MS, found.append)
    try:
        await work(found)
        await asyncio.sleep(LIMIT_MS / 1000)
    finally:
        await asyncio.to_thread(guard.stop)
    return found


async def sleep_in_a_coroutine(found: list[Block]) -> None:
    until = time.monotonic() + PATIENCE
    time.sleep(0.2)  # noqa: ASYNC251
    while not found and time.monotonic() < until:  # on a machine too busy to give the watch its turn
        time.sleep(0.2)  # noqa: ASYNC251


async def compute_long(found: list[Block]) -> None:
    until = time.monotonic() + PATIENCE
    while not found and time.monotonic() < until:
        sum(range(1000))


async def wait_idly(_found: list[Block]) -> None:
    await asyncio.sleep(0.3)


async def wait_for_a_thread(_found: list[Block]) -> None:
    await asyncio.to_thread(time.sleep, 0.2)


async def block_twice_till_told(found: list[Block]) -> None:
    for told in (1, 2):
        until = time.monotonic() + PATIENCE
        while len(found) < told and time.monotonic() < until:
            time.sleep(0.01)  # noqa: ASYNC251
        await asyncio.sleep(LIMIT_MS / 1000)


async def test_a_sleep_in_a_coroutine_is_caught_with_its_place():
    (block,) = await _blocks_while(sleep_in_a_coroutine)
    assert block.ms >= LIMIT_MS
    assert "sleep_in_a_coroutine" in block.stack


async def test_a_computation_that_takes_too_long_is_caught():
    (block,) = await _blocks_while(compute_long)
    assert "compute_long" in block.stack


async def test_an_idle_loop_is_left_alone():
    assert await _blocks_while(wait_idly) == []


async def test_a_thread_that_blocks_is_not_the_loop():
    assert await _blocks_while(wait_for_a_thread) == []


async def test_each_block_is_told_of_once():
    assert len(await _blocks_while(block_twice_till_told)) == 2


def test_it_ends_with_its_loop():
    loop = asyncio.new_event_loop()
    guard = watch(loop, LIMIT_MS, lambda block: None)
    loop.close()
    guard.stop()
    assert "loop-watch" not in {thread.name for thread in threading.enumerate()}


def test_what_happens_between_two_runs_of_a_loop_is_not_its_fault():
    found: list[Block] = []
    loop = asyncio.new_event_loop()
    guard = watch(loop, LIMIT_MS, found.append)
    loop.run_until_complete(asyncio.sleep(0.1))
    time.sleep(0.2)
    loop.run_until_complete(asyncio.sleep(0.1))
    guard.stop()
    loop.close()
    assert found == []


def test_a_uvloop_too():
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(_blocks_while(sleep_in_a_coroutine))) == 1
        assert runner.run(_blocks_while(wait_idly)) == []


async def test_the_fixture_finds_what_it_would_fail_for(unblocked_loop: list[Block]):
    await wait_idly(unblocked_loop)
    assert unblocked_loop == []
    await sleep_in_a_coroutine(unblocked_loop)
    assert len(unblocked_loop) == 1
    unblocked_loop.clear()


async def test_the_guard_of_every_test_raises_where_our_code_blocks(blocking_calls: BlockBuster, tmp_path):
    with pytest.raises(BlockingError):
        session_secret(Settings(data_dir=tmp_path, _env_file=None))
    sqlite3.connect(":memory:").close()  # the test's own code may


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not tell of time in line")
def test_time_in_line_for_a_processor_is_told_of_threads_that_there_are() -> None:
    others = [threading.Thread(target=lambda: sum(range(2_000_000))) for _ in range(4)]
    before = seconds_in_line(threading.get_native_id())
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert seconds_in_line(threading.get_native_id()) >= before > 0
    assert seconds_in_line(None) == seconds_in_line(2**31 - 1) == 0.0

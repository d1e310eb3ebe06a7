"""The watch over the event loop, and the guard that every test has."""

import asyncio
import sqlite3
import threading
import time

import pytest
from blockbuster import BlockBuster, BlockingError

from jieqian.settings import Settings, session_secret
from jieqian.testing.loop_watch import Block, watch

LIMIT_MS = 50


async def _blocks_while(work) -> list[Block]:
    found: list[Block] = []
    guard = watch(asyncio.get_running_loop(), LIMIT_MS, found.append)
    try:
        await asyncio.sleep(LIMIT_MS / 1000)  # the watch has found the loop's thread
        await work()
        await asyncio.sleep(LIMIT_MS / 1000)
    finally:
        await asyncio.to_thread(guard.stop)
    return found


async def test_a_sleep_in_a_coroutine_is_caught_once_with_its_place():
    async def dawdling_reader():
        time.sleep(0.2)  # noqa: ASYNC251

    (block,) = await _blocks_while(dawdling_reader)
    assert block.ms >= LIMIT_MS
    assert "dawdling_reader" in block.stack


async def test_a_callback_that_computes_too_long_is_caught():
    async def count():
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass

    assert len(await _blocks_while(count)) == 1


async def test_an_idle_loop_is_left_alone():
    async def wait_long():
        await asyncio.sleep(0.3)

    assert await _blocks_while(wait_long) == []


async def test_a_thread_that_blocks_is_not_the_loop():
    async def wait_for_thread():
        await asyncio.to_thread(time.sleep, 0.2)

    assert await _blocks_while(wait_for_thread) == []


async def test_each_block_is_told_of():
    async def dawdle_twice():
        for _ in range(2):
            time.sleep(0.15)  # noqa: ASYNC251
            await asyncio.sleep(LIMIT_MS / 1000)

    assert len(await _blocks_while(dawdle_twice)) == 2


def test_it_ends_with_its_loop():
    loop = asyncio.new_event_loop()
    guard = watch(loop, LIMIT_MS, lambda block: None)
    loop.close()
    guard.stop()
    assert "loop-watch" not in {thread.name for thread in threading.enumerate()}


def test_a_uvloop_too():
    uvloop = pytest.importorskip("uvloop")

    async def dawdle():
        time.sleep(0.2)  # noqa: ASYNC251

    async def wait_long():
        await asyncio.sleep(0.2)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(_blocks_while(dawdle))) == 1
        assert runner.run(_blocks_while(wait_long)) == []


async def test_the_guard_of_every_test_raises_where_our_code_blocks(blocking_calls: BlockBuster, tmp_path):
    with pytest.raises(BlockingError):
        session_secret(Settings(data_dir=tmp_path, _env_file=None))
    sqlite3.connect(":memory:").close()  # the test's own code may

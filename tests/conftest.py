"""What every test has: nothing of ours may block the event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from blockbuster import BlockBuster, blockbuster_ctx

from jieqian.metrics.loop_watch import Block, watch
from jieqian.sections.warming import warm_up

#: Where blocking is right: imports, and opening the data, once each in the life of a process.
MAY_BLOCK = (
    ("<frozen importlib._bootstrap>", {"_find_and_load", "_handle_fromlist"}),
    ("jieqian/tasks/database.py", {"open_engine", "migrate"}),
    ("jieqian/tasks/writer.py", {"__init__"}),
)
#: How long the loop may be silent in a test that asks for `unblocked_loop`, in milliseconds.
LONGEST_SILENCE_MS = 200


@pytest.fixture(autouse=True, scope="session")
def warm_tables() -> None:
    """What the service reads before it starts (see `House.start`)."""
    warm_up()


@pytest.fixture(autouse=True)
def blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call (file, socket, lock, sleep, SQLite) on the loop's thread from our code raises `BlockingError`."""
    with blockbuster_ctx("jieqian") as found:
        for function in found.functions.values():
            for file, names in MAY_BLOCK:
                function.can_block_in(file, names)
        yield found


@pytest_asyncio.fixture
async def unblocked_loop() -> AsyncIterator[list[Block]]:
    """Fails the test where something, a long computation too, held the loop up; for tests of the whole service."""
    found: list[Block] = []
    guard = watch(asyncio.get_running_loop(), LONGEST_SILENCE_MS, found.append)
    yield found
    await asyncio.to_thread(guard.stop)
    assert not found, f"the event loop was blocked for over {LONGEST_SILENCE_MS} ms:\n{found[0].stack}"

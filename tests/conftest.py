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
#: The first to be begun, where modules are shared out among processes: else the last goes on alone with one of them.
LONGEST_FIRST = (
    "test_axe",
    "test_nothing_lost",
    "test_killed_with_a_model",
    "test_retrieval",
    "test_cli_read",
    "test_cache",
    "test_model_cli",
    "test_cli_usage",
    "test_all_collections",
    "test_cli_doctor",
    "test_doctor_mends",
    "test_settings",
    "test_reading",
    "test_benchmarks",
)
#: How long the loop may be silent in a test that asks for `unblocked_loop`, in milliseconds.
LONGEST_SILENCE_MS = 200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests side by side, for they share a browser and sites; long modules next; the others as they are."""

    def place(item: pytest.Item) -> tuple[bool, int]:
        order = LONGEST_FIRST.index(item.path.stem) if item.path.stem in LONGEST_FIRST else len(LONGEST_FIRST)
        return item.path.parent.name != "browser", order

    items.sort(key=place)


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

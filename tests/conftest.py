"""What every test has: nothing of ours may block the event loop."""

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

#: Where blocking is right: imports, and opening the data, once each in the life of a process.
MAY_BLOCK = (
    ("<frozen importlib._bootstrap>", {"_find_and_load", "_handle_fromlist"}),
    ("jieqian/tasks/database.py", {"open_engine", "migrate"}),
    ("jieqian/tasks/writer.py", {"__init__"}),
)


@pytest.fixture(autouse=True)
def blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call (file, socket, lock, sleep, SQLite) on the loop's thread from our code raises `BlockingError`."""
    with blockbuster_ctx("jieqian") as found:
        for function in found.functions.values():
            for file, names in MAY_BLOCK:
                function.can_block_in(file, names)
        yield found

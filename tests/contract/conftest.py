"""The stores the contract tests run over."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from jieqian.tasks.database import migrate, sqlite_url
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.store import Announce, TaskStore
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import Ear

OpenStore = Callable[[Announce], TaskStore]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "jieqian.db"
    migrate(sqlite_url(path))
    return path


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> AsyncIterator[OpenStore]:
    """Opens an empty store that announces to what it is given; closes it at the end."""
    opened: list[TaskStore] = []

    def open_one(announce: Announce) -> TaskStore:
        if request.param == "memory":
            opened.append(MemoryTaskStore(announce))
        else:
            path = tmp_path / "jieqian.db"
            shutil.copyfile(migrated_file, path)
            opened.append(SqlTaskStore(sqlite_url(path), announce))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()
    await asyncio.sleep(0)


@pytest.fixture
def ear() -> Ear:
    """What the store announced."""
    return Ear()


@pytest.fixture
def store(open_store: OpenStore, ear: Ear) -> TaskStore:
    """An empty store, announcing to `ear`."""
    return open_store(ear)

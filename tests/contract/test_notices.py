"""What every store must do with notices: what the operator's webhook is still to be told."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from store_steps import NOW, accept, claim

from jieqian.events.event import Completed
from jieqian.tasks.database import sqlite_url
from jieqian.tasks.sql_store import SqlTaskStore, announce_nothing
from jieqian.tasks.store import Notice, TaskStore
from jieqian.tasks.task import Status, Task
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import SAMPLE_TIME

LATER = SAMPLE_TIME + 1000


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def telling(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> AsyncIterator[TaskStore]:
    """An empty store that keeps notices."""
    store: TaskStore
    if request.param == "memory":
        store = MemoryTaskStore(keeps_notices=True)
    else:
        path = tmp_path / "telling.db"
        shutil.copyfile(migrated_file, path)
        store = SqlTaskStore(sqlite_url(path), announce_nothing, keeps_notices=True)
    yield store
    await store.close()


async def ended(store: TaskStore, **fields) -> Task:
    task = await accept(store, **fields)
    await claim(store)
    await store.end(task.id, "token", Status.COMPLETED, {}, [Completed({})])
    return task


async def test_each_end_is_due_once_it_is_there(telling: TaskStore):
    task = await accept(telling)
    assert await telling.due_notices(LATER, 10) == []
    await claim(telling)
    await telling.end(task.id, "token", Status.COMPLETED, {}, [Completed({})])
    assert await telling.due_notices(LATER, 10) == [Notice(task.id, 0)]
    stopped = await accept(telling)
    await telling.stop(stopped.id, "asker", NOW)
    care = await accept(telling, care={"kind": "k"})
    assert {notice.task_id for notice in await telling.due_notices(LATER, 10)} == {task.id, stopped.id, care.id}
    assert len(await telling.due_notices(LATER, 2)) == 2


async def test_one_put_off_is_due_later_and_behind_the_others(telling: TaskStore):
    first, second = await ended(telling), await ended(telling)
    await telling.put_off_notice(first.id, 1, LATER)
    assert await telling.due_notices(LATER - 1, 10) == [Notice(second.id, 0)]
    assert await telling.due_notices(LATER, 10) == [Notice(second.id, 0), Notice(first.id, 1)]


async def test_what_was_told_or_erased_is_due_no_more(telling: TaskStore):
    told, erased = await ended(telling), await ended(telling)
    await telling.forget_notice(told.id)
    await telling.erase(erased.id, "asker")
    for task in (told, erased):
        await telling.put_off_notice(task.id, 1, NOW)
    assert await telling.due_notices(LATER, 10) == []


async def test_an_idempotency_key_that_brings_back_a_task_brings_no_second_notice(telling: TaskStore):
    task = await ended(telling, idempotency_key="k", body_hash="h")
    await telling.forget_notice(task.id)
    await accept(telling, idempotency_key="k", body_hash="h")
    assert await telling.due_notices(LATER, 10) == []


async def test_without_a_webhook_none_is_kept(store: TaskStore):
    await ended(store)
    assert await store.due_notices(LATER, 10) == []

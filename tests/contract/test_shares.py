"""What every store must do with links to readings."""

import asyncio
from dataclasses import replace

import pytest
from store_steps import accept

from jieqian.errors import UnknownShare, UnknownTask
from jieqian.tasks.store import Share, TaskStore
from jieqian.testing.sample_tasks import SAMPLE_TIME

END = SAMPLE_TIME + 100


def link(task_id: str, token: str = "t", **changes) -> Share:
    fields = {"with_question": False, "created_at": SAMPLE_TIME, "expires_at": END}
    return Share(token=token, task_id=task_id, **(fields | changes))


async def test_a_link_shows_the_task_until_it_runs_out(store: TaskStore):
    task = await accept(store)
    share = link(task.id)
    assert await store.share_of(task.id, "asker", SAMPLE_TIME) is None
    assert await store.share(share, "asker") == share == await store.share_of(task.id, "asker", SAMPLE_TIME)
    assert await store.shared("t", END - 1) == (share, await store.get(task.id))
    for token, now in (("t", END), ("T", SAMPLE_TIME), ("", SAMPLE_TIME), ("%", SAMPLE_TIME), (task.id, SAMPLE_TIME)):
        with pytest.raises(UnknownShare):
            await store.shared(token, now)
    assert await store.share_of(task.id, "asker", END) is None


async def test_only_the_asker_makes_sees_and_ends_it(store: TaskStore):
    task = await accept(store)
    await store.share(link(task.id), "asker")
    for task_id, caller in ((task.id, "another"), ("no such task", "asker")):
        for call in (
            store.share(link(task_id, "u"), caller),
            store.share_of(task_id, caller, SAMPLE_TIME),
            store.withdraw_share(task_id, caller),
        ):
            with pytest.raises(UnknownTask):
                await call
    assert (await store.shared("t", SAMPLE_TIME))[0] == link(task.id)


async def test_asked_for_again_it_stays_unless_it_would_show_something_else(store: TaskStore):
    task = await accept(store)
    first = await store.share(link(task.id, "first"), "asker")
    assert await store.share(link(task.id, "second"), "asker") == first
    third = link(task.id, "third", with_question=True)
    assert await store.share(third, "asker") == third
    with pytest.raises(UnknownShare):
        await store.shared("first", SAMPLE_TIME)
    later = link(task.id, "fourth", with_question=True, created_at=END, expires_at=END + 1)
    assert await store.share(later, "asker") == later
    with pytest.raises(UnknownShare):
        await store.shared("third", SAMPLE_TIME)


async def test_of_many_made_at_once_one_holds(store: TaskStore):
    task = await accept(store)
    made = await asyncio.gather(*(store.share(link(task.id, f"t{number}"), "asker") for number in range(5)))
    assert set(made) == {await store.share_of(task.id, "asker", SAMPLE_TIME)}


async def test_withdrawn_or_erased_it_ends(store: TaskStore):
    task, other, kept = [await accept(store) for _ in range(3)]
    for token, shared in (("t", task), ("o", other), ("k", kept)):
        await store.share(link(shared.id, token), "asker")
    assert [await store.withdraw_share(task.id, "asker") for _ in range(2)] == [True, False]
    await store.erase(other.id, "asker")
    for token in ("t", "o"):
        with pytest.raises(UnknownShare):
            await store.shared(token, SAMPLE_TIME)
    assert (await store.shared("k", SAMPLE_TIME))[1].id == kept.id
    assert (await store.share(link(task.id, "t2"), "asker")).token == "t2"


async def test_no_two_links_have_one_token(store: TaskStore):
    task, other = [await accept(store) for _ in range(2)]
    await store.share(link(task.id), "asker")
    with pytest.raises(Exception, match=r"(?i)unique|already"):
        await store.share(replace(link(other.id), with_question=True), "asker")
    assert (await store.shared("t", SAMPLE_TIME))[1].id == task.id

"""What every store must do with draws and API keys."""

import asyncio
from dataclasses import replace

import pytest

from jieqian.errors import DrawAlreadyRevealed, UnknownDraw
from jieqian.tasks.store import ApiKey, Draw, TaskStore
from jieqian.testing.sample_tasks import SAMPLE_TIME

DRAW = Draw(id="d", caller="asker", collection="yuelao", server_seed="ab" * 32, created_at=SAMPLE_TIME)
KEY = ApiKey(id="1", name="temple's own page", key_hash="cd" * 32, created_at=SAMPLE_TIME)
RESULT = {"number": 7, "throws": ["聖", "笑"], "client_seed": "種"}


async def test_a_draw_is_its_callers(store: TaskStore):
    await store.add_draw(DRAW)
    assert await store.get_draw("d", "asker") == DRAW
    for draw_id, caller in (("d", "another"), ("no such draw", "asker")):
        with pytest.raises(UnknownDraw):
            await store.get_draw(draw_id, caller)
        with pytest.raises(UnknownDraw):
            await store.reveal_draw(draw_id, caller, RESULT)
    assert (await store.get_draw("d", "asker")).result is None


async def test_a_draw_is_revealed_once(store: TaskStore):
    await store.add_draw(DRAW)
    await store.reveal_draw("d", "asker", RESULT)
    with pytest.raises(DrawAlreadyRevealed):
        await store.reveal_draw("d", "asker", RESULT | {"number": 8})
    assert await store.get_draw("d", "asker") == replace(DRAW, result=RESULT)


async def test_of_many_reveals_at_once_one_holds(store: TaskStore):
    await store.add_draw(DRAW)
    reveals = [store.reveal_draw("d", "asker", {"number": number}) for number in range(20)]
    answers = await asyncio.gather(*reveals, return_exceptions=True)
    (winner,) = [number for number, answer in enumerate(answers) if answer is None]
    assert sum(isinstance(answer, DrawAlreadyRevealed) for answer in answers) == 19
    assert (await store.get_draw("d", "asker")).result == {"number": winner}


async def test_a_draw_is_not_replaced(store: TaskStore):
    await store.add_draw(DRAW)
    with pytest.raises(Exception, match=r"(?i)unique|already"):
        await store.add_draw(replace(DRAW, server_seed="00" * 32))
    assert await store.get_draw("d", "asker") == DRAW


async def test_a_key_is_found_by_its_hash_until_it_is_revoked(store: TaskStore):
    assert await store.find_key(KEY.key_hash) is None
    await store.add_key(KEY)
    assert await store.find_key(KEY.key_hash) == KEY
    assert await store.find_key("another hash") is None
    assert await store.revoke_key("1", SAMPLE_TIME + 5) is True
    assert await store.find_key(KEY.key_hash) is None
    assert await store.keys() == [replace(KEY, revoked_at=SAMPLE_TIME + 5)]


async def test_only_a_valid_key_can_be_revoked(store: TaskStore):
    assert await store.revoke_key("1", SAMPLE_TIME) is False
    await store.add_key(KEY)
    assert [await store.revoke_key("1", SAMPLE_TIME + at) for at in (1, 2)] == [True, False]
    assert (await store.keys())[0].revoked_at == SAMPLE_TIME + 1


async def test_keys_are_listed_oldest_first(store: TaskStore):
    for number in (2, 3, 1):
        await store.add_key(replace(KEY, id=str(number), key_hash=str(number), created_at=SAMPLE_TIME + number))
    assert [key.id for key in await store.keys()] == ["1", "2", "3"]


async def test_two_keys_are_never_the_same(store: TaskStore):
    await store.add_key(KEY)
    with pytest.raises(Exception, match=r"(?i)unique|already"):
        await store.add_key(replace(KEY, id="2"))
    assert await store.keys() == [KEY]

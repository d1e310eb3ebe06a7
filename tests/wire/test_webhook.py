"""The operator's webhook over real HTTP: signed, tried again, told once, never a question in it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from jieqian.events.event import Completed
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Status
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import SAMPLE_TIME, sample_first_events, sample_request, sample_section
from jieqian.webhook.message import key_of
from jieqian.webhook.sender import WebhookSender

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
QUICK = (0.01,) * 3
Seen = list[tuple[dict[str, str], bytes]]


class Receiver:
    """Answers with each of `statuses` in turn, then with the last for ever; keeps what it was told."""

    def __init__(self) -> None:
        self.statuses = [204]
        self.seen: Seen = []
        self.stalls = False

    async def take(self, request: web.Request) -> web.Response:
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        if self.stalls:
            await asyncio.sleep(30)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if 300 <= status < 400 else {})


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    async with TestServer(app) as server:
        yield receiver, str(server.make_url("/hook"))


async def ended(store: TaskStore, caller: str = "asker") -> str:
    task = (await store.accept(sample_request(caller, question="誰也不該知道"), sample_first_events, 100)).task
    await store.claim("token", SAMPLE_TIME, 30)
    await store.finish_section(task.id, "token", sample_section(text="私事"), {}, [])
    await store.end(task.id, "token", Status.COMPLETED, {"degraded": False}, [Completed({})])
    return task.id


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 (nobody tells when all is told)
            await asyncio.sleep(0.01)


async def nothing_left(store: TaskStore) -> bool:
    return await store.due_notices(9e9, 1) == []


async def test_an_end_is_told_signed_and_without_a_word_of_it(receiver: tuple[Receiver, str]) -> None:
    hook, url = receiver
    store = MemoryTaskStore(keeps_notices=True)
    sender = WebhookSender(store, url, key_of(SECRET), waits=QUICK)
    sender.start()
    task_id = await ended(store)
    sender.ring()
    await until(lambda: nothing_left(store))
    await sender.stop()
    ((headers, body),) = hook.seen
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == f"msg_{task_id}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told = json.loads(body)
    assert (told["event"], told["task_id"], told["status"]) == ("reading.ended", task_id, "completed")
    assert (told["collection"], told["lot"], told["language"]) == ("yuelao", 7, "zh-Hant")
    assert all(secret not in body.decode() + json.dumps(told, ensure_ascii=False) for secret in ("誰", "私事", "asker"))


@pytest.mark.parametrize("refusals", [[500], [429, 302], [404, 503, 301]])
async def test_what_is_not_taken_is_sent_again_with_its_id_and_no_redirect_is_followed(
    receiver: tuple[Receiver, str], refusals: list[int]
) -> None:
    hook, url = receiver
    hook.statuses = [*refusals, 200]
    store = MemoryTaskStore(keeps_notices=True)
    await ended(store)
    sender = WebhookSender(store, url, KEY, waits=QUICK)
    sender.start()
    await until(lambda: nothing_left(store))
    await sender.stop()
    assert len(hook.seen) == len(refusals) + 1
    assert len({headers["webhook-id"] for headers, _ in hook.seen}) == 1


@pytest.mark.parametrize(("status", "tries"), [(500, len(QUICK) + 1), (410, 1)])
async def test_it_is_given_up_in_the_end_and_at_once_where_the_receiver_is_gone(
    receiver: tuple[Receiver, str], status: int, tries: int
) -> None:
    hook, url = receiver
    hook.statuses = [status]
    store = MemoryTaskStore(keeps_notices=True)
    await ended(store)
    sender = WebhookSender(store, url, KEY, waits=QUICK)
    sender.start()
    await until(lambda: nothing_left(store))
    await sender.stop()
    assert len(hook.seen) == tries


async def test_what_was_not_told_is_told_after_a_restart(receiver: tuple[Receiver, str]) -> None:
    hook, url = receiver
    store = MemoryTaskStore(keeps_notices=True)
    ids = {await ended(store) for _ in range(3)}
    nobody = WebhookSender(store, "http://127.0.0.1:9/hook", KEY, waits=(0.01, 3600))
    nobody.start()
    hook.stalls = True
    silent = WebhookSender(store, url, KEY, waits=QUICK)
    silent.start()
    await until(lambda: _seen(hook, 1))
    for sender in (nobody, silent):
        await sender.stop()
    hook.stalls = False
    hook.seen.clear()
    again = WebhookSender(store, url, KEY, waits=QUICK, clock=lambda: 9e8 * 2)
    again.start()
    await until(lambda: nothing_left(store))
    await again.stop()
    assert {json.loads(body)["task_id"] for _, body in hook.seen} == ids


async def _seen(hook: Receiver, number: int) -> bool:
    return len(hook.seen) >= number


async def test_the_services_own_tasks_and_erased_ones_are_not_told(receiver: tuple[Receiver, str]) -> None:
    hook, url = receiver
    store = MemoryTaskStore(keeps_notices=True)
    await ended(store, "filling the cache")
    await store.erase(await ended(store), "asker")
    sender = WebhookSender(store, url, KEY, skips=frozenset({"filling the cache"}), waits=QUICK)
    sender.start()
    await until(lambda: nothing_left(store))
    await sender.stop()
    assert hook.seen == []


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_"), "whsec_§" + "A" * 40]
)
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        key_of(secret)

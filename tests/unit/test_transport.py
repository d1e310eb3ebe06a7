"""Bodies that never arrive, HEAD, and headers that a status asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from jieqian.api.heads import MOST_HEAD_BYTES, BoundedHeads
from jieqian.api.problems import problem_response
from jieqian.api.transport import HeadAsGet, TellsFaults, TimelyBodies, Uploads
from jieqian.errors import InvalidApiKey, JieqianError, RequestTimeout, UnknownTask


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        body = await Request(scope, receive).body()
    except JieqianError as error:
        await problem_response(error)(scope, receive, send)
        return
    await PlainTextResponse(scope["method"].encode() + body)(scope, receive, send)


async def call(app: Any, method: str, path: str = "/", parts: Iterable[Message] = ()) -> list[Message]:
    """What is sent back; after the given parts nothing more comes."""
    left, sent = list(parts), []

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return sent


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_body_that_stops_half_way_is_answered_408(method: str) -> None:
    head, body = await call(TimelyBodies(echo, uploads=Uploads(0.05)), method, parts=[part(b"half", more=True)])
    assert head["status"] == 408
    assert (b"connection", b"close") in head["headers"]
    assert b'"code":"request_timeout"' in body["body"]


async def test_a_body_in_time_is_whole() -> None:
    parts = [part(b"a", more=True), part(b"b", more=False)]
    head, body = await call(TimelyBodies(echo, uploads=Uploads(5)), "POST", parts=parts)
    assert (head["status"], body["body"]) == (200, b"POSTab")


async def test_the_time_is_for_the_whole_body_and_not_for_each_part() -> None:
    async def drip() -> Message:
        await asyncio.sleep(0.02)
        return part(b".", more=True)

    async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            await receive()

    with pytest.raises(RequestTimeout):
        async with asyncio.timeout(10):
            await TimelyBodies(read_all, uploads=Uploads(0.1))({"type": "http", "method": "POST"}, drip, drip)


async def test_after_the_body_the_wait_has_no_end() -> None:
    async def waits_on(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await receive()
        await PlainTextResponse("still here")(scope, receive, send)

    head, _ = await call(TimelyBodies(waits_on, uploads=Uploads(0.05)), "POST", parts=[part(b"", more=False)])
    assert head["status"] == 200


async def test_a_stopping_service_waits_for_no_body() -> None:
    uploads = Uploads(60)
    app = TimelyBodies(echo, uploads=uploads)
    under_way = asyncio.create_task(call(app, "POST", parts=[part(b"half", more=True)]))
    await asyncio.sleep(0.01)
    uploads.close()
    uploads.close()
    for sent in (await under_way, await call(app, "POST", parts=[part(b"half", more=True)])):
        assert sent[0]["status"] == 408
        assert b"stopping" in sent[1]["body"]


async def test_head_is_get_without_the_body() -> None:
    head, body = await call(HeadAsGet(echo), "HEAD", parts=[part(b"", more=False)])
    assert (head["status"], body["body"]) == (200, b"")
    assert (b"content-length", b"3") in head["headers"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("HEAD", "/api/v1/tasks/x/events"), ("HEAD", "/b/api/v1/admin/backup/x")]
)
async def test_what_is_no_head_of_a_page_is_passed_on(method: str, path: str) -> None:
    _, body = await call(HeadAsGet(echo), method, path, parts=[part(b"", more=False)])
    assert body["body"] == method.encode()


async def test_an_unexpected_error_is_answered_and_goes_on() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("secret of the inside")

    async def fails_half_way(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    heard: list[Message] = []

    async def send(message: Message) -> None:
        heard.append(message)

    for app, statuses in ((fails, [500]), (fails_half_way, [200])):
        heard.clear()
        with pytest.raises(ZeroDivisionError):
            await TellsFaults(app)({"type": "http", "method": "GET"}, asyncio.Event().wait, send)  # type: ignore[arg-type]
        assert [message["status"] for message in heard if message["type"] == "http.response.start"] == statuses
        assert b"secret" not in b"".join(message.get("body", b"") for message in heard)


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 431)])
async def test_address_and_headers_have_a_bound(over: int, status: int) -> None:
    app = BoundedHeads(echo)
    head, _ = await call(app, "GET", "/" + "x" * (MOST_HEAD_BYTES - 1 + over), parts=[part(b"", more=False)])
    assert head["status"] == status


def test_headers_that_a_status_asks_for() -> None:
    assert problem_response(InvalidApiKey()).headers["www-authenticate"] == "Bearer"
    assert problem_response(RequestTimeout()).headers["connection"] == "close"
    assert "www-authenticate" not in problem_response(UnknownTask()).headers

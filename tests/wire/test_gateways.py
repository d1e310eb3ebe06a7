"""Gateways that pass on only the calls a chat needs: the rest must not be needed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from jieqian.llm.client import Message, ModelRequest, TextDelta
from jieqian.llm.selection import choose_client

REQUEST = ModelRequest(model="gate:1b", messages=(Message("user", "hello"),), max_tokens=64, context_tokens=4096)


@asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def answer_of(url: str, provider: str) -> str:
    """Choose by `auto`, check what was chosen, and ask it."""
    choice = await choose_client(base_url=url, model="gate:1b")
    assert choice.client is not None
    try:
        assert (choice.provider, choice.model and choice.model.name) == (provider, "gate:1b"), choice.note
        chunks = [chunk async for chunk in choice.client.stream(REQUEST)]
    finally:
        await choice.client.close()
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


async def test_ollamas_tags_and_chat_are_enough() -> None:
    async def tags(_: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": "gate:1b"}]})

    async def chat(_: web.Request) -> web.Response:
        pieces = [{"message": {"content": "好"}, "done": False}, {"message": {"content": ""}, "done": True}]
        return web.Response(text="".join(json.dumps(piece) + "\n" for piece in pieces))

    async with serving(web.get("/api/tags", tags), web.post("/api/chat", chat)) as url:
        assert await answer_of(url, "ollama") == "好"


async def test_openais_chat_alone_is_enough_for_a_named_model() -> None:
    async def chat(_: web.Request) -> web.Response:
        pieces = [{"choices": [{"delta": {"content": "好"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
        lines = [*(json.dumps(piece) for piece in pieces), "[DONE]"]
        return web.Response(text="".join(f"data: {line}\n\n" for line in lines), content_type="text/event-stream")

    async with serving(web.post("/v1/chat/completions", chat)) as url:
        assert await answer_of(f"{url}/v1", "openai") == "好"


async def test_a_key_that_is_refused_is_no_missing_list() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": "bad key"}, status=401)

    async with serving(web.get("/v1/models", refuse)) as url:
        choice = await choose_client(base_url=f"{url}/v1", model="gate:1b")
        assert choice.client is not None
        await choice.client.close()
        assert choice.model is None
        assert "LLM_API_KEY" in choice.note

"""A stand-in that speaks OpenAI's chat completions: `python -m jieqian.testing.openai_server --port 0`.

It looks like vLLM; `POST /_models` `{"flavour": "llamacpp"}` makes it look like llama.cpp's server (`meta`, `/props`,
`timings`), `"organization_owner"` like LM Studio (`/api/v0/models`); `window` is its window in tokens. `refuse` in a
behaviour names fields answered 400, as servers do that do not know them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from jieqian.testing.script import Behaviour, Turn, prepare
from jieqian.testing.wire_server import SCRIPT, application, body_of, record, serve, stream

WINDOW = 8192
SETTINGS = web.AppKey("settings", dict[str, Any])


async def _models(request: web.Request) -> web.Response:
    settings = request.app[SETTINGS]
    entries = []
    for name in settings["models"]:
        entry: dict[str, Any] = {"id": name, "object": "model", "created": 1, "owned_by": settings["flavour"]}
        if settings["flavour"] == "vllm":
            entry |= {"root": name, "max_model_len": _window(settings)}
        elif settings["flavour"] == "llamacpp" and settings["meta"]:
            entry |= {
                "meta": {"n_ctx": _window(settings), "n_ctx_train": 4 * _window(settings), "n_params": 1_500_000_000}
            }
        entries.append(entry)
    return web.json_response({"object": "list", "data": entries})


async def _props(request: web.Request) -> web.Response:
    settings = request.app[SETTINGS]
    if settings["flavour"] != "llamacpp":
        raise web.HTTPNotFound
    slots = settings.get("total_slots", 1)
    return web.json_response({"default_generation_settings": {"n_ctx": _window(settings) // 2}, "total_slots": slots})


async def _version(request: web.Request) -> web.Response:
    if request.app[SETTINGS]["flavour"] != "vllm":
        raise web.HTTPNotFound
    return web.json_response({"version": "0.19.1"})


async def _lm_studio(request: web.Request) -> web.Response:
    """LM Studio's own list: what is loaded (`settings["loaded"]`), and with which window."""
    settings = request.app[SETTINGS]
    if settings["flavour"] != "organization_owner":
        raise web.HTTPNotFound
    entries = []
    for name in settings["models"]:
        entry = {"id": name, "object": "model", "type": "llm", "max_context_length": 4 * _window(settings)}
        if name in settings.get("loaded", ()):
            entry |= {"state": "loaded", "loaded_context_length": _window(settings)}
        else:
            entry |= {"state": "not-loaded"}
        entries.append(entry)
    return web.json_response({"object": "list", "data": entries})


def _window(settings: Mapping[str, Any]) -> int:
    return int(settings.get("window", WINDOW))


async def _set_models(request: web.Request) -> web.Response:
    request.app[SETTINGS].update(await body_of(request))
    return web.json_response({"ok": True})


async def _chat(request: web.Request) -> web.StreamResponse:
    body = await body_of(request)
    seen = record(request, body)
    settings = request.app[SETTINGS]
    behaviour = request.app[SCRIPT].take()
    name = str(body.get("model") or "")
    if behaviour.status != 200:
        return _refuse(behaviour.status, behaviour.error or "overloaded", behaviour.retry_after)
    if name not in settings["models"]:
        return _refuse(404, f"The model `{name}` does not exist.")
    for field in behaviour.refuse:
        if field in body:
            return _refuse(400, f"Unsupported parameter: '{field}' is not supported by this server.")
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    turn = prepare(behaviour, messages=body["messages"], schema=schema, limit=limit, thinks=True)
    if behaviour.prompt_tokens is None and turn.prompt_tokens > _window(settings):
        said = (
            f"This model's maximum context length is {_window(settings)} tokens; the request has {turn.prompt_tokens}."
        )
        return _refuse(400, said)
    wire = _Wire(name, behaviour)
    return await stream(
        request,
        seen,
        behaviour,
        turn,
        content_type="text/event-stream; charset=utf-8",
        piece=wire.piece,
        error=wire.error,
        last=wire.last(turn, settings["flavour"]),
    )


class _Wire:
    """The events of one answer."""

    def __init__(self, name: str, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": int(time.time()), "model": name}
        self._begun = False

    def piece(self, kind: str, text: str) -> bytes:
        field = self._behaviour.reasoning_field if kind == "thinking" else "content"
        events = b"" if self._begun else self._choice({"role": "assistant", "content": ""}, None)
        if self._behaviour.comments:
            events += self._lines(": keep-alive")
        self._begun = True
        return events + self._choice({field: text}, None)

    def error(self, said: str) -> bytes:
        return self._event({"error": {"message": said, "type": "server_error", "code": 500}})

    def last(self, turn: Turn, flavour: str) -> bytes:
        behaviour = self._behaviour
        reason = behaviour.finish_reason or ("length" if turn.length else "stop")
        events = b"" if reason == "none" else self._choice({}, reason)
        usage = {
            "prompt_tokens": turn.prompt_tokens,
            "completion_tokens": turn.written,
            "total_tokens": turn.prompt_tokens + turn.written,
        }
        if flavour == "llamacpp":
            timings = {"cache_n": 1, "prompt_n": turn.prompt_tokens - 1, "predicted_n": turn.written}
            events += self._event({**self._head, "choices": [], "timings": timings})
        if behaviour.usage:
            events += self._event({**self._head, "choices": [], "usage": usage})
        return events + (self._lines("data: [DONE]") if behaviour.done else b"")

    def _choice(self, delta: Mapping[str, Any], reason: str | None) -> bytes:
        return self._event({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def _event(self, document: Mapping[str, Any]) -> bytes:
        return self._lines("data: " + json.dumps(document, ensure_ascii=False))

    def _lines(self, line: str) -> bytes:
        end = "\r\n" if self._behaviour.crlf else "\n"
        return f"{line}{end}{end}".encode()


def _refuse(status: int, said: str, retry_after: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    document = {"error": {"message": said, "type": "invalid_request_error", "param": None, "code": status}}
    return web.json_response(document, status=status, headers=headers)


def openai_application() -> web.Application:
    """The stand-in as an application."""
    app = application()
    app[SETTINGS] = {"flavour": "vllm", "models": ["Qwen/Qwen2.5-7B-Instruct", "openai/gpt-oss-20b"], "meta": True}
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_get("/props", _props)
    app.router.add_get("/version", _version)
    app.router.add_get("/api/v0/models", _lm_studio)
    app.router.add_post("/_models", _set_models)
    return app


if __name__ == "__main__":
    sys.exit(serve(openai_application(), "jieqian.testing.openai_server"))

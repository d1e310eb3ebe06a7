"""A stand-in that speaks Ollama's native API: `python -m jieqian.testing.ollama_server --port 0`.

Quirks imitated, each by the model's name or a behaviour:

- a prompt longer than `num_ctx` is answered 400 where `truncate` is false; an older server (`knows_truncate: false`)
  cuts it to `num_ctx/2 + 2` in silence: https://github.com/ollama/ollama/issues/17427, …/17889
- `think: false` drops the schema for gemma4 and qwen3.5: https://github.com/ollama/ollama/issues/15260, …/14645
- gpt-oss thinks also with `think: false`: https://github.com/ollama/ollama/issues/11691
- cloud models accept a schema and ignore it: https://github.com/ollama/ollama/issues/12362
- a level of thinking for a model that does not think is answered 400 (`ChatHandler` in server/routes.go)
- an error before the first piece is a status, one after it a line `{"error": …}` (`streamResponse`, same file)
- the client's leaving is noticed with the next piece only: https://github.com/ollama/ollama/issues/11889
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from jieqian.testing.embedder import character_vector
from jieqian.testing.script import prepare
from jieqian.testing.wire_server import SCRIPT, application, body_of, record, serve, stream

MODELS: dict[str, dict[str, Any]] = {
    "qwen2.5:7b": {"family": "qwen2", "parameters": 7.6e9, "context": 32768, "capabilities": ["completion", "tools"]},
    "qwen3:8b": {"family": "qwen3", "parameters": 8.2e9, "context": 40960, "capabilities": ["completion", "thinking"]},
    "gpt-oss:20b": {
        "family": "gptoss",
        "parameters": 20.9e9,
        "context": 131072,
        "capabilities": ["completion", "thinking"],
    },
    "gemma4:12b": {
        "family": "gemma4",
        "parameters": 12e9,
        "context": 131072,
        "capabilities": ["completion", "thinking"],
    },
    "gpt-oss:120b-cloud": {
        "family": "gptoss",
        "parameters": 116.8e9,
        "context": 131072,
        "capabilities": ["completion", "thinking"],
    },
    "nomic-embed-text:latest": {
        "family": "nomic-bert",
        "parameters": 1.37e8,
        "context": 2048,
        "capabilities": ["embedding"],
    },
}
INSTALLED = web.AppKey("installed", dict[str, dict[str, Any]])
#: The models in memory, each with the window it was loaded with.
LOADED = web.AppKey("loaded", dict[str, int])
_KEPT = timedelta(minutes=30)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _details(facts: Mapping[str, Any]) -> dict[str, Any]:
    size = facts["parameters"]
    shown = f"{size / 1e9:.1f}B" if size >= 1e9 else f"{size / 1e6:.0f}M"
    family = facts["family"]
    return {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": shown,
        "quantization_level": "Q4_K_M",
    }


async def _version(_request: web.Request) -> web.Response:
    return web.json_response({"version": "0.32.14"})


async def _tags(request: web.Request) -> web.Response:
    models = [
        {
            "name": name,
            "model": name,
            "modified_at": "2026-08-01T00:00:00Z",
            "size": int(facts["parameters"] * 0.6),
            "digest": facts.get("digest") or hashlib.sha256(name.encode()).hexdigest(),
            "details": _details(facts),
        }
        for name, facts in request.app[INSTALLED].items()
    ]
    return web.json_response({"models": models})


async def _show(request: web.Request) -> web.Response:
    body = await body_of(request)
    name = str(body.get("model") or body.get("name") or "")
    facts = _find(request.app, name)
    if facts is None:
        return _refuse(404, f"model '{name}' not found")
    family = facts["family"]
    info = {
        "general.architecture": family,
        "general.parameter_count": int(facts["parameters"]),
        f"{family}.context_length": facts["context"],
    }
    document = {"details": _details(facts), "model_info": info, "capabilities": facts["capabilities"]}
    return web.json_response(document)


async def _ps(request: web.Request) -> web.Response:
    """The models in memory: their weights wholly on the GPU, beside them half a kilobyte a token of the window."""
    running = []
    for name, window in request.app[LOADED].items():
        facts = request.app[INSTALLED].get(name)
        if facts is not None:
            size = int(facts["parameters"] * 0.6)
            until = (datetime.now(UTC) + _KEPT).isoformat().replace("+00:00", "Z")
            entry = {"name": name, "model": name, "size": size + 512 * window, "digest": "", "details": _details(facts)}
            running.append({**entry, "expires_at": until, "size_vram": size, "context_length": window})
    return web.json_response({"models": running})


async def _install(request: web.Request) -> web.Response:
    """`POST /_models`: the models installed from now on, as in `MODELS`."""
    request.app[INSTALLED].clear()
    request.app[LOADED].clear()
    request.app[INSTALLED].update(await body_of(request))
    return web.json_response({"ok": True})


async def _chat(request: web.Request) -> web.StreamResponse:
    body = await body_of(request)
    seen = record(request, body)
    behaviour = request.app[SCRIPT].take()
    if behaviour.status != 200:
        seen.finished = True
        return _refuse(behaviour.status, behaviour.error or "server busy, please try again", behaviour.retry_after)
    name = str(body.get("model") or "")
    facts = _find(request.app, name)
    if facts is None:
        return _refuse(404, f"model '{name}' not found")
    thinking = "thinking" in facts["capabilities"]
    if body.get("think") and not thinking:
        return _refuse(400, f'"{name}" does not support thinking')
    options = body.get("options") or {}
    schema = body.get("format")
    thinks = thinking and (body.get("think", True) is not False or name.startswith("gpt-oss"))
    if _schema_dropped(name, body):
        behaviour = replace(behaviour, ignore_schema=True)
    turn = prepare(behaviour, messages=body["messages"], schema=schema, limit=options.get("num_predict"), thinks=thinks)
    window = int(options.get("num_ctx") or 4096)
    request.app[LOADED][name if name in request.app[INSTALLED] else f"{name}:latest"] = window
    counted = turn.prompt_tokens
    if behaviour.prompt_tokens is None and counted >= window:
        if body.get("truncate") is False and behaviour.knows_truncate:
            return _refuse(400, "the prompt is longer than the context length currently available to the model")
        counted = window // 2 + 2
    last: dict[str, Any] = {
        **_message(name, "", ""),
        "done": True,
        "done_reason": "length" if turn.length else "stop",
        "total_duration": 1,
        "load_duration": int(behaviour.load_ms * 1e6),
        **({"prompt_eval_count": counted} if counted else {}),
        "eval_count": turn.written,
    }
    return await stream(
        request,
        seen,
        behaviour,
        turn,
        content_type="application/x-ndjson",
        piece=lambda kind, text: _line(_message(name, *(("", text) if kind == "thinking" else (text, "")))),
        error=lambda said: _line({"error": said}),
        last=_line(last),
    )


async def _embed(request: web.Request) -> web.Response:
    """`POST /api/embed`: a vector that counts pairs of characters, so that texts alike in words are near."""
    body = await body_of(request)
    record(request, body).finished = True
    facts = _find(request.app, str(body.get("model") or ""))
    if facts is None:
        return _refuse(404, f"model '{body.get('model')}' not found, try pulling it first")
    if "embedding" not in facts["capabilities"]:
        return _refuse(501, "this model does not support embeddings")
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    return web.json_response({"model": body["model"], "embeddings": [character_vector(text) for text in texts]})


def _schema_dropped(name: str, body: Mapping[str, Any]) -> bool:
    unthinking = body.get("think") is False and name.startswith(("gemma4", "qwen3.5"))
    return body.get("format") is not None and (unthinking or name.endswith(("-cloud", ":cloud")))


def _message(name: str, content: str, thinking: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    if thinking:
        message["thinking"] = thinking
    return {"model": name, "created_at": _now(), "message": message, "done": False}


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _refuse(status: int, said: str, retry_after: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    return web.json_response({"error": said}, status=status, headers=headers)


def _find(app: web.Application, name: str) -> dict[str, Any] | None:
    installed = app[INSTALLED]
    return installed.get(name) or installed.get(f"{name}:latest")


def ollama_application() -> web.Application:
    """The stand-in as an application."""
    app = application()
    app[INSTALLED] = {name: dict(facts) for name, facts in MODELS.items()}
    app[LOADED] = {}
    app.router.add_get("/api/version", _version)
    app.router.add_get("/api/ps", _ps)
    app.router.add_get("/api/tags", _tags)
    app.router.add_post("/api/show", _show)
    app.router.add_post("/api/chat", _chat)
    app.router.add_post("/api/embed", _embed)
    app.router.add_post("/_models", _install)
    return app


if __name__ == "__main__":
    sys.exit(serve(ollama_application(), "jieqian.testing.ollama_server"))

"""Servers that answer JSON of a wrong shape: whatever stands where, a client raises only `ModelError` or goes on."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from jieqian.errors import ModelBusy, ModelError
from jieqian.llm import ollama
from jieqian.llm.client import Message, ModelRequest
from jieqian.llm.http import ModelHttp
from jieqian.llm.ollama import OllamaClient
from jieqian.llm.openai import OpenAIClient
from jieqian.llm.openai_answer import OpenAIAnswer
from jieqian.llm.server_text import message_of_bytes

URL = "http://127.0.0.1:1"
REQUEST = ModelRequest(model="m", messages=(Message("user", "好嗎"),), max_tokens=9, context_tokens=4096)
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**400, float("inf"), float("nan"), "", "x", "\ud800", "9" * 5000),
    *([], [None], [[]], ["x"], {}, {"error": {"error": 1}}, {"x": None}),
)
DEEP = "[" * 100_000
OLLAMA_LINES = (
    {"model": "m", "message": {"role": "assistant", "content": "好", "thinking": "嗯"}, "done": False},
    {"error": "busy", "status": 503},
    {
        "message": {"content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 9,
    },
)
OPENAI_EVENTS = (
    {"choices": [{"delta": {"content": "好", "reasoning_content": "嗯", "reasoning": "嗯"}, "finish_reason": None}]},
    {"error": {"message": "busy", "code": 503}},
    {
        "choices": [{"delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9},
        "timings": {"prompt_n": 1, "cache_n": 2, "predicted_n": 3},
    },
)
TAGS = {
    "models": [
        {
            "name": "m:latest",
            "digest": "d",
            "capabilities": ["completion", "thinking"],
            "details": {"family": "qwen2", "parameter_size": "8.2B"},
        }
    ]
}
SHOW = {
    "model_info": {"general.parameter_count": 8_200_000_000, "qwen2.context_length": 32768},
    "capabilities": ["completion", "thinking"],
    "thinking": {"values": [True, False, "low"]},
    "details": {"family": "qwen2", "parameter_size": "8.2B"},
}
MODELS = {
    "data": [
        {
            "id": "m",
            "owned_by": "llamacpp",
            "type": "llm",
            "aliases": ["other"],
            "max_model_len": 4096,
            "meta": {"n_ctx": 4096, "n_ctx_train": 4096, "n_params": 7_000_000_000},
        }
    ]
}
PROPS = {"default_generation_settings": {"n_ctx": 4096}}


def variants(document: Any) -> Iterator[Any]:
    """The document with each of its values, itself included, in turn replaced by each odd one, or left out."""
    for path in _paths(document):
        for odd in ODD:
            yield _with(document, path, odd)
        if path:
            yield _without(document, path)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _with(document: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return changed


def _without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


def read_ollama(*documents: str) -> None:
    http = ModelHttp(URL)
    answer = ollama._Answer(http, http.call("/api/chat", {}, first=1, between=1, private=()), REQUEST)
    list(answer.read([text.encode("utf-8", "replace") for text in documents]))


def read_openai(*documents: str) -> None:
    http = ModelHttp(URL)
    answer = OpenAIAnswer(http, http.call("/chat/completions", {}, first=1, between=1, private=()), REQUEST)
    lines = [part for text in documents for part in (f"data: {text}".encode("utf-8", "replace"), b"")]
    list(answer.read(lines))
    list(answer.read([]))


def only_model_errors(call: Callable[[], object]) -> None:
    with suppress(ModelError):
        call()


@pytest.mark.parametrize(
    ("read", "documents"), [(read_ollama, OLLAMA_LINES), (read_openai, OPENAI_EVENTS)], ids=["ollama", "openai"]
)
def test_an_answer_of_any_shape_is_read_or_refused(read: Callable[..., None], documents: tuple[Any, ...]):
    tried = 0
    for document in documents:
        for odd in variants(document):
            only_model_errors(lambda odd=odd: read(json.dumps(odd), json.dumps(documents[-1])))
            tried += 1
    assert tried > 300
    only_model_errors(lambda: read(DEEP))


class Scripted:
    """Answers in place of a server, by path."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def get(self, path: str, **_: Any) -> Any:
        return self.answers[path]

    async def post(self, path: str, _body: Any, **_: Any) -> Any:
        return self.answers[path]


async def ask_all(client: OllamaClient | OpenAIClient, answers: dict[str, Any]) -> None:
    scripted = Scripted(answers)
    client._http.get = scripted.get  # type: ignore[method-assign]
    client._http.post = scripted.post  # type: ignore[method-assign]
    for ask in (client.models(), client.describe("m")):
        with suppress(ModelError):
            await ask


async def test_lists_of_models_of_any_shape_are_read_or_refused():
    for odd in variants(TAGS):
        await ask_all(OllamaClient(URL), {"/api/tags": odd, "/api/show": SHOW})
    for odd in variants(SHOW):
        await ask_all(OllamaClient(URL), {"/api/tags": TAGS, "/api/show": odd})
    for odd in variants(MODELS):
        await ask_all(OpenAIClient(URL), {"/models": odd, "../props": PROPS})
    models = copy.deepcopy(MODELS)
    models["data"][0] = {"id": "m", "owned_by": "llamacpp"}
    for odd in variants(PROPS):
        await ask_all(OpenAIClient(URL), {"/models": models, "../props": odd})


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), ("9" * 5000, None), ("-3", None), ("soon", None), ("", None), ("٣", 3), ("1.5", None)],
)
def test_a_wait_that_is_no_number_is_none(said: str, seconds: int | None):
    error = ModelHttp(URL).kind_of(429, "busy", {"Retry-After": said})
    assert isinstance(error, ModelBusy)
    assert error.extra.get("retry_after_seconds") == seconds


@pytest.mark.parametrize("said", ["{", DEEP, '{"error":' * 50_000, json.dumps({"error": [[[[[[[[[{"x": 1}]]]]]]]]]})])
def test_an_error_of_any_shape_is_told(said: str):
    assert isinstance(message_of_bytes(said.encode()), str)

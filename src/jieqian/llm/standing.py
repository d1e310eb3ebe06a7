"""How a model server stands with one model, as far as it tells: what it is, its slots, and whether the model is loaded.

Nothing is loaded by asking. What each server tells: Ollama `/api/version` and `/api/ps` (not how many answers it writes
at a time), llama.cpp's server `/props`, LM Studio `/api/v0/models`, vLLM `/version`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, runtime_checkable

from jieqian.errors import ModelError
from jieqian.llm.http import ModelHttp
from jieqian.llm.nearest import full_name
from jieqian.llm.server_text import count_of, list_of, object_of, one_line, text_of

ASK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a server told; None: it does not tell that.

    `kind` is the server's name for people. `seconds` its answer took; `ahead` is how far its clock is before ours, in
    seconds. `slots`: answers it writes at a time; `window`: tokens of a slot's window that is open now. `until` is when
    the model is dropped from memory (ISO 8601), `size` and `on_gpu` the bytes it takes, in all and on a GPU.
    `trouble` says why it cannot be told, or why the model cannot be loaded.
    """

    kind: str
    flavour: str
    seconds: float | None = None
    ahead: float | None = None
    slots: int | None = None
    window: int | None = None
    loaded: bool | None = None
    until: str | None = None
    size: int | None = None
    on_gpu: int | None = None
    trouble: str | None = None


@runtime_checkable
class Telling(Protocol):
    """A client that can tell how its server stands."""

    async def standing(self, model: str) -> Standing:
        """How it stands with that model; never raises `ModelError`."""
        ...


async def ollama_standing(http: ModelHttp, model: str) -> Standing:
    """Ollama's: timed by its list of models, which every gateway passes on."""
    found = Standing(kind="Ollama", flavour="ollama")
    try:
        found = await _timed(http, "/api/tags", found)
    except ModelError as error:
        return replace(found, trouble=error.detail)
    if version := text_of((await _asked(http, "/api/version")).get("version")):
        found = replace(found, kind=f"Ollama {one_line(version, 40)}")
    told = await _asked(http, "/api/ps")
    if not isinstance(told.get("models"), list):
        return found
    wanted = full_name(model).casefold()
    running = next((each for each in map(object_of, told["models"]) if _name(each) == wanted), None)
    if running is None:
        return replace(found, loaded=False)
    return replace(
        found,
        loaded=True,
        until=text_of(running.get("expires_at")) or None,
        window=count_of(running.get("context_length")),
        size=count_of(running.get("size")),
        on_gpu=count_of(running.get("size_vram")) or 0,
    )


async def openai_standing(http: ModelHttp, flavour: str, model: str) -> Standing:
    """That of an OpenAI-compatible server. `flavour` as `openai.Flavour` has it."""
    found = Standing(kind=_KINDS.get(flavour, "an OpenAI-compatible server"), flavour=flavour)
    try:
        found = await _timed(http, "/models", found)
    except ModelError as error:
        if not error.extra.get("not_there"):
            return replace(found, trouble=error.detail)
    if flavour == "llamacpp":
        props = await _asked(http, "../props")
        window = count_of(object_of(props.get("default_generation_settings")).get("n_ctx"))
        return replace(found, loaded=True, slots=count_of(props.get("total_slots")), window=window)
    if flavour == "organization_owner":
        there = map(object_of, list_of((await _asked(http, "../api/v0/models")).get("data")))
        entry = next((each for each in there if each.get("id") == model), {})
        state = text_of(entry.get("state"))
        loaded = None if not state else state == "loaded"
        return replace(found, loaded=loaded, window=count_of(entry.get("loaded_context_length")))
    if flavour == "vllm":
        version = text_of((await _asked(http, "../version")).get("version"))
        return replace(found, loaded=True, kind=f"vLLM {one_line(version, 40)}".strip())
    return replace(found, loaded=True) if flavour == "sglang" else found


_KINDS = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "llamacpp": "llama.cpp's server",
    "organization_owner": "LM Studio",
}


async def _timed(http: ModelHttp, path: str, found: Standing) -> Standing:
    """With how long the answer took, and how far the server's clock is from the middle of that time. Raises."""
    before, begun = time.time(), time.perf_counter()
    await http.get(path, seconds=ASK_SECONDS)
    seconds = time.perf_counter() - begun
    ahead = None
    with suppress(ValueError, TypeError):
        # The head's date is in whole seconds, cut: on average half a second more.
        ahead = parsedate_to_datetime(http.date).timestamp() + 0.5 - (before + seconds / 2)
    return replace(found, seconds=seconds, ahead=ahead)


async def _asked(http: ModelHttp, path: str) -> Mapping[str, Any]:
    """The object at `path`; an empty one where the server does not know it."""
    try:
        return object_of(await http.get(path, seconds=ASK_SECONDS))
    except ModelError:
        return {}


def _name(entry: Mapping[str, Any]) -> str:
    return full_name(text_of(entry.get("name")) or text_of(entry.get("model"))).casefold()

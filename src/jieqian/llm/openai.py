"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp's, LM Studio, SGLang, and services elsewhere.

They agree on the main fields only. What some refuse is asked for, and left out for good once a server refuses it by
name. What some would misunderstand is sent only where `/v1/models` shows which server it is:

| field | sent to |
|---|---|
| `repeat_penalty` | llama.cpp, LM Studio |
| `repetition_penalty` | vLLM, SGLang |
| `chat_template_kwargs.enable_thinking` (thinking off or on) | vLLM, SGLang, llama.cpp |
| `reasoning_effort` (a level of thinking) | all, where the model's profile has levels |
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Any

from jieqian.errors import ModelError, ModelNotFound, ModelRefused, PromptTooLong
from jieqian.llm.client import ModelChunk, ModelInfo, ModelRequest
from jieqian.llm.http import Call, ModelHttp, server_url
from jieqian.llm.nearest import nearest_name
from jieqian.llm.openai_answer import OpenAIAnswer
from jieqian.llm.profiles import complete
from jieqian.llm.server_text import count_of, list_of, object_of, one_line, size_of
from jieqian.llm.standing import Standing, openai_standing
from jieqian.llm.tokens import check_fits

_OPTIONAL: dict[str, tuple[str, ...]] = {
    "response_format": ("response_format", "json_schema", "guided", "grammar", "structured output"),
    "stream_options": ("stream_options", "include_usage"),
    "reasoning_effort": ("reasoning_effort", "reasoning effort"),
    "chat_template_kwargs": ("chat_template_kwargs",),
    "repetition_penalty": ("repetition_penalty",),
    "repeat_penalty": ("repeat_penalty",),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens",),
    "stop": ("'stop'", '"stop"', "stop sequence"),
}
_WINDOW_KEYS = ("max_model_len", "max_context_length", "context_length", "context_window")


class Flavour(StrEnum):
    """Which server it is, as far as `/v1/models` shows."""

    VLLM = "vllm"
    SGLANG = "sglang"
    LLAMACPP = "llamacpp"
    LMSTUDIO = "organization_owner"
    OTHER = "other"


class OpenAIClient:
    """One OpenAI-compatible server; `base_url` with or without `/v1`.

    `again_if_lost`: a request whose connection breaks before its first byte is sent once more (see `ModelHttp`).
    `flavour`: which server it is, where that is known; None finds out.
    """

    provider = "openai"

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        again_if_lost: bool = False,
        flavour: Flavour | None = None,
    ) -> None:
        self._http = ModelHttp(versioned(base_url), api_key, again_if_lost=again_if_lost)
        self.base_url: str | None = self._http.shown_url
        self._flavour = flavour
        self._refused: set[str] = set()

    async def models(self) -> list[ModelInfo]:
        """The models the server names (`/v1/models`), completed by their profiles."""
        infos = [complete(_info(entry)) for entry in await self._entries()]
        return sorted((info for info in infos if info.chat), key=lambda info: info.name)

    async def describe(self, model: str) -> ModelInfo:
        """What that model can do. `LLM_MODEL` must be a name `/v1/models` has, where the server answers that at all."""
        try:
            entries = await self._entries()
        except ModelRefused as error:
            if not error.extra.get("not_there"):
                raise
            # A gateway without /v1/models: whether it has the model shows when it is asked.
            return complete(ModelInfo(name=model))
        entry = next((entry for entry in entries if _names(entry, model)), None)
        if entry is None:
            raise self._not_found(model, [str(entry.get("id")) for entry in entries])
        info = _info(entry)
        if self._flavour is Flavour.LLAMACPP and info.context_tokens is None:
            info = _info({**entry, "context_length": await self._slot_window()})
        return complete(info)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """The answer as it is written (`/v1/chat/completions`); see `ModelClient.stream`."""
        check_fits(request)
        body = await self._body(request)
        while True:
            call = self._call(body, request)
            try:
                async with call:
                    answer = OpenAIAnswer(self._http, call, request)
                    while not answer.finished:
                        for chunk in answer.read(await answer.lines()):
                            yield chunk
                return
            except PromptTooLong:
                raise
            except ModelNotFound:
                raise await self._nearest(request.model) from None
            except ModelRefused:
                if not self._without_refused(body, call.refused_with):
                    raise

    async def standing(self, model: str) -> Standing:
        """How the server stands with that model (see `llm/standing.py`)."""
        return await openai_standing(self._http, (await self._which()).value, model)

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()

    def _call(self, body: dict[str, Any], request: ModelRequest) -> Call:
        private = [message.content for message in request.messages]
        first, between = request.first_token_seconds, request.between_tokens_seconds
        return self._http.call("/chat/completions", body, first=first, between=between, private=private)

    def _without_refused(self, body: dict[str, Any], said: str) -> bool:
        """Take out of `body` the one field the server refused by name, for this call and all to come."""
        told = said.lower()
        for field, words in _OPTIONAL.items():
            if field in body and field not in self._refused and any(word in told for word in words):
                self._refused.add(field)
                value = body.pop(field)
                if field == "max_tokens":
                    body["max_completion_tokens"] = value
                return True
        return False

    async def _body(self, request: ModelRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        if request.stop:
            # OpenAI takes four at most.
            body["stop"] = list(request.stop[:4])
        if request.schema is not None:
            schema = {"name": "reading", "strict": True, "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if isinstance(request.thinking, str):
            body["reasoning_effort"] = request.thinking
        if request.repeat_penalty is not None or isinstance(request.thinking, bool):
            body |= _own_fields(request, await self._which())
        for field in self._refused & set(body):
            value = body.pop(field)
            if field == "max_tokens":
                body["max_completion_tokens"] = value
        return body

    async def _which(self) -> Flavour:
        """Which server it is, asked once; a server that will not tell is an `OTHER`."""
        if self._flavour is None:
            try:
                await self._entries()
            except ModelError:
                return Flavour.OTHER
        return self._flavour or Flavour.OTHER

    async def _entries(self) -> list[dict[str, Any]]:
        answer = await self._http.get("/models")
        entries = answer.get("data") if isinstance(answer, dict) else answer
        if not isinstance(entries, list):
            raise ModelRefused(f"{self.base_url} does not speak OpenAI's API. Check LLM_BASE_URL and LLM_PROVIDER.")
        entries = [entry for entry in entries if isinstance(entry, dict) and entry.get("id")]
        owners = {str(entry.get("owned_by")) for entry in entries}
        self._flavour = next((flavour for flavour in Flavour if flavour.value in owners), Flavour.OTHER)
        return entries

    async def _slot_window(self) -> int | None:
        """What one slot of llama.cpp's server holds (`/props`, which stands outside `/v1`)."""
        try:
            props = await self._http.get("../props")
        except ModelError:
            return None
        return count_of(object_of(object_of(props).get("default_generation_settings")).get("n_ctx"))

    async def _nearest(self, model: str) -> ModelNotFound:
        try:
            return self._not_found(model, [str(entry["id"]) for entry in await self._entries()])
        except ModelError:
            return self._not_found(model, [])

    def _not_found(self, model: str, there: list[str]) -> ModelNotFound:
        near = nearest_name(model, there)
        hint = f" The nearest one there is {one_line(near)}." if near else ""
        told = f"The server at {self.base_url} does not have the model {one_line(model)}.{hint}"
        return ModelNotFound(f"{told} Set LLM_MODEL to one it has.", nearest=near)


def versioned(base_url: str) -> str:
    """`base_url` with `/v1` where its path names no version; a pasted `/chat/completions` is taken off."""
    url = server_url(base_url)
    parts = [part for part in url.path.split("/") if part]
    if parts[-2:] == ["chat", "completions"]:
        parts = parts[:-2]
    if not any(part[:1] == "v" and part[1:2].isdecimal() for part in parts):
        parts.append("v1")
    return str(url.with_path("/" + "/".join(parts)))


def _own_fields(request: ModelRequest, flavour: Flavour) -> dict[str, Any]:
    """The fields that only some servers know."""
    fields: dict[str, Any] = {}
    if request.repeat_penalty is not None:
        if flavour in (Flavour.VLLM, Flavour.SGLANG):
            fields["repetition_penalty"] = request.repeat_penalty
        elif flavour in (Flavour.LLAMACPP, Flavour.LMSTUDIO):
            fields["repeat_penalty"] = request.repeat_penalty
    if isinstance(request.thinking, bool) and flavour in (Flavour.VLLM, Flavour.SGLANG, Flavour.LLAMACPP):
        fields["chat_template_kwargs"] = {"enable_thinking": request.thinking}
    return fields


def _names(entry: dict[str, Any], model: str) -> bool:
    return model == entry.get("id") or model in list_of(entry.get("aliases"))


def _info(entry: dict[str, Any]) -> ModelInfo:
    """One entry of `/v1/models`: vLLM tells `max_model_len`, llama.cpp's `meta.n_ctx`, others names of their own."""
    meta = object_of(entry.get("meta"))
    window = next((count_of(entry.get(key)) for key in _WINDOW_KEYS if count_of(entry.get(key))), None)
    name = str(entry["id"])
    kind = str(entry.get("type") or "")
    return ModelInfo(
        name=name,
        context_tokens=window or count_of(meta.get("n_ctx")) or count_of(meta.get("n_ctx_train")),
        parameters=size_of(meta.get("n_params")),
        chat="embed" not in kind and "embed" not in name.casefold() and "rerank" not in name.casefold(),
    )

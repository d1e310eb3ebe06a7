"""Ollama, by its native API (https://github.com/ollama/ollama/blob/main/docs/api.md).

Its OpenAI-style endpoint drops `num_ctx` and reloads the model (features known of 0.33), so it is not used.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, Literal

from jieqian.errors import ModelCutOff, ModelError, ModelNotFound, ModelRefused
from jieqian.llm.client import Finished, ModelChunk, ModelInfo, ModelRequest, TextDelta, ThinkingDelta
from jieqian.llm.echo import without_echo
from jieqian.llm.http import Call, ModelHttp
from jieqian.llm.nearest import full_name, nearest_name
from jieqian.llm.profiles import complete
from jieqian.llm.server_text import (
    count_of,
    list_of,
    message_of,
    object_of,
    one_line,
    parse_json,
    size_of,
    text_of,
)
from jieqian.llm.standing import Standing, ollama_standing
from jieqian.llm.think_split import ThinkSplitter, WholeCharacters
from jieqian.llm.tokens import check_fits, check_not_cut

DEFAULT_URL = "http://127.0.0.1:11434"
_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class OllamaClient:
    """One Ollama server. `keep_alive` (Ollama's notation) is how long it keeps the model in memory after a call."""

    provider = "ollama"

    def __init__(self, base_url: str = DEFAULT_URL, api_key: str | None = None, *, keep_alive: str = "30m") -> None:
        self._http = ModelHttp(base_url, api_key)
        self.base_url: str | None = self._http.shown_url
        self._keep_alive = keep_alive

    async def models(self) -> list[ModelInfo]:
        """The chat models installed, by name (`/api/tags`); embedding models are left out."""
        infos = [complete(_info_of_tag(tag)) for tag in await self._tags()]
        return sorted((info for info in infos if info.chat), key=lambda info: info.name)

    async def describe(self, model: str) -> ModelInfo:
        """What that model can do (`/api/show`), completed by its profile."""
        tags = await self._tags()
        tag = next((tag for tag in tags if _same(str(tag.get("name")), model)), None)
        if tag is None:
            raise _not_found(model, [str(tag.get("name")) for tag in tags])
        try:
            shown = await self._http.post("/api/show", {"model": model})
        except ModelRefused as error:
            if not error.extra.get("not_there"):
                raise
            shown = {}  # a gateway that passes on only chat and tags: its list and the profile must do
        return complete(_info_of_show(_info_of_tag(tag), object_of(shown)))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """The answer as it is written (`/api/chat`); see `ModelClient.stream`."""
        check_fits(request)
        private = [message.content for message in request.messages]
        first, between = request.first_token_seconds, request.between_tokens_seconds
        call = self._http.call("/api/chat", self._body(request), first=first, between=between, private=private)
        try:
            async with call:
                answer = _Answer(self._http, call, request)
                while not answer.finished:
                    lines = await call.lines()
                    if not lines:
                        raise call.cut_off()
                    for chunk in answer.read(lines):
                        yield chunk
        except ModelNotFound:
            raise await self._nearest(request.model) from None

    async def standing(self, model: str) -> Standing:
        """How the server stands with that model (see `llm/standing.py`)."""
        return await ollama_standing(self._http, model)

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()

    async def _tags(self) -> list[dict[str, Any]]:
        answer = await self._http.get("/api/tags")
        tags = answer.get("models") if isinstance(answer, dict) else None
        if not isinstance(tags, list):
            raise ModelRefused(f"{self.base_url} does not speak Ollama's API. Check LLM_BASE_URL and LLM_PROVIDER.")
        return [tag for tag in tags if isinstance(tag, dict)]

    async def _nearest(self, model: str) -> ModelNotFound:
        try:
            return _not_found(model, [info.name for info in await self.models() if info.chat])
        except ModelError:
            return _not_found(model, [])

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        options: dict[str, Any] = {
            "num_ctx": request.context_tokens,
            "num_predict": request.max_tokens,
            "temperature": request.temperature,
        }
        if request.repeat_penalty is not None:
            options["repeat_penalty"] = request.repeat_penalty
        if request.stop:
            options["stop"] = list(request.stop)
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "keep_alive": self._keep_alive,
            # A prompt too long is answered 400 instead of being cut: `Truncate`, `Shift` in api/types.go of ollama.
            "truncate": False,
            "shift": False,
            "options": options,
        }
        if request.schema is not None:
            body["format"] = dict(request.schema)
        if request.thinking is not None:
            body["think"] = request.thinking
        return body


class _Answer:
    """The lines of one answer, read into chunks."""

    def __init__(self, http: ModelHttp, call: Call, request: ModelRequest) -> None:
        self._http, self._call, self._request = http, call, request
        self._content, self._thinking = ThinkSplitter(), WholeCharacters()
        self.finished = False

    def read(self, lines: Sequence[bytes]) -> Iterator[ModelChunk]:
        """The chunks of lines that came at once; their texts are joined. Raises after what came before the error."""
        content: list[str] = []
        try:
            for line in lines:
                document = self._document(line)
                message = object_of(document.get("message"))
                content.append(text_of(message.get("content")))
                if message.get("thinking") or document.get("done"):
                    yield from self._said(content)
                    yield from self._others(message, document)
                if self.finished:
                    return
        except ModelError:
            yield from self._said(content)
            raise
        yield from self._said(content)

    def _document(self, line: bytes) -> dict[str, Any]:
        if not line.strip():
            return {}
        try:
            document = parse_json(line.decode("utf-8", errors="replace"))
        except ValueError:
            raise self._call.cut_off() from None
        if not isinstance(document, dict):
            raise ModelCutOff(f"The model server at {self._http.shown_url} sent a line that is no object.")
        if document.get("error"):
            raise self._error(document)
        return document

    def _said(self, content: list[str]) -> list[TextDelta | ThinkingDelta]:
        text = "".join(content)
        content.clear()
        if not text:
            return []
        self._call.spoke()
        return self._content.feed(text)

    def _others(self, message: dict[str, Any], document: dict[str, Any]) -> Iterator[ModelChunk]:
        """Thinking, and the end."""
        if thinking := text_of(message.get("thinking")):
            self._call.spoke()
            if whole := self._thinking.feed(thinking):
                yield ThinkingDelta(whole)
        if document.get("done"):
            prompt, written = count_of(document.get("prompt_eval_count")), count_of(document.get("eval_count"))
            check_not_cut(self._request, prompt)
            yield from self._content.end()
            reason: Literal["stop", "length"] = "length" if document.get("done_reason") == "length" else "stop"
            self.finished = True
            yield Finished(reason, prompt, written, one_line(text_of(document.get("model"))) or None)

    def _error(self, document: dict[str, Any]) -> ModelError:
        """An error in the middle of a stream: `{"error": "…", "status": 500}`, the status in newer versions only."""
        said = message_of(document)
        status = document.get("status")
        if isinstance(status, int) and status >= 400:
            return self._http.kind_of(status, said, private=self._call.private)
        guessed = self._http.kind_of(503 if "busy" in said.lower() else 500, said, private=self._call.private)
        shown = one_line(without_echo(said[:4000], self._call.private))
        return type(guessed)(f"The model server at {self._http.shown_url} failed in the middle of its answer: {shown}")


def _same(left: str, right: str) -> bool:
    return full_name(left).casefold() == full_name(right).casefold()


def _not_found(model: str, installed: Sequence[str]) -> ModelNotFound:
    near = nearest_name(model, installed)
    hint = f" The nearest one there is {one_line(near)}." if near else " There is none yet." if not installed else ""
    name = one_line(model)
    return ModelNotFound(
        f"Ollama does not have the model {name}.{hint} `ollama pull {name}` gets it.",
        nearest=near,
        command=f"ollama pull {name}",
    )


def _info_of_tag(tag: dict[str, Any]) -> ModelInfo:
    details, capabilities = object_of(tag.get("details")), list_of(tag.get("capabilities"))
    name = str(tag.get("name") or tag.get("model") or "")
    return ModelInfo(
        name=name,
        digest=str(tag["digest"]) if tag.get("digest") else None,
        parameters=_parameters(details.get("parameter_size")),
        chat=_chats(name, capabilities, details),
        thinking=(True, False) if "thinking" in capabilities else (),
    )


def _info_of_show(info: ModelInfo, shown: dict[str, Any]) -> ModelInfo:
    facts, details = object_of(shown.get("model_info")), object_of(shown.get("details"))
    capabilities = list_of(shown.get("capabilities"))
    context = next((value for key, value in facts.items() if key.endswith(".context_length")), None)
    thinking = info.thinking
    if "thinking" in capabilities:
        values = list_of(object_of(shown.get("thinking")).get("values"))
        thinking = tuple(value for value in values or (True, False) if isinstance(value, str | bool))
    return ModelInfo(
        name=info.name,
        digest=info.digest,
        context_tokens=count_of(context),
        parameters=size_of(facts.get("general.parameter_count"))
        or _parameters(details.get("parameter_size"))
        or info.parameters,
        thinking=thinking,
        chat=_chats(info.name, capabilities, details) and info.chat,
    )


def _chats(name: str, capabilities: list[Any], details: dict[str, Any]) -> bool:
    """Whether the model chats. Older servers tell no capabilities; embedding models are then known by their names."""
    if capabilities:
        return "completion" in capabilities
    family = str(details.get("family") or "")
    return "bert" not in family and not re.search(r"embed|bge-|minilm|reranker", name.casefold())


def _parameters(size: Any) -> float | None:
    """`8.2B` as 8.2e9."""
    found = re.fullmatch(r"([\d.]+)\s*([KMBT])", str(size or "").upper())
    return float(found[1]) * _UNITS[found[2]] if found and found[1].count(".") <= 1 else None

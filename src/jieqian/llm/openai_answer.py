"""One streamed chat completion, read into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from jieqian.errors import ModelCutOff, ModelError, ModelRefused, ModelTimeout
from jieqian.llm.client import Finished, ModelChunk, ModelRequest, TextDelta, ThinkingDelta
from jieqian.llm.echo import without_echo
from jieqian.llm.http import Call, ModelHttp
from jieqian.llm.server_text import (
    count_of,
    list_of,
    message_of,
    object_of,
    one_line,
    parse_json,
    text_of,
)
from jieqian.llm.sse import SseEvent, SseReader
from jieqian.llm.think_split import ThinkSplitter, WholeCharacters
from jieqian.llm.tokens import check_not_cut

# After the reason of the end only the token counts are to come; a server that holds the line open is not waited for.
_WAIT_FOR_USAGE_SECONDS = 3.0


class OpenAIAnswer:
    """Reads one answer, line by line, until `finished`."""

    def __init__(self, http: ModelHttp, call: Call, request: ModelRequest) -> None:
        self._http, self._call, self._request = http, call, request
        self._events = SseReader()
        self._content, self._thinking = ThinkSplitter(), WholeCharacters()
        self._reason: str | None = None
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._waiting: list[str] = []
        self.finished = False

    async def lines(self) -> list[bytes]:
        """The next lines, none at the end: also where the server holds or breaks the line after its answer's end."""
        try:
            return await self._call.lines()
        except (ModelTimeout, ModelCutOff):
            if self._reason is None:
                raise
            return []

    def read(self, lines: Sequence[bytes]) -> Iterator[ModelChunk]:
        """The chunks of lines that came at once, texts joined; at the end (none) the last ones, with one `Finished`.

        Raises after what came before the error.
        """
        try:
            for event in self._events_of(lines):
                if event.data.strip() == "[DONE]":
                    self._reason = self._reason or "stop"
                    lines = ()
                    break
                yield from self._read(event)
        except ModelError:
            yield from self._said()
            raise
        yield from self._said()
        if not lines:
            if self._reason is None:
                raise self._call.cut_off()
            self.finished = True
            yield from self._end()

    def _events_of(self, lines: Sequence[bytes]) -> Iterator[SseEvent]:
        for line in lines:
            if (event := self._events.feed(line)) is not None:
                yield event
        if not lines and (event := self._events.end()) is not None:
            yield event

    def _read(self, event: SseEvent) -> Iterator[ModelChunk]:
        try:
            document = parse_json(event.data)
        except ValueError:
            raise self._call.cut_off() from None
        if not isinstance(document, dict):
            raise ModelCutOff(f"The model server at {self._http.shown_url} sent an event that is no object.")
        if event.type == "error" or document.get("error") or document.get("object") == "error":
            raise self._error(document)
        self._model = text_of(document.get("model")) or self._model
        self._usage = object_of(document.get("usage")) or self._usage
        self._timings = object_of(document.get("timings")) or self._timings
        choice = object_of(next(iter(list_of(document.get("choices"))), None))
        yield from self._deltas(object_of(choice.get("delta")))
        if choice.get("finish_reason"):
            self._reason = str(choice["finish_reason"])
            self._call.wait_at_most(_WAIT_FOR_USAGE_SECONDS)

    def _deltas(self, delta: dict[str, Any]) -> Iterator[ModelChunk]:
        # DeepSeek, vLLM and llama.cpp name it reasoning_content; OpenRouter and newer vLLM reasoning.
        thinking = text_of(delta.get("reasoning_content")) or text_of(delta.get("reasoning"))
        content = text_of(delta.get("content"))
        if thinking:
            yield from self._said()
            self._call.spoke()
            if whole := self._thinking.feed(thinking):
                yield ThinkingDelta(whole)
        if content:
            self._call.spoke()
            self._waiting.append(content)

    def _said(self) -> list[TextDelta | ThinkingDelta]:
        """The texts that wait, joined."""
        text = "".join(self._waiting)
        self._waiting.clear()
        return self._content.feed(text) if text else []

    def _end(self) -> list[ModelChunk]:
        if self._reason == "content_filter":
            raise ModelRefused(f"The filter of the model server at {self._http.shown_url} stopped the answer.")
        if self._reason in ("abort", "error"):
            raise ModelCutOff(f"The model server at {self._http.shown_url} gave up in the middle of its answer.")
        prompt, written = self._counts()
        check_not_cut(self._request, prompt)
        reason: Literal["stop", "length"] = "length" if self._reason == "length" else "stop"
        return [*self._content.end(), Finished(reason, prompt, written, one_line(self._model) or None)]

    def _counts(self) -> tuple[int | None, int | None]:
        """Tokens of prompt and answer: from `usage`, else from llama.cpp's `timings` (new and cached prompt tokens)."""
        prompt = count_of(self._usage.get("prompt_tokens"))
        written = count_of(self._usage.get("completion_tokens"))
        if prompt is None and "cache_n" in self._timings:
            fresh, cached = self._timings.get("prompt_n"), self._timings["cache_n"]
            if isinstance(fresh, int) and isinstance(cached, int):
                prompt = count_of(fresh + cached)
        return prompt, written if written is not None else count_of(self._timings.get("predicted_n"))

    def _error(self, document: dict[str, Any]) -> ModelError:
        said = message_of(document)
        inner = document.get("error")
        code = inner.get("code") if isinstance(inner, dict) else document.get("code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        kind = type(self._http.kind_of(status, said))
        shown = one_line(without_echo(said[:4000], self._call.private))
        return kind(f"The model server at {self._http.shown_url} failed in the middle of its answer: {shown}")

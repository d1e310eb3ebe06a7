"""One streamed chat completion, read into chunks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Literal

from jieqian.errors import ModelCutOff, ModelError, ModelRefused, ModelTimeout
from jieqian.llm.client import Finished, ModelChunk, ModelRequest, ThinkingDelta
from jieqian.llm.http import Call, ModelHttp
from jieqian.llm.server_text import message_of, one_line, without_echo
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
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self.finished = False

    async def steps(self) -> AsyncIterator[list[ModelChunk]]:
        """The chunks of each line, to the end."""
        while not self.finished:
            yield self._read_line(await self._line())

    async def _line(self) -> bytes | None:
        """The next line, or None at the end: also where the server holds or breaks the line after its answer's end."""
        try:
            return await self._call.line()
        except (ModelTimeout, ModelCutOff):
            if self._reason is None:
                raise
            return None

    def _read_line(self, line: bytes | None) -> list[ModelChunk]:
        """The chunks of one line; at the end (None) the last ones, with exactly one `Finished`."""
        event = self._events.end() if line is None else self._events.feed(line)
        done = event is not None and event.data.strip() == "[DONE]"
        if done:
            self._reason = self._reason or "stop"
        chunks = [] if event is None or done else self._read(event)
        if not done and line is not None:
            return chunks
        if self._reason is None:
            raise self._call.cut_off()
        self.finished = True
        return [*chunks, *self._end()]

    def _read(self, event: SseEvent) -> list[ModelChunk]:
        try:
            document = json.loads(event.data)
        except ValueError:
            raise self._call.cut_off() from None
        if not isinstance(document, dict):
            raise ModelCutOff(f"The model server at {self._http.shown_url} sent an event that is no object.")
        if event.type == "error" or document.get("error") or document.get("object") == "error":
            raise self._error(document)
        self._usage = document.get("usage") or self._usage
        self._timings = document.get("timings") or self._timings
        choices = document.get("choices") or [{}]
        choice = choices[0] if isinstance(choices[0], dict) else {}
        chunks = self._deltas(choice.get("delta") or {})
        if choice.get("finish_reason"):
            self._reason = str(choice["finish_reason"])
            self._call.wait_at_most(_WAIT_FOR_USAGE_SECONDS)
        return chunks

    def _deltas(self, delta: dict[str, Any]) -> list[ModelChunk]:
        # DeepSeek, vLLM and llama.cpp name it reasoning_content; OpenRouter and newer vLLM reasoning.
        thinking = delta.get("reasoning_content") or delta.get("reasoning") or ""
        content = delta.get("content") or ""
        chunks: list[ModelChunk] = []
        if isinstance(thinking, str) and thinking:
            self._call.spoke()
            if whole := self._thinking.feed(thinking):
                chunks.append(ThinkingDelta(whole))
        if isinstance(content, str) and content:
            self._call.spoke()
            chunks += self._content.feed(content)
        return chunks

    def _end(self) -> list[ModelChunk]:
        if self._reason == "content_filter":
            raise ModelRefused(f"The filter of the model server at {self._http.shown_url} stopped the answer.")
        if self._reason in ("abort", "error"):
            raise ModelCutOff(f"The model server at {self._http.shown_url} gave up in the middle of its answer.")
        prompt, written = self._counts()
        check_not_cut(self._request, prompt)
        reason: Literal["stop", "length"] = "length" if self._reason == "length" else "stop"
        return [*self._content.end(), Finished(reason, prompt, written)]

    def _counts(self) -> tuple[int | None, int | None]:
        """Tokens of prompt and answer: from `usage`, else from llama.cpp's `timings` (new and cached prompt tokens)."""
        prompt = _count(self._usage.get("prompt_tokens"))
        written = _count(self._usage.get("completion_tokens"))
        if prompt is None and "cache_n" in self._timings:
            fresh, cached = self._timings.get("prompt_n"), self._timings["cache_n"]
            if isinstance(fresh, int) and isinstance(cached, int):
                prompt = _count(fresh + cached)
        return prompt, written if written is not None else _count(self._timings.get("predicted_n"))

    def _error(self, document: dict[str, Any]) -> ModelError:
        said = message_of(document)
        inner = document.get("error")
        code = inner.get("code") if isinstance(inner, dict) else document.get("code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        kind = type(self._http.kind_of(status, said))
        shown = one_line(without_echo(said[:4000], self._call.private))
        return kind(f"The model server at {self._http.shown_url} failed in the middle of its answer: {shown}")


def _count(value: Any) -> int | None:
    """A token count; 0 and nonsense count as not given."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

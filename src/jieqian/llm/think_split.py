"""Thinking that a model writes into its answer, told apart from the answer as it arrives.

Some servers leave `<think>…</think>` in the content (vLLM without a reasoning parser, older Ollama, most plain GGUF
files). What stands between the tags is never shown. The tags may be cut at any character; so may a surrogate pair,
which some servers send as two JSON escapes in two chunks.
"""

from __future__ import annotations

import re

from jieqian.llm.client import TextDelta, ThinkingDelta

_OPEN = ("<think>", "<thinking>")
_CLOSE = ("</think>", "</thinking>")
_LONE = re.compile("[\ud800-\udfff]")


class WholeCharacters:
    """Joins surrogate halves that came in two pieces; a half without its other becomes U+FFFD."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """The characters that are whole by now."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        if not _LONE.search(text):
            return text
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def end(self) -> str:
        """What is left: U+FFFD for a half that never found its other."""
        left, self._half = self._half, ""
        return "\ufffd" if left else ""


class ThinkSplitter:
    """Splits one answer's content. Feed every piece, then call `end`; nothing is lost but the tags themselves."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._characters = WholeCharacters()

    def feed(self, text: str) -> list[TextDelta | ThinkingDelta]:
        """What can be told of the content so far; at most a beginning of a tag is held back."""
        self._held += self._characters.feed(text)
        out: list[TextDelta | ThinkingDelta] = []
        if "<" not in self._held:
            self._put(out, self._held)
            self._held = ""
            return out
        while (found := self._next_tag()) is not None:
            start, tag = found
            self._put(out, self._held[:start])
            self._held = self._held[start + len(tag) :]
            self._inside = tag in _OPEN
        keep = self._beginning_of_a_tag()
        self._put(out, self._held[: len(self._held) - keep])
        self._held = self._held[len(self._held) - keep :]
        return out

    def end(self) -> list[TextDelta | ThinkingDelta]:
        """What was held back: a beginning of a tag that never became one."""
        out: list[TextDelta | ThinkingDelta] = []
        self._put(out, self._held + self._characters.end())
        self._held = ""
        return out

    def _put(self, out: list[TextDelta | ThinkingDelta], text: str) -> None:
        if text:
            out.append(ThinkingDelta(text) if self._inside else TextDelta(text))

    def _next_tag(self) -> tuple[int, str] | None:
        """Where the next tag stands. A closing tag outside is left over where a template opened it."""
        tags = _CLOSE if self._inside else _OPEN + _CLOSE
        places = [(self._held.find(tag), tag) for tag in tags]
        return min((place for place in places if place[0] >= 0), default=None)

    def _beginning_of_a_tag(self) -> int:
        """How many characters at the end may yet become a tag."""
        tags = _CLOSE if self._inside else _OPEN + _CLOSE
        for length in range(min(len(self._held), max(map(len, tags)) - 1), 0, -1):
            if any(tag.startswith(self._held[-length:]) for tag in tags):
                return length
        return 0

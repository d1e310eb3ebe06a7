"""Server-sent events, read line by line (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its type (`message` where none was named) and its data, lines joined by a line feed."""

    type: str
    data: str


class SseReader:
    """Puts lines together to events. Lines come without their line feed; a carriage return at their end is dropped."""

    def __init__(self) -> None:
        self._type = ""
        self._data: list[str] = []
        self._first = True

    def feed(self, line: bytes) -> SseEvent | None:
        """The event this line ends, or None. A comment or keep-alive (`: …`) ends none."""
        text = line.removesuffix(b"\r").decode("utf-8", errors="replace")
        if self._first:
            text, self._first = text.removeprefix("\ufeff"), False
        if not text:
            return self.end()
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "error":
            # Earlier releases of llama.cpp's server sent `error: {…}` as a field of its own.
            self._type = "error"
            self._data.append(value)
        return None

    def end(self) -> SseEvent | None:
        """The event that stands unfinished; servers that close without the last empty line lose nothing."""
        if not self._data:
            self._type = ""
            return None
        event = SseEvent(self._type or "message", "\n".join(self._data))
        self._type, self._data = "", []
        return event

"""Reads event streams as a browser does (WHATWG HTML, 9.2.6), for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One event as a client sees it; `id` is None where the frame had none."""

    id: int | None
    type: str
    data: Any


def read_frames(stream: bytes) -> list[ReadEvent]:
    """All events of a stream's bytes; comments and `retry` are left out. Raises on bytes that are not UTF-8 or JSON."""
    text = stream.decode().replace("\r\n", "\n").replace("\r", "\n")
    found: list[ReadEvent] = []
    event_id: int | None = None
    kind, data = "message", list[str]()
    for line in text.split("\n"):
        if not line:
            if data:
                found.append(ReadEvent(event_id, kind, json.loads("\n".join(data))))
            event_id, kind, data = None, "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            event_id = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
    return found

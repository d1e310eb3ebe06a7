"""Event streams read as cheaply as Python can: the bytes are kept with their time, and taken apart afterwards."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"
_FIELD = re.compile(rb"^(event|data): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it arrived."""

    at: float
    type: str
    data: Any


class StreamReader(asyncio.Protocol):
    """One GET of an event stream. `begun` is set with the first bytes, `closed` when the server ends it."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.got: list[tuple[float, bytes]] = []
        self.begun = asyncio.Event()
        self.closed = asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self._transport = transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Keep it, and when it came. The last chunk of a response ends it: nothing else is asked on this line."""
        self.got.append((time.monotonic(), data))
        if len(self.got) == 1:
            self.begun.set()
        if data.endswith(b"0\r\n\r\n"):
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """The end."""
        self.begun.set()
        self.closed.set()

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.close()

    @property
    def status(self) -> int:
        """The response's status; 0 where none came."""
        found = re.match(rb"HTTP/1\.1 (\d{3})", b"".join(data for _, data in self.got[:20]))
        return int(found[1]) if found else 0

    def frames(self, only: str = "section_delta") -> Iterator[Frame]:
        """The events of one type, in order, each with the time its last byte came at."""
        whole, times = self._body()
        start = 0
        while (end := whole.find(b"\n\n", start)) >= 0:
            fields = {name: value for name, value in _FIELD.findall(whole[start:end])}
            if fields.get(b"event") == only.encode():
                yield Frame(_time_of(times, end + 1), only, json.loads(fields[b"data"]))
            start = end + 2

    def _body(self) -> tuple[bytes, list[tuple[int, float]]]:
        """The response without its head and the marks of its chunks; at which length of it which time was."""
        raw = b"".join(data for _, data in self.got)
        edges, length = [], 0
        for at, data in self.got:
            length += len(data)
            edges.append((length, at))
        place = raw.find(_HEAD_END) + len(_HEAD_END)
        whole, times = bytearray(), []
        while place < len(raw):
            line = raw.find(b"\r\n", place)
            size = int(raw[place:line], 16) if line > place else 0
            if not size or line + 2 + size > len(raw):
                break
            whole += raw[line + 2 : line + 2 + size]
            times.append((len(whole), _time_of(edges, line + 1 + size)))
            place = line + 2 + size + 2
        return bytes(whole), times


def _time_of(edges: list[tuple[int, float]], offset: int) -> float:
    """When the byte at that offset came: `edges` are (length so far, time)."""
    low, high = 0, len(edges) - 1
    while low < high:
        middle = (low + high) // 2
        if edges[middle][0] > offset:
            high = middle
        else:
            low = middle + 1
    return edges[low][1]


def request_for(url: str, path: str, cookie: str) -> bytes:
    """A GET of an event stream as bytes."""
    host = urlsplit(url).netloc
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n".encode()


async def open_stream(url: str, path: str, cookie: str) -> StreamReader:
    """Begin to read a stream. Raises `OSError` where nobody listens."""
    address = urlsplit(url)
    request = request_for(url, path, cookie)
    loop = asyncio.get_running_loop()
    host, port = address.hostname or "127.0.0.1", address.port or 80
    _, reader = await loop.create_connection(lambda: StreamReader(request), host, port)
    return reader

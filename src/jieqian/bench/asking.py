"""An asker: one reading over HTTP, with the moments (monotonic seconds, which all processes here share) it came at."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

#: The longest a benchmark waits for one reading, in seconds.
PATIENCE_SECONDS = 900.0


@dataclass(slots=True)
class Told:
    """What an asker got of one reading, and when. `ended` is None where it broke off, with `error`."""

    posted: float
    accepted: float = 0.0
    first: dict[str, float] = field(default_factory=dict)
    section_text: dict[str, float] = field(default_factory=dict)
    section_done: dict[str, float] = field(default_factory=dict)
    ended: float | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def total_ms(self) -> float:
        """From the request sent to the last event read."""
        return ((self.ended or self.posted) - self.posted) * 1000

    def since_post_ms(self, event: str) -> float:
        """From the request sent to the first event of that type."""
        return (self.first[event] - self.posted) * 1000


@asynccontextmanager
async def asking(
    url: str, token: str | None = None, *, patience: float = PATIENCE_SECONDS
) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that asks that service: a visitor's, or an operator's by `token`. `patience`: seconds for a reading."""
    jar = aiohttp.CookieJar(unsafe=True)  # aiohttp keeps no cookies of bare addresses otherwise
    headers = {"Authorization": f"Bearer {token}"} if token else None
    timeout = aiohttp.ClientTimeout(total=patience)
    async with aiohttp.ClientSession(
        url, cookie_jar=jar, headers=headers, timeout=timeout, connector=aiohttp.TCPConnector(limit=0)
    ) as http:
        async with http.get("/api/v1/modes") as answer:  # sets the session's cookie before many ask at once
            answer.raise_for_status()
        yield http


async def ask(http: aiohttp.ClientSession, **body: Any) -> Told:
    """Ask, and follow the events to the end. What goes wrong is told in the answer, not raised."""
    told = Told(time.monotonic())
    try:
        async with http.post("/api/v1/tasks", json=body) as answer:
            task = await answer.json()
            told.accepted = time.monotonic()
            if answer.status != 202:
                told.error = f"{answer.status} {task.get('code')}"
                return told
        async with http.get(task["events_url"]) as stream:
            await _follow(stream, told)
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        told.error = f"{type(error).__name__}: {error}"
    return told


async def _follow(stream: aiohttp.ClientResponse, told: Told) -> None:
    kind = ""
    async for raw in stream.content:
        if raw.startswith(b"event: "):
            kind = raw[7:].strip().decode()
        elif raw.startswith(b"data: "):
            now = time.monotonic()
            told.first.setdefault(kind, now)
            if kind in ("section_delta", "section_finished"):
                seen = told.section_text if kind == "section_delta" else told.section_done
                seen.setdefault(json.loads(raw[6:])["section"], now)
            elif kind in ("completed", "failed", "stopped"):
                told.ended = time.monotonic()
                document = json.loads(raw[6:])
                told.reading = document if kind == "completed" else {}
                told.error = "" if kind == "completed" else str(document.get("code", kind))
                return
    told.error = "the stream ended early"

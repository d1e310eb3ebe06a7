"""Starts a stand-in model server as a process of its own, and speaks to its control calls."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from jieqian.testing.script import QUICK


class WireProcess:
    """A running stand-in; `url` is `http://127.0.0.1:PORT`."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def script(
        self, *behaviours: Mapping[str, Any], reset: bool = True, default: Mapping[str, Any] | None = None
    ) -> None:
        """Let these behaviours (fields of `Behaviour`) answer the next requests; then the default, without waits."""
        quick = {"first_token_ms": QUICK.first_token_ms, "tokens_per_second": QUICK.tokens_per_second, "tokens": None}
        document: dict[str, Any] = {"reset": reset, "next": list(behaviours)}
        if reset or default is not None:
            document["default"] = {**quick, **(default or {})}
        await self._call("/_script", document)

    async def models(self, document: Mapping[str, Any]) -> None:
        """Change the models it has (`POST /_models` of either stand-in)."""
        await self._call("/_models", document)

    async def clock(self, ahead: float) -> None:
        """Let its answers bear a `Date` so many seconds ahead."""
        await self._call("/_clock", {"ahead": ahead})

    async def seen(self) -> list[dict[str, Any]]:
        """The chat requests it received, oldest first (see `Seen`)."""
        found: list[dict[str, Any]] = await self._call("/_seen", None)
        return found

    async def seen_arrived(self, count: int = 1, *, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The requests, once there are `count`; raises `TimeoutError` where they do not come."""
        return await self._until(lambda found: len(found) >= count, seconds)

    async def seen_ended(self, count: int = 1, *, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The requests, once `count` of them have ended; raises `TimeoutError` where they do not."""
        return await self._until(lambda found: sum(entry["ended"] is not None for entry in found) >= count, seconds)

    async def _until(self, met: Callable[[list[dict[str, Any]]], bool], seconds: float) -> list[dict[str, Any]]:
        until = time.monotonic() + seconds
        while not met(found := await self.seen()):
            if time.monotonic() > until:
                ended = sum(entry["ended"] is not None for entry in found)
                raise TimeoutError(f"{len(found)} requests came and {ended} have ended: not what was waited for")
            await asyncio.sleep(0.01)
        return found

    async def _call(self, path: str, document: Any) -> Any:
        data = None if document is None else json.dumps(document).encode()
        return await asyncio.to_thread(_fetch, urllib.request.Request(self.url + path, data=data))


def _fetch(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@contextmanager
def wire_server(kind: Literal["ollama", "openai"], *arguments: str) -> Iterator[WireProcess]:
    """Run the stand-in of that kind for the length of the block."""
    with listening(f"jieqian.testing.{kind}_server", "--port", "0", *arguments) as url:
        yield WireProcess(url)


@contextmanager
def listening(module: str, *arguments: str) -> Iterator[str]:
    """Run that module, which says where it listens, for the length of the block; its URL."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise RuntimeError(f"the stand-in did not start: {line!r}")
            yield "http://" + line.split()[-1]
        finally:
            process.terminate()
            process.wait(10)

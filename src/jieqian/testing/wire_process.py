"""Starts a stand-in model server as a process of its own, and speaks to its control calls."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from jieqian.testing.script import QUICK


class WireProcess:
    """A running stand-in; `url` is `http://127.0.0.1:PORT`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def script(
        self, *behaviours: Mapping[str, Any], reset: bool = True, default: Mapping[str, Any] | None = None
    ) -> None:
        """Let these behaviours (fields of `Behaviour`) answer the next requests; then the default, without waits."""
        quick = {"first_token_ms": QUICK.first_token_ms, "tokens_per_second": QUICK.tokens_per_second, "tokens": None}
        document: dict[str, Any] = {"reset": reset, "next": list(behaviours)}
        if reset or default is not None:
            document["default"] = {**quick, **(default or {})}
        self._call("/_script", document)

    def models(self, document: Mapping[str, Any]) -> None:
        """Change the models it has (`POST /_models` of either stand-in)."""
        self._call("/_models", document)

    def seen(self) -> list[dict[str, Any]]:
        """The chat requests it received, oldest first (see `Seen`)."""
        found: list[dict[str, Any]] = self._call("/_seen", None)
        return found

    async def seen_ended(self, count: int = 1, *, seconds: float = 5.0) -> list[dict[str, Any]]:
        """The requests, once `count` of them have ended; raises `TimeoutError` where they do not."""
        until = time.monotonic() + seconds
        while True:
            found = await asyncio.to_thread(self.seen)
            if sum(entry["ended"] is not None for entry in found) >= count:
                return found
            if time.monotonic() > until:
                raise TimeoutError(f"{count} requests should have ended: {found}")
            await asyncio.sleep(0.01)

    def _call(self, path: str, document: Any) -> Any:
        data = None if document is None else json.dumps(document).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data), timeout=10) as answer:
            return json.load(answer)


@contextmanager
def wire_server(kind: Literal["ollama", "openai"], *arguments: str) -> Iterator[WireProcess]:
    """Run the stand-in of that kind for the length of the block."""
    command = [sys.executable, "-m", f"jieqian.testing.{kind}_server", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise RuntimeError(f"the stand-in did not start: {line!r}")
            yield WireProcess("http://" + line.split()[-1])
        finally:
            process.terminate()
            process.wait(10)

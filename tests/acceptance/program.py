"""The real program as a subprocess, and a client that knows nothing of its code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jieqian.testing.wire_process import WireProcess

START_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Received:
    """One event as a client got it."""

    id: int | None
    type: str
    data: Any


class Client:
    """A caller with a cookie jar of one cookie (or an API key)."""

    def __init__(self, base: str, key: str | None = None) -> None:
        self.base = base
        self.cookie: str | None = None
        self.key = key

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method)
        for name, value in {**self._headers(), **(headers or {})}.items():
            request.add_header(name, value)
        if data is not None and "Content-Type" not in (headers or {}):
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
        except urllib.error.HTTPError as error:
            with error:
                answer = Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())
        if found := re.match(r"jieqian_session=[^;]+", answer.headers.get("set-cookie", "")):
            self.cookie = found[0]
        return answer

    def ask(self, **body: Any) -> str:
        answer = self.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 1, **body})
        assert answer.status == 202, answer.body
        return str(answer.json()["task_id"])

    def task(self, task_id: str) -> Any:
        answer = self.call("GET", f"/api/v1/tasks/{task_id}")
        assert answer.status == 200, answer.body
        return answer.json()

    def events(self, task_id: str, last_event_id: int | str | None = None, query: str = "") -> Generator[Received]:
        """Events as they come, until the server ends the stream."""
        with self.open_events(task_id, last_event_id, query) as response:
            yield from parse_events(response)

    @contextmanager
    def open_events(
        self, task_id: str, last_event_id: int | str | None = None, query: str = ""
    ) -> Iterator[HTTPResponse]:
        headers = self._headers()
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        connection = HTTPConnection(urlsplit(self.base).netloc, timeout=60)
        try:
            connection.request("GET", f"/api/v1/tasks/{task_id}/events{query}", headers=headers)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers


def parse_events(response: HTTPResponse) -> Iterator[Received]:
    fields: dict[str, str] = {}
    for raw in response:
        line = raw.decode("utf-8").rstrip("\n")
        if line == "":
            if "event" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield Received(number, fields["event"], json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


class Program:
    """`jieqian serve` in a process of its own.

    An index costs each start a second of processor time, and twenty where all collections are put into it: the tests of
    it ask for it (`embedder="auto"`).
    """

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.settings = {"embedder": "lexical", **settings}
        self.port = 0
        self.base = ""
        self.process: subprocess.Popen[str] | None = None
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self.around: dict[str, str] = {}  # more of the environment, as it stands
        self.up_at = 0.0  # when it last said where it is (monotonic)

    def environment(self) -> dict[str, str]:
        own = {f"JIEQIAN_{name.upper()}": value for name, value in self.settings.items()}
        others = ("JIEQIAN_", "LLM_", "OTEL_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        return {**clean, "JIEQIAN_DATA_DIR": str(self.data_dir), "PYTHONUNBUFFERED": "1", **own, **self.around}

    def start(self) -> Program:
        """Start it, on the same port as before if it ran before, and wait until it says where it is."""
        return self.launch().wait_until_up()

    def launch(self) -> Program:
        """Begin to start it."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jieqian", "serve", "--port", str(self.port)],
                env=self.environment(),
                cwd=self.data_dir.parent,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def wait_until_up(self) -> Program:
        """Wait until it says where it is."""
        assert self.process is not None
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found, f"it said {said!r}\n{self.log.read_text()}"
        self.up_at = time.monotonic()
        self.port = int(found[1])
        self.base = found[0]
        return self

    def client(self, key: str | None = None) -> Client:
        return Client(self.base, key)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def children(self) -> list[int]:
        """Its child processes, as Linux tells them."""
        listed = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(child) for file in listed for child in file.read_text().split()]

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop it in order; answers its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(how)
        status = process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()
        return status


def wait_until(true: Any, seconds: float = 30.0) -> None:
    """Poll until the condition holds; for tests of a process that cannot tell us."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


class ModelServer:
    """A stand-in model server, for tests that have no event loop of their own."""

    def __init__(self, wire: WireProcess) -> None:
        self.url = wire.url
        self._wire = wire

    def script(self, *behaviours: Mapping[str, Any], default: Mapping[str, Any] | None = None) -> None:
        """Let these behaviours answer the next requests; then the default, without waits."""
        asyncio.run(self._wire.script(*behaviours, default=default))

    def seen(self) -> list[dict[str, Any]]:
        """The chat requests it received, oldest first."""
        return asyncio.run(self._wire.seen())

    def models(self, document: Mapping[str, Any]) -> None:
        """Change the models it has (`POST /_models`)."""
        asyncio.run(self._wire.models(document))

    def clock(self, ahead: float) -> None:
        """Let its answers bear a `Date` so many seconds ahead."""
        asyncio.run(self._wire.clock(ahead))

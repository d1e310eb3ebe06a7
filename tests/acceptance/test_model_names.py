"""A model server that names its model with line breaks and terminal codes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from program import Program

Start = Callable[..., Program]
NAME = "\x1b]0;pwn\x07\x1b[31mqwen\n2030-01-01 00:00:00,000 ERROR forged:7b"


class _Hostile(ThreadingHTTPServer):
    asked_for: set[str]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({"models": [{"name": NAME, "details": {"parameter_size": "7B"}}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        cast("_Hostile", self.server).asked_for.add(body["model"])
        self._answer({"capabilities": ["completion"], "model_info": {}})

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hostile() -> Iterator[_Hostile]:
    with _Hostile(("127.0.0.1", 0), _Handler) as server:
        server.asked_for = set()
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "speaks with ]0;pwn [31mqwen 2030"),
        ({"llm_model": NAME}, "speaks with ]0;pwn [31mqwen 2030"),
        ({"llm_model": NAME.replace("7b", "8b")}, "The nearest one there is ]0;pwn [31mqwen 2030"),
    ],
)
def test_the_shown_name_is_clean_and_the_name_asked_with_is_its_own(
    start: Start, hostile: _Hostile, settings: dict[str, str], told: str
) -> None:
    url = f"http://127.0.0.1:{hostile.server_port}"
    program = start(llm_provider="ollama", llm_base_url=url, **settings)
    ready = program.client().call("GET", "/readyz").body.decode()
    lines = ready.splitlines()
    assert [line.split(":")[0] for line in lines] == ["database", "workers", "collections", "model", "retrieval"]
    assert all(line.isprintable() for line in lines)
    assert told in lines[3]
    for mode in program.client().call("GET", "/api/v1/modes").json():
        assert mode["note"].isprintable()
    assert hostile.asked_for == (set() if "nearest" in told else {NAME})
    assert "\n2030" not in program.log.read_text()

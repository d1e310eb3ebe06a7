"""The stand-in model servers are quiet where a client leaves in the middle."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys

import pytest

ENDLESS = ["--first-token-ms", "0", "--tokens-per-second", "20000", "--tokens", "20000"]


def leave_after_first_bytes(port: int, path: str, model: str, *, rudely: bool) -> None:
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        if rudely:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("kind", "path", "models"),
    [("ollama", "/api/chat", "/api/tags"), ("openai", "/v1/chat/completions", "/v1/models")],
)
def test_a_client_that_leaves_prints_nothing(kind: str, path: str, models: str) -> None:
    command = [sys.executable, "-m", f"jieqian.testing.{kind}_server", *ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        for turn in range(6):
            leave_after_first_bytes(port, path, first_model(port, models), rudely=turn % 2 == 1)
        first_model(port, models)
        server.terminate()
        _, told = server.communicate(timeout=20)
    assert told == ""


def first_model(port: int, path: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        with client.makefile("rb") as answer:
            document = json.loads(answer.read().partition(b"\r\n\r\n")[2])
    listed = document.get("models") or document["data"]
    return str(listed[0].get("name") or listed[0]["id"])

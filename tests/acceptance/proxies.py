"""nginx and Caddy as subprocesses, each with an example file of `deploy/`, and a client that speaks through them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from program import Received, parse_events, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
_NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
_CADDY = shutil.which("caddy")
_MAIN_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {user} worker_processes 1;
events {{}}
http {{
  types {{}} default_type application/octet-stream; access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/jieqian.conf;
}}
"""
_MAIN_CADDY = "{{\nadmin off\nskip_install_trust\nauto_https disable_redirects\nstorage file_system {folder}/kept\n}}\n"


@dataclass(frozen=True)
class Proxy:
    """One that runs. `origin` is what a browser would name; `base` the path the service is under."""

    name: str
    origin: str
    port: int
    base: str

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https:")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Visitor:
    """A browser that keeps its cookie. `source` is the address of this machine that it comes from."""

    port: int
    origin: str
    base: str = ""
    source: str = "127.0.0.1"
    cookie: str = field(default="", init=False)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`path` is under the base path, unless it is whole (begins with it)."""
        sent = dict(headers or {})
        data = None
        if form is not None:
            data = urlencode(form).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with self._asked(method, path, data, sent) as response:
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        if "jieqian_session" in answer.headers.get("set-cookie", ""):
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def ask(self, **body: Any) -> str:
        asked = {"collection": "yuelao", "lot": 1, "question": "Will it go well?", "language": "en", **body}
        answer = self.call("POST", "/api/v1/tasks", asked)
        assert answer.status == 202, answer.body
        return str(answer.json()["task_id"])

    def events(self, task_id: str, last_event_id: int | None = None) -> Generator[Received]:
        with self.open_events(task_id, last_event_id) as response:
            yield from parse_events(response)

    @contextmanager
    def open_events(self, task_id: str, last_event_id: int | None = None, **headers: str) -> Iterator[HTTPResponse]:
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        with self._asked("GET", f"/api/v1/tasks/{task_id}/events", None, headers) as response:
            yield response

    @contextmanager
    def _asked(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
        host = self.origin.partition("://")[2]
        source = (self.source, 0)
        connection: HTTPConnection
        if self.origin.startswith("https:"):
            trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            connection = _NamedConnection(host, self.port, source, trusting)
        else:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=20, source_address=source)
        sent = {"Host": host, **({"Cookie": self.cookie} if self.cookie else {}), **headers}
        try:
            connection.request(method, path if path.startswith(f"{self.base}/") else self.base + path, data, sent)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()


class _NamedConnection(HTTPSConnection):
    """To this machine, but greeting the server by its name (SNI), as a browser does."""

    def __init__(self, host: str, port: int, source: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, timeout=20, source_address=source, context=context)
        self._name, self._trusting = host.partition(":")[0], context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), 20, self.source_address)
        self.sock = self._trusting.wrap_socket(plain, server_hostname=self._name)


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def nginx(folder: Path, example: str, base: str, upstream: int) -> Iterator[Proxy]:
    """nginx with that file, its documented values replaced by ours."""
    if _NGINX is None:
        pytest.skip("no nginx on this machine (Debian: apt-get install nginx-light)")
    port, plain_port = free_ports()
    text = (DEPLOY / example).read_text(encoding="utf-8")
    changes = {"127.0.0.1:8000": f"127.0.0.1:{upstream}"}
    secure = "listen 443 ssl" in text
    if secure:
        _certificate(folder)
        changes |= {"listen 80;": f"listen 127.0.0.1:{plain_port};", "listen 443 ssl": f"listen 127.0.0.1:{port} ssl"}
        changes |= {"/etc/ssl/lots.example.org/": f"{folder}/"}
    else:
        changes |= {"listen 80;": f"listen 127.0.0.1:{port};"}
    (folder / "jieqian.conf").write_text(_replaced(text, changes), encoding="utf-8")
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN_NGINX.format(folder=folder, user=user), encoding="utf-8")
    origin = f"https://lots.example.org:{port}" if secure else f"http://example.org:{port}"
    command = [_NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with _running(command, folder, Visitor(port, origin, base)):
        yield Proxy(f"nginx, {example}", origin, port, base)


@contextmanager
def caddy(folder: Path, example: str, base: str, upstream: int) -> Iterator[Proxy]:
    """Caddy with that file, its documented values replaced by ours."""
    if _CADDY is None:
        pytest.skip("no Caddy on this machine (Debian: apt-get install caddy)")
    port, _ = free_ports()
    text = (DEPLOY / example).read_text(encoding="utf-8")
    changes = {"127.0.0.1:8000": f"127.0.0.1:{upstream}"}
    secure = "\nlots.example.org {" in text
    if secure:  # a certificate of Caddy's own, since there is no authority to ask
        changes["\nlots.example.org {"] = f"\nlots.example.org:{port} {{\nbind 127.0.0.1\ntls internal\n"
    else:
        changes["http://example.org {"] = f"http://example.org:{port} {{\nbind 127.0.0.1\n"
    (folder / "Caddyfile").write_text(_MAIN_CADDY.format(folder=folder) + _replaced(text, changes), encoding="utf-8")
    origin = f"https://lots.example.org:{port}" if secure else f"http://example.org:{port}"
    command = [_CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with _running(command, folder, Visitor(port, origin, base)):
        yield Proxy(f"Caddy, {example}", origin, port, base)


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for documented, ours in changes.items():
        assert documented in text, f"the example no longer has {documented!r}"
        text = text.replace(documented, ours)
    return text


@contextmanager
def _running(command: list[str], folder: Path, visitor: Visitor) -> Iterator[None]:
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder, env=environment)
    try:
        wait_until(lambda: _answers(visitor) or process.poll() is not None)
        assert process.poll() is None, (folder / "said.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


def _answers(visitor: Visitor) -> bool:
    """Caddy listens before it has made its certificate, so only a whole answer counts."""
    try:
        return visitor.call("GET", "/healthz").status == 200
    except (OSError, HTTPException):
        return False


def _certificate(folder: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine (Debian: apt-get install openssl)")
    command = [openssl, "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-subj", "/CN=lots.example.org", "-addext", "subjectAltName=DNS:lots.example.org"]
    command += ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(command, check=True, capture_output=True)

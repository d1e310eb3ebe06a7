"""Wrong settings: one clear line, exit status 1. What lies on the disk is for its user alone."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Program

Start = Callable[..., Program]


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    program = Program(folder / "data", **settings)
    command = [sys.executable, "-m", "jieqian", *arguments]
    return subprocess.run(
        command, env=program.environment(), cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def told_once(ended: subprocess.CompletedProcess[str], word: str) -> None:
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("jieqian: ")
    assert word in line
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("llm_provider", "openai", "LLM_BASE_URL"),
        ("llm_provider", "chatgpt", "LLM_PROVIDER"),
        ("llm_base_url", ":::: x", "LLM_BASE_URL"),
        ("llm_model", "/no/such/model.gguf", "gguf"),
        ("database_url", "sqlite://", "DATABASE_URL"),
        ("database_url", "sqlite:///:memory:", "DATABASE_URL"),
        ("database_url", "postgresql://u:hidden@[::1", "DATABASE_URL"),
        ("database_url", "postgresql://u:hidden@localhost/x", "SQLite"),
        ("database_url", "sqlite:////no/such/folder/x.db", "/no/such/folder/x.db"),
        ("cors_origins", "*", "CORS_ORIGINS"),
        ("workers", "0", "WORKERS"),
        ("base_path", "jieqian", "BASE_PATH"),
        ("trusted_proxies", "*", "TRUSTED_PROXIES"),
        ("collections", "yuelao,nowhere", "JIEQIAN_COLLECTIONS names nowhere, which is no collection here"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_told_in_one_line(tmp_path: Path, name: str, value: str, word: str) -> None:
    ended = run(tmp_path, "serve", "--port", "0", **{name: value})
    told_once(ended, word)
    assert "hidden" not in ended.stderr


@pytest.mark.parametrize("text", [b"JIEQIAN_WORKERS=abc\n", b"JIEQIAN_LLM_MODEL=\xff\xfe\n"])
def test_a_broken_env_file_is_told_in_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / ".env").write_bytes(text)
    told_once(run(tmp_path, "serve", "--port", "0"), "Settings")


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("keys", "list")])
def test_a_data_folder_that_cannot_be_is_told_in_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "data").touch()
    told_once(run(tmp_path, *command, llm_provider="commentary"), "JIEQIAN_DATA_DIR")


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("keys", "list")])
def test_a_database_that_is_none_is_told_in_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jieqian.db").write_bytes(b"no database " * 1000)
    told_once(run(tmp_path, *command, llm_provider="commentary"), "jieqian.db")


def test_what_is_written_is_for_its_user_alone(start: Start) -> None:
    program = start(llm_provider="commentary")
    program.client().ask(question="會順利嗎？")
    assert stat.S_IMODE(program.data_dir.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in program.data_dir.iterdir()}
    assert {"jieqian.db", "jieqian.db-wal", "jieqian.pid", "secret_key"} <= files.keys()
    assert set(files.values()) == {0o600}


def test_it_stops_at_once_though_a_body_is_half_sent(start: Start) -> None:
    program = start(llm_provider="commentary")
    with socket.create_connection(("127.0.0.1", program.port), timeout=30) as client:
        client.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert program.client().call("GET", "/healthz").status == 200  # what was sent before has arrived
        assert program.stop() == 0
        assert client.recv(1000).startswith(b"HTTP/1.1 408")
    log = program.log.read_text()
    assert "Traceback" not in log
    assert "graceful" not in log


def test_headers_without_an_end_are_not_kept(start: Start) -> None:
    program = start(llm_provider="commentary")
    with socket.create_connection(("127.0.0.1", program.port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(OSError):  # it is cut off long before
            client.sendall(b"".join(b"x-%d: %b\r\n" % (place, b"a" * 100_000) for place in range(2000)))
    assert program.client().call("GET", "/healthz", headers={"X-Much": "x" * 60_000}).status == 200
    assert program.client().call("GET", "/healthz", headers={"X-Much": "x" * 66_000}).status == 431


CHUNKED = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
TOKEN = "operator-token-0123456789"


def answer_to(port: int, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(raw)
        with client.makefile("rb") as answer:
            return answer.read()


@pytest.mark.parametrize(
    "without_end",
    [
        pytest.param(b"0\r\n" + b"x-a: %b\r\n" % (b"a" * 4000) * 16, id="trailers"),
        pytest.param(b"0\r\nx-a: ", id="a trailer"),
        pytest.param(b"2;", id="a chunk's extension"),
    ],
)
def test_what_stands_between_chunks_has_a_bound(start: Start, without_end: bytes) -> None:
    program = start(llm_provider="commentary")
    head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    more = without_end[3:] if without_end.endswith(b"\n") else b"a" * 65_536
    with socket.create_connection(("127.0.0.1", program.port), timeout=30) as client:
        client.sendall(head + without_end)
        with pytest.raises(ConnectionError):  # it is cut off long before
            client.sendall(more * 320)  # 20 MB
    assert program.client().call("GET", "/healthz").status == 200


def test_a_long_body_in_chunks_is_taken(start: Start) -> None:
    """Each chunk, of one byte, brings an extension; all together are far over the bound of what stands between two."""
    program = start(llm_provider="commentary")
    head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    body = b'{"collection": "yuelao", "lot": 1, "question": "Will it go well?"}'
    chunks = b"".join(b"1;x=%b\r\n%c\r\n" % (b"a" * 8000, each) for each in body)
    answer = answer_to(program.port, head + b"Connection: close\r\n\r\n" + chunks + b"0\r\nx-sum: 1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 202")


def test_trailers_change_nothing(start: Start) -> None:
    program = start(llm_provider="commentary", admin_token=TOKEN, trusted_proxies="127.0.0.1")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert program.client().call("GET", "/api/v1/admin/service", headers=bearer).status == 200
    trailer = f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
    assert answer_to(program.port, b"GET /api/v1/admin/service" + CHUNKED + trailer).startswith(b"HTTP/1.1 403")
    assert (
        program.client().call("GET", "/", headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"].count("Secure")
    )
    page = answer_to(program.port, b"GET /" + CHUNKED + b"X-Forwarded-Proto: https\r\n\r\n")
    assert b"set-cookie: jieqian_session" in page
    assert b"; Secure" not in page


@pytest.mark.parametrize("base", ["", "/jieqian"])
def test_no_answer_leads_to_the_host_a_caller_names(start: Start, base: str) -> None:
    client = start(llm_provider="commentary", base_path=base).client()
    for path in ("/history/", "/readings/x/", "/api/v1/tasks/", "/healthz/"):
        answer = client.call("GET", base + path, headers={"Host": "evil.example"})
        assert (path, answer.status, answer.headers.get("location")) == (path, 404, None)
    for path in ("/", "/history", "/readings/x", "/api/v1/collections", "" if base else "/"):
        assert client.call("GET", base + path).status == (404 if path.endswith("x") else 200)


def test_head_fetches_no_backup(start: Start) -> None:
    client = start(llm_provider="commentary", admin_token=TOKEN).client(TOKEN)
    made = json.loads(client.call("POST", "/api/v1/admin/backup").body.splitlines()[-1])["result"]
    assert client.call("HEAD", f"/api/v1/admin/backup/{made['id']}").status == 405
    fetched = client.call("GET", f"/api/v1/admin/backup/{made['id']}")
    assert (fetched.status, len(fetched.body)) == (200, made["bytes"])


def test_head_is_answered_where_get_is(start: Start) -> None:
    client = start(llm_provider="commentary").client()
    for path in ("/healthz", "/readyz", "/metrics", "/", "/api/v1/collections", "/api/v1/modes", "/api/v1/tasks"):
        answer = client.call("HEAD", path)
        assert (path, answer.status, answer.body) == (path, 200, b"")
    task_id = client.ask(question="會順利嗎？")
    assert client.call("HEAD", f"/api/v1/tasks/{task_id}").status == 200
    assert client.call("HEAD", f"/api/v1/tasks/{task_id}/events").status == 405
    refused = client.call("GET", "/api/v1/tasks", headers={"Authorization": "Bearer nobody"})
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_a_lot_of_five_thousand_digits_is_unknown(start: Start) -> None:
    client = start(llm_provider="commentary").client()
    raw = b'{"collection": "yuelao", "question": "ab", "lot": ' + b"9" * 5000 + b"}"
    answer = client.call("POST", "/api/v1/tasks", raw=raw)
    assert (answer.status, answer.json()["code"]) == (404, "unknown_lot")
    assert "1000000" not in answer.json()["detail"]

"""`jieqian doctor`: says what is wrong and what mends it, and disturbs nobody."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from program import ModelServer, Program

Start = Callable[..., Program]
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"llm_provider": "commentary"})


def checks(run: Commands, status: int = 0) -> dict[str, Any]:
    """The checks by name (of several with one name, the worst)."""
    answer = run("doctor", "--json")
    assert answer.returncode == status, answer.stdout + answer.stderr
    document = json.loads(answer.stdout)
    assert document["ok"] is (status == 0)
    order = ("ok", "warn", "fail")
    found: dict[str, Any] = {}
    for check in document["checks"]:
        known = found.get(check["what"])
        if known is None or order.index(check["state"]) > order.index(known["state"]):
            found[check["what"]] = check
    return found


def test_a_new_machine_is_well_and_nothing_is_made(run: Commands) -> None:
    found = checks(run)
    for what in ("python", "packages", "settings", "data folder", "owner", "database", "collections", "model"):
        assert found[what]["state"] == "ok", found[what]
    assert not run.data_dir.exists()
    lines = run("doctor").stdout.splitlines()
    assert len(lines) > 10
    assert all(line.startswith(("ok ", "warn ", "fail ")) for line in lines[:-1])
    assert " 0 broken" in lines[-1]


def test_beside_a_server_it_asks_that_server(start: Start, ollama: ModelServer) -> None:
    ollama.script()
    program = start(llm_base_url=ollama.url)
    run = Commands(program.data_dir.parent, program.settings)
    found = checks(run)
    assert program.process is not None
    assert str(program.process.pid) in found["owner"]["told"]
    assert program.base in found["owner"]["told"]
    assert "gemma4:12b" in found["model"]["told"]
    assert found["server workers"]["told"] == "ok"
    assert program.client().call("GET", "/readyz").status == 200


def test_what_a_killed_server_left_is_no_owner(start: Start) -> None:
    program = start(llm_provider="commentary")
    run = Commands(program.data_dir.parent, program.settings)
    program.kill()
    assert (program.data_dir / "server.json").exists()
    found = checks(run)
    assert "nobody" in found["owner"]["told"]
    assert found["database"]["state"] == "ok"


def test_an_owner_that_does_not_answer_is_named(run: Commands) -> None:
    fcntl = pytest.importorskip("fcntl")
    run.data_dir.mkdir(mode=0o700)
    (run.data_dir / "jieqian.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    with (run.data_dir / "jieqian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = checks(run)
    assert found["owner"]["state"] == "warn"
    assert str(os.getpid()) in found["owner"]["told"]


def test_a_damaged_database_fails_and_a_clock_set_back_warns(run: Commands) -> None:
    assert run("keys", "create", "temple app").returncode == 0
    database = run.data_dir / "jieqian.db"
    reading = json.loads(run("read", "會順利嗎？", "--lot", "YueLao_1", "--json").stdout)
    with closing(sqlite3.connect(database)) as connection:
        ahead = time.time() + 7200
        connection.execute("UPDATE tasks SET created_at = ? WHERE id = ?", (ahead, reading["task_id"]))
        connection.commit()
    assert "in the future" in checks(run)["clock"]["told"]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "another version" in checks(run, 1)["database"]["told"]
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    found = checks(run, 1)["database"]
    assert "restore" in found["mend"]
    database.write_bytes(b"this is no database, only text" * 100)
    assert checks(run, 1)["database"]["state"] == "fail"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"JIEQIAN_WORKERS": "many"}, "settings"),
        ({"JIEQIAN_DATABASE_URL": "postgresql://host/db"}, "database"),
        ({"JIEQIAN_LLM_PROVIDER": "openai"}, "model"),
        ({"JIEQIAN_LLM_PROVIDER": "llamacpp", "JIEQIAN_LLM_MODEL": "/nope.gguf"}, "model"),
        ({"JIEQIAN_DATA_DIR": "/dev/null"}, "data folder"),
    ],
)
def test_settings_that_cannot_be_meant_fail_in_their_line(run: Commands, settings: dict[str, str], what: str) -> None:
    answer = run("doctor", **settings)
    assert answer.returncode == 1
    line = next(line for line in answer.stdout.splitlines() if line.startswith("fail"))
    assert line.split("  ")[1].strip().startswith(what) or f" {what} " in line
    assert "->" in line
    assert "Traceback" not in answer.stdout + answer.stderr


def test_a_model_server_that_is_down_is_a_warning(run: Commands) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        answer = run("doctor", "--json", JIEQIAN_LLM_BASE_URL=url, JIEQIAN_LLM_PROVIDER="auto")
    found = {check["what"]: check for check in json.loads(answer.stdout)["checks"]}
    assert answer.returncode == 0
    assert found["model"]["state"] == "warn"
    assert "JIEQIAN_LLM_BASE_URL" in found["model"]["mend"]


def test_beside_a_server_whose_model_is_out_of_reach_it_warns(start: Start) -> None:
    program = start(llm_base_url=NOBODY, llm_provider="ollama")
    found = checks(Commands(program.data_dir.parent, program.settings))
    assert found["model"]["state"] == "warn"
    assert "JIEQIAN_LLM_BASE_URL" in found["model"]["mend"]


def test_a_broken_choice_of_model_fails_as_a_start_does(run: Commands) -> None:
    run.data_dir.mkdir(mode=0o700)
    (run.data_dir / "model.json").write_text("{", encoding="utf-8")
    answer = run("doctor", "--json", JIEQIAN_LLM_PROVIDER="auto")
    (found,) = [check for check in json.loads(answer.stdout)["checks"] if check["what"] == "model"]
    assert (answer.returncode, found["state"], found["mend"]) == (1, "fail", "jieqian model use auto")


def test_a_broken_collection_and_an_open_folder_are_told(run: Commands) -> None:
    pack = run.data_dir / "collections" / "broken"
    pack.mkdir(parents=True)
    (pack / "collection.json").write_text("{", encoding="utf-8")
    (pack / "lots.jsonl").write_text("", encoding="utf-8")
    run.data_dir.chmod(0o755)
    (run.folder / ".env").write_text("JIEQIAN_LLM_API_KEY=secret\n", encoding="utf-8")
    (run.folder / ".env").chmod(0o644)
    found = checks(run)
    assert found["collections"]["mend"] == "jieqian corpus validate"
    assert found[".env"]["mend"] == "chmod 600 .env"
    assert found["data folder"]["mend"].startswith("chmod 700")

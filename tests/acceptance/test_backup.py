"""A backup of a running service, restored elsewhere: the same readings, and those under way go on."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Client, ModelServer, Program, wait_until
from test_reading import finished_texts, shown_texts

Start = Callable[..., Program]


def jieqian(program: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command over the program's data, from another folder than its server's."""
    return subprocess.run(
        [sys.executable, "-m", "jieqian", *arguments],
        env=program.environment(),
        cwd=program.data_dir.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def succeeded(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout


def failed(ended: subprocess.CompletedProcess[str], word: str) -> None:
    assert ended.returncode == 1, (ended.stdout, ended.stderr)
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith(("Restore: ", "Backup: "))]
    assert line.startswith("jieqian: ")
    assert word in line
    assert ended.stdout == ""


def seen_by(client: Client, task_id: str) -> tuple[bytes, bytes, bytes]:
    """All an asker sees of a reading, byte for byte."""
    with client.open_events(task_id) as response:
        events = response.read()
    task, history = (client.call("GET", f"/api/v1/tasks{path}").body for path in (f"/{task_id}", ""))
    return task, history, events


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def own_pack(tmp_path: Path) -> Path:
    """A collection of the operator's own, with a link to another folder in it."""
    pack = tmp_path / "data" / "collections" / "mine"
    pack.mkdir(parents=True)
    (pack / "笑.txt").write_text("a note\n", encoding="utf-8")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "there.txt").touch()
    (pack / "there").symlink_to(tmp_path / "linked")
    (pack / "round").symlink_to(pack)
    return pack


def test_a_backup_while_it_works_restored_elsewhere_gives_the_same_readings(
    start: Start, ollama: ModelServer, own_pack: Path, tmp_path: Path
) -> None:
    ollama.script(default={"tokens_per_second": 3000, "first_token_ms": 0})
    here = start(llm_base_url=ollama.url, workers="1", llm_silence_seconds="300")
    asker, other = here.client(), here.client()
    done = asker.ask(question="她還會回信給我嗎？")
    list(asker.events(done))
    assert asker.call("POST", f"/api/v1/tasks/{done}/feedback", {"score": 1}).status in (200, 201, 204)
    key = succeeded(jieqian(here, "keys", "create", "temple")).splitlines()[0]
    integrator = here.client(key)
    by_key = integrator.ask(question="工作會順利嗎？")
    list(integrator.events(by_key))
    ollama.script(default={"tokens_per_second": 3000, "first_token_ms": 0, "stall_after": 150})
    under_way, waiting = other.ask(question="會順利嗎？"), other.ask(question="還要等多久？")
    events = other.events(under_way)
    before = [next(events)]
    while sum(event.type == "section_finished" for event in before) < 2:
        before.append(next(events))
    expected = [seen_by(client, task) for client, task in ((asker, done), (integrator, by_key))]
    told = json.loads(succeeded(jieqian(here, "backup", "--json")))
    assert here.client().call("GET", "/readyz").status == 200
    assert not list((here.data_dir / "backups").iterdir()), "what was fetched is gone"
    here.kill()
    archive = Path(told["file"])
    assert archive.parent == tmp_path
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert archive.stat().st_size == told["bytes"]
    ollama.script(default={"tokens_per_second": 3000, "first_token_ms": 0})
    asked_before = len(ollama.seen())

    there = Program(tmp_path / "elsewhere", llm_base_url=ollama.url)
    assert "4 readings" in succeeded(jieqian(there, "restore", str(archive)))
    assert stat.S_IMODE(there.data_dir.stat().st_mode) == 0o700
    assert everything(there.data_dir / "collections") == {
        "mine/笑.txt": b"a note\n",
        "mine/there/there.txt": b"",
    }
    there = start("elsewhere", llm_base_url=ollama.url)
    for client in (asker, other, integrator):
        client.base = there.base
    assert [seen_by(client, task) for client, task in ((asker, done), (integrator, by_key))] == expected
    after = list(other.events(under_way, before[-1].id))
    whole = before + after
    ids = [event.id for event in whole]
    assert ids == sorted(set(ids))
    assert after[-1].id > 100_000, "there readings went on after the backup: no id is given out twice"
    assert after[-1].type == "completed"
    assert after[-1].data["timings"]["sections_from_model"] == 7
    assert shown_texts(whole) == finished_texts(whole)
    first_two = set(list(finished_texts(before))[:2])
    asked = [dict(chat["body"].get("format") or {}).get("properties", {}) for chat in ollama.seen()[asked_before:]]
    assert any(0 < len(properties) < 7 and not first_two & set(properties) for properties in asked)
    assert list(other.events(waiting))[-1].type == "completed"


def test_a_backup_without_a_server_and_over_data_that_is_there(start: Start, tmp_path: Path) -> None:
    program = start(llm_provider="commentary", secret_key="a secret of my own")
    client = program.client()
    task_id = client.ask(question="會順利嗎？")
    wait_until(lambda: client.task(task_id)["timings"]["faq_ms"] is not None)  # written after the end
    expected = seen_by(client, task_id)
    program.stop()
    archive = tmp_path / "kept.zip"
    ended = jieqian(program, "backup", str(archive))
    assert "1 readings" in succeeded(ended)
    assert "JIEQIAN_SECRET_KEY" in ended.stderr
    failed(jieqian(program, "backup", str(archive)), "is there already")
    program.start()
    failed(jieqian(program, "restore", str(archive), "--force"), "Another jieqian process")
    later = client.ask(question="還有別的嗎？")
    wait_until(lambda: client.task(later)["status"] == "completed")
    program.stop()
    held = everything(program.data_dir)
    failed(jieqian(program, "restore", str(archive)), "--force")
    assert everything(program.data_dir) == held
    said = succeeded(jieqian(program, "restore", str(archive), "--force"))
    (aside,) = (program.data_dir / "backups").glob("before-restore-*")
    assert str(aside) in said
    assert everything(aside).keys() >= {"jieqian.db"}
    program.start()
    assert seen_by(client, task_id) == expected
    assert client.call("GET", f"/api/v1/tasks/{later}").status == 404
    program.stop()


def test_the_operator_alone_may_fetch_a_backup_and_once(start: Start) -> None:
    program = start(llm_provider="commentary", admin_token="t" * 20)
    operator, nobody = program.client("t" * 20), program.client()
    assert nobody.call("POST", "/api/v1/admin/backup").status in (401, 403)
    lines = [json.loads(line) for line in operator.call("POST", "/api/v1/admin/backup").body.splitlines()]
    path = f"/api/v1/admin/backup/{lines[-1]['result']['id']}"
    assert nobody.call("GET", path).status in (401, 403)
    assert len(operator.call("GET", path).body) == lines[-1]["result"]["bytes"]
    for gone in (path, "/api/v1/admin/backup/..%2fsecret_key", "/api/v1/admin/backup/x"):
        assert operator.call("GET", gone).status == 404
    lines = [json.loads(line) for line in operator.call("POST", "/api/v1/admin/backup").body.splitlines()]
    path = f"/api/v1/admin/backup/{lines[-1]['result']['id']}"
    assert nobody.call("DELETE", path).status in (401, 403)
    assert [operator.call("DELETE", path).status, operator.call("DELETE", path).status] == [204, 404]
    assert not list((program.data_dir / "backups").glob("*")), "what nobody wants is not kept"


@pytest.mark.parametrize("where", ["missing", "folder"])
def test_where_there_is_nothing_to_back_up_or_no_place_for_it(start: Start, tmp_path: Path, where: str) -> None:
    if where == "missing":
        failed(jieqian(Program(tmp_path / "none"), "backup"), "nothing to back up")
        assert not (tmp_path / "none").exists()
    else:
        program = start(llm_provider="commentary")
        failed(jieqian(program, "backup", str(tmp_path / "no" / "b.zip")), "no folder")


@pytest.mark.skipif(sys.platform != "linux", reason="limits a file's size")
@pytest.mark.parametrize("served", [True, False])
def test_a_full_disk_leaves_no_half_of_a_backup(start: Start, tmp_path: Path, served: bool) -> None:
    program = start(llm_provider="commentary")
    client = program.client()
    task_id = client.ask(question="會順利嗎？")
    wait_until(lambda: client.task(task_id)["status"] == "completed")
    if not served:
        program.stop()
    limited = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)); from jieqian.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", limited, "backup", "b.zip"],
        env=program.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    failed(ended, "cannot be")
    assert not [path for path in tmp_path.iterdir() if "b.zip" in path.name]
    assert not list((program.data_dir / "backups").glob("*"))


def test_an_archive_of_a_later_release_is_refused(start: Start, tmp_path: Path) -> None:
    program = start(llm_provider="commentary")
    succeeded(jieqian(program, "backup", "kept.zip"))
    with zipfile.ZipFile(tmp_path / "kept.zip") as old, zipfile.ZipFile(tmp_path / "later.zip", "w") as later:
        for name in old.namelist():
            data = old.read(name)
            if name == "manifest.json":
                data = json.dumps({**json.loads(data), "schema": "0999"}).encode()
            later.writestr(name, data)
    elsewhere = Program(tmp_path / "elsewhere")
    failed(jieqian(elsewhere, "restore", "later.zip"), "later version")
    assert not elsewhere.data_dir.exists()

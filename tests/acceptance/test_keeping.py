"""The data folder and `.env` as they may be found: one line that says what is wrong, and nothing half-started."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from program import Program, wait_until

from jieqian.tasks.database import open_engine, sqlite_url
from jieqian.tasks.schema import migrations, newest_revision

Start = Callable[..., Program]
SERVE = ("serve", "--port", "0")
#: Root writes anywhere; without these rights it is bound by modes as everybody is.
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def run(
    folder: Path, *arguments: str, before: tuple[str, ...] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    program = Program(folder / "data", llm_provider="commentary", **settings)
    return subprocess.run(
        [*before, sys.executable, "-m", "jieqian", *arguments],
        env=program.environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told_once(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("jieqian: ")
    for word in words:
        assert word in line
    assert ended.stdout == ""


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def as_anybody() -> tuple[str, ...]:
    if os.name != "posix":
        pytest.skip("modes of files")
    if os.getuid() != 0:
        return ()
    if shutil.which(AS_ANYBODY[0]) is None:
        pytest.skip("root is bound by no mode, and there is no setpriv")
    return AS_ANYBODY


@pytest.mark.parametrize("arguments", [SERVE, ("keys", "list")])
def test_a_folder_of_other_things(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "data" / "photos").mkdir(parents=True)
    (tmp_path / "data" / "letter.txt").write_text("mine")
    before = everything(tmp_path)
    told_once(run(tmp_path, *arguments), "holds other things", "letter.txt", "JIEQIAN_DATA_DIR")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("arguments", [SERVE, ("keys", "list"), ("backup",)])
def test_a_database_of_another_application(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "jieqian.db")) as connection:
        connection.execute("create table photos (id)")
    before = everything(tmp_path)
    told_once(run(tmp_path, *arguments), "another application")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("arguments", [SERVE, ("keys", "list")])
def test_a_database_of_a_later_release(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(tmp_path, "keys", "list").returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "jieqian.db")) as connection, connection:
        connection.execute("update alembic_version set version_num = '0999'")
    told_once(run(tmp_path, *arguments), "later version", "0999", newest_revision())


@pytest.mark.parametrize("arguments", [SERVE, ("keys", "list")])
def test_a_folder_without_the_right_to_write(
    tmp_path: Path, as_anybody: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    told_once(run(tmp_path, *arguments, before=as_anybody), f"data folder {tmp_path / 'data'}", "JIEQIAN_DATA_DIR")
    assert not everything(tmp_path / "data")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with data whose files and folders are for reading only."""
    assert run(tmp_path, "keys", "create", "temple").returncode == 0
    paths = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    yield tmp_path
    for path in paths:
        if path.exists():
            path.chmod(0o700)


@pytest.mark.parametrize("arguments", [SERVE, ("keys", "list"), ("backup", "out.zip")])
def test_data_that_may_only_be_read(read_only: Path, as_anybody: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    before = everything(read_only)
    told_once(run(read_only, *arguments, before=as_anybody), "data folder", "JIEQIAN_DATA_DIR")
    assert everything(read_only) == before


def test_the_owner_of_a_folder_in_use_is_named(start: Start) -> None:
    program = start(llm_provider="commentary")
    assert program.process is not None
    told_once(run(program.data_dir.parent, *SERVE), f"({program.process.pid})", "uses the data folder")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"# mine\nJIEQIAN_WORKERS 3\n", ("line 2 of .env",)),
        (b"JIEQIAN_SECRET_KEY='never ended\n", ("line 1 of .env",)),
        ("JIEQIAN_WORKERS=3\n".encode("utf-16"), ("line 1 of .env", "UTF-8")),
        (None, (".env is a folder",)),
    ],
)
def test_a_broken_env_file(tmp_path: Path, text: bytes | None, words: tuple[str, ...]) -> None:
    if text is None:
        (tmp_path / ".env").mkdir()
    else:
        (tmp_path / ".env").write_bytes(text)
    told_once(run(tmp_path, *SERVE), *words)
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_an_env_file_that_may_not_be_read(tmp_path: Path, as_anybody: tuple[str, ...]) -> None:
    (tmp_path / ".env").touch(mode=0o000)
    told_once(run(tmp_path, *SERVE, before=as_anybody), ".env cannot be read", "Permission denied")


def test_a_setting_that_is_none_is_told_and_refuses_nothing(tmp_path: Path) -> None:
    ended = run(tmp_path, "keys", "list", worker="3")
    assert ended.returncode == 0
    (line,) = ended.stderr.splitlines()
    assert "JIEQIAN_WORKER " in line
    assert "JIEQIAN_WORKERS" in line


def test_data_of_an_earlier_release_is_copied_once_and_migrated(start: Start, tmp_path: Path) -> None:
    program = start(llm_provider="commentary")
    client = program.client()
    task_id = client.ask(question="會順利嗎？")
    # The last that is written to it comes after its end.
    wait_until(lambda: client.task(task_id)["timings"]["faq_ms"] is not None)
    expected, log = client.task(task_id), list(client.events(task_id))
    program.stop()
    database = program.data_dir / "jieqian.db"
    _back_to("0001", database)
    program.start()
    assert client.task(task_id) == expected
    assert list(client.events(task_id)) == log
    (copy,) = (program.data_dir / "backups").iterdir()
    assert copy.name.startswith(f"before-{newest_revision()}-")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("select version_num from alembic_version").fetchall() == [("0001",)]
        assert connection.execute("select id from tasks").fetchall() == [(task_id,)]
    assert str(copy) in program.log.read_text()
    program.stop()
    program.start()
    assert list((program.data_dir / "backups").iterdir()) == [copy]


def _back_to(revision: str, database: Path) -> None:
    engine = open_engine(sqlite_url(database), writes=True)
    config = migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()

"""What `jieqian doctor` says of a folder and of models."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jieqian.cli.doctor import bounded
from jieqian.cli.examining import Examined, State, examine_folder, examine_machine
from jieqian.cli.examining_clock import examine_clock, examine_steps
from jieqian.cli.examining_database import examine_database
from jieqian.cli.examining_disk import examine_disk
from jieqian.cli.examining_index import examine_retrieval
from jieqian.cli.examining_models import command_in, writer
from jieqian.cli.examining_secrets import hidden, secrets_here
from jieqian.errors import UsageError
from jieqian.settings import Settings
from jieqian.tasks.database import migrate, sqlite_url

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


def test_a_folder_of_other_things_fails_and_nobody_is_told_to_change_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "passwd").touch()
    (found,) = examine_folder(Settings(data_dir=tmp_path))
    assert (found.state, found.what) == (State.FAIL, "data folder")
    assert "'passwd'" in found.told
    assert "chmod" not in found.mend
    assert str(tmp_path / "jieqian") in found.mend


def test_a_folder_of_ours_that_is_open_is_to_be_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "passwd").touch()
    (tmp_path / "jieqian.db").touch()
    found = next(iter(examine_folder(Settings(data_dir=tmp_path))))
    assert (found.state, found.mend) == (State.WARN, f"chmod 700 {tmp_path}")


@pytest.mark.parametrize("where", ["file", "file/under", "dangling"])
def test_what_is_no_folder_and_can_be_none_fails(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (found,) = examine_folder(Settings(data_dir=tmp_path / where))
    assert found.state is State.FAIL


@pytest.mark.parametrize(
    ("provider", "reachable", "tiny", "note", "state", "mend"),
    [
        ("ollama", True, False, "Ollama speaks.", State.OK, ""),
        ("commentary", False, False, "No model is used, as `jieqian model use commentary` asked.", State.OK, ""),
        ("commentary", False, False, "No model server answers.", State.WARN, "JIEQIAN_LLM_BASE_URL"),
        ("ollama", False, False, "No model server answers at x.", State.WARN, "JIEQIAN_LLM_BASE_URL"),
        ("openai", False, False, "It answered 401. Check LLM_API_KEY.", State.WARN, "JIEQIAN_LLM_API_KEY"),
        ("openai", False, False, "x does not speak OpenAI's API.", State.WARN, "JIEQIAN_LLM_PROVIDER=auto"),
        (
            "openai",
            False,
            False,
            "It has 9 models; set LLM_MODEL to one of them, such as a, b.",
            State.WARN,
            "_MODEL=a",
        ),
        ("ollama", False, False, "It has none. `ollama pull a` gets one.", State.WARN, "ollama pull a"),
        ("llamacpp", True, True, "Very small: `jieqian model get b`.", State.WARN, "jieqian model get b"),
    ],
)
def test_who_writes_is_right_only_if_it_was_meant(
    provider: str, reachable: bool, tiny: bool, note: str, state: State, mend: str
) -> None:
    found = writer(provider, note, reachable=reachable, tiny=tiny)
    assert (found.state, found.told) == (state, note)
    assert mend in found.mend
    assert bool(mend) is bool(found.mend)


def test_packages_go_into_the_python_that_runs_this() -> None:
    assert command_in("Needs `pip install 'jieqian[x]'`.") == f"{sys.executable} -m pip install 'jieqian[x]'"
    assert not any(found.mend.startswith("pip ") for found in examine_machine())


def test_an_embedder_on_a_server_that_is_not_there_warns(tmp_path: Path) -> None:
    pytest.importorskip("chromadb")
    settings = Settings(data_dir=tmp_path, embedder="ollama:bge-m3", llm_base_url=NOBODY)
    (found,) = examine_retrieval(settings)
    assert (found.state, found.what) == (State.WARN, "retrieval")
    assert "JIEQIAN_LLM_BASE_URL" in found.mend


def test_a_check_that_hangs_or_fails_is_a_finding_and_what_it_found_before_stays() -> None:
    never = threading.Event()

    def hangs() -> Iterator[Examined]:
        yield Examined(State.OK, "disk", "there")
        never.wait(60)
        yield Examined(State.OK, "disk", "too late")

    there, hung = bounded("disk", hangs, 0.2)
    never.set()
    assert (there.told, hung.state, hung.what) == ("there", State.FAIL, "disk")
    assert hung.mend.startswith("jieqian doctor --seconds")

    def fails(error: Exception) -> Iterator[Examined]:
        yield Examined(State.OK, "index", "there")
        raise error

    for error, told in (
        (ZeroDivisionError("no"), "ZeroDivisionError: no"),
        (OSError(5, "Input/output error", "/a/b"), "/a/b: Input/output error"),
        (UsageError("Not so."), "Not so."),
    ):
        there, failed = bounded("index", lambda error=error: fails(error), 10.0)  # type: ignore[misc]
        assert there.state is State.OK
        assert (failed.state, failed.mend) == (State.FAIL, "jieqian doctor --debug")
        assert told in failed.told


def test_what_another_user_alone_may_look_at_is_to_be_looked_at_as_that_user(tmp_path: Path) -> None:
    def fails() -> Iterator[Examined]:
        raise PermissionError(13, "Permission denied", str(tmp_path / "data" / "jieqian.db"))

    (failed,) = bounded("database", fails, 10.0)
    assert failed.told == f"{tmp_path}/data/jieqian.db: Permission denied"
    assert failed.mend == f"sudo -u '#{tmp_path.stat().st_uid}' jieqian doctor"


def test_a_disk_with_less_room_than_the_data_needs_warns_until_there_is_less_data(tmp_path: Path) -> None:
    database = tmp_path / "jieqian.db"
    settings = Settings(data_dir=tmp_path)
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    with database.open("wb") as file:
        file.truncate(free)  # it takes no room: there is nothing in it
    found = next(iter(examine_disk(settings)))
    assert (found.state, found.what) == (State.WARN, "disk")
    assert "a backup, or a later schema, takes up to" in found.told
    assert "JIEQIAN_DATA_DIR" in found.mend
    database.unlink()
    assert next(iter(examine_disk(settings))).state is State.OK


def test_a_disk_that_cannot_be_written_fails(tmp_path: Path) -> None:
    *_, kept = examine_disk(Settings(data_dir=tmp_path))
    assert (kept.state, kept.what) == (State.OK, "disk write")
    assert list(tmp_path.iterdir()) == []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))  # as a full disk: no file of more bytes
    try:
        *_, kept = examine_disk(Settings(data_dir=tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (kept.state, kept.what) == (State.FAIL, "disk write")
    assert f"nothing can be written to {tmp_path}: " in kept.told


def test_a_database_too_large_for_the_time_is_no_damaged_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    database = tmp_path / "jieqian.db"
    migrate(sqlite_url(database))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE filler (text TEXT)")
        connection.executemany("INSERT INTO filler VALUES (?)", (("x" * 500,) for _ in range(20_000)))
        connection.execute("CREATE INDEX filling ON filler (text)")
        connection.commit()
    broken_off = next(iter(examine_database(settings, 0.0)))
    assert broken_off.state is State.WARN
    assert "0 s did not do to look through it" in broken_off.told
    assert broken_off.mend.startswith("jieqian doctor --seconds")
    whole = next(iter(examine_database(settings, 60.0)))
    assert whole.state is State.OK
    assert "is whole" in whole.told


def test_much_free_room_in_the_database_is_told_and_given_back(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    database = tmp_path / "jieqian.db"
    migrate(sqlite_url(database))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE filler (bytes BLOB)")
        connection.execute("INSERT INTO filler VALUES (zeroblob(270000000))")
        connection.execute("DROP TABLE filler")
        connection.commit()
    _, size = examine_database(settings)
    assert (size.state, size.mend) == (State.WARN, f"stop the service, then: sqlite3 {database} VACUUM")
    with closing(sqlite3.connect(database)) as connection:  # what the command does, which not every machine has
        connection.execute("VACUUM")
    _, size = examine_database(settings)
    assert size.state is State.OK


def test_a_clock_that_cannot_be_right_fails_and_one_set_back_warns() -> None:
    now = 1_800_000_000.0
    clock, _zone = examine_clock(now, newest=now - 5, installed=now - 86_400)
    assert clock.state is State.OK
    for wrong in (0.0, now - 10 * 86_400, 8e9):
        clock, _zone = examine_clock(wrong, newest=None, installed=now)
        assert (clock.state, clock.mend) == (State.FAIL, "timedatectl set-ntp true")
    clock, _zone = examine_clock(now, newest=now + 7200, installed=now)
    assert clock.state is State.WARN
    assert "120 minutes in the future" in clock.told


def test_a_clock_that_is_set_meanwhile_is_told() -> None:
    assert examine_steps(wall=2.1, steady=2.0) is None
    for wall, told in ((62.0, "set on by 60 s"), (-58.0, "set back by 60 s")):
        found = examine_steps(wall=wall, steady=2.0)
        assert found is not None
        assert told in found.told


def test_secrets_are_hidden_wherever_they_come_from(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("JIEQIAN_LLM_API_KEY='from the file'\nJIEQIAN_WORKERS=4\n", encoding="utf-8")
    secrets = secrets_here({"JIEQIAN_ADMIN_TOKEN": "from-around", "JIEQIAN_SECRET_KEY": "short", "PATH": "x"}, env_file)
    assert secrets == ["from the file", "from-around"]
    text = "it said from-around, from the file and http://me:word@host/ in short"
    assert hidden(text, secrets) == "it said …, … and http://…@host/ in short"

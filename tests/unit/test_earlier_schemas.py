"""A database of an earlier release: copied first, then migrated whole or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from jieqian.errors import StoreError
from jieqian.tasks.database import KEPT_COPIES, check_database, migrate, open_engine, sqlite_url
from jieqian.tasks.schema import look_at, migrations, newest_revision
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.task import Status

QUEUED = json.dumps({"position": 1, "ahead": 0, "estimate_seconds": 0})
TASK = {
    "id": "a task", "caller": "asker", "status": "completed", "collection": "yuelao", "lot": 7, "question": "會嗎？",
    "language": "zh-Hant", "mode": "quality", "strategy": "auto", "fresh": 0, "created_at": 1.0, "claimed_at": 1.5,
    "ended_at": 2.0, "attempts": 1, "deliveries": 1, "last_event_id": 2, "total_time_ms": 12.0, "timings": "{}",
    "sources": "[]", "idempotency_key": "k", "body_hash": "h",
}  # fmt: skip
LEASED = {
    "id": "under way", "status": "running", "ended_at": None, "lease_token": "t", "lease_expires_at": 9e9,
    "last_event_id": 1, "idempotency_key": None, "body_hash": None,
}  # fmt: skip


def of_release(revision: str, path: Path) -> None:
    """A database as the release with that schema made it."""
    engine = open_engine(sqlite_url(path), writes=True)
    config = migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for row in (TASK, TASK | LEASED):
            marks = ", ".join(f":{name}" for name in row)
            connection.execute(f"insert into tasks ({', '.join(row)}) values ({marks})", row)
        connection.execute("insert into sections values ('a task', 'conclusion', '結語', 'model', 1, 5)")
        for number, kind, data in ((1, "queued", QUEUED), (2, "completed", '{"lot": {}}')):
            connection.execute("insert into events values ('a task', ?, ?, ?)", (number, kind, data))
        connection.execute("insert into events values ('under way', 1, 'queued', ?)", (QUEUED,))
        connection.execute("insert into feedback values ('a task', 1, 'good', 'quality', 'm', 3)")
        connection.execute("insert into draws values ('d', 'asker', 'yuelao', 's', 1, null)")
        connection.execute("insert into api_keys values ('k', 'temple', 'hash', 1, null)")


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows, with the columns there were at first."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = {}
        for table in ("sections", "events", "feedback", "draws", "api_keys"):
            found[table] = connection.execute(f"select * from {table} order by 1, 2").fetchall()
        found["tasks"] = connection.execute(f"select {', '.join(TASK)} from tasks order by id").fetchall()
        return found


def schema_of(path: Path) -> set[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("select name, sql from sqlite_master where sql is not null"))


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A database of the first release."""
    of_release("0001", tmp_path / "jieqian.db")
    return tmp_path / "jieqian.db"


def copies(database: Path) -> list[Path]:
    return sorted((database.parent / "backups").glob("*")) if (database.parent / "backups").is_dir() else []


async def test_everything_is_readable_after_and_a_copy_is_as_before(
    earlier: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, schema = contents(earlier), schema_of(earlier)
    with caplog.at_level(logging.WARNING):
        migrate(sqlite_url(earlier))
    assert contents(earlier) == before
    (copy,) = copies(earlier)
    assert copy.name.startswith(f"before-{newest_revision()}-")
    assert (contents(copy), schema_of(copy)) == (before, schema)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    told = [record for record in caplog.records if getattr(record, "action", "") == "copied_before_migration"]
    assert len(told) == 1
    assert str(copy) in told[0].getMessage()
    store = SqlTaskStore(sqlite_url(earlier))
    task = await store.get("a task", "asker")
    assert (task.status, task.question, task.sections[0].text) == (Status.COMPLETED, "會嗎？", "結語")
    assert [event.id for event in await store.events("a task", 0, 10)] == [1, 2]
    assert [each.id for each in await store.history("asker", 10, None)] == ["under way", "a task"]
    assert (await store.keys())[0].name == "temple"
    assert await store.get_draw("d", "asker")
    assert await store.release_leases() == 1
    claimed = await store.claim("t2", 2.0, 30)
    assert claimed is not None
    assert (claimed.id, claimed.model) == ("under way", None)
    await store.close()


def test_only_the_first_start_makes_a_copy(earlier: Path) -> None:
    migrate(sqlite_url(earlier))
    migrate(sqlite_url(earlier))
    assert len(copies(earlier)) == 1


def test_a_new_database_makes_none(tmp_path: Path) -> None:
    migrate(sqlite_url(tmp_path / "jieqian.db"))
    assert not copies(tmp_path / "jieqian.db")


def test_the_last_few_copies_are_kept(earlier: Path) -> None:
    folder = earlier.parent / "backups"
    folder.mkdir()
    for year in range(2020, 2026):
        (folder / f"before-0002-{year}0101-000000.db").touch()
    (folder / "mine.db").touch()
    migrate(sqlite_url(earlier))
    kept = [copy.name for copy in copies(earlier)]
    assert len(kept) == KEPT_COPIES + 1
    assert "mine.db" in kept
    assert any(look_at(folder / name) for name in kept if name != "mine.db"), "the new one is among them"


def test_a_migration_that_fails_changes_nothing_and_names_the_copy(earlier: Path) -> None:
    with contextlib.closing(sqlite3.connect(earlier)) as connection, connection:
        connection.execute("alter table tasks add column model text")  # what the second step wants to add
    before, schema = contents(earlier), schema_of(earlier)
    with pytest.raises(StoreError, match="as it was") as failed:
        migrate(sqlite_url(earlier))
    (copy,) = copies(earlier)
    assert str(copy) in failed.value.detail
    assert "\n" not in failed.value.detail
    assert (contents(earlier), schema_of(earlier)) == (before, schema)


KILLED = """
import os, sys
import sqlalchemy as sa
from jieqian.tasks.database import migrate
step, done = int(sys.argv[2]), [0]
@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    done[0] += not statement.startswith(("PRAGMA", "SELECT", "BEGIN"))
    if done[0] == step:
        os.kill(os.getpid(), 9)
migrate(sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_migration_killed_at_any_statement_changes_nothing(earlier: Path) -> None:
    before, schema = contents(earlier), schema_of(earlier)
    for step in range(1, 60):
        script = [sys.executable, "-c", KILLED, sqlite_url(earlier), str(step)]
        ended = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
        assert contents(earlier) == before
        if ended.returncode != -signal.SIGKILL:
            break
        assert schema_of(earlier) == schema, f"killed after statement {step}"
    assert ended.returncode == 0, ended.stderr
    assert step > 3
    assert look_at(earlier) == look_at(earlier)
    found = look_at(earlier)
    assert found is not None
    assert (found.revision, found.readings) == (newest_revision(), 2)


def test_where_no_copy_can_be_made_nothing_is_migrated(earlier: Path) -> None:
    schema = schema_of(earlier)
    (earlier.parent / "backups").write_text("a file in its place")
    with pytest.raises(StoreError, match="backups"):
        migrate(sqlite_url(earlier))
    assert schema_of(earlier) == schema


def other_application(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table photos (id)")


def other_with_alembic(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table tasks (id)")
        connection.execute("create table alembic_version (version_num)")
        connection.execute("insert into alembic_version values ('0001')")


def other_in_use(path: Path) -> None:
    """With a journal beside it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table photos (id)")
        connection.commit()
        files = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    for name, data in files.items():
        (path.parent / name).write_bytes(data)


@pytest.mark.parametrize("make", [other_application, other_with_alembic, other_in_use])
def test_a_database_of_another_application_is_left_as_it_is(tmp_path: Path, make: object) -> None:
    path = tmp_path / "jieqian.db"
    make(path)  # type: ignore[operator]
    before = path.read_bytes(), {file.name for file in tmp_path.iterdir()}
    for refuse in (check_database, migrate):
        with pytest.raises(StoreError, match="another application"):
            refuse(sqlite_url(path))
    assert (path.read_bytes(), {file.name for file in tmp_path.iterdir()}) == before


def test_a_look_leaves_no_file_behind(earlier: Path) -> None:
    found = look_at(earlier)
    assert found is not None
    assert found.is_earlier
    assert (found.revision, found.readings) == ("0001", 2)
    assert [path.name for path in earlier.parent.iterdir()] == ["jieqian.db"]
    assert look_at(earlier.parent / "none.db") is None
    (earlier.parent / "empty.db").touch()
    assert look_at(earlier.parent / "empty.db") is None


def test_alembic_commits_nothing_on_its_own(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path / "x.db"), writes=True)
    config = migrations()
    with engine.connect() as connection:
        transaction = connection.begin()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        transaction.rollback()
        assert not sa.inspect(connection).get_table_names()
    engine.dispose()

"""The migrations build what the tables say."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from jieqian.errors import StoreError, UsageError
from jieqian.tasks.database import migrate, open_engine, sqlite_url
from jieqian.tasks.tables import metadata


def schema(path: Path) -> dict[str, dict[str, Any]]:
    """Everything there is in a database, by table, in a comparable form."""
    engine = sa.create_engine(sqlite_url(path))
    look = sa.inspect(engine)
    found = {}
    for table in set(look.get_table_names()) - {"alembic_version"}:
        found[table] = {
            "columns": {column["name"]: {**column, "type": str(column["type"])} for column in look.get_columns(table)},
            "key": look.get_pk_constraint(table),
            "unique": _by_name(look.get_unique_constraints(table)),
            "checks": _by_name(look.get_check_constraints(table)),
            "indexes": _by_name(look.get_indexes(table)),
        }
    with engine.connect() as connection:
        for name, made in connection.execute(sa.text("select name, sql from sqlite_master where type = 'table'")):
            if name in found:
                found[name]["options"] = {word for word in ("WITHOUT ROWID", "AUTOINCREMENT") if word in made.upper()}
        indexes = "select name, sql from sqlite_master where type = 'index' and sql is not null"
        found["indexes"] = {row[0]: " ".join(row[1].split()) for row in connection.execute(sa.text(indexes))}
    engine.dispose()
    return found


def _by_name(items: list[Any]) -> dict[str, Any]:
    assert all(item["name"] for item in items), f"a constraint has no name: {items}"
    # Options hold SQL as objects, which are never equal; the indexes' own SQL is compared instead.
    return {item["name"]: {key: value for key, value in item.items() if key != "dialect_options"} for item in items}


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    """A database that was migrated."""
    path = tmp_path / "migrated.db"
    migrate(sqlite_url(path))
    return path


def test_migrations_build_the_same_schema_as_the_tables(tmp_path: Path, migrated: Path):
    straight = tmp_path / "straight.db"
    engine = sa.create_engine(sqlite_url(straight))
    metadata.create_all(engine)
    engine.dispose()
    expected = schema(straight)
    assert set(expected) - {"indexes"} == set(metadata.tables)
    assert schema(migrated) == expected


def test_nothing_is_left_to_migrate(migrated: Path):
    engine = sa.create_engine(sqlite_url(migrated))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_again_changes_nothing_and_keeps_rows(migrated: Path):
    connection = sqlite3.connect(migrated)
    connection.execute("insert into api_keys (id, name, key_hash, created_at) values ('1', 'n', 'h', 0)")
    connection.commit()
    connection.close()
    before = schema(migrated)
    migrate(sqlite_url(migrated))
    assert schema(migrated) == before
    connection = sqlite3.connect(migrated)
    assert connection.execute("select count(*) from api_keys").fetchone() == (1,)
    assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)
    connection.close()


def test_the_file_is_in_wal_mode_and_checks_are_on(migrated: Path):
    for writes in (True, False):
        engine = open_engine(sqlite_url(migrated), writes=writes)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("pragma secure_delete").scalar() == 1
            with pytest.raises(sa.exc.IntegrityError, match="ck_feedback_score"):
                connection.exec_driver_sql("insert into feedback values ('t', 7, null, 'fast', null, 0)")
        engine.dispose()


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": "dreaming"}, "ck_tasks_status"),
        ({"status": "running"}, "ck_tasks_lease_while_running"),
        ({"lease_token": "t", "lease_expires_at": 1}, "ck_tasks_lease_while_running"),
        ({"status": "completed"}, "ck_tasks_ended"),
        ({"ended_at": 1}, "ck_tasks_ended"),
        ({"attempts": 4}, "ck_tasks_attempts"),
        ({"idempotency_key": "k"}, "ck_tasks_idempotency"),
        ({"fresh": 7}, "ck_tasks_fresh"),
    ],
)
def test_impossible_states_are_refused(migrated: Path, columns: dict[str, Any], constraint: str):
    row = {"status": "queued", "lot": 1, "fresh": 0, "created_at": 0, "timings": "{}", "sources": "[]"}
    row |= dict.fromkeys(("id", "caller", "collection", "question", "language", "mode", "strategy"), "x")
    names = [*(row | columns)]
    insert = f"insert into tasks ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)})"
    connection = sqlite3.connect(migrated)
    try:
        with pytest.raises(sqlite3.IntegrityError, match=constraint):
            connection.execute(insert, row | columns)
    finally:
        connection.close()


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("This is a letter, and no database. " * 40)
    with pytest.raises(StoreError, match="not a database"):
        migrate(sqlite_url(path))
    assert path.read_text().startswith("This is a letter")


def test_a_folder_that_is_not_there_is_a_store_error(tmp_path: Path):
    with pytest.raises(StoreError, match="unable to open"):
        migrate(sqlite_url(tmp_path / "no such folder" / "jieqian.db"))


@pytest.mark.parametrize(
    "url",
    [
        "no url",
        "cobol://there/is",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite+aiosqlite:///x.db",
        "postgresql://asker:hidden@[::1",
        "postgresql://asker:hidden@localhost:port/x",
        "postgresql://asker:hidden@localhost/x",
    ],
)
def test_a_url_that_means_no_file_is_a_usage_error_without_the_password(url: str):
    with pytest.raises(UsageError, match="DATABASE_URL") as refused:
        migrate(url)
    assert "hidden" not in refused.value.detail


def test_a_database_of_a_later_version_is_a_store_error(migrated: Path):
    with closing(sqlite3.connect(migrated)) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
        connection.commit()
    with pytest.raises(StoreError, match="later version"):
        migrate(sqlite_url(migrated))


def test_a_statements_values_are_in_no_error(migrated: Path):
    engine = open_engine(sqlite_url(migrated), writes=True)
    try:
        with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as failed:
            connection.execute(
                sa.text("insert into tasks (id, question) values (:id, :question)"), {"id": "1", "question": "zebra"}
            )
    finally:
        engine.dispose()
    assert "zebra" not in str(failed.value)


def test_an_unfinished_write_is_not_seen_by_readers(migrated: Path):
    writing, reading = (open_engine(sqlite_url(migrated), writes=writes) for writes in (True, False))
    count = sa.text("select count(*) from draws")
    with writing.connect() as writer, reading.connect() as reader:
        writer.exec_driver_sql("insert into draws values ('d', 'c', 'yuelao', 's', 0, null)")
        assert reader.execute(count).scalar() == 0
        writer.commit()
        assert reader.execute(count).scalar() == 0  # one read is of one moment
        reader.rollback()
        assert reader.execute(count).scalar() == 1
    writing.dispose()
    reading.dispose()

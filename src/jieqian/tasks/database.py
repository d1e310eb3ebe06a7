"""Opening the database: engines, SQLite's pragmas, migrations."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.util.exc import CommandError

from jieqian.errors import StoreError, UsageError
from jieqian.settings import Settings
from jieqian.tasks.clock import this_boot
from jieqian.tasks.copying import copy_database
from jieqian.tasks.schema import Schema, look_at, migrations, newest_revision

logger = logging.getLogger(__name__)

#: How long a statement waits for another process's lock, in milliseconds.
BUSY_TIMEOUT_MS = 5000
#: Where, beside the database, copies of it are kept.
BACKUPS_FOLDER = "backups"
#: How many copies made before a migration are kept.
KEPT_COPIES = 3
#: Stands in the boot's place in a database that came from a backup: neither 0 nor any boot.
_FROM_A_BACKUP = -1
_ADVICE = "Leave it unset, or write it as sqlite:////FOLDER/jieqian.db."


def open_engine(url: str, *, writes: bool) -> sa.Engine:
    """An engine for the one writer, or for readers (their transactions never take the write lock)."""
    check_url(url)
    engine = sa.create_engine(
        url,
        pool_size=1 if writes else 4,
        max_overflow=0 if writes else 4,
        hide_parameters=True,  # a statement's values hold questions, and its error may reach a log
    )
    _prepare_sqlite(engine, begin="BEGIN IMMEDIATE" if writes else "BEGIN")
    return engine


def check_url(url: str) -> None:
    """Raise `UsageError` for what is no SQLite file's URL. It may hold a password, so it is not told."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise UsageError(f"DATABASE_URL is no URL of a database. {_ADVICE}") from error
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        told = f"DATABASE_URL asks for {parsed.drivername}, and this release keeps its data in SQLite only."
        raise UsageError(f"{told} {_ADVICE}")
    if parsed.database in (None, "", ":memory:") or parsed.database.startswith("file:"):
        raise UsageError(f"DATABASE_URL names no file, and the data must outlive the process. {_ADVICE}")


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


def url_of(settings: Settings) -> str:
    """Where the tasks are kept: `DATABASE_URL`, or a SQLite file in DATA_DIR."""
    return settings.database_url or sqlite_url(settings.data_dir / "jieqian.db")


def database_file(url: str) -> Path:
    """The SQLite file a URL names."""
    check_url(url)
    return Path(str(sa.make_url(url).database))


def check_database(url: str) -> None:
    """Raise `StoreError` for a database that is none, not ours, or of a later release. Writes nothing. Blocks."""
    look_at(database_file(url))


def migrate(url: str) -> None:
    """Bring the schema to the newest version; makes the tables where there are none. Blocks.

    A database of an earlier release is copied first, to `backups/` beside it. All or nothing: where a step fails or
    the process is killed, the schema is as it was. Raises `StoreError`, which names the copy.
    """
    path = database_file(url)
    found = look_at(path) or _look_again(path)
    earlier = found is not None and found.is_earlier
    copy = _copy_before_migration(path) if earlier else None
    engine = open_engine(url, writes=True)
    config = migrations()
    try:
        # A transaction of ours, begun before alembic looks: its own would end with each step.
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (sa.exc.DBAPIError, CommandError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if found is None or not earlier:
            raise StoreError(f"The database {path} cannot be opened: {cause}.") from error
        raise StoreError(
            f"The database {path} could not be brought from schema {found.revision} to {newest_revision()}: {cause}. "
            f"It is as it was, and a copy lies in {copy}: the earlier version of this service can go on with it."
        ) from error
    finally:
        engine.dispose()


def _look_again(path: Path) -> Schema | None:
    """A journal that a crash left is played back by whoever opens the file to write; only then it can be told."""
    if not path.is_file() or path.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as database:
            database.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"The database {path} cannot be opened: {error}.") from error
    return look_at(path)


def _copy_before_migration(path: Path) -> Path:
    """Copy the database, and keep the last few of such copies."""
    folder = path.parent / BACKUPS_FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder {folder} for a copy of the database cannot be made: {error.strerror}.") from error
    copy = folder / f"before-{newest_revision()}-{time.strftime('%Y%m%d-%H%M%S')}.db"
    half_made = folder / ".half-made.db"
    for left in folder.glob(f"{half_made.name}*"):  # by a start that was killed
        left.unlink(missing_ok=True)
    copy_database(path, half_made)
    half_made.replace(copy)  # of the same second is only a start that failed and was tried again at once
    logger.warning(
        "the database %s is brought to schema %s; a copy of it as it was lies in %s",
        path,
        newest_revision(),
        copy,
        extra={"action": "copied_before_migration"},
    )
    copies = sorted(folder.glob("before-*.db"), key=lambda kept: kept.stat().st_mtime)
    for old in copies[:-KEPT_COPIES]:
        old.unlink(missing_ok=True)
    return copy


def rewrite_a_page(connection: sa.Connection) -> None:
    """The smallest real write: it fails where the disk is full or read-only, and changes nothing."""
    if connection.dialect.name == "sqlite":
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")


def mark_restored(path: Path, skipped: int) -> None:
    """Let a restored database give out no event id again: where it came from, readings went on after the backup.

    What waited may have gone on there: it counts as touched, so that what clients were shown is taken back, and its ids
    go on `skipped` later. What was running is seen to at the start, as after a power cut (`begins_another_boot`).
    Blocks. Raises `StoreError`.
    """
    try:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(
                "update tasks set touched_at = touched_at + 0.001, "
                "last_event_id = last_event_id + ? where status = 'queued'",
                (skipped,),
            )
            database.execute(f"pragma user_version = {_FROM_A_BACKUP}")
    except sqlite3.Error as error:
        raise StoreError(f"The database {path} cannot be written: {error}.") from error


def begins_another_boot(connection: sa.Connection, boot: int | None = None) -> bool:
    """Whether the log may lack what was sent: the machine was off since this was last asked, or a backup was restored.

    SQLite keeps the boot's number for us (`user_version`). False for a database that was never asked. `boot` is this
    one, 0 where the system tells none.
    """
    boot = this_boot() if boot is None else boot
    if connection.dialect.name != "sqlite":
        return False
    known = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if not boot and known != _FROM_A_BACKUP:
        return False
    connection.exec_driver_sql(f"PRAGMA user_version = {boot}")
    return known not in (0, boot)


def _prepare_sqlite(engine: sa.Engine, *, begin: str) -> None:
    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = (
            None  # SQLAlchemy's own BEGIN below; the driver's would come too late to be IMMEDIATE
        )
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # an erased question leaves no bytes in the file
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin_transaction(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

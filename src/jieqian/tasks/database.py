"""Opening the database: engines, SQLite's pragmas, migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from jieqian.errors import StoreError, UsageError
from jieqian.settings import Settings

#: How long a statement waits for another process's lock, in milliseconds.
BUSY_TIMEOUT_MS = 5000
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


def migrate(url: str) -> None:
    """Bring the schema to the newest version; makes the tables where there are none. Blocks."""
    config = Config()
    config.set_main_option("script_location", "jieqian.tasks:migrations")
    engine = open_engine(url, writes=True)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except sa.exc.DBAPIError as error:
        raise StoreError(f"The database {engine.url.database} cannot be opened: {error.orig}.") from error
    except CommandError as error:
        told = f"The database {engine.url.database} was made by another version of this service"
        raise StoreError(f"{told}: {error}.") from error
    finally:
        engine.dispose()


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

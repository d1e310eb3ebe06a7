"""What a database file holds, told without writing to it: ours, of which schema, or somebody else's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from jieqian.errors import StoreError

#: Tables that every schema of ours has had.
_OURS = frozenset({"alembic_version", "tasks", "sections", "events", "api_keys"})
_SQLITE_HEAD = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of a database of ours: its revision, and how many readings are in it."""

    revision: str
    readings: int

    @property
    def is_later(self) -> bool:
        """A later release made it."""
        return self.revision not in known_revisions()

    @property
    def is_earlier(self) -> bool:
        """It has to be brought to the newest schema."""
        return not self.is_later and self.revision != newest_revision()


def migrations() -> Config:
    """Alembic's configuration."""
    config = Config()
    config.set_main_option("script_location", "jieqian.tasks:migrations")
    return config


@cache
def known_revisions() -> tuple[str, ...]:
    """The schemas this release knows, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions())


def newest_revision() -> str:
    """The schema of this release."""
    return known_revisions()[0]


def look_at(path: Path) -> Schema | None:
    """The schema of a database file; None where there is no file or nothing in it. Writes nothing. Blocks.

    Raises `StoreError` for what is no database, not ours, or of a later release.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return None
    try:
        with path.open("rb") as file:
            if file.read(len(_SQLITE_HEAD)) != _SQLITE_HEAD:
                raise StoreError(f"The database {path} cannot be opened: file is not a database. {_ADVICE}")
        with closing(open_to_look(path)) as connection:
            schema = _schema(connection, path)
    except OSError as error:
        raise StoreError(f"The database {path} cannot be read: {error.strerror}.") from error
    except sqlite3.OperationalError:
        return None  # a journal to be played back first, a lock: whoever opens it to write will say
    except sqlite3.DatabaseError as error:
        raise StoreError(f"The database {path} cannot be opened: {error}. {_ADVICE}") from error
    if schema is not None and schema.is_later:
        raise StoreError(
            f"The database {path} was made by a later version of this service (schema {schema.revision}; this one knows"
            f" {newest_revision()}). Install that version again, or restore a backup of this one."
        )
    return schema


_ADVICE = "Restore a backup with `jieqian restore`, or move the file away."


def open_to_look(path: Path) -> sqlite3.Connection:
    """A connection that leaves no file behind: without a journal beside it nobody has the database open."""
    open_by_another = any(path.with_name(path.name + end).exists() for end in ("-wal", "-shm", "-journal"))
    how = "mode=ro" if open_by_another else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5.0, isolation_level=None)


def _schema(connection: sqlite3.Connection, path: Path) -> Schema | None:
    tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    if not tables - {"alembic_version"}:
        return None
    if not tables >= _OURS:
        raise StoreError(
            f"The database {path} belongs to another application, and was left as it is. "
            "Set JIEQIAN_DATA_DIR or JIEQIAN_DATABASE_URL to another place."
        )
    (revision,) = connection.execute("select version_num from alembic_version").fetchone() or (None,)
    if revision is None:
        raise StoreError(f"The database {path} is not whole: it does not tell its schema. {_ADVICE}")
    (readings,) = connection.execute("select count(*) from tasks").fetchone()
    return Schema(str(revision), int(readings))

"""A copy of a SQLite database as it stands at one moment, while others write to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from jieqian.errors import StoreError

#: Hears how much is done: bytes done, bytes in all. May raise to end the work.
Told = Callable[[int, int], None]
#: How much is copied at a time, in database pages (4 KiB each).
_PAGES = 256
_WAIT_SECONDS = 5.0


def copy_database(source: Path, target: Path, told: Told | None = None) -> None:
    """Copy the database to a new file, for its user alone and whole in one file. Blocks.

    The copy is of the moment it began. Writers go on meanwhile: a reader does not hold them up, and what they write
    is not in the copy. Raises `StoreError` where it cannot be made; no half of it stays behind.
    """
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            _copy(source, target, told)
        except BaseException:
            for end in ("", "-journal", "-wal", "-shm"):
                target.with_name(target.name + end).unlink(missing_ok=True)
            raise
    except (sqlite3.Error, OSError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"The database {source} cannot be copied to {target}: {cause}.") from error


def _copy(source: Path, target: Path, told: Told | None) -> None:
    with (
        closing(_open(source)) as reading,
        closing(_open(target)) as writing,
    ):
        # The open transaction holds its moment through all steps; without it each write by others starts them again.
        reading.execute("begin")
        reading.execute("select count(*) from sqlite_master").fetchone()
        (page_bytes,) = reading.execute("pragma page_size").fetchone()

        def step(_status: int, remaining: int, pages: int) -> None:
            if told is not None:
                told((pages - remaining) * page_bytes, pages * page_bytes)

        reading.backup(writing, pages=_PAGES, progress=step)
        reading.execute("rollback")
        writing.execute("pragma journal_mode=delete")  # the copy says that it has a journal beside it
        (sound,) = writing.execute("pragma quick_check(1)").fetchone()
        if sound != "ok":
            raise sqlite3.DatabaseError(f"it is damaged ({sound})")
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _open(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)

"""What `jieqian doctor` looks at in the database: whether it opens, its schema, its pages, its journal."""

from __future__ import annotations

import os
import shlex
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from jieqian.cli.examining import Examined, State, size_told
from jieqian.errors import JieqianError
from jieqian.settings import Settings
from jieqian.tasks.database import database_file, url_of
from jieqian.tasks.schema import known_revisions, newest_revision, open_to_look

#: How long the pages are looked through.
CHECK_SECONDS = 10.0
_STEPS = 20_000
#: A journal this long is folded in by nobody; so much in free pages, more than is in use, is worth a rewriting.
_LONG_JOURNAL, _MUCH_FREE = 256_000_000, 256_000_000


def file_of(settings: Settings) -> Path | None:
    """The database's file; None where the setting names none."""
    try:
        return database_file(url_of(settings)).absolute()
    except JieqianError:
        return None


def examine_database(settings: Settings, seconds: float = CHECK_SECONDS) -> Iterator[Examined]:
    """Opened to be read only, so beside a server too. `seconds` bounds the look at its pages."""
    try:
        file = database_file(url_of(settings)).absolute()
    except JieqianError as error:
        yield Examined(State.FAIL, "database", error.detail, "unset JIEQIAN_DATABASE_URL")
        return
    if not file.exists():
        yield Examined(State.OK, "database", f"{file.name} is made at the first start")
        return
    try:
        with closing(open_to_look(file)) as connection:
            yield from _examine_pages(connection, file, seconds)
            yield from _examine_sizes(connection, file)
    except sqlite3.Error as error:
        yield Examined(State.FAIL, "database", f"{file}: {error}", _restore())


def newest_task(settings: Settings) -> float | None:
    """When the newest task was made, by this machine's clock then; None where that cannot be told."""
    file = file_of(settings)
    if file is None or not os.path.isfile(file):
        return None
    with suppress(sqlite3.Error), closing(open_to_look(file)) as connection:
        newest: float | None = connection.execute("SELECT max(created_at) FROM tasks").fetchone()[0]
        return newest
    return None


def approved_entries(settings: Settings) -> set[str]:
    """The ids of the approved FAQ entries; none where that cannot be told."""
    file = file_of(settings)
    if file is None or not os.path.isfile(file):
        return set()
    with suppress(sqlite3.Error), closing(open_to_look(file)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM faq_entries WHERE status = 'approved'")}
    return set()


def pages_fault(connection: sqlite3.Connection, seconds: float) -> str | None:
    """What is wrong with the file's pages; empty where nothing is, None where they were too many for that time."""
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        found = connection.execute("PRAGMA quick_check(3)").fetchall()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return None
    finally:
        connection.set_progress_handler(None, 0)
    return "" if found == [("ok",)] else "; ".join(str(row[0]) for row in found)


def _examine_pages(connection: sqlite3.Connection, file: Path, seconds: float) -> Iterator[Examined]:
    """Pages and schema."""
    fault = pages_fault(connection, seconds)
    if fault:
        yield Examined(State.FAIL, "database", f"{file} is damaged: {fault}", _restore())
        return
    versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    version = versions[0][0] if versions else "none"
    whole = f"{file.name} {'is whole' if fault == '' else 'opens'}, {size_told(file.stat().st_size)}, schema {version}"
    if version not in known_revisions():
        told = f"{whole}: made by another version of this program"
        yield Examined(State.FAIL, "database", told, "install the release that made it, or a later one")
        return
    later = "" if version == newest_revision() else f"; {newest_revision()} at the next start"
    if fault is None:
        told = f"{whole}{later}; {seconds:g} s did not do to look through it"
        yield Examined(State.WARN, "database", told, f"jieqian doctor --seconds {max(10, round(seconds * 10))}")
        return
    yield Examined(State.OK, "database", whole + later)


def _examine_sizes(connection: sqlite3.Connection, file: Path) -> Iterator[Examined]:
    """The journal, and pages that hold nothing."""
    size, free, pages = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "freelist_count", "page_count")
    )
    journal = file.with_name(f"{file.name}-wal")
    long = journal.stat().st_size if journal.exists() else 0
    told = f"{size_told(long)} of journal; {size_told(free * size)} of {size_told(pages * size)} are free pages"
    mend = ""
    if free * size > _MUCH_FREE and free * 2 > pages:
        mend = f"stop the service, then: sqlite3 {shlex.quote(str(file))} VACUUM"
    if long > _LONG_JOURNAL:
        mend = "stop the service and start it again: jieqian serve"
    yield Examined(State.WARN if mend else State.OK, "database size", told, mend)


def _restore() -> str:
    """The command with the newest backup that lies here, if one does."""
    there = sorted(Path().glob("jieqian-*.zip"), key=lambda each: each.name)
    return f"jieqian restore --force {shlex.quote(there[-1].name) if there else 'BACKUP.zip'}"

"""Putting a backup into a data folder."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from jieqian.errors import BackupError, UsageError
from jieqian.keeping.archive import Archive, Heard, Manifest, open_archive
from jieqian.keeping.folder import BACKUPS, LOCK, PID, own_data_dir
from jieqian.keeping.placing import DATABASE, REPLACED, RESTORING, free_name, is_restore_pending, place
from jieqian.settings import OURS_ALONE, Settings
from jieqian.tasks.database import database_file, mark_restored, url_of
from jieqian.tasks.schema import known_revisions, look_at, newest_revision
from jieqian.tasks.sql_store import EVENTS_A_POWER_CUT_TAKES


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where the data that was there before lies now, if there was any."""

    manifest: Manifest
    aside: Path | None


def restore_archive(archive: Path, settings: Settings, heard: Heard, *, force: bool = False) -> Restored:
    """Make the data folder what it was when the backup was made. Blocks.

    All is checked before anything is written; a kill at any moment leaves the old state or the new one. Data that is
    there is moved aside with `force`, else refused. Raises `BackupError`, `UsageError` or `StoreError`, and then
    nothing has changed; or the error says that the next start brings the restore to its end.
    """
    data_dir = settings.data_dir
    _expect_usual_database(settings)
    with open_archive(archive) as opened:
        _expect_known_schema(opened.manifest, archive)
        _expect_empty(data_dir, force)
        opened.check(heard)
        _expect_room(data_dir, opened.manifest, archive)
        os.umask(OURS_ALONE)
        was_there = data_dir.exists()
        lock = own_data_dir(data_dir)
        try:
            _expect_empty(data_dir, force)  # nobody owned it until now: something may have been put there
            aside = _put(opened, data_dir, archive, heard)
        except BaseException:
            shutil.rmtree(data_dir / RESTORING, ignore_errors=True)
            if not was_there:
                _unmake(data_dir)
            raise
        finally:
            lock.release()
    return Restored(opened.manifest, aside)


def _put(opened: Archive, data_dir: Path, archive: Path, heard: Heard) -> Path | None:
    restoring = data_dir / RESTORING
    try:
        restoring.mkdir(mode=0o700)
        opened.unpack(restoring, heard)
    except OSError as error:
        raise BackupError(f"{archive} cannot be unpacked into {restoring}: {error.strerror}.") from error
    schema = look_at(restoring / DATABASE)
    if schema is None or schema.revision != opened.manifest.schema:
        raise BackupError(f"{archive} is broken: its database is not what its manifest says.")
    mark_restored(restoring / DATABASE, EVENTS_A_POWER_CUT_TAKES)
    aside = free_name(data_dir / BACKUPS / f"before-restore-{time.strftime('%Y%m%d-%H%M%S')}")
    there = _present(data_dir)
    try:
        place(data_dir, aside.relative_to(data_dir).as_posix())
    except OSError as error:
        then = "Mend that: the next start goes on with it." if is_restore_pending(data_dir) else "Nothing has changed."
        cause = error.strerror or str(error)
        at = error.filename or data_dir
        raise BackupError(f"{archive} cannot be put into its place in {data_dir}: {at}: {cause}. {then}") from error
    return aside if there else None


def _expect_usual_database(settings: Settings) -> None:
    usual = settings.data_dir / DATABASE
    if database_file(url_of(settings)).absolute() != usual.absolute():
        raise UsageError(
            f"JIEQIAN_DATABASE_URL names another place, and a backup is restored to {usual}: unset it for the restore, "
            "and move the database where you want it."
        )


def _expect_known_schema(manifest: Manifest, archive: Path) -> None:
    if manifest.schema not in known_revisions():
        raise BackupError(
            f"{archive} was made by a later version of this service ({manifest.version}, schema {manifest.schema}; this"
            f" one knows {newest_revision()}). Install that version to restore it."
        )


def _expect_empty(data_dir: Path, force: bool) -> None:
    present = _present(data_dir)
    if present and not force:
        raise UsageError(
            f"The data folder {data_dir} has data already ({present[0]}). Restore into an empty one by "
            "JIEQIAN_DATA_DIR, or move this one's data aside with --force."
        )


def _present(data_dir: Path) -> list[str]:
    return [name for name in REPLACED if os.path.lexists(data_dir / name)]


def _expect_room(data_dir: Path, manifest: Manifest, archive: Path) -> None:
    there = next(folder for folder in (data_dir, *data_dir.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    if free < manifest.bytes:
        raise BackupError(
            f"There is not enough room for {archive} in {there}: {manifest.bytes / 1e6:,.1f} MB are needed, "
            f"{free / 1e6:,.1f} MB are free."
        )


def _unmake(data_dir: Path) -> None:
    """Take away the folder that was made for a restore that failed."""
    for name in (LOCK, PID):
        (data_dir / name).unlink(missing_ok=True)
    if not any(data_dir.iterdir()):
        data_dir.rmdir()

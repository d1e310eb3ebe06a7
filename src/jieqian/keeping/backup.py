"""Making a backup, while the service runs or not."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jieqian import __version__
from jieqian.errors import BackupError
from jieqian.keeping.archive import CHUNK, ArchiveWriter, Heard, Manifest, is_ours
from jieqian.keeping.placing import COLLECTIONS, DATABASE, MODEL_CHOICE, SECRET, is_restore_pending
from jieqian.settings import Settings
from jieqian.tasks.copying import copy_database
from jieqian.tasks.database import database_file, url_of
from jieqian.tasks.schema import look_at


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made: its manifest, its size in bytes and its hash."""

    manifest: Manifest
    bytes: int
    sha256: str


def usual_name() -> str:
    """The name of a backup made now."""
    return f"jieqian-{time.strftime('%Y%m%d-%H%M%S')}.zip"


def database_to_keep(settings: Settings) -> Path:
    """The database that a backup copies. Raises `BackupError` where there is none, `StoreError` for one not ours."""
    database = database_file(url_of(settings))
    if not is_restore_pending(settings.data_dir):
        if not database.is_file():
            raise BackupError(
                f"There is nothing to back up: no database {database}. Does JIEQIAN_DATA_DIR name its folder?"
            )
        look_at(database)
    return database


def make_archive(settings: Settings, archive: Path, heard: Heard) -> Made:
    """Write a backup of the data folder to a new file, for its user alone. Blocks.

    The database is of one moment; readings go on meanwhile. Raises `BackupError` or `StoreError`, and leaves no half
    of it; so does an error raised by `heard`.
    """
    database = database_to_keep(settings)
    snapshot = archive.with_name(f"{archive.name}.db")
    others = list(_other_files(settings))
    # Each byte is copied or read, and then packed; the archive is never larger than what is in it.
    journal = database.with_name(f"{database.name}-wal")  # its pages are in the copy
    work = 2 * (_size(database) + (_size(journal) if journal.exists() else 0) + sum(_size(path) for _, path in others))
    _expect_room(archive.parent, work)
    try:
        os.close(os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            copy_database(database, snapshot, lambda done, _: heard(done, max(done, work), "copied"))
            manifest = _write(settings, archive, [(DATABASE, snapshot), *others], heard)
            return Made(manifest, _size(archive), _sha256(archive))
        except BaseException:
            archive.unlink(missing_ok=True)
            raise
        finally:
            snapshot.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"The backup {archive} cannot be written: {error.strerror}.") from error


def _write(settings: Settings, archive: Path, files: list[tuple[str, Path]], heard: Heard) -> Manifest:
    schema = look_at(files[0][1])
    if schema is None:
        raise BackupError(f"There is nothing to back up: the database {database_file(url_of(settings))} is empty.")
    done = sum(_size(path) for _, path in files)
    work = 2 * done

    def tell(piece: int) -> None:
        nonlocal done
        done += piece
        heard(done, max(work, done), "packed")

    with archive.open("wb") as file:
        writer = ArchiveWriter(file)
        try:
            for name, path in files:
                writer.add(name, path, tell)
            manifest = Manifest(
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                version=__version__,
                schema=schema.revision,
                readings=schema.readings,
                secret_in_settings=settings.secret_key is not None,
                files=tuple(writer.members),
            )
            writer.finish(manifest)
        except BaseException:
            writer.give_up()
            raise
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _other_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """What is kept beside the database: the secret, the choice of a model, and collections; links are followed."""
    for name in (SECRET, MODEL_CHOICE):
        if (settings.data_dir / name).is_file():
            yield name, settings.data_dir / name
    top = settings.data_dir / COLLECTIONS
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(top, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))  # half-made ones are hidden
        for name in sorted(names):
            path = Path(folder, name)
            kept_as = f"{COLLECTIONS}/{path.relative_to(top).as_posix()}"
            if not is_ours(kept_as):
                raise BackupError(f"The file {str(path)!r} has a name that other systems do not take. Rename it.")
            if path.is_file():
                yield kept_as, path


def _expect_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackupError(
            f"There is not enough room in {folder}: {_megabytes(needed)} are needed for a while, "
            f"{_megabytes(free)} are free. Make room, or give a file on another disk."
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _size(path: Path) -> int:
    return path.stat().st_size


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()

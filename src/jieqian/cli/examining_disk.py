"""What `jieqian doctor` looks at of the disk under DATA_DIR: its kind, room, and how long it takes to keep a byte."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from jieqian.cli.examining import Examined, State, size_told
from jieqian.cli.examining_database import file_of
from jieqian.errors import UsageError
from jieqian.keeping.folder import expect_usable
from jieqian.retrieval.retriever import INDEX_FOLDER
from jieqian.settings import Settings

_LITTLE, _NONE = 1 << 30, 64 << 20
_FEW_FILES = 100
#: No disk in order takes so long for one page: it fails, or everything waits for it.
_ABSURD_SECONDS = 2.0
_NETWORK = re.compile(r"nfs\d?|cifs|smb\w*|9p|afs|ceph|glusterfs|fuse\.(sshfs|rclone|s3fs).*|virtiofs|davfs")


def examine_disk(settings: Settings) -> Iterator[Examined]:
    """Room against what the data needs, whether it can be written, and its kind."""
    folder = settings.data_dir.absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        return  # told by the line of the data folder
    yield _room(there, _needed(settings))
    kind = _filesystem(there)
    if kind and _NETWORK.fullmatch(kind):
        told = f"{folder} is on a network disk ({kind}), where SQLite's log is not safe"
        yield Examined(State.WARN, "disk", told, "set JIEQIAN_DATA_DIR to a folder on a local disk")
    if there == folder and _may_be_written(folder):
        yield _kept_in(folder)


def _room(folder: Path, needed: int) -> Examined:
    free = shutil.disk_usage(folder).free
    told = f"{size_told(free)} free"
    if needed:
        told += f"; a backup, or a later schema, takes up to {size_told(needed)}"
    files = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if files is not None and files.f_files and files.f_favail < _FEW_FILES:
        told, free = f"room for {files.f_favail} more files", 0
    state = State.FAIL if free < _NONE else State.WARN if free < max(_LITTLE, needed) else State.OK
    mend = f"make room (du -xsh {shlex.quote(str(folder))}/*), or set JIEQIAN_DATA_DIR to a folder on a larger disk"
    return Examined(state, "disk", told, mend if state is not State.OK else "")


def _needed(settings: Settings) -> int:
    """A migration and a backup each copy the database; the index is made beside the old one."""
    database = file_of(settings)
    index = settings.data_dir / INDEX_FOLDER
    try:
        files = [] if database is None else [database, database.with_name(f"{database.name}-wal")]
        copied = sum(each.stat().st_size for each in files if each.is_file())
        return 2 * copied + sum(each.stat().st_size for each in index.rglob("*") if each.is_file())
    except OSError:  # a folder of another user's, or a file that has just gone
        return 0


def _may_be_written(folder: Path) -> bool:
    try:
        expect_usable(folder)
    except UsageError:
        return False
    return True


def _kept_in(folder: Path) -> Examined:
    """A page written and kept, in a file without a name."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(b"\0" * 4096)
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            seconds = time.perf_counter() - begun
    except OSError as error:
        told = f"nothing can be written to {folder}: {error.strerror}"
        mend = f"mount | grep {shlex.quote(str(folder))}; mend that, or set JIEQIAN_DATA_DIR to another"
        return Examined(State.FAIL, "disk write", told, mend)
    told = f"a page is kept in {seconds * 1000:.1f} ms"
    if seconds > _ABSURD_SECONDS:
        told += ": the disk is failing or overloaded"
        return Examined(State.WARN, "disk write", told, "set JIEQIAN_DATA_DIR to a folder on another disk")
    return Examined(State.OK, "disk write", told)


def _filesystem(folder: Path) -> str | None:
    """The kind of the file system a folder is on; None where the system does not tell."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return None
    at = [(point.replace("\\040", " "), kind) for _, point, kind, *_ in mounts]
    within = [(len(point), kind) for point, kind in at if folder.is_relative_to(point)]
    return max(within)[1] if within else None

"""Putting restored data into its place so that a kill at any moment leaves the old state or the new.

The data folder may be a mount that cannot be renamed, so the data is put together inside it:

1. `restoring/` is being written. A kill leaves the old state; what was written is thrown away.
2. `restored/` is whole: from this renaming on the new state counts. The old files are moved aside, one by one.
3. `placing/`: nothing old is left in the way, and the new files are moved into their place, one by one.

Whoever owns the folder next takes up steps 2 and 3 where they ended.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from jieqian.errors import UsageError

DATABASE = "jieqian.db"
DATABASE_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")
SECRET = "secret_key"
MODEL_CHOICE = "model.json"
COLLECTIONS = "collections"
#: What a restore puts into the place of.
REPLACED = (*DATABASE_FILES, SECRET, MODEL_CHOICE, COLLECTIONS)
_REBUILT = ("index",)

RESTORING = "restoring"
RESTORED = "restored"
PLACING = "placing"
IN_WORK = (RESTORING, RESTORED, PLACING)
#: In `restored/`: the folder that takes the old files, relative to the data folder.
_ASIDE = "moved-aside-to"
_NO_RIGHT = (errno.EACCES, errno.EPERM)


def is_restore_pending(data_dir: Path) -> bool:
    """Restored data is whole and waits for its place. Raises `UsageError` where the folder may not be looked into."""
    try:
        return any(_is_folder(data_dir / name) for name in (RESTORED, PLACING))
    except OSError as error:
        raise cannot_be_used(data_dir, error) from error


def cannot_be_used(data_dir: Path, error: OSError) -> UsageError:
    """The refusal of a data folder: its cause, and what mends it."""
    advice = "Give this user the right to write there" if error.errno in _NO_RIGHT else "Mend that"
    cause = error.strerror or str(error)
    return UsageError(
        f"The data folder {data_dir} cannot be used: {cause}. {advice}, or set JIEQIAN_DATA_DIR to another."
    )


def free_name(path: Path) -> Path:
    """That path, or the first of PATH-2, PATH-3, ... where nothing is. For the folder's owner."""
    return next(free for free in _names_like(path) if not os.path.lexists(free))


def place(data_dir: Path, aside: str) -> None:
    """Let what lies in `restoring/` become the data; what was there goes to the folder `aside` under it."""
    restoring = data_dir / RESTORING
    (restoring / _ASIDE).write_text(aside, encoding="utf-8")
    _sync_tree(restoring)
    restoring.rename(data_dir / RESTORED)
    finish_restore(data_dir)


def finish_restore(data_dir: Path) -> None:
    """Bring a restore that was cut off to its end, or undo what it had begun. For the folder's owner. Blocks."""
    restoring, restored, placing = (data_dir / name for name in IN_WORK)
    if restored.is_dir():
        _sync_folder(data_dir)
        aside = data_dir / (restored / _ASIDE).read_text(encoding="utf-8")
        for name in REPLACED:
            if os.path.lexists(data_dir / name):
                _move_aside(data_dir / name, aside)
        for name in _REBUILT:
            shutil.rmtree(data_dir / name, ignore_errors=True)
        restored.rename(placing)
    if placing.is_dir():
        for entry in [entry for entry in placing.iterdir() if entry.name != _ASIDE]:
            if os.path.lexists(data_dir / entry.name):  # somebody put it there since the kill
                _move_aside(data_dir / entry.name, data_dir / (placing / _ASIDE).read_text(encoding="utf-8"))
            entry.rename(data_dir / entry.name)
        _sync_folder(data_dir)
        shutil.rmtree(placing)
    if restoring.is_dir():
        shutil.rmtree(restoring)


def _move_aside(path: Path, aside: Path) -> None:
    """Into the folder, or into the next one like it that has nothing of that name: a renaming would replace it."""
    free = (folder / path.name for folder in _names_like(aside) if folder.is_dir() or not os.path.lexists(folder))
    target = next(each for each in free if not os.path.lexists(each))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.rename(target)


def _names_like(path: Path) -> Iterator[Path]:
    yield path
    for number in count(2):
        yield path.with_name(f"{path.name}-{number}")


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sync_tree(folder: Path) -> None:
    for entry in folder.rglob("*"):
        if entry.is_dir():
            _sync_folder(entry)
        else:
            with entry.open("rb+") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Names are safe from a power cut too. Windows has no such call and needs none."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

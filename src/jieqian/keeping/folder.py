"""The data folder: what lies in it, and its one owner."""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from jieqian.errors import DataFolderOwned, UsageError
from jieqian.keeping.placing import (
    COLLECTIONS,
    DATABASE_FILES,
    IN_WORK,
    MODEL_CHOICE,
    SECRET,
    cannot_be_used,
    finish_restore,
)

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

logger = logging.getLogger(__name__)

LOCK = "jieqian.lock"
PID = "jieqian.pid"
BACKUPS = "backups"
#: The operator's own versions of the prompt's templates. No backup holds them: they are texts of the operator's.
TEMPLATES = "templates"
#: Archives made for somebody to fetch begin so; they go with the owner that made them.
OUTGOING = "outgoing-"
#: A folder with one of these is ours, whatever else lies in it.
_PROOF = {*DATABASE_FILES, SECRET, LOCK, PID}
#: What may lie in one before its first start: ours, or what systems and editors leave everywhere.
_ALSO_OURS = {COLLECTIONS, TEMPLATES, "models", "index", BACKUPS, MODEL_CHOICE, "server.json", "imports", *IN_WORK}
_HARMLESS = {".env", ".gitignore", ".gitkeep", ".keep", "lost+found", ".DS_Store", "desktop.ini", "Thumbs.db"}
_TAKE_ANOTHER = "Set JIEQIAN_DATA_DIR to another."


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, for this user alone, where it is not there.

    Raises `UsageError` where that fails, and, before anything is written, for a folder that holds other things and
    nothing of ours.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = {entry.name for entry in data_dir.iterdir()}
    except OSError as error:
        cause = "it is a file" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise UsageError(f"The data folder {data_dir} cannot be made: {cause}. {_TAKE_ANOTHER}") from error
    if other := other_things(found):
        raise UsageError(
            f"The folder {data_dir} holds other things ({other}) and no data of Jieqian; nothing was written. "
            f"Set JIEQIAN_DATA_DIR to an empty folder, such as {data_dir / 'jieqian'}."
        )


def expect_usable(data_dir: Path, *, writes: bool = True) -> None:
    """Raise `UsageError`, saying what mends it, for a folder this user cannot use; one that is not there is fine."""
    try:
        data_dir.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_be_used(data_dir, error) from error
    if not data_dir.is_dir():
        raise UsageError(f"The data folder {data_dir} is no folder. {_TAKE_ANOTHER}")
    if os.access(data_dir, os.R_OK | os.X_OK | (os.W_OK if writes else 0)):
        return
    user = _other_user(data_dir)
    if user:
        told = f"belongs to {user}: run the command as that user (sudo -u {user} jieqian ...)"
        raise UsageError(f"The data folder {data_dir} {told}, or set JIEQIAN_DATA_DIR to another.")
    raise UsageError(f"The data folder {data_dir} is read-only. Make it writable, or set JIEQIAN_DATA_DIR to another.")


def _other_user(data_dir: Path) -> str:
    """The folder's user, where that is another one."""
    try:
        return "" if data_dir.stat().st_uid == os.geteuid() else data_dir.owner()
    except (OSError, KeyError, NotImplementedError, AttributeError):  # a user without a name; a system without users
        return ""


def other_things(found: Set[str]) -> str:
    """Some of the names in a folder that is not ours to use; nothing where it is empty or holds data of ours."""
    other = sorted(found - _ALSO_OURS - _HARMLESS)
    if not other or found & _PROOF:
        return ""
    return ", ".join(repr(name) for name in other[:3]) + (", …" if len(other) > 3 else "")


class Owner:
    """The one owner of a data folder, until `release` or the end of the process.

    The lock file can be removed by somebody who tidies up; the lock on the folder itself cannot. Windows has no such
    lock, and does not let an open file be removed.
    """

    def __init__(self, data_dir: Path) -> None:
        self._file = FileLock(data_dir / LOCK, thread_local=False)
        self._data_dir = data_dir
        self._folder: int | None = None

    def acquire(self) -> None:
        """Take both locks. Raises `Timeout` where another process has one, `OSError`."""
        self._file.acquire(timeout=0)
        if fcntl is None:
            return
        self._folder = os.open(self._data_dir, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise Timeout(str(self._data_dir)) from error
        except OSError:  # a file system that knows no such lock: the file's has to do
            logger.debug("no lock on %s itself", self._data_dir)

    def release(self) -> None:
        """Let another process own it."""
        folder, self._folder = self._folder, None
        if folder is not None:
            os.close(folder)
        self._file.release()


def own_database(path: Path, data_dir: Path) -> FileLock | None:
    """Become the one owner of a database that lies elsewhere than in the data folder; None for one that does not.

    Raises `DataFolderOwned` where another process has it, `UsageError` where no lock can be made. A folder that is not
    there is told by whoever opens the database.
    """
    if path.parent.resolve() == data_dir.resolve() or not path.parent.is_dir():
        return None
    lock = FileLock(path.with_name(f"{path.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataFolderOwned(
            f"Another jieqian process uses the database {path}. Stop it, or set JIEQIAN_DATABASE_URL to another."
        ) from error
    except OSError as error:
        raise UsageError(f"The database {path} cannot be used: {error.strerror or error}.") from error
    return lock


def own_data_dir(data_dir: Path) -> Owner:
    """Make the data folder and become its one owner; a restore that was cut off is brought to its end.

    Raises `UsageError` where it cannot be used, `DataFolderOwned` where another process has it.
    """
    make_data_dir(data_dir)
    lock_was_there = (data_dir / LOCK).exists()
    lock = Owner(data_dir)
    try:
        lock.acquire()
        try:
            finish_restore(data_dir)
            (data_dir / PID).write_text(f"{os.getpid()}\n", encoding="ascii")
            for unfetched in (data_dir / BACKUPS).glob(f"{OUTGOING}*"):
                unfetched.unlink(missing_ok=True)
        except OSError:
            if not lock_was_there:  # taken away while it is ours: after the release another may own by it
                with suppress(OSError):
                    (data_dir / LOCK).unlink(missing_ok=True)
            lock.release()
            raise
    except Timeout as error:
        raise DataFolderOwned(
            f"Another jieqian process{owners_pid(data_dir)} uses the data folder {data_dir}. "
            "Stop it, or set JIEQIAN_DATA_DIR to another."
        ) from error
    except OSError as error:
        raise cannot_be_used(data_dir, error) from error
    _warn_of_open_files(data_dir)
    return lock


def owners_pid(data_dir: Path) -> str:
    """` (PID)` of the folder's owner, or nothing where it is not told."""
    with suppress(OSError, ValueError):
        return f" ({int((data_dir / PID).read_text(encoding='ascii'))})"
    return ""


def _warn_of_open_files(data_dir: Path) -> None:
    """Questions and the secret are for this user alone; what a copy or a wrong umask opened is told once a start."""
    for path, too_open in ((data_dir, 0o022), *((data_dir / name, 0o077) for name in (*DATABASE_FILES, SECRET))):
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if os.name == "posix" and mode & too_open:
                logger.warning(
                    "other users of this machine can reach %s (mode %04o): chmod -R go-rwx %s",
                    path,
                    mode,
                    data_dir,
                    extra={"action": "data_open_to_others"},
                )
                return

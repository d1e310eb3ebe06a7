"""The form of a backup: a ZIP file whose last member is a manifest with every other's size and SHA-256."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from jieqian.errors import BackupError
from jieqian.keeping.placing import COLLECTIONS, DATABASE, MODEL_CHOICE, SECRET

FORMAT = 1
MANIFEST = "manifest.json"
#: What is read or written at a time, in bytes.
CHUNK = 1 << 20
_MOST_FILES = 100_000
_LARGEST = 2**62
_LARGEST_MANIFEST = 64 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: A part of a path that means one name on every system.
_PLAIN_PART = re.compile(r"[^\x00-\x1f\x7f:\\/\ud800-\udfff]+")
#: Hears how much is done: bytes done, bytes in all, and of what. May raise to end the work.
Heard = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a backup: its path in the data folder, its size in bytes, its hash."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `secret_in_settings`: sessions were signed by SECRET_KEY, which is not in it."""

    created_at: str
    version: str
    schema: str
    readings: int
    secret_in_settings: bool
    files: tuple[Member, ...]

    @property
    def bytes(self) -> int:
        """The size of all files, unpacked."""
        return sum(member.bytes for member in self.files)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"format": FORMAT, **asdict(self)}


class ArchiveWriter:
    """Writes members, then the manifest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self.members: list[Member] = []

    def add(self, path: str, source: Path, told: Callable[[int], None]) -> None:
        """Add a file as it is now; `told` hears the size of each piece."""
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as reading, self._zip.open(_entry(path), "w", force_zip64=True) as writing:
            while piece := reading.read(CHUNK):
                digest.update(piece)
                size += len(piece)
                writing.write(piece)
                told(len(piece))
        self.members.append(Member(path, size, digest.hexdigest()))

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest: only now the archive is whole."""
        self._zip.writestr(_entry(MANIFEST), json.dumps(manifest.as_dict(), ensure_ascii=False, indent=1))
        self._zip.close()

    def give_up(self) -> None:
        """What was written is of no use."""
        with suppress(OSError, ValueError):  # it may be a full disk that ended the work
            self._zip.close()


#: On a database of readings level 1 takes half the time of the usual 6, for a file an eighth larger.
_LEVEL = 1


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path)  # its date is always the same: the manifest says when
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o600) << 16
    return entry


class Archive:
    """A backup that is read; its manifest was checked, its members are as they are read."""

    def __init__(self, opened: zipfile.ZipFile, name: str) -> None:
        self._zip = opened
        self._name = name
        self.manifest = self._read_manifest()
        self._expect_the_same_members()

    def check(self, heard: Heard) -> None:
        """Read everything once, the first half of a restore. Raises `BackupError` for what is not as it was written."""
        for _member, _piece in self._pieces(heard, "checked", 0):
            pass

    def unpack(self, folder: Path, heard: Heard) -> None:
        """Write every member under a folder, checked again: the second half. Raises `BackupError` and `OSError`."""
        writing: IO[bytes] | None = None
        last: Member | None = None
        try:
            for member, piece in self._pieces(heard, "unpacked", self.manifest.bytes):
                if member is not last:
                    if writing is not None:
                        writing.close()
                    last = member
                    target = folder / member.path
                    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    writing = target.open("xb")
                    target.chmod(0o600)
                if writing is not None:
                    writing.write(piece)
        finally:
            if writing is not None:
                writing.close()

    def _pieces(self, heard: Heard, what: str, done: int) -> Iterator[tuple[Member, bytes]]:
        of = 2 * self.manifest.bytes
        for member in self.manifest.files:
            digest, left = hashlib.sha256(), member.bytes
            with self._told_broken(), self._zip.open(member.path) as reading:
                while True:
                    piece = reading.read(min(CHUNK, left + 1))  # never more than the manifest says: no bomb
                    left -= len(piece)
                    if left < 0 or (not piece and left > 0):
                        raise BackupError(f"{self._name} is broken: {member.path} has another size than it should.")
                    digest.update(piece)
                    done += len(piece)
                    if piece or member.bytes == 0:
                        yield member, piece
                    if not piece:
                        break
                    heard(done, of, what)
            if digest.hexdigest() != member.sha256:
                raise BackupError(f"{self._name} is broken: {member.path} is not as it was written.")

    def _read_manifest(self) -> Manifest:
        with self._told_broken():
            try:
                entry = self._zip.getinfo(MANIFEST)
            except KeyError as error:
                raise BackupError(f"{self._name} is no backup of Jieqian: it has no {MANIFEST}.") from error
            if entry.file_size > _LARGEST_MANIFEST or len(self._zip.infolist()) > _MOST_FILES:
                raise BackupError(f"{self._name} is no backup of Jieqian: it holds too much.")
            with self._zip.open(entry) as reading:
                raw = reading.read(_LARGEST_MANIFEST + 1)
        try:
            return _manifest(json.loads(raw), self._name)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BackupError(f"{self._name} is broken: its {MANIFEST} cannot be read.") from error

    def _expect_the_same_members(self) -> None:
        names = [entry.filename for entry in self._zip.infolist()]
        if sorted(names) != sorted([MANIFEST, *(member.path for member in self.manifest.files)]):
            raise BackupError(f"{self._name} is broken: it holds other files than its {MANIFEST} says.")
        for entry in self._zip.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            odd = kind not in (0, stat.S_IFREG) or entry.flag_bits & 0x1
            if odd or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise BackupError(
                    f"{self._name} was not written by `jieqian backup`: {entry.filename!r} is no plain file."
                )

    @contextmanager
    def _told_broken(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackupError(f"{self._name} is broken or cannot be read: {error.strerror or error}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise BackupError(f"{self._name} is broken: {error}.") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a backup and check its manifest. Raises `BackupError` in one line for whatever is wrong with it."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise BackupError(f"There is no file {path}.") from error
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        try:
            opened = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            file.seek(0)
            whole = "cut short or broken" if file.read(4) == b"PK\x03\x04" else "no backup of Jieqian"
            raise BackupError(f"{path} is {whole}: it cannot be read as a ZIP file.") from error
        with opened:
            yield Archive(opened, str(path))


def _manifest(told: Any, name: str) -> Manifest:
    if not isinstance(told, Mapping) or not isinstance(told["format"], int):
        raise TypeError("no manifest")
    if told["format"] != FORMAT:
        later = f"its form is {told['format']}, and this version reads {FORMAT}"
        raise BackupError(
            f"{name} was made by another version of this service ({later}). Restore it with that version."
        )
    files = tuple(_member(each, name) for each in told["files"])
    paths = [member.path for member in files]
    if DATABASE not in paths or len({path.casefold() for path in paths}) != len(paths):
        raise ValueError("no database, or a file twice")
    made, version, schema = (_text(told[field]) for field in ("created_at", "version", "schema"))
    return Manifest(made, version, schema, _count(told["readings"]), bool(told["secret_in_settings"]), files)


def _count(told: Any) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or not 0 <= told <= _LARGEST:
        raise TypeError("no count")
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str) or not told.isprintable() or len(told) > 100:
        raise TypeError("no text")
    return told


def _member(told: Any, name: str) -> Member:
    path, size, sha256 = told["path"], told["bytes"], told["sha256"]
    if not isinstance(path, str) or not isinstance(sha256, str):
        raise TypeError("no member")
    if not _SHA256.fullmatch(sha256):
        raise ValueError("no hash")
    if not is_ours(path):
        raise BackupError(f"{name} was not written by `jieqian backup`: it would put a file at {path!r}.")
    return Member(path, _count(size), sha256)


def is_ours(path: str) -> bool:
    """Whether a member may have this path: one of the files we keep, or one inside the collections' folder."""
    if path in (DATABASE, SECRET, MODEL_CHOICE):
        return True
    parts = path.split("/")
    plain = all(_PLAIN_PART.fullmatch(part) and part.strip(" .") for part in parts)
    return plain and len(parts) > 1 and parts[0] == COLLECTIONS and str(PurePosixPath(path)) == path

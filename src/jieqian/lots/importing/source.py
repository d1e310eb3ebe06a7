"""The files of an import, one after another and within bounds: of a folder, of a ZIP file, or one alone.

Nothing is ever written by a name that comes from outside, no link is followed, and only regular files are opened.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from jieqian.errors import UsageError
from jieqian.lots.importing.report import Refused

MOST_FILES = 20_000
LARGEST_FILE = 64 << 20
#: All files together, unpacked.
LARGEST_SUM = 256 << 20
LARGEST_ARCHIVE = 256 << 20
#: What is taken by the end of its name; anything else in a folder is named and left alone.
TAKEN = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
ARCHIVE = ".zip"
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
#: What begins a file that is no text, whatever its name says.
_MAGIC = {
    b"PK\x03\x04": "is a spreadsheet or an archive under another name; save it as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "is a spreadsheet under another name; save it as CSV in UTF-8",
    b"%PDF": "is a PDF; its text has to be copied out",
}
_MOST_ENTRIES = 200_000
_DEEPEST = 12
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: its path within what is imported, parted by `/`, and how its bytes are read.

    `read` raises `Refused`.
    """

    name: str
    read: Callable[[], bytes]

    @property
    def folder(self) -> str:
        """Its folder within what is imported; "" at the top."""
        return self.name.rpartition("/")[0]

    @property
    def order(self) -> tuple[object, ...]:
        """To sort by: `chuck_2` before `chuck_10`, and `chuck_1` before `chuck_1 (copy)`."""
        parts = re.split(r"([0-9]+)", self.stem)
        return self.folder, [(int(part[:18]), "") if part.isdecimal() else (-1, part) for part in parts], self.name

    @property
    def stem(self) -> str:
        """Its name without folder and ending."""
        return PurePosixPath(self.name).stem


class Budget:
    """How many bytes of all files may still be read."""

    def __init__(self, most: int = LARGEST_SUM) -> None:
        self._left = most

    def read(self, file: IO[bytes]) -> bytes:
        """The whole file. Raises `Refused` for one that is too large, or once all together are."""
        pieces: list[bytes] = []
        size = 0
        while piece := file.read(_CHUNK):
            size += len(piece)
            if size > LARGEST_FILE:
                raise Refused(f"is larger than {LARGEST_FILE >> 20} MiB")
            self._left -= len(piece)
            if self._left < 0:
                raise Refused(f"was not read: together the files hold more than {LARGEST_SUM >> 20} MiB")
            pieces.append(piece)
        if why := next((why for magic, why in _MAGIC.items() if pieces and pieces[0].startswith(magic)), None):
            raise Refused(why)
        return b"".join(pieces)


def source_files(path: Path) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    """The files to take, in order of name, and those left alone, each with the reason.

    Raises `UsageError` where there is nothing at all to take, or far too much.
    """
    try:
        about = path.stat()
    except OSError as error:
        cause = "there is no such file or folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise UsageError(f"{path}: {cause}.", usage=True) from error
    if stat.S_ISDIR(about.st_mode):
        return _in_order(*_of_folder(path))
    if not stat.S_ISREG(about.st_mode):
        raise UsageError(f"{path} is neither a file nor a folder.", usage=True)
    if path.suffix.casefold() in _SHEETS:
        raise UsageError(f"{path.name} {_why_not(path.name)}.", usage=True)
    if path.suffix.casefold() == ARCHIVE:
        return _in_order(*_of_archive(path))
    budget = Budget()
    return [SourceFile(path.name, lambda: _read_file(path, budget, named=True))], []


def _in_order(files: list[SourceFile], left: list[tuple[str, str]]) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    return sorted(files, key=lambda file: file.order), left


def _of_folder(top: Path) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    budget = Budget()
    files: list[SourceFile] = []
    left: list[tuple[str, str]] = []
    for name, why in _walk(top):
        if why:
            left.append((name, why))
            continue
        _expect_few(files)
        files.append(SourceFile(name, _reader(top / name, budget)))
    return files, left


def _reader(path: Path, budget: Budget) -> Callable[[], bytes]:
    return lambda: _read_file(path, budget)


def _expect_few(files: list[SourceFile]) -> None:
    if len(files) >= MOST_FILES:
        raise UsageError(
            f"There are more than {MOST_FILES:,} files. Name the folder of one collection's lots.", usage=True
        )


def _walk(top: Path) -> Iterator[tuple[str, str]]:
    """Each file's path under `top` and, where it is not taken, why; hidden ones are passed over."""
    folders, seen = [""], 0
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(top / folder), key=lambda entry: entry.name)
        except OSError as error:
            yield folder, f"the folder cannot be read: {error.strerror}"
            continue
        deeper: list[str] = []
        for entry in entries:
            seen += 1
            if seen > _MOST_ENTRIES:
                raise UsageError(f"{top} holds more than {_MOST_ENTRIES:,} entries. Name the folder of one collection.")
            name = f"{folder}/{entry.name}".lstrip("/")
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if entry.is_symlink():
                yield name, "is a link; links are not followed"
            elif entry.is_dir(follow_symlinks=False):
                deeper.append(name)
                if name.count("/") >= _DEEPEST:
                    yield deeper.pop(), "lies too deep"
            elif not entry.is_file(follow_symlinks=False):
                yield name, "is no regular file"
            else:
                yield name, _why_not(entry.name)
        folders += reversed(deeper)


def _why_not(name: str) -> str:
    if name.casefold().endswith(TAKEN):
        return ""
    if name.casefold().endswith(ARCHIVE):
        return "is a ZIP file inside; import it by itself"
    if name.casefold().endswith(_SHEETS):
        return "is a spreadsheet, which is not read; save it there as CSV in UTF-8 and import that"
    return f"is none of {', '.join(TAKEN)}"


def _read_file(path: Path, budget: Budget, *, named: bool = False) -> bytes:
    """`named`: by the importer, who may name a link."""
    try:
        # Between the look and the opening somebody may put a link or a pipe there: neither is followed nor waited for.
        how = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        opened = os.open(path, how if named else how | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused("is no regular file")
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise Refused(f"is larger than {LARGEST_FILE >> 20} MiB")
            return budget.read(file)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from error


def _of_archive(path: Path) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    if path.stat().st_size > LARGEST_ARCHIVE:
        raise UsageError(f"{path} is larger than {LARGEST_ARCHIVE >> 20} MiB.")
    try:
        opened = zipfile.ZipFile(path)
        entries = opened.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UsageError(f"{path} is no ZIP file that can be read: {error}.") from error
    if len(entries) > _MOST_ENTRIES:
        raise UsageError(f"{path} holds more than {_MOST_ENTRIES:,} entries.")
    budget = Budget()
    files: list[SourceFile] = []
    left: list[tuple[str, str]] = []
    for entry in sorted(entries, key=lambda each: each.filename):
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if entry.is_dir() or any(part.startswith((".", "__MACOSX")) and part != ".." for part in parts):
            continue
        if why := _why_not_member(entry, parts):
            left.append((entry.filename, why))
            continue
        _expect_few(files)
        files.append(SourceFile("/".join(parts), _member_reader(opened, entry, budget)))
    return files, left


def _why_not_member(entry: zipfile.ZipInfo, parts: tuple[str, ...]) -> str:
    if ".." in parts or (parts and (parts[0] == "/" or ":" in parts[0])):
        return "its path leads out of the archive"
    if len(parts) > _DEEPEST:
        return "lies too deep"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link; links are not followed"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.file_size > LARGEST_FILE:
        return f"is larger than {LARGEST_FILE >> 20} MiB"
    return _why_not(entry.filename)


def _member_reader(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with opened.open(entry) as file:
                return budget.read(file)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise Refused(f"cannot be unpacked: {error}") from error

    return read

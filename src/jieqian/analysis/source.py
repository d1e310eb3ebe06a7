"""Lines of log files in constant memory: any size, gzip, any encoding, whatever is in them."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from jieqian.analysis.stamps import first_stamp

#: What is read at once, and how long a line may be: a longer one is passed over, so it never has to be held.
CHUNK = 1 << 18
LONGEST_LINE = 1 << 16
#: So many chunks are looked through for a log's first stamp.
_LOOKED_AT = 4
STDIN = "-"
#: Enough to see what a file is.
_START = 16
_GZIP = b"\x1f\x8b"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: A log begins with a figure or a brace; so does one in UTF-16 without its mark.
_UNMARKED = ((b"\0", slice(1, 8, 2), "utf-16-le"), (b"\0", slice(0, 8, 2), "utf-16-be"))


class Unreadable(Exception):
    """A file cannot be read; says which, why, and what to do."""


class Reads(Protocol):
    """What gives bytes, a part at a time."""

    def read1(self, size: int = -1, /) -> bytes:
        """At most so many bytes, as many as there are now; none at the end."""
        ...


class ReadsToo(Reads, Protocol):
    """What also waits until it can give all that is asked for."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes; fewer at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Some lines, without their ends, and how many lines were too long to be held."""

    lines: Sequence[bytes]
    too_long: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """One log: its name as told, its path (None: stdin), its size where that is known."""

    name: str
    path: Path | None
    size: int | None

    def batches(self, on_progress: Callable[[int], None]) -> Generator[Batch]:
        """Its lines; `on_progress` is told the bytes of the file that are read.

        Raises `Unreadable` where nothing or no more of it can be read: what came before stands.
        """
        try:
            if self.path is None:
                stdin = cast("ReadsToo", sys.stdin.buffer)  # its declared type is narrower than what it is
                yield from _batches(self.name, stdin, on_progress)
                return
            with self.path.open("rb") as file:
                yield from _batches(self.name, file, on_progress)
        except OSError as error:
            raise Unreadable(f"{self.name} cannot be read: {error.strerror or error}.") from error


def find_source(given: str) -> Source:
    """A source by its path, or stdin by `-`. Raises `Unreadable` where it is missing, a folder, closed or empty."""
    if given == STDIN:
        return Source("stdin", None, None)
    path = Path(given)
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise Unreadable(f"{given} is a folder. Name the log files in it.")
        if not os.access(path, os.R_OK):
            raise Unreadable(f"{given} may not be read by this user. Mend its rights, or run as its owner.")
    except OSError as error:
        raise Unreadable(f"{given} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # a NUL in the name
        raise Unreadable(f"{given!r} is no name of a file.") from error
    if not stat.S_ISREG(found.st_mode):
        return Source(given, path, None)
    if not found.st_size:
        raise Unreadable(f"{given} is empty: there is nothing in it to read.")
    return Source(given, path, found.st_size)


def in_order(sources: Sequence[Source]) -> list[Source]:
    """By the first stamp in each, so that `app.log app.log.1` is read oldest first; those without keep their place."""
    stamped = [(stamp, source) for source in sources if (stamp := _first_stamp(source)) is not None]
    if len(stamped) < len(sources):
        return list(sources)
    return [source for _, source in sorted(stamped, key=lambda pair: pair[0])]


def _first_stamp(source: Source) -> float | None:
    if source.size is None:
        return None
    try:
        with closing(source.batches(lambda _: None)) as batches:
            for batch, _ in zip(batches, range(_LOOKED_AT), strict=False):
                if (stamp := first_stamp(batch.lines)) is not None:
                    return stamp
    except Unreadable:
        return None
    return None


def _batches(name: str, file: ReadsToo, on_progress: Callable[[int], None]) -> Iterator[Batch]:
    start = file.read(_START)
    raw = io.BufferedReader(_Counted(file, start, on_progress), CHUNK)
    try:
        reads: Reads = gzip.GzipFile(fileobj=raw) if start.startswith(_GZIP) else raw
        yield from _split(_decoded(_chunks(name, reads)))
    finally:
        raw.detach()


class _Counted(io.RawIOBase):
    """Gives what was read of a file already and then the rest, as it comes; tells how much that was."""

    def __init__(self, file: ReadsToo, start: bytes, on_progress: Callable[[int], None]) -> None:
        self._file = file
        self._start = start
        self._told = 0
        self._on_progress = on_progress

    def readable(self) -> bool:
        return True

    def readinto(self, into: bytearray | memoryview, /) -> int:  # type: ignore[override]
        got = self._start + self._file.read1(len(into) - len(self._start))
        self._start = b""
        into[: len(got)] = got
        self._told += len(got)
        self._on_progress(self._told)
        return len(got)


def _chunks(name: str, reads: Reads) -> Iterator[bytes]:
    try:
        while chunk := reads.read1(CHUNK):
            yield chunk
    except EOFError as error:
        raise Unreadable(f"{name} ends in the middle: what is missing of its gzip data is not counted.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Unreadable(f"{name} is gzip data that is damaged; what comes after the damage is not counted.") from error


def _decoded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """As bytes that hold ASCII as ASCII: UTF-16 becomes UTF-8, all else stays as it is."""
    first = next(chunks, b"")
    encoding = _encoding(first)
    if not encoding.startswith("utf-16"):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    yield decoder.decode(first).removeprefix("\ufeff").encode("utf-8", "replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _encoding(first: bytes) -> str:
    marked = next((name for bom, name in _BOMS if first.startswith(bom)), None)
    if marked is not None or len(first) < 8:
        return marked or "utf-8"
    for nul, places, name in _UNMARKED:
        if first[places] == nul * 4 and nul not in first[slice(1 - places.start, 8, 2)]:
            return name
    return "utf-8"


def _split(chunks: Iterator[bytes]) -> Iterator[Batch]:
    rest, passing_over = b"", False
    for chunk in chunks:
        too_long = 0
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if passing_over and lines:
            lines, passing_over = lines[1:], False
        if len(rest) > LONGEST_LINE:
            too_long += not passing_over
            rest, passing_over = b"", True
        if passing_over:
            rest = b""
        kept = [line for line in lines if len(line) <= LONGEST_LINE]
        yield Batch(kept, too_long + len(lines) - len(kept))
    if rest:
        yield Batch([rest])

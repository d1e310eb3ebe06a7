"""A file on its way in, written to DATA_DIR as it arrives: never held in memory, never larger than it may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from jieqian.errors import BodyTooLarge, ImportRefused, InvalidRequest, StoreUnwritable
from jieqian.lots.importing.source import LARGEST_ARCHIVE
from jieqian.lots.importing.uploads import drop_incoming, incoming_file, largest, safe_name

_MOST_FIELDS = 20
_LONGEST_FIELD = 8_192
#: What a form holds beside its file.
_BESIDE = 262_144
CheckFields = Callable[[Mapping[str, str]], object]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that came whole, in a folder of its own (`uploads.drop_incoming`), and the form's fields before it."""

    path: Path
    fields: Mapping[str, str]


async def receive_form(request: Request, data_dir: Path, check: CheckFields) -> Uploaded:
    """A `multipart/form-data` body with one file. `check` sees the fields that came before it, and may raise.

    Raises `InvalidRequest`, `ImportRefused`, `BodyTooLarge`, `StoreUnwritable`; then no file is left.
    """
    _expect_fitting_length(request, LARGEST_ARCHIVE + _BESIDE)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequest("The form has to be sent as multipart/form-data.")
    form = _Form(options[b"boundary"])
    file: _Incoming | None = None
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > LARGEST_ARCHIVE + _BESIDE:
                raise BodyTooLarge(f"A file may have {LARGEST_ARCHIVE >> 20} MiB at most.")
            form.feed(chunk)
            if form.file_name is not None and file is None:
                check(form.fields)
                file = await _Incoming.begin(data_dir, form.file_name)
            if file is not None:
                await file.write(form.taken())
        if not form.ended:
            raise InvalidRequest("The form was cut off. Send it again.")
        if file is None:
            check(form.fields)
            raise ImportRefused("No file came: choose one.")
        return Uploaded(await file.finish(), form.fields)
    except BaseException:
        await _give_up(file)
        raise


async def receive_raw(request: Request, data_dir: Path, name: str) -> Uploaded:
    """A body that is the file itself. Raises as `receive_form`."""
    _expect_fitting_length(request, largest(safe_name(name)))
    file = await _Incoming.begin(data_dir, name)
    try:
        async for chunk in request.stream():
            await file.write(chunk)
        return Uploaded(await file.finish(), {})
    except BaseException:
        await _give_up(file)
        raise


def _expect_fitting_length(request: Request, most: int) -> None:
    """Told before a byte of it is read, where the length is told."""
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told[:20]) > most:
        raise BodyTooLarge(f"The file is larger than {most >> 20} MiB.")


async def _give_up(file: _Incoming | None) -> None:
    if file is not None:
        await asyncio.shield(asyncio.to_thread(file.drop))


class _Incoming:
    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._most = largest(path.name)
        self._size = 0

    @classmethod
    async def begin(cls, data_dir: Path, told_name: str) -> _Incoming:
        """Open a file for it, by a name that is safe."""
        if not told_name:
            raise ImportRefused("No file came: choose one.")
        name = safe_name(told_name)

        def opened() -> tuple[Path, IO[bytes]]:
            path = incoming_file(data_dir, name)
            return path, path.open("xb")

        try:
            return cls(*await asyncio.to_thread(opened))
        except OSError as error:
            raise StoreUnwritable(f"The upload cannot be written: {error.strerror}.") from error

    async def write(self, piece: bytes) -> None:
        """More of it."""
        self._size += len(piece)
        if self._size > self._most:
            raise BodyTooLarge(f"{self._path.name} is larger than {self._most >> 20} MiB.")
        try:
            await asyncio.to_thread(self._file.write, piece)
        except OSError as error:
            raise StoreUnwritable(f"The upload cannot be written: {error.strerror}.") from error

    async def finish(self) -> Path:
        """It is whole."""
        try:
            await asyncio.to_thread(self._file.close)
        except OSError as error:
            raise StoreUnwritable(f"The upload cannot be written: {error.strerror}.") from error
        return self._path

    def drop(self) -> None:
        """Away with it."""
        try:
            self._file.close()
        finally:
            drop_incoming(self._path)


class _Form:
    """The parts of a form as its bytes come: short fields, and one file, whose bytes are handed on."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self.ended = False
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        self._in_file = False
        self._pieces: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise InvalidRequest("The form cannot be read.") from error

    def feed(self, chunk: bytes) -> None:
        """Raises `InvalidRequest`."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("The form cannot be read.") from error

    def taken(self) -> bytes:
        """The file's bytes since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def _begin(self) -> None:
        self._header = (bytearray(), bytearray())
        self._disposition, self._in_file, self._value = b"", False, bytearray()

    def _end_header(self) -> None:
        field, value = self._header
        if field.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            if self.file_name is not None:
                raise InvalidRequest("Send one file at a time; several go into one ZIP file.")
            self.file_name = options[b"filename"].decode("utf-8", "replace")
            self._in_file = True
        elif len(self.fields) >= _MOST_FIELDS:
            raise InvalidRequest("The form has too many fields.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _LONGEST_FIELD:
            raise InvalidRequest(f"{self._name[:40]}: too long.")

    def _finish(self) -> None:
        self.ended = True

    def _end(self) -> None:
        if not self._in_file:
            self.fields.setdefault(self._name, self._value.decode("utf-8", "replace"))

"""What a long benchmark has measured so far: a line of JSON for each run, on the disk before the next one begins.

The first line is the plan. A folder holds one plan's records; the same plan goes on where they end, whatever ended the
run before: a model server that died, Ctrl-C, `kill -9`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from jieqian.errors import UsageError

Record = dict[str, Any]


class Records:
    """The records of one plan in one file; made by `open_records`."""

    def __init__(self, file: IO[bytes], path: Path, found: list[Record]) -> None:
        self._file, self.path = file, path
        self.found = found
        #: How many there were when it was opened.
        self.resumed = len(found)

    def add(self, record: Record) -> None:
        """Append one and wait for the disk."""
        try:
            self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}. What it holds is kept.") from error
        self.found.append(record)


@contextmanager
def open_records(folder: Path, name: str, plan: Mapping[str, Any]) -> Iterator[Records]:
    """The records of that plan in `folder/NAME.jsonl`, new or as they were left.

    A last line that was cut off in the middle is taken away. Raises `UsageError` where the file holds another plan's
    (naming what differs), is no such file, is in use, or cannot be written.
    """
    path = folder / f"{name}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{path} is being written by another run. Wait for it, or name another --out.") from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}.") from error
    with ExitStack() as stack:
        stack.callback(lock.release)
        try:
            file = stack.enter_context(path.open("a+b"))
            left = _left(file, path, json.loads(json.dumps(plan)))
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
        yield Records(file, path, left)


def read_records(path: Path) -> tuple[Record, list[Record]]:
    """The plan and the records of a file, without opening it for more. Raises `UsageError`."""
    try:
        return _parsed(path.read_bytes(), path)[:2]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _left(file: IO[bytes], path: Path, plan: Record) -> list[Record]:
    file.seek(0)
    content = file.read()
    if b"\n" not in content:
        if content and not content.startswith(b'{"plan"'):
            raise UsageError(f"{path} holds no records. Move it away, or name another --out.")
        file.truncate(0)
        file.write(json.dumps({"plan": plan}, ensure_ascii=False).encode() + b"\n")
        file.flush()
        return []
    kept, found, whole = _parsed(content, path)
    if differing := [key for key in {**kept, **plan} if kept.get(key) != plan.get(key)]:
        told = "; ".join(f"{key}: {_told(kept.get(key))}, now {_told(plan.get(key))}" for key in differing)
        raise UsageError(f"{path} holds the records of another plan ({told}). Name another --out, or the same plan.")
    file.truncate(whole)
    return found


def _parsed(content: bytes, path: Path) -> tuple[Record, list[Record], int]:
    """The plan, the records, and how many bytes hold whole lines."""
    whole = content.rfind(b"\n") + 1
    rows: list[Record] = []
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or (number == 1 and not isinstance(row.get("plan"), dict)):
            raise UsageError(f"{path}, line {number}: no record. Move the file away, or name another --out.")
        rows.append(row)
    if not rows:
        raise UsageError(f"{path} holds no records.")
    return rows[0]["plan"], rows[1:], whole


def _told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

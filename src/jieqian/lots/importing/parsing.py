"""A file's lots as values by key: from JSON (one, a list, or under a key), JSON a line, and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jieqian.lots.importing.columns import field_of
from jieqian.lots.importing.decoding import decode, decode_lines
from jieqian.lots.importing.report import Refused
from jieqian.lots.importing.source import SourceFile
from jieqian.lots.importing.tables import read_table
from jieqian.lots.pack import parse_json

_LONGEST_LINE = 1 << 20
#: Each is an object in memory, some thirty times its size in the file.
_MOST_BRACKETS = 1_000_000
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class RawLot:
    """One lot as its file has it: values by key (nested keys joined by a dot) or, of CSV, by field.

    `line`: where in the file, from 1; None for a file of its own. `columns`: whose values the keys are, where that was
    told or guessed for a table; `heads`: what stands above them. `notes`: what was mended in reading it.
    """

    file: SourceFile
    line: int | None
    values: Mapping[str, Any]
    columns: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()
    heads: Mapping[str, str] | None = None
    #: The object of JSON as it stood: one in the pack format is taken as it is.
    whole: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be taken, and why."""

    line: int
    reason: str


def parse(file: SourceFile, columns: Mapping[str, str]) -> Iterator[RawLot | BadRow]:
    """Every lot of a file. Raises `Refused` where the whole file cannot be taken.

    `columns`: of a table, the field of each column that was told, by its head or its place (`"3"`).
    """
    kind = file.name.rpartition(".")[2].casefold()
    data = file.read()
    if max(data.count(b"["), data.count(b"{")) > _MOST_BRACKETS:
        raise Refused(f"holds more than {_MOST_BRACKETS:,} lists or objects")
    if kind == "json":
        text, encoding = decode(data)
        yield from _of_json(file, text, _noted(encoding))
    else:
        if any(len(line) > _LONGEST_LINE for line in data.split(b"\n")):
            raise Refused(f"has a line of more than {_LONGEST_LINE:,} bytes")
        text, encoding = decode_lines(data)
        if kind in ("jsonl", "ndjson"):
            yield from _of_json_lines(file, text, _noted(encoding))
        else:
            yield from _of_table(file, text, columns, _noted(encoding))


def _noted(encoding: str) -> tuple[str, ...]:
    return (f"read as {encoding}",) if encoding else ()


# -- JSON


def _of_json(file: SourceFile, text: str, notes: tuple[str, ...]) -> Iterator[RawLot | BadRow]:
    if not text.strip():
        raise Refused("is empty")
    if _is_one_a_line(text):
        yield from _of_json_lines(file, text, (*notes, "read as JSON of one lot a line"))
        return
    value = _parsed(text)
    for place, found in _lots_in(value):
        if not isinstance(found, Mapping):
            yield BadRow(place or 1, "is no object with keys")
        else:
            yield RawLot(file, place, flattened(found), None, notes, whole=found)


def _of_json_lines(file: SourceFile, text: str, notes: tuple[str, ...]) -> Iterator[RawLot | BadRow]:
    if not text.strip():
        raise Refused("is empty")
    for place, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = _parsed(line)
            if not isinstance(value, Mapping):
                raise Refused("is no object with keys")
            yield RawLot(file, place, flattened(value), None, notes, whole=value)
        except Refused as refused:
            yield BadRow(place, str(refused))


def _is_one_a_line(text: str) -> bool:
    first, _, rest = text.strip().partition("\n")
    if not rest or not first.startswith("{"):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise Refused(f"is no JSON: {error.msg} (line {error.lineno}, character {error.colno})") from error
    except RecursionError as error:
        raise Refused("is nested too deep") from error
    except ValueError as error:  # an endless number, a key given twice
        raise Refused(f"is no JSON that can be taken: {str(error)[:80]}") from error


def _lots_in(value: Any) -> Iterator[tuple[int | None, Any]]:
    """One lot, a list of lots, a list under a key (`{"lots": [...]}`), or lots by their number."""
    if isinstance(value, list):
        yield from enumerate(value, 1)
        return
    if not isinstance(value, Mapping):
        raise Refused("holds no object with keys")
    if any((field_of(key) or "").startswith(("verse", "line.")) for key in value):
        yield None, value
        return
    lists = [held for held in value.values() if isinstance(held, list) and held and isinstance(held[0], Mapping)]
    if len(lists) == 1:
        yield from enumerate(lists[0], 1)
    elif value and all(isinstance(held, Mapping) for held in value.values()):
        for place, (key, held) in enumerate(value.items(), 1):
            yield place, {"id": key, **held}
    else:
        yield None, value


def flattened(value: Mapping[str, Any]) -> dict[str, Any]:
    """Nested keys joined by dots: `{"analysis": {"zh": …}}` as `{"analysis.zh": …}`."""
    made: dict[str, Any] = {}
    open_ones: list[tuple[str, Mapping[str, Any], int]] = [("", value, 0)]
    while open_ones:
        before, held, depth = open_ones.pop()
        for key, inner in held.items():
            name = f"{before}{key}"
            if isinstance(inner, Mapping) and depth < _DEEPEST:
                open_ones.append((f"{name}.", inner, depth + 1))
            else:
                made[name] = inner
    return made


# -- CSV


def _of_table(
    file: SourceFile, text: str, told: Mapping[str, str], notes: tuple[str, ...]
) -> Iterator[RawLot | BadRow]:
    table = read_table(text, told, tabs=file.name.casefold().endswith(".tsv"))
    for row in table.rows:
        if row.reason is not None:
            yield BadRow(row.line, row.reason)
        else:
            yield RawLot(file, row.line, row.cells, table.columns, (*notes, *row.notes), table.heads)

"""A table's rows, its heads found and its columns guessed, whatever stands above, beside and between them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from jieqian.lots.importing.columns import field_of, guess_columns, heads_at, is_number, is_one_line
from jieqian.lots.importing.decoding import LOST_LINE
from jieqian.lots.importing.report import Refused

_DELIMITERS = ",\t;|，"
_MOST_COLUMNS = 256
_LONGEST_CELL = 100_000
_MOST_ROWS = 50_000
_MOST_UNENDED = 20
#: What Excel writes to keep a number text: ="007".
_KEPT_AS_TEXT = re.compile(r'="(.*)"')
#: What tells Excel the mark between columns.
_SEPARATOR = re.compile(r"\A\ufeff?sep=(.)[^\n]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its line from 1, its cells by place (`"1"`), and why it cannot be taken, or what was mended."""

    line: int
    cells: Mapping[str, str]
    reason: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """`columns`: the field of each column by its place; `heads`: what stands above them, None without heads."""

    columns: Mapping[str, str]
    heads: Mapping[str, str] | None
    rows: Sequence[TableRow]


def read_table(text: str, told: Mapping[str, str], *, tabs: bool) -> Table:
    """The rows of CSV. `told`: the field of each column that was told. Raises `Refused` and `UsageError`."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Refused("is empty")
    separator = _SEPARATOR.match(text)
    text = _SEPARATOR.sub("", text)
    delimiter = "\t" if tabs else separator[1] if separator else _delimiter(text)
    found: list[tuple[int, list[str] | str]] = []
    for line, row in _rows(text, delimiter):
        if isinstance(row, str) or any(cell.strip() for cell in row):
            found.append((line, row))
        if len(found) > _MOST_ROWS:
            raise Refused(f"has more than {_MOST_ROWS:,} rows")
    whole = [(line, row) for line, row in found if isinstance(row, list)]
    first = heads_at([row for _, row in whole[:10]], told)
    has_heads, columns = guess_columns([row for _, row in whole[first:]], told)
    head_line, head_row = whole[first] if whole else (0, [])
    heads = {str(at): head.strip() for at, head in enumerate(head_row, 1)} if has_heads else None
    width = len(head_row) if has_heads else _MOST_COLUMNS
    rows: list[TableRow] = []
    for line, row in found:
        if isinstance(row, str):
            rows.append(TableRow(line, {}, row))
        elif has_heads and line < head_line:
            rows.append(TableRow(line, {}, "stands above the heads"))
        elif not (has_heads and line == head_line):
            _add(rows, _row(line, row, width, columns), columns)
    return Table(columns, heads, rows)


def _row(line: int, row: list[str], width: int, columns: Mapping[str, str]) -> TableRow:
    if row == [LOST_LINE]:
        return TableRow(line, {}, "is in no encoding that is known")
    while row and not row[-1].strip():
        row = row[:-1]
    notes: tuple[str, ...] = ()
    if (more := len(row) - width) > 0:
        at = next((int(place) - 1 for place, field in columns.items() if field == "verse"), -1)
        pieces = row[at : at + more + 1] if at >= 0 else []
        if not all(map(is_one_line, pieces)) or len({len(piece.strip()) for piece in pieces}) != 1:
            return TableRow(line, {}, f"has {len(row)} cells under {width} heads; put a text with such marks in quotes")
        row = [*row[:at], "，".join(pieces), *row[at + more + 1 :]]
        notes = ("the verse stood in several cells under one head and was joined",)
    return TableRow(line, {str(at): cell for at, cell in enumerate(row, 1) if cell.strip()}, None, notes)


def _add(rows: list[TableRow], row: TableRow, columns: Mapping[str, str]) -> None:
    """Add it to the rows; one that holds no more than a line of verse belongs to the lot above."""
    verse = next((place for place, field in columns.items() if field == "verse"), "")
    if not (rows and "number" in columns.values() and row.reason is None and set(row.cells) == {verse}):
        rows.append(row)
    elif (above := rows[-1]).reason is None and verse in above.cells:
        cells = {**above.cells, verse: f"{above.cells[verse]}\n{row.cells[verse]}"}
        rows[-1] = replace(above, cells=cells, notes=("the verse stood in several rows and was joined",))
    else:
        rows.append(row)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with its line; of one that cannot be read, why. After a quote that never ends the next line is read."""
    csv.field_size_limit(_LONGEST_CELL)
    lines = text.split("\n")
    at = width = unended = 0
    while at < len(lines):
        reader = csv.reader((f"{line}\n" for line in islice(lines, at, None)), delimiter=delimiter)
        begun, before = at, 0
        for row in _each(reader):
            line, span, before = begun + before + 1, reader.line_num - before, reader.line_num
            at = begun + before
            if span > 1 and (isinstance(row, str) or _swallowed(row, delimiter, width)):
                unended += 1
                if unended > _MOST_UNENDED:
                    raise Refused(f"has more than {_MOST_UNENDED} quotation marks that never end")
                yield line, "has a quotation mark that never ends"
                at = line
                break
            if isinstance(row, list):
                width = max(width, len(row))
            yield line, row


def _each(reader: Iterator[list[str]]) -> Iterator[list[str] | str]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"cannot be read: {error}"
            continue
        yield [kept[1] if (kept := _KEPT_AS_TEXT.fullmatch(cell.strip())) else cell for cell in row[:_MOST_COLUMNS]]


def _swallowed(row: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether a cell holds a line that is a whole row of its own, with a number."""
    if width < 2:
        return False
    for cell in row:
        for line in cell.split("\n")[1:]:
            cells = line.split(delimiter)
            if len(cells) >= width and any(map(is_number, cells)):
                return True
    return False


def _delimiter(text: str) -> str:
    """The mark that parts some row into most heads we know, or else the first rows into most columns alike."""
    lines = [line for line in text.split("\n", 20)[:20] if line.strip()][:10]
    best = (0, 0.0, ",")
    for mark in _DELIMITERS:
        try:
            rows = list(csv.reader(lines, delimiter=mark))
        except csv.Error:
            continue
        known = max((sum(field_of(head) is not None for head in row) for row in rows if len(row) > 1), default=0)
        columns = [len(row) - 1 for row in rows]
        alike = columns.count(columns[0]) / len(columns) * columns[0]
        best = max(best, (known, 0.0 if mark == "，" else alike, mark), key=lambda found: found[:2])  # verse holds ，
    return best[2]

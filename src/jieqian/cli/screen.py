"""What commands print: cleaned of what could steer a terminal, at home in a dumb one and in a pipe.

Results go to stdout, all else (errors, notes, progress) to stderr, so that a result can be piped.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

#: Unprintable to Python, and in any text: line breaks, tabs, and what joins the parts of an emoji.
_HARMLESS = "\n\t\u200c\u200d"
#: A line is no wider than this, in cells; marks that may not begin a line hang over by so many.
_NARROW = 60
_WIDEST, _NARROWEST, _HANGING = 100, 8, 2
_NOT_FIRST = frozenset("，。、；：！？」』）〕》")
#: Lines of progress in a pipe: one at each tenth.
_SPARSE = 10


class Advance(Protocol):
    """Called as long work goes on: `done` of `of` units; `what` is being done now."""

    def __call__(self, done: float, of: float | None, what: str | None = None) -> None:
        """Show it."""
        ...


def prepare() -> None:
    """Let no text fail for a terminal that cannot show it (what it lacks becomes `?`), nor what is typed there."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the program: `jieqian ... >&-`
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def clean(text: str) -> str:
    """Without what could steer a terminal: every unprintable character but line breaks, tabs and spaces."""
    return "".join(c if c.isprintable() or c in _HARMLESS or unicodedata.category(c) == "Zs" else "�" for c in text)


def one_line(text: str) -> str:
    """Cleaned, and all in one line."""
    return " ".join(clean(text).split())


def say(text: str = "", *, end: str = "\n") -> None:
    """Print to stdout, at once."""
    print(clean(text), end=end, flush=True)


def note(text: str) -> None:
    """A line to stderr about what goes on: nobody's result."""
    print(one_line(text), file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """One line to stderr that says what is wrong."""
    print(f"jieqian: {one_line(text)}", file=sys.stderr, flush=True)


def say_json(document: Any) -> None:
    """Print JSON: what a terminal should not get, or cannot show, is escaped, so that nothing is lost."""
    text = json.dumps(document, ensure_ascii=not _shows_unicode(sys.stdout), indent=2)
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text), flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for a person; tab-separated lines for a pipe."""
    if not sys.stdout.isatty():
        for row in (heads, *rows):
            say("\t".join(one_line(cell) for cell in row))
        return
    if _columns() < _NARROW:  # a table would cut the very words that are to be typed next
        for row in rows:
            for head, cell in zip(heads, row, strict=True):
                say(f"{one_line(head)}: {one_line(cell)}")
            say()
        return
    shown = Table()
    for place, head in enumerate(heads):
        shown.add_column(head, no_wrap=not place, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(clean(cell)) for cell in row))
    Console().print(shown)


@contextmanager
def progress(what: str) -> Iterator[Advance]:
    """Shows long work on stderr: a bar on a terminal, a line at each tenth in a pipe or a dumb terminal."""
    if not lively(sys.stderr):
        yield _SparseLines(what)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(one_line(what), total=None)

        def advance(done: float, of: float | None, what: str | None = None) -> None:
            description = None if what is None else one_line(what)[:60]
            bar.update(task, completed=done, total=of, description=description)

        yield advance


def lively(stream: TextIO) -> bool:
    """Whether lines may be drawn over: a terminal that knows how."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def heading(text: str) -> None:
    """A heading: bold on a terminal, marked with `##` elsewhere."""
    if lively(sys.stdout):
        Console(highlight=False, soft_wrap=True).print(Text(one_line(text), style="bold"))
    else:
        say(f"## {one_line(text)}")


def paragraphs(lines: Iterable[str]) -> None:
    """Print each line as a paragraph of its own, wrapped on a terminal."""
    flow = Flow()
    for line in lines:
        flow.write(line)
        flow.end()


class StatusLine:
    """One line on stderr, drawn over as work goes on; nothing where lines cannot be drawn over."""

    def __init__(self) -> None:
        self._lively = lively(sys.stderr)
        self._cells = 0

    def show(self, text: str) -> None:
        """Put this in place of what stands there, cut to the terminal's width."""
        if not self._lively:
            return
        line = one_line(text)
        width = max(1, _columns() - 1)
        line = line if cell_len(line) <= width else set_cell_size(line, width)
        self._draw(line + " " * max(0, self._cells - cell_len(line)))
        self._cells = cell_len(line)

    def clear(self) -> None:
        """Take it away: something else is printed now."""
        if self._cells:
            self._draw(" " * self._cells + "\r")
            self._cells = 0

    @staticmethod
    def _draw(line: str) -> None:
        print(f"\r{line}", end="", file=sys.stderr, flush=True)


class Flow:
    """Prints text to stdout as it comes: on a terminal wrapped between words, in a pipe as it is."""

    def __init__(self) -> None:
        self._width = max(_NARROWEST, min(_columns(), _WIDEST) - _HANGING) if sys.stdout.isatty() else 0
        self._column = 0
        self._indent = 0
        self._begins = True
        self._word = ""
        self._out: list[str] = []

    def write(self, text: str) -> None:
        """Print it; on a terminal its last word waits for the rest of it."""
        for character in clean(text) if self._width else ():
            self._take(character)
        if not self._width:
            self._out.append(clean(text))
        self._print()

    def end(self) -> None:
        """End the paragraph."""
        self._place(self._word)
        self._out.append("\n")
        self._word, self._column, self._indent, self._begins = "", 0, 0, True
        self._print()

    def _take(self, character: str) -> None:
        wide = cell_len(character) > 1
        if not wide and not character.isspace():
            self._word += character
            return
        self._place(self._word)
        self._word = ""
        if wide:
            self._place(character)
        elif character == "\n":
            self._out.append(character)
            self._column, self._indent, self._begins = 0, 0, True
        elif self._begins:
            self._indent += 1
            self._out.append(" ")
            self._column += 1
        elif self._indent < self._column < self._width:  # a wrapped line does not begin with the space it broke at
            self._out.append(" ")
            self._column += 1

    def _place(self, word: str) -> None:
        if not word:
            return
        cells = cell_len(word)
        hangs = word in _NOT_FIRST and self._column + cells <= self._width + _HANGING
        if self._column > self._indent and self._column + cells > self._width and not hangs:
            self._out.append("\n" + " " * self._indent)
            self._column = self._indent
        self._out.append(word)
        self._column += cells
        self._begins = False

    def _print(self) -> None:
        print("".join(self._out), end="", flush=True)
        self._out.clear()


def _columns() -> int:
    return shutil.get_terminal_size().columns


class _SparseLines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._told = -1

    def __call__(self, done: float, of: float | None, what: str | None = None) -> None:
        """Print a line where another tenth is done; without a known end, at each power of two."""
        step = int(done * _SPARSE // of) if of else int(done).bit_length()
        if step <= self._told:
            return
        self._told = step
        amount = f"{done:,.0f} of {of:,.0f}" if of else f"{done:,.0f}"
        note(f"{self._what}: {amount}{f' ({what})' if what else ''}")


def _shows_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")

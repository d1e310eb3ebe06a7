"""A benchmark's report: tables for people, JSON for programs, a picture for both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jieqian.bench.charts import Chart, Points, draw
from jieqian.bench.machine import in_words
from jieqian.errors import UsageError


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its title, its heads, its rows, all as text."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """As a page shows it."""
        lines = [f"**{self.title}**", "", _row(self.heads), _row(["---"] * len(self.heads))]
        return "\n".join([*lines, *(_row(row) for row in self.rows)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a benchmark found. `figures` is all of it, for programs; `notes` say what a reader has to know."""

    name: str
    title: str
    machine: dict[str, Any]
    figures: dict[str, Any]
    tables: Sequence[Table]
    charts: Sequence[Chart | Points]
    notes: Sequence[str] = field(default_factory=tuple)
    #: What follows the tables and notes, as Markdown.
    appendix: str = ""
    #: Makes the whole as one HTML file, from the picture (SVG) where one was drawn.
    html: Callable[[str | None], str] | None = None

    def markdown(self, *, pictures: bool = False) -> str:
        """The whole as Markdown; `pictures` links the picture that `write` put beside it."""
        parts = [f"## {self.title}", in_words(self.machine), *(table.markdown() for table in self.tables)]
        if self.notes:
            parts.append("\n".join(f"- {_line(note)}" for note in self.notes))
        if pictures and self.charts:
            parts.append(f"![{self.title}]({self.name}.svg)")
        if self.appendix:
            parts.append(self.appendix)
        return "\n\n".join(parts)

    def document(self) -> dict[str, Any]:
        """The whole as JSON."""
        return {"benchmark": self.name, "machine": self.machine, **self.figures}

    def write(self, folder: Path) -> list[Path]:
        """Write `NAME.md`, `NAME.json` and, where there are such, `NAME.svg` and `NAME.html`; answers their paths.

        Raises `UsageError` where the folder cannot be written.
        """
        written = [folder / f"{self.name}.md", folder / f"{self.name}.json"]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            picture = draw(self.charts, folder / f"{self.name}.svg") if self.charts else None
            written[0].write_text(self.markdown(pictures=picture is not None) + "\n", encoding="utf-8")
            written[1].write_text(json.dumps(self.document(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            if picture is not None:
                written.append(picture)
            if self.html is not None:
                written.append(folder / f"{self.name}.html")
                drawn = picture.read_text(encoding="utf-8") if picture else None
                written[-1].write_text(self.html(drawn), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"The report cannot be written to {folder}: {error.strerror}.") from error
        return written


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """In one line, and no end of the cell in it."""
    return _line(text.replace("|", "\\|"))


def _line(text: str) -> str:
    """In one line, without HTML: a cause that a server told may stand in it."""
    return " ".join(text.replace("<", "&lt;").split())

"""The report as Markdown. Whatever a log line held stays text."""

from __future__ import annotations

import re

from jieqian.analysis.analysis import Analysis
from jieqian.analysis.tables import summary, tables
from jieqian.bench.report import Table

_MARKS = re.compile(r"([\\`*_\[\]<>|~#&!])")


def markdown(analysis: Analysis) -> str:
    """The whole report."""
    parts = ["## Stage by stage", plain(summary(analysis))]
    for table in tables(analysis):
        rows = [[plain(cell) for cell in row] for row in table.rows]
        parts.append(Table(table.title, table.heads, rows).markdown())
    if told := [*analysis.troubles, *analysis.notes]:
        parts.append("\n".join(f"- {plain(note)}" for note in told))
    return "\n\n".join(parts)


def plain(text: str) -> str:
    """In one line, with what Markdown or HTML would make of it taken away."""
    return (
        _MARKS.sub(r"\\\1", " ".join(text.split()))
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
        .replace("\\&", "&amp;")
    )

"""`jieqian analyze`: where the time of readings went, from logs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from jieqian.cli.screen import Advance, clean, note, progress, say, say_json, table
from jieqian.errors import UsageError

if TYPE_CHECKING:
    from jieqian.analysis.analysis import Analysis
    from jieqian.analysis.source import Source

#: Logs that are read in a moment need no progress; it is told in whole megabytes.
_LONG_BYTES, _STEP_BYTES = 20_000_000, 1_000_000


class Format(Enum):
    """How the report is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


def analyze(
    logs: Annotated[list[str], typer.Argument(metavar="LOG", help="Log files, gzip too; - for stdin.")],
    how: Annotated[Format, typer.Option("--format", help="table, markdown, json or html.")] = Format.TABLE,
    slowest: Annotated[int, typer.Option("--tasks", help="Timelines of so many of the slowest.", min=0, max=1000)] = 5,
) -> None:
    """Where readings spent their time, stage by stage, from logs: this program's own and the older plain-text ones.

    Waits, retries, failures by cause, kept answers, throughput, findings with their evidence, what to do first.
    Lines it cannot read are counted. The report goes to stdout.

    Example: jieqian analyze server.log server.log.1.gz

    Example: jieqian analyze older_system.log --format html > report.html
    """
    from jieqian.analysis.analysis import analyze as analyze_logs

    sources, troubles = _sources(logs)
    size = sum(source.size or 0 for source in sources)
    known = size if all(source.size is not None for source in sources) else None
    if known is not None and known < _LONG_BYTES:
        analysis = analyze_logs(sources, slowest, troubles=troubles)
    else:
        with progress("reading (MB)") as advance:
            analysis = analyze_logs(sources, slowest, _Progress(advance, known), troubles)
    if analysis.nothing:
        raise UsageError(" ".join(analysis.troubles) or f"{' '.join(analysis.names)}: there is nothing in it to read.")
    for trouble in analysis.troubles:
        note(trouble)
    _show(analysis, how)


def _sources(logs: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Those that can be opened, and what is wrong with the others. Raises `UsageError` where none can."""
    from jieqian.analysis.source import Unreadable, find_source

    sources: list[Source] = []
    troubles: list[str] = []
    for log in dict.fromkeys(logs):
        try:
            sources.append(find_source(log))
        except Unreadable as error:
            troubles.append(str(error))
    if not sources:
        raise UsageError(" ".join(troubles))
    return sources, troubles


class _Progress:
    def __init__(self, advance: Advance, size: int | None) -> None:
        self._advance = advance
        self._size = size
        self._told = 0

    def __call__(self, read: int) -> None:
        if read - self._told >= _STEP_BYTES:
            self._told = read
            self._advance(read // _STEP_BYTES, None if self._size is None else -(-self._size // _STEP_BYTES))


def _show(analysis: Analysis, how: Format) -> None:
    if how is Format.JSON:
        say_json(analysis.document())
    elif how is Format.MARKDOWN:
        from jieqian.analysis.markdown import markdown

        say(markdown(analysis))
    elif how is Format.HTML:
        from jieqian.analysis.html import html

        page = clean(html(analysis))
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print(page if unicode else page.encode("ascii", "xmlcharrefreplace").decode("ascii"))
    else:
        _show_tables(analysis)


def _show_tables(analysis: Analysis) -> None:
    from jieqian.analysis.tables import summary, tables

    say(summary(analysis))
    for each in tables(analysis):
        say()
        say(each.title)
        table(each.heads, each.rows)
    if analysis.troubles or analysis.notes:
        say()
    for told in (*analysis.troubles, *analysis.notes):
        say(told)

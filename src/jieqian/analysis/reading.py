"""Lines of any log, one by one, turned into entries."""

from __future__ import annotations

import re

from jieqian.analysis.entry import Entry
from jieqian.analysis.older import read_older
from jieqian.analysis.own import read_json, read_text
from jieqian.analysis.stamps import HEAD, PREFIXED, seconds_of

_JSON = re.compile(rb".{0,80}?(\{\"asctime\".*\})$", re.DOTALL)
_TRACEBACK = b"Traceback (most recent call last):"
_CHAINED = (b"During handling of the above", b"The above exception was")


class LineReader:
    """Reads lines in their order: a traceback belongs to the line before it."""

    def __init__(self) -> None:
        self.read = 0
        self.unreadable = 0
        self._in_traceback = False

    def entry(self, line: bytes) -> Entry | None:
        """What the line tells; None for an empty one, one that cannot be read, and a traceback's."""
        if 0 in line:  # a part in UTF-16, or no text at all
            line = line.replace(b"\0", b"")
        line = line.rstrip()
        if not line:
            return None
        found = _parsed(line)
        if found is None:
            self._count_other(line)
            return None
        self.read += 1
        self._in_traceback = False
        return found

    def _count_other(self, line: bytes) -> None:
        said = line.lstrip()
        if said.startswith(_TRACEBACK) or said.startswith(_CHAINED):
            self._in_traceback = True
        elif not self._in_traceback:
            self.unreadable += 1
        elif said == line:  # not set in: the exception itself, a traceback's last line
            self._in_traceback = False


def _parsed(line: bytes) -> Entry | None:
    if line.endswith(b"}") and (found := _JSON.match(line)):
        return read_json(found[1])
    stamp = HEAD.match(line) or PREFIXED.match(line)
    moment = seconds_of(stamp) if stamp else None
    if stamp is None or moment is None:
        return None
    at, dated = moment
    rest = line[stamp.end() :]
    if rest.startswith(b" - "):
        return read_older(rest, at, dated=dated, fine=stamp[5] is not None)
    return read_text(rest, at) if dated else None

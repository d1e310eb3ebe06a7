"""The stamps that log lines begin with, as seconds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

#: Stamps of whole seconds know a moment to within this; those with a fraction to a thousandth of it.
SECOND_MS = 1000.0
DAY_SECONDS = 86400.0
_STAMP = rb"(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?(?:Z|[+-]\d\d:?\d\d))?(?![\d:])"
#: At the line's start, or after what a container or a service manager puts before it.
HEAD = re.compile(rb"\s*" + _STAMP)
PREFIXED = re.compile(rb".{1,80}?(?<!\d)" + _STAMP.replace(rb"[ T])?", rb"[ T])", 1), re.DOTALL)


@lru_cache(maxsize=512)
def _day(text: bytes) -> float:
    return date.fromisoformat(text.decode("ascii")).toordinal() * DAY_SECONDS


def seconds_of(stamp: re.Match[bytes]) -> tuple[float, bool] | None:
    """The moment, and whether its day is told too; None where there is no such day or time."""
    day, hour, minute, second, fraction = stamp.groups()
    clock = int(hour) * 3600 + int(minute) * 60 + int(second)
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        return None
    at = clock + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)
    if day is None:
        return at, False
    try:
        return _day(day) + at, True
    except ValueError:
        return None


def first_stamp(lines: Iterable[bytes]) -> float | None:
    """The first moment that is told with its day."""
    for line in lines:
        found = re.search(_STAMP, line[:200])
        moment = seconds_of(found) if found else None
        if moment is not None and moment[1]:
            return moment[0]
    return None

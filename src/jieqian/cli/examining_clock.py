"""What `jieqian doctor` finds of the clock without asking anybody outside: nothing here needs the internet."""

from __future__ import annotations

import os
import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jieqian
from jieqian.cli.examining import Examined, State

#: A newest reading, or a model server, so far from this clock is more than a moment's difference.
FAR_SECONDS = 60.0
#: Beyond this a clock was not set, but slewed or measured late.
_STEP_SECONDS = 1.0
_LAST_YEAR = 2100
_SET = "timedatectl set-ntp true"


def examine_clock(now: float, newest: float | None, installed: float | None = None) -> Iterator[Examined]:
    """The time of day, the zone, and what was written before.

    `newest` is when the newest task was made; `installed` when this program was (None: its files tell).
    """
    installed = _installed() if installed is None else installed
    when = datetime.fromtimestamp(now, UTC)
    if now < installed - 86_400 or when.year > _LAST_YEAR:
        told = (
            f"{when:%Y-%m-%d} cannot be: this program was put here on {datetime.fromtimestamp(installed, UTC):%Y-%m-%d}"
        )
        yield Examined(State.FAIL, "clock", told, _SET)
    elif newest is not None and newest - now > FAR_SECONDS:
        told = f"the newest task is {(newest - now) / 60:.0f} minutes in the future: the clock was set back"
        yield Examined(State.WARN, "clock", told, _SET)
    else:
        yield Examined(State.OK, "clock", datetime.fromtimestamp(now).astimezone().strftime("%Y-%m-%d %H:%M"))
    yield _zone()


def examine_steps(wall: float, steady: float) -> Examined | None:
    """Whether the clock was set while the doctor looked: `wall` and `steady` seconds went by meanwhile."""
    step = wall - steady
    if abs(step) < _STEP_SECONDS:
        return None
    told = f"the clock was set {'on' if step > 0 else 'back'} by {abs(step):.0f} s while this ran"
    return Examined(State.WARN, "clock", f"{told}: two programs may be setting it", "timedatectl status")


def _installed() -> float:
    """When this package's files were put here."""
    return Path(jieqian.__file__).stat().st_mtime


def _zone() -> Examined:
    """Of the zone only logs and the date on a page depend; what is stored is in no zone."""
    named = os.environ.get("TZ", "").removeprefix(":")
    told = " ".join(dict.fromkeys(time.tzname)) + f" ({time.strftime('%z')})"
    if named and not _is_zone(named):
        told = f"TZ is {named!r}, which is no zone here: times are told in {told}"
        return Examined(State.WARN, "time zone", told, "set TZ to a name as Asia/Taipei, or unset it")
    return Examined(State.OK, "time zone", told)


def _is_zone(named: str) -> bool:
    """By its name, its file, or written out as POSIX has it (`CST-8`)."""
    if any(mark.isdecimal() for mark in named) and not named.startswith("/"):
        return True
    try:
        return Path(named).is_file() if named.startswith("/") else bool(zoneinfo.ZoneInfo(named))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False

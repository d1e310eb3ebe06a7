"""A clock that nobody can set: leases, waits and deadlines go by it. The time of day is for people and between runs."""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: This run of the program. What `steady` told in another run stands on another beginning.
_RUN = secrets.token_hex(8)
_BEGINNING = time.time() - time.monotonic()
#: Under this name a task's timings hold when it was accepted: the run, and its `steady` time. Never shown.
ACCEPTED = "accepted_in_run"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def steady() -> float:
    """Seconds since the epoch as they were at the start of this run; goes on evenly, whoever sets the clock."""
    return _BEGINNING + time.monotonic()


def accepted_mark(seconds_ago: float) -> dict[str, Any]:
    """What a new task's timings begin with: that it was asked for so many seconds ago."""
    return {ACCEPTED: [_RUN, steady() - max(0.0, seconds_ago)]}


def accepted_at(timings: Mapping[str, Any]) -> float | None:
    """The `steady` time a task was asked for; None where another run accepted it."""
    run, at = timings.get(ACCEPTED) or ("", 0.0)
    return float(at) if run == _RUN else None


def this_boot() -> int:
    """A number for the time since this machine was switched on, from 1; 0 where the system tells none (not Linux)."""
    try:
        told = _BOOT_ID.read_bytes()
    except OSError:
        return 0
    return zlib.crc32(told) % (2**31 - 1) + 1

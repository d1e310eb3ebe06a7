"""Times as the admin pages tell them: all on the clock of the machine that serves, with its zone."""

from __future__ import annotations

from datetime import datetime


def wall_clock(at: float) -> datetime:
    """That moment on this machine's clock, with its zone."""
    return datetime.fromtimestamp(at).astimezone()


def zone_text(at: float) -> str:
    """What the clock is ahead of UTC at that moment: `+08:00`."""
    return wall_clock(at).isoformat()[-6:]


def minute_text(at: float | None) -> str:
    """`2026-11-29 21:50 (UTC+08:00)`; empty for None."""
    return "" if at is None else f"{wall_clock(at):%Y-%m-%d %H:%M} (UTC{zone_text(at)})"

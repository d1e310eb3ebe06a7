"""Figures in words, the same in each language: times, shares, counts, tokens a second."""

from __future__ import annotations

from collections.abc import Callable

from jieqian.metrics.marks import Mark

NOTHING = "–"
#: A figure and its unit stay in one line.
_GAP = "\N{NO-BREAK SPACE}"


def time_text(ms: float | None) -> str:
    """`85 ms`, `3.4 s`, `134 s`, `25 min`."""
    if ms is None:
        return NOTHING
    if ms < 10:
        return f"{ms:.1f}{_GAP}ms"
    if ms < 999.5:
        return f"{ms:.0f}{_GAP}ms"
    if ms < 99_950:
        return f"{ms / 1000:.1f}{_GAP}s"
    return f"{ms / 1000:,.0f}{_GAP}s" if ms < 600_000 else f"{ms / 60_000:,.0f}{_GAP}min"


def step_text(seconds: int) -> str:
    """`20 min`, `2 h`, `7 d`: how long a step of a series is."""
    for unit, length in (("d", 86_400), ("h", 3600)):
        if seconds >= length:
            return f"{seconds / length:g}{_GAP}{unit}"
    return f"{seconds / 60:g}{_GAP}min"


def share_text(share: float | None) -> str:
    """`13 %`, `0.4 %`, `<0.1 %`."""
    if share is None:
        return NOTHING
    if 0 < share < 0.001:
        return f"<0.1{_GAP}%"
    return f"{share:.0%}".replace("%", f"{_GAP}%") if share >= 0.1 or share == 0 else f"{share * 100:.1f}{_GAP}%"


def count_text(number: float | None) -> str:
    """`1,204`."""
    return NOTHING if number is None else f"{number:,.0f}"


def rate_text(number: float | None) -> str:
    """`58.3`: of tokens a second, or attempts a reading."""
    return NOTHING if number is None else f"{number:,.2f}" if number < 10 else f"{number:,.1f}"


def range_text(ends: tuple[float, float], unit: str) -> str:
    """`12–18 s`, `22 s`, `10–20 %`: both ends in one unit."""
    low, high = ends
    if unit == "share":
        return f"{_ends(low * 100, high * 100)}{_GAP}%"
    return f"{_ends(low / 1000, high / 1000)}{_GAP}s" if high >= 1000 else f"{_ends(low, high)}{_GAP}ms"


def target_text(mark: Mark, under: Callable[[str], str]) -> str | None:
    """The goal as it was set; `under` words a limit that may not be reached."""
    if mark.target is None:
        return None
    told = range_text(mark.target, mark.unit)
    return under(told) if mark.below else told


def _ends(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"

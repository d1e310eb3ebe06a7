"""A plan told: one table, what it rests on, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from jieqian.analysis.results import per_cent
from jieqian.bench.report import Table
from jieqian.planning.search import COUNTED, MOST_REFUSED, RUNS, Needed, Told, Wish
from jieqian.planning.service import Gain, Service

_HEADS = ("readings a day", "in the busiest hour", "slots", "machines", "servers", "wait P50", "wait P95")
_MORE_HEADS = ("whole P50", "whole P95", "busy", "P95 breaks at", "queue overflows at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a plan rests on. `origins`: for each figure, where it is from."""

    service: Service
    wish: Wish
    busiest_hour_share: float
    seed: int
    origins: dict[str, str]


def table(found: Sequence[Needed], ground: Ground) -> Table:
    """A row for each load."""
    title = f"Slots that hold a P95 of {ground.wish.p95:g} s"
    return Table(title, (*_HEADS, *_MORE_HEADS), [_row(each) for each in found])


def _row(needed: Needed) -> Sequence[str]:
    figures = needed.figures
    return (
        f"{needed.load.per_day:,.0f}" if needed.load.per_day >= 10 else f"{needed.load.per_day:g}",
        _number(needed.load.per_hour),
        "none holds it" if needed.slots is None else f"{needed.slots:,}",
        "-" if needed.machines is None else f"{needed.machines:,}",
        "-" if needed.servers is None else f"{needed.servers:,}",
        _seconds(figures.wait_p50),
        _seconds(figures.wait_p95),
        _seconds(figures.total_p50),
        _seconds(figures.total_p95),
        per_cent(figures.busy) if needed.slots else "-",
        "-" if needed.breaks_at is None else _number(needed.breaks_at),
        "-" if needed.refuses_at is None else _number(needed.refuses_at),
    )


def _seconds(told: Told) -> str:
    digits = 2 if told.value < 10 else 1
    return f"{told.value:.{digits}f} ± {told.give:.{digits}f} s" if told.value >= 0.005 else "0 s"


def _number(value: float) -> str:
    """Four digits at most: the search knows no more."""
    if value <= 0:
        return "0"
    step = 10 ** (floor(log10(value)) - 3)
    return f"{round(value / step) * step:,.0f}" if value >= 100 else f"{value:.3g}"


def notes(found: Sequence[Needed], ground: Ground) -> list[str]:
    """What the figures rest on, and from where each is."""
    wish = ground.wish
    told = [f"{name}: {origin}." for name, origin in ground.origins.items()]
    told.append(
        f"A slot is one reading being written; {wish.workers_per_machine} of them a machine (WORKERS), "
        f"{wish.slots_per_server} a model server. All machines are taken to share one queue; this release serves one "
        "machine, so more than one means several services beside each other, or a higher WORKERS."
    )
    told.append(
        f"P95 breaks at: the readings a day at which P95 passes {wish.p95:g} s with so many slots, or over "
        f"{per_cent(MOST_REFUSED)} are refused. Queue overflows at: those at which more than MAX_QUEUE "
        f"({wish.max_queue:,}) wait before the busiest hour is over (reckoned)."
    )
    told.append(
        f"±: 95 % interval over {RUNS} runs (seed {ground.seed}); each counts {COUNTED:,} readings and more, of a "
        "busiest hour that does not end. P95 is held where the interval's upper end is within the wish."
    )
    if any(each.slots is None for each in found):
        told.append("None holds it: a reading that never waits takes longer than the wish. Only a faster model helps.")
    return told


def document(found: Sequence[Needed], ground: Ground) -> dict[str, Any]:
    """As JSON; times in seconds."""
    service, wish = ground.service, ground.wish
    return {
        "wish": {"p95_seconds": wish.p95},
        "assumed": {
            "generation_seconds": {
                "mean": round(service.generation.mean, 3),
                "p50": round(service.generation.at(0.5), 3),
                "p95": round(service.generation.at(0.95), 3),
            },
            "overhead_seconds": round(service.overhead.mean, 4),
            "reuse_seconds": service.reuse_seconds,
            "cache_share": service.cache_share,
            "joined_share": service.joined_share,
            "gain": [list(point) for point in service.gain.points] or None,
            "busiest_hour_share": ground.busiest_hour_share,
            "workers_per_machine": wish.workers_per_machine,
            "slots_per_server": wish.slots_per_server,
            "max_queue": wish.max_queue,
            "seed": ground.seed,
            "runs": RUNS,
        },
        "origins": ground.origins,
        "loads": [_load(each) for each in found],
    }


def _load(needed: Needed) -> dict[str, Any]:
    figures = needed.figures
    return {
        "per_day": needed.load.per_day,
        "busiest_hour": round(needed.load.per_hour, 3),
        "slots": needed.slots,
        "machines": needed.machines,
        "servers": needed.servers,
        "wait_seconds": {"p50": _told(figures.wait_p50), "p95": _told(figures.wait_p95)},
        "total_seconds": {"p50": _told(figures.total_p50), "p95": _told(figures.total_p95)},
        "busy": round(figures.busy, 4),
        "refused": round(figures.refused, 5),
        "p95_breaks_at_per_day": None if needed.breaks_at is None else round(needed.breaks_at),
        "queue_overflows_at_per_day": None if needed.refuses_at is None else round(needed.refuses_at),
    }


def _told(told: Told) -> dict[str, float]:
    return {"value": round(told.value, 4), "give": round(told.give, 4)}


def gain_in_words(gain: Gain) -> str:
    """For the notes."""
    if not gain.points:
        return "slots cost each other nothing: no --gain was given"
    return ", ".join(f"{count} at once write {figure:g} times what one does" for count, figure in gain.points)

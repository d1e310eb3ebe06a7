"""What one ended task adds to the roll-ups: its values of the dimensions, its counts, its measures. No id, no text."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.metrics.figures import EARLIEST, LATEST, MINUTE, MOST, NONE
from jieqian.metrics.sketch import decode, encode, little, one_sample
from jieqian.tasks.task import Status

#: Longer values are cut, as the columns would.
_WIDTHS = {"mode": 16, "model": 200, "strategy": 16, "language": 8, "collection": 64}
#: The key of each measure in the timings; `cached` and `overhead` are worked out.
_KEYS = {
    "total": "total_time_ms",
    "first_event": "time_to_first_event_ms",
    "first_token": "time_to_first_token_ms",
    "tokens_per_second": "tokens_per_second",
    "faq": "faq_ms",
}
#: What tasks are counted by in a roll-up, and what is added up of them.
COUNTS = ("tasks", "completed", "failed", "stopped", "degraded", "cache_exact", "cache_semantic", "asked_model")
AMOUNTS = ("attempts", "prompt_tokens", "completion_tokens")
STAGES = ("queue_wait", "poem_lookup", "rag_retrieval", "llm_generation", "validation", "other")
#: Of these a roll-up keeps the sum and the sketch.
MEASURES = ("total", "cached", "overhead", "first_event", "first_token", "tokens_per_second", *STAGES, "faq")
#: All numbers of a roll-up, in order. Sums are in tenths: whole numbers add up exactly, in whatever order.
NUMBERS = (*COUNTS, *AMOUNTS, *(f"{name}_sum" for name in MEASURES))
TENTHS = 10
#: No task writes or reads so many tokens; what claims to is a fault of its server's.
_MOST_TOKENS = 10_000_000

_SHORT, _MOST_IN_FOUR = 4 * len(NUMBERS), 0xFFFF_FFFF
#: A sketch of so many bytes stays as it came.
_LOOSE = 16 * 4
#: Mode, model, strategy, language, collection.
CellKey = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is added to a roll-up: by `NUMBERS` and by `MEASURES`, in their orders."""

    numbers: tuple[int, ...]
    sketches: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedTask:
    """One task. `minute`: in minutes since the epoch."""

    seq: int
    cell: CellKey
    minute: int
    amounts: Amounts


def in_order(amounts: Amounts) -> Amounts:
    """With each bucket of its sketches once, where there are more than a few."""
    if max(map(len, amounts.sketches)) <= _LOOSE:
        return amounts
    ordered = (one if len(one) <= _LOOSE else encode(decode([one])) for one in amounts.sketches)
    return Amounts(amounts.numbers, tuple(ordered))


def pack(amounts: Amounts) -> tuple[bytes, bytes]:
    """As a roll-up keeps them. Forty columns took three times as long to write."""
    numbers = array("I" if max(amounts.numbers) <= _MOST_IN_FOUR else "Q", amounts.numbers)
    lengths = array("H", [len(sketch) // 4 for sketch in amounts.sketches])
    return little(numbers).tobytes(), little(lengths).tobytes() + b"".join(amounts.sketches)


def unpack_numbers(kept: bytes) -> tuple[int, ...]:
    """By `NUMBERS`."""
    return tuple(little(array("I" if len(kept) == _SHORT else "Q", kept)))


def unpack_sketches(kept: bytes) -> tuple[bytes, ...]:
    """By `MEASURES`."""
    start = 2 * len(MEASURES)
    found = []
    for length in little(array("H", kept[:start])):
        found.append(kept[start : start + 4 * length])
        start += 4 * length
    return tuple(found)


def amounts_of(counts: Mapping[str, int], measures: Mapping[str, float]) -> Amounts:
    """Those of one task; what is left out is none."""
    sums = (round(measures.get(name, 0) * TENTHS) for name in MEASURES)
    return Amounts(
        (*(counts.get(name, 0) for name in (*COUNTS, *AMOUNTS)), *sums),
        tuple(one_sample(measures[name]) if name in measures else b"" for name in MEASURES),
    )


def added_up(some: Sequence[Amounts]) -> Amounts:
    """Several together."""
    if len(some) == 1:
        return some[0]
    return Amounts(
        tuple(map(sum, zip(*(one.numbers for one in some), strict=True))),
        tuple(map(b"".join, zip(*(one.sketches for one in some), strict=True))),
    )


def minute_of(ended_at: float) -> int:
    """The minute a task is counted in: the first or last there is for one that a mad clock ended before or after."""
    return int(min(max(ended_at, EARLIEST), LATEST - MINUTE) // MINUTE)


def counted(row: Mapping[str, Any]) -> CountedTask:
    """What an ended task's row adds. Whatever its timings hold, it is counted."""
    timings = timings_read(row["timings"])
    status, hit = Status(row["status"]), timings.get("cache_hit")
    is_hit = hit in ("exact", "semantic")
    attempts = _whole(timings.get("attempts"), 1000)
    asked = attempts > 0 and not is_hit
    counts = {
        "tasks": 1,
        "completed": int(status is Status.COMPLETED),
        "failed": int(status is Status.FAILED),
        "stopped": int(status is Status.STOPPED),
        # A task is failed or degraded, never both: else the error rate would count it twice.
        "degraded": int(status is Status.COMPLETED and timings.get("degraded") is True),
        "cache_exact": int(hit == "exact"),
        "cache_semantic": int(hit == "semantic"),
        "asked_model": int(asked),
        "attempts": attempts if asked else 0,
        "prompt_tokens": _whole(timings.get("prompt_tokens"), _MOST_TOKENS),
        "completion_tokens": _whole(timings.get("completion_tokens"), _MOST_TOKENS),
    }
    found = {name: timings.get(key) for name, key in _KEYS.items()}
    total = _value(found["total"])
    if is_hit:
        found["cached"] = total
    elif not row["has_care"]:
        found |= {stage: timings.get(f"{stage}_ms") for stage in STAGES}
        generation = _value(timings.get("llm_generation_ms"))
        if asked and total is not None and generation is not None:
            found["overhead"] = max(0.0, total - generation)
    measures = {name: value for name, given in found.items() if (value := _value(given)) is not None}
    told = {name: row[name] for name in ("mode", "language", "collection")}
    told |= {name: timings.get(key) for name, key in (("model", "llm_model"), ("strategy", "strategy"))}
    mode, model, strategy, language, collection = (_named(told[name])[:width] for name, width in _WIDTHS.items())
    return CountedTask(
        seq=row["seq"],
        cell=(mode, model, strategy, language, collection),
        minute=minute_of(row["ended_at"]),
        amounts=amounts_of(counts, measures),
    )


def timings_read(kept: Any) -> Mapping[str, Any]:
    """The timings as the database has them: text, or what its driver made of it. What cannot be read tells nothing."""
    try:
        read = json.loads(kept) if isinstance(kept, str) else kept
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _named(given: Any) -> str:
    """A value of a dimension, without what a database does not take: half characters, NUL."""
    return str(given or NONE).encode("utf-8", "replace").decode().replace("\0", "?")


def _value(given: Any) -> float | None:
    """A measure, if that is one."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    # Compared first: an int may be too long for a float.
    return float(min(given, MOST)) if given >= 0 and given != math.inf else None


def _whole(given: Any, most: int) -> int:
    value = _value(given)
    return 0 if value is None else min(int(value), most)

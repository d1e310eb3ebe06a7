"""What one ended task adds to the roll-ups: its values of the dimensions, its counts, its measures. No id, no text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jieqian.metrics.figures import EARLIEST, LATEST, MINUTE, MOST, NONE
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
#: No task writes or reads so many tokens; what claims to is a fault of its server's.
_MOST_TOKENS = 10_000_000

#: Mode, model, strategy, language, collection.
CellKey = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedTask:
    """One task. `minute`: in minutes since the epoch; `measures`: only those it has."""

    seq: int
    cell: CellKey
    minute: int
    counts: Mapping[str, int]
    measures: Mapping[str, float]


def minute_of(ended_at: float) -> int:
    """The minute a task is counted in: the first or last there is for one that a mad clock ended before or after."""
    return int(min(max(ended_at, EARLIEST), LATEST - MINUTE) // MINUTE)


def counted(row: Mapping[str, Any]) -> CountedTask:
    """What an ended task's row adds. Whatever its timings hold, it is counted."""
    timings = _read(row["timings"])
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
    mode, model, strategy, language, collection = (str(told[name] or NONE)[:width] for name, width in _WIDTHS.items())
    return CountedTask(
        seq=row["seq"],
        cell=(mode, model, strategy, language, collection),
        minute=minute_of(row["ended_at"]),
        counts=counts,
        measures=measures,
    )


def _read(kept: Any) -> Mapping[str, Any]:
    """The timings as the database has them: text, or what its driver made of it. What cannot be read tells nothing."""
    try:
        read = json.loads(kept) if isinstance(kept, str) else kept
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _value(given: Any) -> float | None:
    """A measure, if that is one."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or given < 0:
        return None
    return min(float(given), MOST)


def _whole(given: Any, most: int) -> int:
    value = _value(given)
    return 0 if value is None else min(int(value), most)

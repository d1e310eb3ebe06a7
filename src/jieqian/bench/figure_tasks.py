"""Ended tasks with timings as a service has them over weeks, for the dashboard's benchmark and tests."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from jieqian.metrics.figures import DAY
from jieqian.metrics.spans import MONTH
from jieqian.sections.section import SECTIONS

_COLLECTIONS = ("guanyin", "yuelao", "guandi", "wongtaisin", "sensoji", "jiazi")
_LANGUAGES = ("zh-Hant", "zh-Hans", "en", "ja")
#: By model: the mode, a section's tokens, tokens a second, how much more rarely it is asked than the first.
_MODELS = (("qwen2.5:7b", "fast", 55, 70.0), ("qwen3:14b", "quality", 90, 45.0), ("gpt-oss:20b", "quality", 90, 38.0))
_COLUMNS = (
    *("id", "caller", "status", "collection", "lot", "question", "language", "mode", "strategy", "fresh", "created_at"),
    *("claimed_at", "ended_at", "touched_at", "attempts", "last_event_id", "total_time_ms", "timings", "sources"),
)
_ROWS_AT_ONCE = 5000
#: No task takes so long.
_LONGEST_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTasks:
    """So many tasks that were accepted and ended in the `days` before `until` (seconds since the epoch)."""

    tasks: int
    days: int
    until: float
    seed: int = 1


def fill(database: Path, plan: OldTasks) -> None:
    """Put them into a migrated SQLite database, in the order they were accepted; no figures are counted. Blocks."""
    marks = ", ".join("?" * len(_COLUMNS))
    insert = f"insert into tasks ({', '.join(_COLUMNS)}) values ({marks})"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma synchronous = off")
        made = old_tasks(plan)
        for _ in range(0, plan.tasks, _ROWS_AT_ONCE):
            with connection:
                some = islice(made, _ROWS_AT_ONCE)
                connection.executemany(insert, ([row[name] for name in _COLUMNS] for row in some))


def put_in_again(database: Path, plan: OldTasks, times: int) -> None:
    """Put the tasks of `plan` in again with what was counted of them, so many times, each `days` earlier than before.

    `plan.until` begins a day, and all days are made. Saves counting them; 30 days are to be made anew. Blocks.
    """
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma synchronous = off")
        columns = [row[1] for row in connection.execute("pragma table_info(tasks)") if row[1] != "seq"]
        own = {"id": "'again-' || :time || '-' || id"}
        own |= {name: f"{name} - :seconds" for name in ("created_at", "claimed_at", "ended_at", "touched_at")}
        values = ", ".join(own.get(name, name) for name in columns)
        for time in range(1, times + 1):
            seconds = time * plan.days * DAY
            span = {"since": plan.until - plan.days * DAY, "until": plan.until}
            asked = {**span, "time": time, "seconds": seconds, "minutes": seconds // 60}
            with connection:
                connection.execute(
                    f"insert into tasks ({', '.join(columns)}) select {values} from tasks "
                    "where ended_at >= :since and ended_at < :until",
                    asked,
                )
                connection.execute(
                    "insert into figures select level, cell, at - :minutes, numbers, sketches from figures "
                    "where level <= 1440 and at >= :since / 60 and at < :until / 60",
                    asked,
                )
        month = MONTH // 60
        first = int(plan.until - (times + 1) * plan.days * DAY) // 60 // month * month
        with connection:
            connection.execute("delete from stale_figures where level = ?", (month,))
            months = range(first, int(plan.until) // 60, month)
            connection.executemany("insert into stale_figures values (?, ?, 'again')", [(month, at) for at in months])


def old_tasks(plan: OldTasks) -> Iterator[dict[str, Any]]:
    """Their rows, with `timings` and `sources` as JSON. The same plan gives the same tasks."""
    chance = random.Random(plan.seed)
    gap = (plan.days * DAY - _LONGEST_SECONDS) / plan.tasks
    for number in range(plan.tasks):
        accepted = plan.until - plan.days * DAY + (number + chance.random()) * gap
        yield _task(number, accepted, chance)


def _task(number: int, accepted: float, chance: random.Random) -> dict[str, Any]:
    model, mode, tokens, speed = chance.choices(_MODELS, weights=(3, 5, 2))[0]
    language = chance.choices(_LANGUAGES, weights=(6, 2, 3, 1))[0]
    collection = chance.choices(_COLLECTIONS, weights=(6, 5, 3, 2, 2, 1))[0]
    strategy = "parallel" if chance.random() < 0.3 else "sequential"
    status = chance.choices(("completed", "failed", "stopped"), weights=(980, 5, 15))[0]
    timings: dict[str, Any] = {"llm_provider": "ollama", "llm_model": model, "mode": mode, "strategy": strategy}
    timings |= {"language": language, "collection": collection, "lot": number % 60 + 1, "task_id": f"old-{number}"}
    hit = chance.choices(("none", "exact", "semantic"), weights=(86, 11, 3))[0] if status == "completed" else "none"
    if hit == "none":
        timings |= _written(chance, tokens, speed, strategy)
    else:
        timings |= dict.fromkeys(_STAGES, 0.0)
        timings |= {"other_ms": _some(chance, 8), "attempts": 0, "degraded": False}
        timings["section_ms"] = {name.value: 0 for name in SECTIONS}
    timings |= {"cache_hit": hit, "total_time_ms": round(sum(timings[stage] for stage in _STAGES), 1)}
    timings["time_to_first_event_ms"] = min(timings["total_time_ms"], _some(chance, 6))
    return {
        "id": f"old-{number}",
        "caller": f"old-{number % 9973}",
        "status": status,
        "collection": collection,
        "lot": timings["lot"],
        "question": f"她還會回信給我嗎？第{number}次問。",
        "language": language,
        "mode": mode,
        "strategy": "auto",
        "fresh": 0,
        "created_at": accepted,
        "claimed_at": accepted + timings["queue_wait_ms"] / 1000,
        "ended_at": accepted + timings["total_time_ms"] / 1000,
        "touched_at": accepted,
        "attempts": timings["attempts"],
        "last_event_id": 20,
        "total_time_ms": timings["total_time_ms"],
        "timings": json.dumps(timings),
        "sources": "[]",
    }


_STAGES = ("queue_wait_ms", "poem_lookup_ms", "rag_retrieval_ms", "llm_generation_ms", "validation_ms", "other_ms")


def _written(chance: random.Random, tokens: int, speed: float, strategy: str) -> dict[str, Any]:
    """What a model wrote took: a section after the other, or all at once at a third of the pace each."""
    attempts = chance.choices((1, 2, 3), weights=(95, 4, 1))[0]
    pace = speed * chance.lognormvariate(0, 0.15)
    first_token = _some(chance, 900)
    sections = {name.value: round(chance.gauss(tokens, tokens / 6) / pace * 1000) for name in SECTIONS}
    spent = sum(sections.values())
    if strategy == "parallel":
        sections = {name: 3 * ms for name, ms in sections.items()}
        spent = max(sections.values())
    written = tokens * len(SECTIONS)
    queue = _some(chance, 4) if chance.random() < 0.8 else _some(chance, 2500)
    return {
        "queue_wait_ms": queue,
        "poem_lookup_ms": round(chance.random() * 0.4, 1),
        "rag_retrieval_ms": _some(chance, 35),
        "llm_generation_ms": round((first_token + spent) * attempts, 1),
        "validation_ms": _some(chance, 6),
        "other_ms": _some(chance, 9),
        "time_to_first_token_ms": round(queue + 40 + first_token, 1),
        "tokens_per_second": round(pace if strategy == "sequential" else pace * 7 / 3, 1),
        "prompt_tokens": chance.randint(1100, 1900),
        "completion_tokens": written,
        "attempts": attempts,
        "section_ms": sections,
        "sections_from_model": 7,
        "degraded": chance.random() < 0.006,
        "faq_ms": _some(chance, 80),
    }


def _some(chance: random.Random, median_ms: float) -> float:
    return round(median_ms * chance.lognormvariate(0, 0.6), 1)

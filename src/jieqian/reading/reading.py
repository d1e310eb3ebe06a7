"""The reading as the API shows it (contract, section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jieqian.errors import UnknownCollection, UnknownLot
from jieqian.lots.library import LotLibrary
from jieqian.prompt.prompt import ParentReading
from jieqian.sections.section import SectionName
from jieqian.tasks.task import Task

#: Every key of a task's timings, so that a task that got no further has them too, as None.
TIMING_KEYS = (
    *("task_id", "queue_wait_ms", "poem_lookup_ms", "rag_retrieval_ms", "llm_generation_ms", "validation_ms"),
    *("other_ms", "total_time_ms", "faq_ms", "time_to_first_event_ms", "time_to_first_token_ms", "section_ms"),
    "section_start_ms",
    *("attempts", "prompt_tokens", "completion_tokens", "tokens_per_second", "cache_hit", "sections_from_model"),
    *("degraded", "llm_provider", "llm_model", "llm_stream_enabled", "mode", "strategy", "language", "collection"),
    *("lot", "model_error", "retrieval", "cache_created_at", "cache_similarity", "cache_task_id"),
    *("experiment", "variant"),
)


def timings_of(task: Task, measured: Mapping[str, Any]) -> dict[str, Any]:
    """The contract's timings: what was measured, and what the task itself tells."""
    known = {
        "task_id": task.id,
        "mode": task.mode.value,
        "strategy": measured.get("strategy", task.strategy.value),
        "language": task.language.value,
        "collection": task.collection,
        "lot": task.lot,
        "cache_hit": "none",
        "attempts": task.attempts,
        "section_ms": {},
        "sections_from_model": 0,
        "degraded": False,
        "experiment": task.experiment,
        "variant": task.variant,
    }
    return {key: measured.get(key, known.get(key)) for key in TIMING_KEYS}


def parent_reading(parent: Task | None, lots: LotLibrary) -> ParentReading | None:
    """What a follow-up takes from the reading before it; None where there is none, or its lot was withdrawn."""
    if parent is None or parent.care:
        return None
    try:
        title = lots.lot(parent.collection, parent.lot).title(parent.language)
    except (UnknownLot, UnknownCollection):
        return None
    conclusion = next((done.text for done in parent.sections if done.name is SectionName.CONCLUSION), "")
    return ParentReading(lot_title=title, question=parent.question, conclusion=conclusion)


def cache_of(timings: Mapping[str, Any]) -> dict[str, Any]:
    """Where the answer came from: `created_at` is when the model wrote it, where that was for an earlier task.

    Where that was for other words, `similarity` is how alike they are, and `task_id` the asker's own earlier task.
    """
    told = {
        "hit": timings["cache_hit"],
        "similarity": timings["cache_similarity"],
        "created_at": timings["cache_created_at"],
    }
    return told if timings["cache_task_id"] is None else {**told, "task_id": timings["cache_task_id"]}


def reading_document(
    task: Task, lot: Mapping[str, Any], sections: Mapping[str, Any], timings: Mapping[str, Any]
) -> dict[str, Any]:
    """The reading. `sections` by name in order, each `{"text", "source", "attempt"}`; `care` in place of a fortune."""
    return {
        "task_id": task.id,
        "lot": dict(lot),
        "language": task.language.value,
        "question": task.question,
        "sections": dict(sections),
        "sources": [dict(source) for source in task.sources],
        # `faq_ms` is measured after the last event, which this document must equal: only the task itself tells it.
        "timings": {**timings, "faq_ms": None},
        "cache": cache_of(timings),
        "care": dict(task.care) if task.care else None,
    }

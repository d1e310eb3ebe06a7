"""Who wrote a reading, or is to write it."""

from __future__ import annotations

from jieqian.reading.engines import Engines
from jieqian.tasks.task import Task


def writer_of(task: Task, engines: Engines) -> str | None:
    """The model's name; None: the commentary."""
    if task.status.ended:
        return task.timings.get("llm_model") if task.timings.get("sections_from_model") else None
    engine = engines.describe(task.mode)
    retells_only = engine["tiny"] and task.language.value not in engine["languages"]
    return None if retells_only else engine["model"]

"""The stages of a task's time (contract, section 4), and how a task that nobody finishes is settled."""

from __future__ import annotations

from typing import Any

from jieqian.events.event import Stage
from jieqian.tasks.clock import accepted_at, steady
from jieqian.tasks.task import Status, Task

#: The stages' names in the timings; what no stage claims is `other_ms`.
STAGE_KEYS = {
    Stage.QUEUE: "queue_wait_ms",
    Stage.POEM: "poem_lookup_ms",
    Stage.RETRIEVAL: "rag_retrieval_ms",
    Stage.GENERATION: "llm_generation_ms",
    Stage.VALIDATION: "validation_ms",
}
#: All that add up to `total_time_ms`.
ADDING_UP = (*STAGE_KEYS.values(), "other_ms")


def age_ms(task: Task, now: float) -> float:
    """Milliseconds since the request, never below 0. `now` is the time of day, used if an earlier run accepted it."""
    accepted = accepted_at(task.timings)
    return max(0.0, now - task.created_at if accepted is None else steady() - accepted) * 1000


def settled(task: Task, now: float) -> dict[str, Any]:
    """The timings of a task that is ended from outside at `now`: all its time since the request, booked to a stage.

    What was measured stays. The rest was spent waiting if no worker had it, else waiting until the first claim and
    then for the model.
    """
    times = {key: float(task.timings.get(key) or 0) for key in ADDING_UP}
    rest = max(0.0, age_ms(task, now) - sum(times.values()))
    if task.status is Status.RUNNING:
        accepted = accepted_at(task.timings)
        waited = (task.claimed_at or now) - (task.created_at if accepted is None else accepted)
        wait = min(rest, max(0.0, waited * 1000)) if not any(times.values()) else 0.0
        times["queue_wait_ms"] += wait
        # No model is asked before passages were looked for.
        stage = "llm_generation_ms" if "retrieval" in task.timings else "rag_retrieval_ms"
        times[stage] += rest - wait
    else:
        times["queue_wait_ms"] += rest
    times = {key: round(ms, 1) for key, ms in times.items()}
    return {**task.timings, **times, "total_time_ms": round(sum(times.values()), 1)}


def all_other(ms: float) -> dict[str, Any]:
    """The timings of a task answered without any stage (help lines in place of a fortune)."""
    times = {key: 0.0 for key in ADDING_UP}
    spent = round(max(0.0, ms), 1)
    return {**times, "other_ms": spent, "total_time_ms": spent, "time_to_first_event_ms": spent, "attempts": 0}

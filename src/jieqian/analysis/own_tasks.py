"""This project's own tasks, followed through their log lines: the figures are those of the line that ends them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from jieqian.analysis.ended import EndedTask, Outcome, Stage
from jieqian.analysis.entry import Entry, Kind, cause_of, number

_KEYS = {
    Stage.QUEUE: "queue_wait_ms",
    Stage.POEM: "poem_lookup_ms",
    Stage.RETRIEVAL: "rag_retrieval_ms",
    Stage.GENERATION: "llm_generation_ms",
    Stage.VALIDATION: "validation_ms",
    Stage.OTHER: "other_ms",
    Stage.TOTAL: "total_time_ms",
}
_OUTCOMES = {each.value: each for each in (Outcome.COMPLETED, Outcome.FAILED, Outcome.STOPPED)}


@dataclass(slots=True)
class _Open:
    begun: float | None
    stage: str | None = None
    cause: str | None = None


class OwnTasks:
    """Tasks under way; of those that never end the oldest are let go."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def take(self, entry: Entry) -> Iterator[EndedTask]:
        """What the line ends."""
        if entry.task is None:
            return
        if entry.kind is Kind.ENDED:
            yield _ended(entry, entry.task, self._open.pop(entry.task, None))
            return
        if entry.kind in (Kind.FAQ, Kind.LEFT):
            return
        task = self._open.setdefault(entry.task, _Open(entry.at))
        if entry.kind is Kind.STAGE:
            task.stage = str(entry.figures.get("stage"))[:32]
        elif entry.kind is Kind.MODEL_FAILED:
            task.cause = cause_of(str(entry.figures.get("reason")))
        elif entry.kind is Kind.TASK_ERROR:
            task.cause = "unexpected error"
        if len(self._open) > self._most:
            yield _unfinished(*self._open.popitem(last=False))

    def rest(self) -> Iterator[EndedTask]:
        """Those that had not ended when the log did."""
        while self._open:
            yield _unfinished(*self._open.popitem(last=False))


def _unfinished(task_id: str, task: _Open) -> EndedTask:
    return EndedTask(id=task_id, outcome=Outcome.UNFINISHED, own=True, begun=task.begun, last_stage=task.stage)


def _ended(entry: Entry, task_id: str, task: _Open | None) -> EndedTask:
    facts = entry.figures
    ms = {stage: figure for stage, key in _KEYS.items() if (figure := number(facts.get(key))) is not None}
    total = ms.get(Stage.TOTAL)
    attempts = int(number(facts.get("attempts")) or 0)
    generation = ms.get(Stage.GENERATION, 0.0)
    outcome = _OUTCOMES.get(str(facts.get("status")), Outcome.FAILED)
    cause = facts.get("model_error") or (task.cause if task is not None else None)
    model = facts.get("llm_model")
    return EndedTask(
        id=task_id,
        outcome=outcome,
        own=True,
        begun=None if entry.at is None or total is None else entry.at - total / 1000,
        ended=entry.at,
        ms=ms,
        waited_ms=total,
        attempts=attempts,
        lost_ms=generation * (attempts - 1) / attempts if attempts > 1 else 0.0,
        cause=None if cause is None else cause_of(str(cause)),
        cache=str(facts.get("cache_hit") or "none")[:32],
        model=None if model is None else " ".join(str(model).split())[:64],
        degraded=str(facts.get("degraded")) == "True",
        first_text_ms=number(facts.get("time_to_first_token_ms")),
        tokens_per_second=number(facts.get("tokens_per_second")),
    )

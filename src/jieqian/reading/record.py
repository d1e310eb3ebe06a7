"""What happens to one task while a worker holds it: written to the store, measured, and logged. Never the question."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from jieqian.cache.answer import KeptAnswer
from jieqian.errors import JieqianError, ModelError
from jieqian.events.event import (
    Completed,
    Event,
    Failed,
    SectionDelta,
    SectionFinished,
    SectionReset,
    SectionStarted,
    Stage,
    StageFinished,
    StageStarted,
)
from jieqian.llm.client import Finished
from jieqian.reading.answers import replay_events, reuse_facts
from jieqian.reading.frames import DeltaFrames
from jieqian.reading.messages import stage_message
from jieqian.reading.reading import reading_document, timings_of
from jieqian.reading.stopwatch import Stopwatch
from jieqian.retrieval.finding import Found
from jieqian.sections.section import SECTIONS, Section, SectionName, SectionSource
from jieqian.tasks.store import Reused, TaskStore
from jieqian.tasks.task import Status, Task
from jieqian.tracing.traces import NO_TRACES, Traces

logger = logging.getLogger(__name__)

#: Kept beside the timings while a task is under way; no reader is shown it.
_PASSAGES_VERSION = "passages_version"


class Record:
    """One delivery of a task: every event and checkpoint goes through here, under the worker's lease."""

    def __init__(self, task: Task, token: str, store: TaskStore, traces: Traces = NO_TRACES) -> None:
        self.task = task
        self._unkept: list[dict[str, Any]] | None = None  # sources that are stored with the next events
        self.watch = Stopwatch(task, traces.delivery(task))
        self.attempts = task.attempts
        self.attempting = False
        self.finished: dict[SectionName, Section] = {section.name: section for section in task.sections}
        self._token = token
        self._store = store
        self._frames = DeltaFrames(self._append)
        self._started: dict[SectionName, float] = {}
        self._shown: set[SectionName] = set()
        self._facts: dict[str, Any] = {
            key: value for key, value in task.timings.items() if key not in self.watch.measured()
        }
        self._starts: dict[str, float] = dict(self._facts.get("section_start_ms") or {})
        speed = self._facts.get("tokens_per_second")
        self._token_seconds = self._facts["completion_tokens"] / speed if speed else 0.0

    # -- looking --------------------------------------------------------------------------------------------------

    @property
    def missing(self) -> tuple[SectionName, ...]:
        """The sections not finished yet, in order."""
        return tuple(name for name in SECTIONS if name not in self.finished)

    @property
    def attempt(self) -> int:
        """The attempt being made, from 1."""
        return self.attempts + 1

    def texts(self) -> dict[SectionName, str]:
        """Finished sections' texts."""
        return {name: section.text for name, section in self.finished.items()}

    # -- stages ---------------------------------------------------------------------------------------------------

    def picked_up(self, shown_before: Mapping[SectionName, bool], *, first: bool) -> None:
        """The queue stage is over; what an earlier delivery showed of a section it did not finish is taken back."""
        wait = self.watch.stage_ms(Stage.QUEUE)
        if first:
            self._frames.add(self._stage_finished(Stage.QUEUE, wait))
        for section in self.missing:
            if shown_before.get(section):
                self._frames.add(SectionReset(section, "resumed"))
        self._log("stage", stage=Stage.QUEUE.value, ms=round(wait, 1), delivery=self.task.deliveries)

    @asynccontextmanager
    async def stage(self, stage: Stage) -> AsyncIterator[None]:
        """Tell and time a stage."""
        before = self.watch.stage_ms(stage)
        self._frames.add(StageStarted(stage, stage_message(stage, self.task.language), self.attempt))
        try:
            with self.watch.time(stage):
                yield
        finally:
            ms = self.watch.stage_ms(stage) - before
            self._frames.add(self._stage_finished(stage, ms))
            self._log("stage", stage=stage.value, ms=round(ms, 1), attempt=self.attempt)

    @property
    def has_sources(self) -> bool:
        """Whether passages were looked for already, by this delivery or an earlier one."""
        return "retrieval" in self._facts

    @property
    def passages_version(self) -> str:
        """Of the passages that were found, by this delivery or an earlier one; empty where nobody knows."""
        return str(self._facts.get(_PASSAGES_VERSION, ""))

    def keep_sources(self, found: Found) -> None:
        """Keep the passages the reading stands on, and how they were found: with the next events."""
        self._facts |= {"retrieval": found.how, _PASSAGES_VERSION: found.version}
        sources = [passage.as_source() for passage in found.passages]
        self.task = replace(self.task, sources=tuple(sources))
        self._unkept = sources
        self._log("retrieved", retrieval=found.how, passages=len(sources), note=found.note)

    def tell_validation(self, ms: float) -> None:
        """Tell of the checks, which were made section by section while the model wrote."""
        self._frames.add(
            StageStarted(Stage.VALIDATION, stage_message(Stage.VALIDATION, self.task.language), self.attempt)
        )
        self._frames.add(self._stage_finished(Stage.VALIDATION, ms))
        self._log("stage", stage=Stage.VALIDATION.value, ms=round(ms, 1), attempt=self.attempt)

    def _stage_finished(self, stage: Stage, ms: float) -> StageFinished:
        message = stage_message(stage, self.task.language, self._facts.get("retrieval"))
        return StageFinished(stage, message, self.attempt, round(ms))

    # -- the model ------------------------------------------------------------------------------------------------

    def model_chosen(self, provider: str, model: str | None, strategy: str) -> None:
        """Who is asked, and how."""
        self._facts |= {
            "llm_provider": provider,
            "llm_model": model,
            "strategy": strategy,
            "llm_stream_enabled": model is not None,
        }

    def model_spoke(self) -> None:
        """The first token of a call arrived."""
        self._facts.setdefault("time_to_first_token_ms", round(self.watch.now_ms(), 1))

    def call_ended(self, finished: Finished, seconds_speaking: float) -> None:
        """Add one call's tokens."""
        for key, tokens in (
            ("prompt_tokens", finished.prompt_tokens),
            ("completion_tokens", finished.completion_tokens),
        ):
            if tokens is not None:
                self._facts[key] = (self._facts.get(key) or 0) + tokens
        self._token_seconds += seconds_speaking
        written = self._facts.get("completion_tokens")
        if written and self._token_seconds > 0:
            self._facts["tokens_per_second"] = round(written / self._token_seconds, 1)

    def model_failed(self, error: ModelError) -> None:
        """Keep why the last call failed; the reading says so where commentary stands in."""
        self._facts["model_error"] = error.code
        self._log("model_failed", reason=error.code, detail=error.detail, attempt=self.attempt)

    # -- sections -------------------------------------------------------------------------------------------------

    def section_started(self, section: SectionName) -> None:
        """The model began a section."""
        self._start(section, self.attempt)

    def _start(self, section: SectionName, attempt: int) -> None:
        self._started[section] = time.perf_counter()
        self._starts[section.value] = round(self.watch.now_ms(), 1)
        self._frames.add(SectionStarted(section, attempt, SECTIONS.index(section) + 1, len(SECTIONS)))

    def section_text(self, section: SectionName, text: str) -> None:
        """New text of a section."""
        self._frames.add_text(section, text, first=section not in self._shown)
        self._shown.add(section)

    def section_refused(self, section: SectionName, reason: str) -> None:
        """Take back what was shown of a section."""
        if section in self._shown:
            self._shown.discard(section)
            self._frames.add(SectionReset(section, reason))
        self._log("section_refused", section=section.value, reason=reason, attempt=self.attempt)

    async def section_finished(self, section: SectionName, text: str, source: SectionSource) -> None:
        """Keep a section: a checkpoint. What was not shown of it is shown first."""
        # The commentary stands in after the last attempt; it is no attempt of its own.
        attempt = self.attempt if source is SectionSource.MODEL else max(1, self.attempts)
        if section not in self._started:
            self._start(section, attempt)
        if section not in self._shown:
            self.section_text(section, text)
        ms = round((time.perf_counter() - self._started[section]) * 1000)
        await _unbroken(self._keep(Section(section, text, source, attempt, ms), self._frames.take()))
        self._log("section", section=section.value, ms=ms, source=source.value, attempt=attempt)

    async def _keep(self, done: Section, taken: list[Event]) -> None:
        events = [*await self._settled(taken), SectionFinished(done)]
        finished = {**self.finished, done.name: done}
        await self._store.finish_section(self.task.id, self._token, done, self._timings(finished), events)
        self.finished = finished

    def take_back_unfinished(self, reason: str) -> list[SectionName]:
        """Reset every section that was shown but not finished; answers which."""
        open_sections = [section for section in self.missing if section in self._shown]
        for section in open_sections:
            self.section_refused(section, reason)
        return open_sections

    async def attempt_ended(self, reason: str | None) -> None:
        """An attempt ended with sections missing (`reason`) or with all of them (None)."""
        if self.missing:
            await _unbroken(self._count_attempt(self._frames.take()))
        else:  # the end is told with the next write, and counts it
            self.attempts += 1
            self.attempting = False
        self._log("attempt", attempt=self.attempts, reason=reason or "complete", missing=len(self.missing))

    async def _count_attempt(self, taken: list[Event]) -> None:
        rest = await self._settled(taken)
        await self._store.end_attempt(self.task.id, self._token, self.attempts + 1, rest)
        self.attempts += 1
        self.attempting = False

    # -- the end --------------------------------------------------------------------------------------------------

    async def completed(self, lot: Mapping[str, Any], *, keep_as: str | None = None) -> dict[str, Any]:
        """The reading is whole; answers its timings. With `keep_as` it is kept under that key, if a model wrote it."""
        rest = await self._settled(self._frames.take())
        timings = timings_of(self.task, self._timings())
        sections = {name.value: self.finished[name].as_dict() for name in SECTIONS}
        document = reading_document(replace(self.task, attempts=self.attempts), lot, sections, timings)
        keep = None if keep_as is None or timings["degraded"] else self._answer(keep_as, timings)
        await self._end(Status.COMPLETED, timings, [*rest, Completed(document)], keep=keep)
        return timings

    def _answer(self, key: str, timings: Mapping[str, Any]) -> KeptAnswer:
        return KeptAnswer(
            key=key,
            task_id=self.task.id,
            collection=self.task.collection,
            lot=self.task.lot,
            language=self.task.language.value,
            mode=self.task.mode.value,
            model=str(timings["llm_model"]),
            created_at=time.time(),
            sections=tuple(self.finished[name] for name in SECTIONS),
            sources=self.task.sources,
            facts={name: timings[name] for name in ("llm_provider", "llm_model", "strategy", "retrieval")},
        )

    async def answered(self, lot: Mapping[str, Any], answer: KeptAnswer) -> dict[str, Any]:
        """An answer was kept while the task waited; answers its timings."""
        rest = await self._settled(self._frames.take())
        self.task = replace(self.task, sources=tuple(answer.sources))
        timings = timings_of(self.task, {**self._timings(), **reuse_facts(answer)})
        sections = {section.name.value: section.as_dict() for section in answer.sections}
        document = reading_document(self.task, lot, sections, timings)
        events = [*rest, *replay_events(answer.sections), Completed(document)]
        await self._store.end_with(self.task.id, self._token, answer, Reused(events, timings))
        log_end(Status.COMPLETED.value, timings)
        return timings

    async def failed(self, problem: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing more can be done; answers the timings."""
        rest = await self._settled(self._frames.take())
        timings = timings_of(self.task, self._timings())
        await self._end(Status.FAILED, timings, [*rest, Failed(problem)], error=problem)
        return timings

    async def still_ours(self) -> None:
        """Store what waits. Raises `LeaseLost` where the task was stopped or erased meanwhile."""
        await _unbroken(self._store_rest(self._frames.take()))

    async def _store_rest(self, taken: list[Event]) -> None:
        if rest := await self._settled(taken):
            await self._append(rest)

    def let_go(self) -> None:
        """The task is no longer ours: nothing more is written."""
        self._frames.drop()

    async def _end(
        self,
        status: Status,
        timings: Mapping[str, Any],
        events: Sequence[Event],
        error: Mapping[str, Any] | None = None,
        keep: KeptAnswer | None = None,
    ) -> None:
        await self._store.end(
            self.task.id, self._token, status, timings, events, attempts=self.attempts, error=error, keep=keep
        )
        log_end(status.value, timings)

    async def _settled(self, taken: list[Event]) -> list[Event]:
        """Wait until all that comes before `taken` is stored; answers what of that is still to be."""
        rest = await self._frames.settle(taken)
        if self._unkept is None:
            return rest
        await self._append(rest)
        return []

    async def _append(self, events: Sequence[Event]) -> None:
        if self._unkept is None:
            await self._store.append(self.task.id, self._token, events)
            return
        sources, self._unkept = self._unkept, None
        await self._store.keep_sources(self.task.id, self._token, sources, self._timings(), events)

    def _timings(self, finished: Mapping[SectionName, Section] | None = None) -> dict[str, Any]:
        finished = self.finished if finished is None else finished
        from_model = sum(section.source is SectionSource.MODEL for section in finished.values())
        return {
            **self._facts,
            **self.watch.measured(),
            "attempts": self.attempts,
            "section_ms": {name.value: section.ms for name, section in finished.items()},
            "section_start_ms": {
                name.value: self._starts[name.value] for name in finished if name.value in self._starts
            },
            "sections_from_model": from_model,
            "degraded": from_model < len(finished),
        }

    def _log(self, action: str, **facts: Any) -> None:
        logger.info(action, extra={"action": action, "task_id": self.task.id, **facts})


def log_end(status: str, timings: Mapping[str, Any]) -> None:
    """One line for every task that ended, with the contract's timings."""
    logger.info("task_ended", extra={"action": "task_ended", "status": status, **timings})


async def _unbroken(write: Coroutine[Any, Any, None]) -> None:
    """Let a write end before a deadline or a stop takes effect: the store and this record must know the same."""
    task = asyncio.ensure_future(write)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        (told,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(told, JieqianError):  # the lease is lost, the disk is full: that decides, not the deadline
            raise told from None
        raise


def shown_sections(events: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[SectionName, bool]:
    """From a task's log (type and data, in order): which sections have text on the readers' screens."""
    shown: dict[SectionName, bool] = {}
    for kind, data in events:
        if kind == SectionDelta.type:
            shown[SectionName(data["section"])] = True
        elif kind == SectionReset.type:
            shown[SectionName(data["section"])] = False
    return shown

"""The way of one reading, top to bottom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from jieqian.cache.flights import Flights, Place
from jieqian.checks.check import SectionDraft
from jieqian.checks.sections import check_section
from jieqian.errors import ModelError, UnknownCollection, UnknownLot, UnknownTask
from jieqian.events.event import Stage
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.builder import build_prompt, what_it_is_about
from jieqian.prompt.prompt import ParentReading, Passage, Prompt
from jieqian.reading.answers import Answers
from jieqian.reading.engines import Engine, Engines
from jieqian.reading.reading import parent_reading
from jieqian.reading.record import Record, shown_sections
from jieqian.reading.way import Way, Ways
from jieqian.retrieval.finding import PassageFinder, prompt_passage
from jieqian.sections.from_commentary import commentary_section
from jieqian.sections.section import SectionName, SectionSource
from jieqian.sections.strategy import (
    CallEnded,
    Draft,
    DraftEnded,
    DraftStarted,
    DraftText,
    ModelSpoke,
    Strategy,
    WritingOrder,
)
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import MAX_ATTEMPTS, MAX_DELIVERIES, Task
from jieqian.tracing.traces import NO_TRACES, Traces

#: Waits after a server that failed once and twice, in seconds. A section that was refused is asked for again at once.
BREATHS = (0.5, 2.0)
#: A server that names a longer wait (Retry-After) is given it, up to so long.
LONGEST_BREATH = 30.0
#: The drafts of an attempt (its number, the strategy, the order): of a generation of its own, or shared.
DraftsOf = Callable[[int, Strategy, WritingOrder], AbstractAsyncContextManager[AsyncIterator[Draft]]]
_LOG_PAGE = 1000


class Measured(Protocol):
    """Whoever wants a finished task's timings."""

    def reading_ended(self, timings: dict[str, Any], status: str) -> None:
        """Count a task that ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a reading needs at hand."""

    store: TaskStore
    lots: LotLibrary
    engines: Engines
    passages: PassageFinder
    answers: Answers
    ways: Ways
    flights: Flights
    metrics: Measured
    deadline_seconds: float
    traces: Traces = NO_TRACES


@dataclass(frozen=True, slots=True)
class Asked:
    """A task with what it is about."""

    task: Task
    lot: Lot
    collection: Collection
    parent: ParentReading | None
    way: Way

    @property
    def about(self) -> str:
        """What passages are looked for by."""
        return what_it_is_about(self.task.question, self.parent)

    def prompt(self, passages: tuple[Passage, ...]) -> Prompt:
        """What the model is told."""
        return build_prompt(
            lot=self.lot,
            collection=self.collection,
            language=self.task.language,
            passages=passages,
            question=self.task.question,
            parent=self.parent,
            template=self.way.template,
        )

    def key(self, engine: Engine | None, answers: Answers, passages: str | None = None) -> str | None:
        """What the same question would have too; None where no answer is kept. `passages`: see `Answers.key`."""
        return answers.key(
            lot=self.lot,
            collection=self.collection,
            language=self.task.language,
            mode=self.task.mode,
            engine=engine,
            question=self.task.question,
            parent=self.parent,
            passages=passages,
            template=self.way.template,
            variant=self.way.variant,
        )


@dataclass(slots=True)
class _Attempt:
    """What one attempt has left behind."""

    complaints: dict[SectionName, str] = field(default_factory=dict)
    cut_short: bool = False


async def run_reading(task: Task, token: str, desk: Desk, place: Place) -> None:
    """Produce what is missing of the task's reading. Raises `LeaseLost` where the task is no longer ours."""
    record = Record(task, token, desk.store, desk.traces)
    try:
        await pick_up(task, desk, record)
        lot, collection = await find_lot(task, desk, record)
        parent = await find_parent(task, desk)
        asked = Asked(task, lot, collection, parent, await desk.ways.find(task))
        timings = await answer_from_cache(asked, desk, record)
        if timings is None:
            prompt = asked.prompt(await find_passages(asked, desk, record))
            key = await write_with_model(asked, desk, record, prompt, place)
            await stand_in(record, prompt)
            timings = await complete(asked, desk, record, key)
        desk.metrics.reading_ended(timings, "completed")
    except (UnknownLot, UnknownCollection) as error:
        timings = await record.failed(error.problem())
        desk.metrics.reading_ended(timings, "failed")
    finally:
        record.let_go()


async def pick_up(task: Task, desk: Desk, record: Record) -> None:
    """End the queue stage; after a crash, take back what was shown and not finished."""
    shown: dict[SectionName, bool] = {}
    first = task.touched_at == task.created_at  # no worker has written to it yet
    if not first:
        log: list[tuple[str, Any]] = []
        last = 0
        while page := await desk.store.events(task.id, last, _LOG_PAGE):
            log += [(event.type, json.loads(event.data)) for event in page if event.type.startswith("section_")]
            last = page[-1].id
        shown = shown_sections(log)
        if last < task.last_event_id:  # a power cut took the log's end: nobody knows what was shown of these
            shown |= dict.fromkeys(task.missing, True)
    record.picked_up(shown, first=first)


async def find_lot(task: Task, desk: Desk, record: Record) -> tuple[Lot, Collection]:
    """Look the lot up by its key. Raises `UnknownLot` if it was withdrawn since the task was accepted."""
    async with record.stage(Stage.POEM):
        return desk.lots.lot(task.collection, task.lot), desk.lots.collection(task.collection)


async def find_passages(asked: Asked, desk: Desk, record: Record) -> tuple[Passage, ...]:
    """Passages beyond the lot's own text, from other lots and the FAQ; after a crash those that were found before."""
    async with record.stage(Stage.RETRIEVAL):
        if not record.has_sources:
            found = await desk.passages.find(asked.about, asked.lot, asked.task.language)
            record.keep_sources(found)
    return tuple(prompt_passage(source) for source in record.task.sources)


async def find_parent(task: Task, desk: Desk) -> ParentReading | None:
    """The reading it follows, if that is still there."""
    if task.parent_id is None:
        return None
    try:
        return parent_reading(await desk.store.get(task.parent_id, task.caller), desk.lots)
    except UnknownTask:
        return None


async def answer_from_cache(asked: Asked, desk: Desk, record: Record) -> dict[str, Any] | None:
    """Complete the task with an answer that was kept while it waited; answers its timings, None where there is none."""
    task = asked.task
    if task.fresh or task.model is not None or task.sections:
        return None
    key = asked.key(desk.ways.engine(task.mode, asked.way), desk.answers)
    answer = await desk.store.answer(key) if key is not None and desk.answers.may_have(key) else None
    return None if answer is None else await record.answered(asked.lot.as_dict(task.language), answer)


async def complete(asked: Asked, desk: Desk, record: Record, key: str | None) -> dict[str, Any]:
    """End the task. Its answer is kept for those who ask the same, if a model wrote all of it, in one delivery."""
    task = asked.task
    if key is not None and (record.task.sections or (not task.fresh and await _is_kept(key, desk))):
        key = None
    timings = await record.completed(asked.lot.as_dict(task.language), keep_as=key)
    if key is not None and not timings["degraded"]:
        desk.answers.has_kept(key)
    return timings


async def _is_kept(key: str, desk: Desk) -> bool:
    """Whether an answer of another's is kept under it: one that was kept may have been erased since."""
    return desk.answers.may_have(key) and await desk.store.answer(key) is not None


async def write_with_model(asked: Asked, desk: Desk, record: Record, prompt: Prompt, place: Place) -> str | None:
    """Attempts at the missing sections: at most three, and one deadline from the first claim for all.

    Answers the key that the same question would have; None where the reading is nobody else's.
    """
    task = asked.task
    engine = None if task.deliveries > MAX_DELIVERIES else await find_engine(asked, desk, record)
    if engine is None or task.language not in engine.model.languages:
        record.model_chosen("commentary", None, "commentary")
        return None
    key = None if task.model is not None else asked.key(engine, desk.answers, record.passages_version)
    with desk.engines.held(engine):
        await write_with(engine, task, desk, record, prompt, partial(desk.flights.drafts, key, place=place))
    return key


async def find_engine(asked: Asked, desk: Desk, record: Record) -> Engine | None:
    """What writes the reading: the model in use, or the one that is asked for. None: commentary speaks."""
    task, named = asked.task, asked.task.model or asked.way.model
    engine = None if task.model else desk.ways.engine(task.mode, asked.way)
    if named is None or engine is not None:
        return engine
    try:
        return await desk.engines.trial(named, task.mode, asked.way.strategy)
    except ModelError as error:  # it was there when the task was accepted
        record.model_failed(error)
        return None


async def write_with(
    engine: Engine, task: Task, desk: Desk, record: Record, prompt: Prompt, drafts_of: DraftsOf
) -> None:
    """The attempts, with this model."""
    record.model_chosen(engine.client.provider, engine.model.name, engine.strategy.name)
    most = min(MAX_ATTEMPTS, engine.strategy.most_attempts)
    # Time at work, not by the clock on the wall: neither an hour without power nor a clock that was set uses it up.
    deadline = desk.deadline_seconds - record.watch.worked_ms() / 1000
    complaints: dict[SectionName, str] = {}
    try:
        async with asyncio.timeout(deadline):
            await desk.engines.room_for(engine.client)
            while record.missing and record.attempts < most:
                failure = await make_attempt(engine, record, prompt, complaints, drafts_of)
                if failure is not None and not failure.retryable:
                    return
                if failure is not None and record.missing and record.attempts < most:
                    await asyncio.sleep(_breath(failure, record.attempts))
    except TimeoutError:
        record.take_back_unfinished("deadline_passed")
        if record.attempting:  # not in the breath between two
            await record.attempt_ended("deadline_passed")


def _breath(failure: ModelError, attempts: int) -> float:
    asked = float(failure.extra.get("retry_after_seconds", 0.0))
    return max(BREATHS[attempts - 1], min(asked, LONGEST_BREATH))


async def make_attempt(
    engine: Engine, record: Record, prompt: Prompt, complaints: dict[SectionName, str], drafts_of: DraftsOf
) -> ModelError | None:
    """One attempt at all missing sections; `complaints` is replaced by its own. Answers what failed, if it did."""
    attempt = _Attempt()
    record.attempting = True
    order = WritingOrder(
        client=engine.client,
        model=engine.model,
        prompt=prompt,
        wanted=record.missing,
        options=engine.options,
        complaints=dict(complaints),
        written=record.texts(),
    )
    checked_before = record.watch.stage_ms(Stage.VALIDATION)
    failure: ModelError | None = None
    async with record.stage(Stage.GENERATION):
        try:
            async with drafts_of(record.attempts, engine.strategy, order) as drafts:
                await record.still_ours()  # while the model is being asked: of a stopped task it is told no more
                async for draft in drafts:
                    await take_draft(draft, engine, record, prompt, attempt)
        except ModelError as error:
            failure = error
            record.model_failed(error)
        reason = failure.code if failure else "section_too_long" if attempt.cut_short else "section_missing"
        record.take_back_unfinished(reason)
    record.tell_validation(record.watch.stage_ms(Stage.VALIDATION) - checked_before)
    complaints.clear()
    complaints.update(attempt.complaints)
    await record.attempt_ended(reason if record.missing else None)
    return failure


async def take_draft(draft: Draft, engine: Engine, record: Record, prompt: Prompt, attempt: _Attempt) -> None:
    """Show, check and keep what the strategy brings."""
    match draft:
        case ModelSpoke():
            record.model_spoke()
        case DraftStarted(section):
            record.section_started(section)
        case DraftText(section, text):
            if engine.strategy.shows_drafts:
                record.section_text(section, text)
        case DraftEnded(section, text):
            await judge(section, text, record, prompt, attempt)
        case CallEnded(finished, seconds, ours):
            attempt.cut_short |= finished.reason == "length"
            if ours:
                record.call_ended(finished, seconds)


async def judge(section: SectionName, text: str, record: Record, prompt: Prompt, attempt: _Attempt) -> None:
    """Check a drafted section: keep it, or take it back and say why."""
    draft = SectionDraft(
        section=section,
        text=text,
        lot=prompt.lot,
        collection=prompt.collection,
        language=prompt.language,
        question=prompt.asked,
        written=record.texts(),
    )
    with record.watch.time(Stage.VALIDATION):
        complaint = check_section(draft)
    if complaint is None:
        await record.section_finished(section, text, SectionSource.MODEL)
    else:
        attempt.complaints[section] = complaint.advice
        record.section_refused(section, complaint.reason)


async def stand_in(record: Record, prompt: Prompt) -> None:
    """Commentary, labelled as such, for every section the model did not give."""
    for section in record.missing:
        text = commentary_section(section, prompt.lot, prompt.collection, prompt.language, prompt.about)
        await record.section_finished(section, text, SectionSource.COMMENTARY)

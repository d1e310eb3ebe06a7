"""From a request to a stored task: everything that is decided before the queue."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from jieqian.cache.answer import KeptAnswer
from jieqian.cache.near import NearAnswers, NearReading, NoNearAnswers
from jieqian.checks.care import care_message, find_danger, help_lines
from jieqian.checks.language import resolve_language
from jieqian.checks.question import clean_question
from jieqian.errors import (
    DrawMismatch,
    IdempotencyMismatch,
    InvalidLot,
    InvalidRequest,
    ModelError,
    ModelRefused,
    UnknownMode,
    UnknownModel,
    UnknownParent,
    UnknownStrategy,
    UnknownTask,
)
from jieqian.events.event import CareShown, Completed, Event, LotShown, Queued, Stage, StageFinished, StageStarted
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Lot
from jieqian.lots.numbers import split_lot_id
from jieqian.prompt.prompt import ParentReading
from jieqian.reading.answers import replay_events, reuse_facts
from jieqian.reading.messages import stage_message
from jieqian.reading.reading import parent_reading, reading_document, timings_of
from jieqian.tasks.clock import accepted_mark
from jieqian.tasks.limits import RateLimit
from jieqian.tasks.store import Accepted, FreeWorker, FromCache, NearKey, Reused, TaskStore
from jieqian.tasks.task import Mode, NewTask, Status, StrategyName, Task
from jieqian.tasks.timings import all_other
from jieqian.worker.positions import Estimate

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
#: Up to so many characters the look for danger takes about a millisecond.
SHORT_QUESTION = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRequest:
    """What a caller asks for, not yet looked at."""

    question: str
    lot: int | str | float
    collection: str | None = None
    language: str | None = None
    mode: str | None = None
    strategy: str | None = None
    fresh: bool | None = None
    parent_id: str | None = None
    draw_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDesk:
    """What accepting needs at hand."""

    store: TaskStore
    lots: LotLibrary
    estimate: Estimate
    max_queue: int
    rate_limit: RateLimit
    check_model: Callable[[str], Awaitable[object]] | None = None
    answer_key: Callable[[NewTask, Lot, ParentReading | None], str | None] = lambda *_: None
    near: NearAnswers = field(default_factory=NoNearAnswers)
    look_early: Callable[[NewTask, Lot, FromCache | None], None] = lambda *_: None
    free_worker: Callable[[], AbstractAsyncContextManager[FreeWorker | None]] = nullcontext
    assign: Callable[[NewTask], NewTask] = lambda new: new


async def accept_request(
    asked: ReadingRequest,
    caller: str,
    desk: FrontDesk,
    *,
    idempotency_key: str | None = None,
    arrived: float = 0.0,
    limited_as: Sequence[str] | None = None,
    assign: Callable[[NewTask], NewTask] | None = None,
) -> Accepted:
    """Check and store a request. Raises `RequestError` kinds.

    `arrived` is when it came (seconds since the epoch). `limited_as` are the names whose rate limits count: the
    caller's own unless others are given. `assign` puts it into a variant of an experiment, in place of the desk's.
    """
    _refuse_half_characters(asked)
    if idempotency_key is not None:
        earlier = await _earlier(asked, caller, idempotency_key, desk.store)
        if earlier is not None:
            return earlier
    new, parent = await _checked(asked, caller, desk, arrived or time.time())
    new = (assign or desk.assign)(new)
    if idempotency_key is not None:
        new = replace(new, idempotency_key=idempotency_key, body_hash=_body_hash(asked))
    lot = desk.lots.lot(new.collection, new.lot)
    first = partial(first_events, new, lot, estimate=desk.estimate)
    if new.care is not None:  # a person in danger is answered however often they ask
        return await desk.store.accept(new, first, desk.max_queue)
    limited = (caller,) if limited_as is None else limited_as
    desk.rate_limit.take(*limited)
    made = False
    try:
        kept = await _from_cache(new, lot, parent, desk)
        desk.look_early(new, lot, kept)
        async with desk.free_worker() as worker:
            accepted = await desk.store.accept(new, first, desk.max_queue, kept, worker)
        made = accepted.created
    finally:
        if not made:
            desk.rate_limit.give_back(*limited)
    return accepted


async def _from_cache(new: NewTask, lot: Lot, parent: Task | None, desk: FrontDesk) -> FromCache | None:
    """Where an answer to the same words may be, or to others of the same sense.

    None for who wants it read afresh, or a model to be tried.
    """
    if new.fresh or new.model is not None:
        return None
    parents = parent_reading(parent, desk.lots)
    key = desk.answer_key(new, lot, parents)
    if key is None:
        return None
    near: list[NearKey] = []
    for found in await desk.near.find(new, key):
        its_key = desk.answer_key(replace(new, question=found.reading.question), lot, parents)
        if its_key is not None:
            near.append(NearKey(its_key, found.reading, partial(reused, new, lot, near=found)))
    return FromCache(key, partial(reused, new, lot), near)


async def _checked(asked: ReadingRequest, caller: str, desk: FrontDesk, arrived: float) -> tuple[NewTask, Task | None]:
    """The request as a task to be stored, every part of it looked at; and the reading it follows, if any."""
    question = clean_question(asked.question)
    language = resolve_language(asked.language, question)
    lot = find_asked_lot(asked, desk.lots)
    mode = _choice(Mode, asked.mode, Mode.QUALITY, UnknownMode)
    strategy = _choice(StrategyName, asked.strategy, StrategyName.AUTO, UnknownStrategy)
    parent = None if asked.parent_id is None else await _parent(asked.parent_id, caller, desk.store)
    if asked.draw_id is not None:
        await _check_draw(asked.draw_id, lot, caller, desk.store)
    if asked.model is not None:
        await _check_model(asked.model, desk)
    care = await _care_off_the_loop(question, language)
    if care is None and parent is not None and parent.care is not None:
        # What follows a question that showed danger is answered as that one was; no model is told of either.
        care = await _care_off_the_loop(parent.question, language) or parent.care
    new = NewTask(
        id=str(uuid.uuid4()),
        caller=caller,
        collection=lot.collection,
        lot=lot.number,
        question=question,
        language=language,
        mode=mode,
        strategy=strategy,
        model=asked.model,
        fresh=bool(asked.fresh),
        parent_id=asked.parent_id,
        draw_id=asked.draw_id,
        care=care,
        created_at=arrived,
        timings=all_other((time.time() - arrived) * 1000) if care else accepted_mark(time.time() - arrived),
    )
    return new, parent


async def _check_model(model: str, desk: FrontDesk) -> None:
    """Refuse a model that is not here, or that cannot be loaded, before the task is made.

    A server that does not answer is no reason: it may when the task's turn comes.
    """
    try:
        if desk.check_model is not None:
            await desk.check_model(model)
    except ModelRefused as error:
        raise UnknownModel(error.detail, **error.extra) from error
    except ModelError:
        return


def _refuse_half_characters(asked: ReadingRequest) -> None:
    for name in asked.__slots__:
        value = getattr(asked, name)
        if name != "question" and isinstance(value, str) and _LONE_SURROGATE.search(value):
            raise InvalidRequest(f"{name}: the text must be valid Unicode.")


async def _earlier(asked: ReadingRequest, caller: str, key: str, store: TaskStore) -> Accepted | None:
    """The task this key made before: found first, so that a repeat is answered whatever has changed since."""
    found = await store.task_of_key(caller, key, time.time())
    if found is None:
        return None
    task, body_hash = found
    if body_hash != _body_hash(asked):
        raise IdempotencyMismatch
    return Accepted(task, created=False)


def find_asked_lot(asked: ReadingRequest, lots: LotLibrary) -> Lot:
    """The lot asked about: a collection and a number, or a seed-style id with the collection left out."""
    if asked.collection is not None:
        return lots.asked_lot(asked.collection, asked.lot)
    if not isinstance(asked.lot, str):
        raise InvalidLot("Without a collection the lot must be an id such as YueLao_1.")
    return lots.lot(*split_lot_id(asked.lot))


async def _care_off_the_loop(question: str, language: Language) -> Mapping[str, Any] | None:
    """A long question takes the patterns up to 40 ms; the streams must not wait for that."""
    if len(question) <= SHORT_QUESTION:
        return care_for(question, language)
    return await asyncio.to_thread(care_for, question, language)


def care_for(question: str, language: Language) -> Mapping[str, Any] | None:
    """What is answered in place of a fortune where a question shows danger to life; None where it shows none."""
    danger = find_danger(question)
    if danger is None:
        return None
    return {
        "kind": danger.kind,
        "message": care_message(language, danger.kind),
        "help_lines": [line.as_dict() for line in help_lines(language, danger.kind)],
    }


def first_events(new: NewTask, lot: Lot, ahead: int, estimate: Estimate) -> Sequence[Event]:
    """What is stored with the task: its place and the lot, so that there is something to read before any worker comes.

    A task with `care` gets all its events here.
    """
    shown = lot.as_dict(new.language)
    if new.care is None:
        wait = estimate.seconds_until_start(ahead)
        waiting = StageStarted(Stage.QUEUE, stage_message(Stage.QUEUE, new.language), 1)
        return [Queued(ahead, wait), waiting, LotShown(shown)]
    task = _as_completed(new)
    document = reading_document(task, shown, {}, timings_of(task, new.timings))
    return [Queued(0, 0.0), LotShown(shown), CareShown(new.care), Completed(document)]


def reused(new: NewTask, lot: Lot, answer: KeptAnswer, near: NearReading | None = None) -> Reused:
    """What is stored with a task that an earlier answer completes: the same events as if it had been written now."""
    shown = lot.as_dict(new.language)
    task = replace(_as_completed(new), sources=tuple(answer.sources))
    measured = {**all_other((time.time() - new.created_at) * 1000), **reuse_facts(answer, near)}
    timings = timings_of(task, measured)
    sections = {section.name.value: section.as_dict() for section in answer.sections}
    told = stage_message(Stage.QUEUE, new.language)
    events = [
        Queued(0, 0.0),
        StageStarted(Stage.QUEUE, told, 1),
        LotShown(shown),
        StageFinished(Stage.QUEUE, told, 1, 0),
        *replay_events(answer.sections),
        Completed(reading_document(task, shown, sections, timings)),
    ]
    return Reused(events, timings)


def _as_completed(new: NewTask) -> Task:
    fields = {name: getattr(new, name) for name in new.__slots__ if name not in ("idempotency_key", "body_hash")}
    return replace(Task(seq=0, status=Status.COMPLETED, **fields), ended_at=new.created_at)


async def _parent(parent_id: str, caller: str, store: TaskStore) -> Task:
    try:
        return await store.get(parent_id, caller)
    except UnknownTask as error:
        raise UnknownParent from error


async def _check_draw(draw_id: str, lot: Lot, caller: str, store: TaskStore) -> None:
    draw = await store.get_draw(draw_id, caller)
    if draw.result is None or draw.collection != lot.collection or draw.result.get("number") != lot.number:
        raise DrawMismatch


def _choice(kind: Any, asked: str | None, default: Any, error: type[UnknownMode] | type[UnknownStrategy]) -> Any:
    if asked is None:
        return default
    try:
        return kind(asked)
    except ValueError as wrong:
        raise error from wrong


def _body_hash(asked: ReadingRequest) -> str:
    fields = {name: getattr(asked, name) for name in asked.__slots__}
    if asked.model is None:
        del fields["model"]  # so hashed the releases that had no such field
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

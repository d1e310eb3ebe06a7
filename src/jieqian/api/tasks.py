"""Tasks over HTTP (contract, section 2)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import JSONResponse

from jieqian.api.addresses import events_url, path_for
from jieqian.api.bodies import FeedbackBody, TaskBody, openapi_body, read_body
from jieqian.api.callers import caller_of, limited_as, require_operator
from jieqian.api.house import Housed
from jieqian.errors import InvalidRequest, UnknownCollection, UnknownLot
from jieqian.events.feed import frames
from jieqian.events.line import LINE
from jieqian.events.sse import EventStreamResponse
from jieqian.reading.accept import ReadingRequest
from jieqian.reading.reading import cache_of, reading_document, timings_of
from jieqian.tasks.task import Feedback, Status, Task

router = APIRouter(prefix="/tasks", tags=["tasks"])
LONGEST_IDEMPOTENCY_KEY = 255
MOST_ID_DIGITS = 18


@router.post("", status_code=202, openapi_extra=openapi_body(TaskBody))
async def create_task(
    request: Request,
    house: Housed,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Ask for a reading. The answer comes at once; the reading by its events."""
    arrived = time.time()
    caller = caller_of(request)
    if idempotency_key is not None and not 1 <= len(idempotency_key) <= LONGEST_IDEMPOTENCY_KEY:
        raise InvalidRequest(f"Idempotency-Key: 1 to {LONGEST_IDEMPOTENCY_KEY} characters.")
    body = await read_body(request, TaskBody)
    if body.model is not None:  # another model may take minutes and much memory
        require_operator(request)
    accepted = await house.accept(
        ReadingRequest(**body.model_dump()),
        caller,
        idempotency_key,
        arrived=arrived,
        limited_as=limited_as(request),
        traceparent=request.headers.get("traceparent"),
    )
    task = accepted.task
    ahead = accepted.ahead
    if not accepted.created and task.status is Status.QUEUED:
        ahead = (await house.store.ahead_of([task.id])).get(task.id)
    document = {
        "task_id": task.id,
        "status": (Status.QUEUED if accepted.begun else task.status).value,
        "queue_position": None if ahead is None else ahead + 1,
        "events_url": events_url(request, task.id),
    }
    return JSONResponse(document, status_code=202, headers={"Location": path_for(request, "get_task", task_id=task.id)})


@router.get("")
async def list_tasks(
    request: Request,
    house: Housed,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
) -> dict[str, Any]:
    """The caller's own tasks, newest first; `next_cursor` is null on the last page."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidRequest("cursor: take it from `next_cursor` of the page before.")
    before = int(cursor) if cursor is not None else None
    found = await house.store.history(caller_of(request), limit + 1, before)
    page = found[:limit]
    more = len(found) > limit
    return {"tasks": [summary(task) for task in page], "next_cursor": str(page[-1].seq) if more else None}


@router.get("/{task_id}")
async def get_task(request: Request, house: Housed, task_id: str) -> dict[str, Any]:
    """One task with all there is of its reading so far."""
    task = await house.store.get(task_id, caller_of(request))
    return await describe(request, task, house)


@router.get("/{task_id}/events", response_class=Response)
async def task_events(
    request: Request,
    house: Housed,
    task_id: str,
    after: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The task's events as they come (contract, section 3)."""
    task = await house.store.get(task_id, caller_of(request))
    wanted = _event_id((last_event_id, after), task.last_event_id)
    if task.status.ended and wanted == task.last_event_id:
        return Response(status_code=204)
    line = request.scope.get("extensions", {}).get(LINE)
    coming = frames(house.store, house.live, task_id, wanted, line=line)
    return EventStreamResponse(coming, line)


@router.post("/{task_id}/stop")
async def stop_task(request: Request, house: Housed, task_id: str) -> dict[str, Any]:
    """Stop it: finished sections are kept."""
    task = await house.stop_task(task_id, caller_of(request))
    return await describe(request, task, house)


@router.delete("/{task_id}", status_code=204)
async def delete_task(request: Request, house: Housed, task_id: str) -> Response:
    """Erase question, reading and events for good."""
    await house.store.erase(task_id, caller_of(request))
    return Response(status_code=204)


@router.post("/{task_id}/feedback", openapi_extra=openapi_body(FeedbackBody))
async def give_feedback(request: Request, house: Housed, task_id: str) -> dict[str, Any]:
    """Say whether the reading was of use: `score` -1 or 1."""
    body = await read_body(request, FeedbackBody)
    if body.score not in (-1, 1):
        raise InvalidRequest("score: -1 or 1.")
    await house.store.add_feedback(task_id, caller_of(request), Feedback(body.score, body.comment), time.time())
    return {"task_id": task_id, "score": body.score, "comment": body.comment}


def summary(task: Task) -> dict[str, Any]:
    """A task in a list."""
    return {
        "task_id": task.id,
        "status": task.status.value,
        "collection": task.collection,
        "lot": task.lot,
        "question": task.question,
        "language": task.language.value,
        "mode": task.mode.value,
        "parent_id": task.parent_id,
        "created_at": task.created_at,
        "ended_at": task.ended_at,
    }


async def describe(request: Request, task: Task, house: Housed) -> dict[str, Any]:
    """A task with its lot, sections, timings and, when it is complete, the reading."""
    try:
        lot = house.lots.lot(task.collection, task.lot).as_dict(task.language)
    except (UnknownLot, UnknownCollection):  # withdrawn since
        lot = {"collection": task.collection, "number": task.lot, "id": f"{task.collection}/{task.lot}"}
    timings = timings_of(task, task.timings)
    sections = task.sections_dict()
    place = (await house.store.ahead_of([task.id])).get(task.id) if task.status is Status.QUEUED else None
    complete = task.status is Status.COMPLETED
    return {
        **summary(task),
        "lot": lot,
        "strategy": task.strategy.value,
        "model": task.model,
        "queue_position": None if place is None else place + 1,
        "sections": sections,
        "reading": reading_document(task, lot, sections, timings) if complete else None,
        "timings": timings,
        "cache": cache_of(timings),
        "sources": [dict(source) for source in task.sources],
        "care": dict(task.care) if task.care else None,
        "error": dict(task.error) if task.error else None,
        "last_event_id": task.last_event_id,
        "events_url": events_url(request, task.id),
    }


def _event_id(given: Sequence[str | None], last: int) -> int:
    """The id to go on from: the first that was given out; garbage and ids of the future count as absent."""
    for text in given:
        if text is not None and text.isascii() and text.isdigit() and len(text) <= MOST_ID_DIGITS and int(text) <= last:
            return int(text)
    return 0

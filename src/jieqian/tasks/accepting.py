"""Accepting a request: one transaction that checks the idempotency key and the queue's length, and stores the task."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import sqlalchemy as sa

from jieqian.cache.answer import KeptAnswer
from jieqian.errors import IdempotencyMismatch, QueueFull
from jieqian.events.event import StoredEvent
from jieqian.tasks import rows
from jieqian.tasks.answer_rows import find_answer, use_answer
from jieqian.tasks.faq_use_rows import count_uses
from jieqian.tasks.store import Accepted, FirstEvents, FreeWorker, FromCache, Reused
from jieqian.tasks.tables import IS_QUEUED, tasks
from jieqian.tasks.task import NewTask, Status

#: How long an idempotency key is kept.
KEY_SECONDS = 24 * 3600.0
#: What a full queue's `Retry-After` says, in seconds.
RETRY_AFTER_SECONDS = 30

_QUEUED = sa.select(sa.func.count()).select_from(tasks).where(IS_QUEUED)
_INSERT = sa.insert(tasks)


def accept_in(
    connection: sa.Connection,
    new: NewTask,
    first_events: FirstEvents,
    max_queue: int,
    from_cache: FromCache | None,
    worker: FreeWorker | None,
) -> tuple[Accepted, list[StoredEvent]]:
    """Insert the task and its first events, or find the one an idempotency key made before."""
    earlier = _earlier(connection, new)
    if earlier is not None:
        return Accepted(rows.whole_task(connection, earlier), created=False), []
    found = None if from_cache is None else from_cache.found(partial(find_answer, connection))
    if found is not None:
        return _answered(connection, new, *found)
    ahead = connection.execute(_QUEUED).scalar_one()
    if ahead >= max_queue and not new.care:  # a person in danger is answered whatever the load
        raise QueueFull(retry_after=RETRY_AFTER_SECONDS)
    first = first_events(ahead)
    # The clock is read just before the commit; what is measured so far is the time the asker waited for a first event.
    waited = {"time_to_first_event_ms": round(max(0.0, time.time() - new.created_at) * 1000, 1)}
    columns = {**_columns(new), "last_event_id": len(first), "timings": {**waited, **new.timings}}
    begun = worker is not None and ahead == 0 and not new.care
    if worker is not None and begun:
        columns |= {
            "status": Status.RUNNING,
            "lease_token": worker.token,
            "lease_expires_at": worker.lease_expires_at,
            "claimed_at": worker.now,
            "deliveries": 1,
        }
    connection.execute(_INSERT, columns)
    stored = rows.log(connection, new.id, 0, first)
    task = rows.task_from(rows.row_of(connection, new.id, None), ())
    return Accepted(task, created=True, ahead=None if task.status.ended else ahead, begun=begun), stored


def _answered(
    connection: sa.Connection, new: NewTask, answer: KeptAnswer, reused: Reused
) -> tuple[Accepted, list[StoredEvent]]:
    """Insert the task as completed by an earlier answer, which is copied: erasing either leaves the other."""
    now = time.time()
    done = {"status": Status.COMPLETED, "ended_at": max(now, new.created_at), "touched_at": now}
    told = {
        "last_event_id": len(reused.events),
        "timings": dict(reused.timings),
        "total_time_ms": reused.timings["total_time_ms"],
        "sources": [dict(source) for source in answer.sources],
    }
    connection.execute(_INSERT, {**_columns(new), **done, **told})
    rows.add_sections(connection, new.id, answer.sections)
    use_answer(connection, answer.key, now)
    count_uses(connection, new.caller, answer.sources, now)
    stored = rows.log(connection, new.id, 0, reused.events)
    return Accepted(rows.task_from(rows.row_of(connection, new.id, None), answer.sections), created=True), stored


def _earlier(connection: sa.Connection, new: NewTask) -> sa.RowMapping | None:
    if new.idempotency_key is None:
        return None
    same_key = sa.and_(tasks.c.caller == new.caller, tasks.c.idempotency_key == new.idempotency_key)
    forget = sa.update(tasks).where(same_key, tasks.c.created_at < new.created_at - KEY_SECONDS)
    connection.execute(forget.values(idempotency_key=None, body_hash=None))
    found = connection.execute(sa.select(tasks).where(same_key)).mappings().one_or_none()
    if found is not None and found["body_hash"] != new.body_hash:
        raise IdempotencyMismatch
    return found


def _columns(new: NewTask) -> dict[str, Any]:
    """A task with `care` is complete as soon as it is stored: no worker ever sees it."""
    done = new.care is not None
    return {
        "id": new.id,
        "caller": new.caller,
        "status": Status.COMPLETED if done else Status.QUEUED,
        "collection": new.collection,
        "lot": new.lot,
        "question": new.question,
        "language": new.language,
        "mode": new.mode,
        "strategy": new.strategy,
        "model": new.model,
        "fresh": new.fresh,
        "parent_id": new.parent_id,
        "draw_id": new.draw_id,
        "care": dict(new.care) if new.care else None,
        "idempotency_key": new.idempotency_key,
        "body_hash": new.body_hash,
        "experiment": new.experiment,
        "variant": new.variant,
        "created_at": new.created_at,
        "ended_at": new.created_at if done else None,
        "touched_at": new.created_at,
        "total_time_ms": new.timings.get("total_time_ms"),
        "sources": [],
    }

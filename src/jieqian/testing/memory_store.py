"""A `TaskStore` in dictionaries: what the SQL store promises, without a file. For tests and for trying things out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from jieqian.cache.answer import MOST_OWN, KeptAnswer, OwnReading
from jieqian.errors import IdempotencyMismatch, LeaseLost, QueueFull, StoreError, UnknownTask
from jieqian.events.event import Event, Stopped, StoredEvent, encode
from jieqian.sections.section import SECTIONS, Section
from jieqian.tasks.accepting import KEY_SECONDS, RETRY_AFTER_SECONDS
from jieqian.tasks.sql_store import announce_nothing
from jieqian.tasks.store import Accepted, Announce, FirstEvents, FreeWorker, FromCache, Reused
from jieqian.tasks.task import MAX_ATTEMPTS, Feedback, NewTask, Status, Task
from jieqian.tasks.timings import settled
from jieqian.testing.memory_answers import MemoryAnswers
from jieqian.testing.memory_desk import MemoryDesk
from jieqian.testing.memory_experiments import MemoryExperiments
from jieqian.testing.memory_faq import MemoryFaq
from jieqian.testing.memory_faq_use import MemoryFaqUse
from jieqian.testing.memory_notices import MemoryNotices
from jieqian.testing.memory_shares import MemoryShares

_LIVE = (Status.QUEUED, Status.RUNNING)


class MemoryTaskStore(
    MemoryDesk, MemoryFaq, MemoryFaqUse, MemoryAnswers, MemoryShares, MemoryNotices, MemoryExperiments
):
    """`TaskStore` for one process and one event loop; everything is gone with it.

    A write is one step of the loop (its "commit"), so no other coroutine sees half of it; it is announced right after,
    before the writer goes on. Constraints that the database would refuse raise `ValueError`.
    """

    def __init__(self, announce: Announce = announce_nothing, *, keeps_notices: bool = False) -> None:
        super().__init__()
        self._keeps_notices = keeps_notices
        self._announce = announce
        self._tasks: dict[str, Task] = {}  # in order of `seq`
        self._events: dict[str, list[StoredEvent]] = {}
        self._feedback: dict[str, tuple[Feedback, float]] = {}
        self._keys_used: dict[tuple[str, str], tuple[str, str | None]] = {}  # caller, key: task id, body hash
        self._last_seq = 0
        self._closed = False

    # -- ways in and out ------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Let others run, as a store that waits for its disk does. Raises `StoreError` once closed."""
        if self._closed:
            raise StoreError("The store was closed.")
        await asyncio.sleep(0)

    async def ping(self) -> None:
        """See `TaskStore.ping`."""
        await self._turn()

    async def close(self) -> None:
        """See `TaskStore.close`."""
        self._closed = True

    # -- the life of a task ---------------------------------------------------------------------------------------

    async def accept(
        self,
        new: NewTask,
        first_events: FirstEvents,
        max_queue: int,
        from_cache: FromCache | None = None,
        worker: FreeWorker | None = None,
    ) -> Accepted:
        """See `TaskStore.accept`."""
        await self._turn()
        earlier = self._earlier(new)
        if earlier is not None:
            return Accepted(earlier, created=False)
        found = None if from_cache is None else from_cache.found(self._found)
        if found is not None:
            return self._answered(new, *found)
        ahead = sum(task.status is Status.QUEUED for task in self._tasks.values())
        if ahead >= max_queue and not new.care:
            raise QueueFull(retry_after=RETRY_AFTER_SECONDS)
        task = self._commit(self._insert(new), first_events(ahead))
        if worker is None or ahead or new.care:
            return Accepted(task, created=True, ahead=None if task.status.ended else ahead)
        leased = self._change(
            task,
            status=Status.RUNNING,
            lease_token=worker.token,
            lease_expires_at=worker.lease_expires_at,
            claimed_at=worker.now,
            deliveries=1,
        )
        worker.begin(leased)
        return Accepted(leased, created=True, ahead=0, begun=True)

    def _insert(self, new: NewTask) -> Task:
        if new.id in self._tasks:
            raise ValueError(f"there is a task {new.id} already")
        self._last_seq += 1
        if self._keeps_notices:
            self._notices[new.id] = (0, new.created_at)
        if new.idempotency_key is not None:
            self._keys_used[new.caller, new.idempotency_key] = (new.id, new.body_hash)
        return _task_of(new, self._last_seq)

    def _answered(self, new: NewTask, answer: KeptAnswer, reused: Reused) -> Accepted:
        now = max(time.time(), new.created_at)
        done = replace(
            self._insert(new),
            status=Status.COMPLETED,
            ended_at=now,
            timings=dict(reused.timings),
            sections=answer.sections,
            sources=tuple(answer.sources),
        )
        self._use(answer.key)
        self._count_uses(new.caller, answer.sources, now)
        return Accepted(self._commit(done, reused.events), created=True)

    def _earlier(self, new: NewTask) -> Task | None:
        if new.idempotency_key is None:
            return None
        task_id, body_hash = self._keys_used.get((new.caller, new.idempotency_key), (None, None))
        if task_id is None or self._tasks[task_id].created_at < new.created_at - KEY_SECONDS:
            return None
        if body_hash != new.body_hash:
            raise IdempotencyMismatch
        return self._tasks[task_id]

    async def task_of_key(self, caller: str, idempotency_key: str, now: float) -> tuple[Task, str] | None:
        """See `TaskStore.task_of_key`."""
        await self._turn()
        task_id, body_hash = self._keys_used.get((caller, idempotency_key), (None, None))
        if task_id is None or body_hash is None or self._tasks[task_id].created_at < now - KEY_SECONDS:
            return None
        return self._tasks[task_id], body_hash

    async def claim(self, token: str, now: float, lease_seconds: float, *, held: Collection[str] = ()) -> Task | None:
        """See `TaskStore.claim`."""
        await self._turn()
        for task in self._tasks.values():
            lapsed = task.lease_expires_at is not None and task.lease_expires_at < now and task.lease_token not in held
            if task.status is Status.QUEUED or (task.status is Status.RUNNING and lapsed):
                return self._change(
                    task,
                    status=Status.RUNNING,
                    lease_token=token,
                    lease_expires_at=now + lease_seconds,
                    deliveries=task.deliveries + 1,
                    claimed_at=task.claimed_at if task.claimed_at is not None else now,
                )
        return None

    async def heartbeat(self, task_id: str, token: str, expires_at: float) -> None:
        """See `TaskStore.heartbeat`."""
        await self._turn()
        self._change(self._held(task_id, token), lease_expires_at=expires_at)

    async def release(self, task_id: str, token: str, *, counts: bool) -> None:
        """See `TaskStore.release`."""
        await self._turn()
        task = self._held(task_id, token)
        deliveries = task.deliveries if counts else task.deliveries - 1
        self._change(task, status=Status.QUEUED, lease_token=None, lease_expires_at=None, deliveries=deliveries)

    async def release_leases(self) -> int:
        """See `TaskStore.release_leases`."""
        await self._turn()
        held = [task for task in self._tasks.values() if task.status is Status.RUNNING]
        for task in held:
            self._change(task, status=Status.QUEUED, lease_token=None, lease_expires_at=None)
        return len(held)

    async def append(self, task_id: str, token: str, events: Sequence[Event]) -> None:
        """See `TaskStore.append`."""
        await self._under_lease(task_id, token, events)

    async def keep_sources(
        self,
        task_id: str,
        token: str,
        sources: Sequence[Mapping[str, Any]],
        timings: Mapping[str, Any],
        events: Sequence[Event],
    ) -> None:
        """See `TaskStore.keep_sources`."""
        kept = tuple(dict(source) for source in sources)
        await self._under_lease(task_id, token, events, sources=kept, timings=dict(timings))

    async def end_attempt(self, task_id: str, token: str, attempts: int, events: Sequence[Event]) -> None:
        """See `TaskStore.end_attempt`."""
        if not 0 <= attempts <= MAX_ATTEMPTS:
            raise ValueError(f"{attempts} attempts")
        await self._under_lease(task_id, token, events, attempts=attempts)

    async def finish_section(
        self, task_id: str, token: str, section: Section, timings: Mapping[str, Any], events: Sequence[Event]
    ) -> None:
        """See `TaskStore.finish_section`."""
        await self._under_lease(task_id, token, events, section=section, timings=dict(timings))

    async def end(
        self,
        task_id: str,
        token: str,
        status: Status,
        timings: Mapping[str, Any],
        events: Sequence[Event],
        *,
        attempts: int | None = None,
        error: Mapping[str, Any] | None = None,
        keep: KeptAnswer | None = None,
    ) -> None:
        """See `TaskStore.end`."""
        if not status.ended:
            raise ValueError(f"{status} is no end")
        counted: dict[str, Any] = {} if attempts is None else {"attempts": attempts}
        await self._under_lease(
            task_id,
            token,
            events,
            status=status,
            timings=dict(timings),
            error=error,
            ended_at=time.time(),
            lease_token=None,
            lease_expires_at=None,
            **counted,
        )
        if status is Status.COMPLETED:
            self._count_uses(self._tasks[task_id].caller, self._tasks[task_id].sources, time.time())
        if keep is not None and self._cites_only_approved(keep.sources):
            self._keep(keep)

    async def end_with(self, task_id: str, token: str, answer: KeptAnswer, reused: Reused) -> None:
        """See `TaskStore.end_with`."""
        await self._under_lease(
            task_id,
            token,
            reused.events,
            status=Status.COMPLETED,
            timings=dict(reused.timings),
            sections=answer.sections,
            sources=tuple(answer.sources),
            ended_at=time.time(),
            lease_token=None,
            lease_expires_at=None,
        )
        self._use(answer.key)
        self._count_uses(self._tasks[task_id].caller, answer.sources, time.time())

    async def stop(self, task_id: str, caller: str, now: float) -> Task:
        """See `TaskStore.stop`."""
        await self._turn()
        task = self._of(task_id, caller)
        if task.status.ended:
            return task
        stopped = replace(
            task,
            status=Status.STOPPED,
            ended_at=now,
            lease_token=None,
            lease_expires_at=None,
            timings=settled(task, now),
        )
        return self._commit(stopped, [Stopped(task.sections_dict())])

    async def erase(self, task_id: str, caller: str) -> None:
        """See `TaskStore.erase`."""
        await self._turn()
        self._of(task_id, caller)
        del self._tasks[task_id], self._events[task_id]
        self._feedback.pop(task_id, None)
        self._forget_faq(task_id)
        self._forget_answers(task_id)
        self._forget_share(task_id)
        self._notices.pop(task_id, None)
        self._keys_used = {used: made for used, made in self._keys_used.items() if made[0] != task_id}
        self._announce(task_id, [])

    async def _under_lease(
        self, task_id: str, token: str, events: Sequence[Event], *, section: Section | None = None, **changes: Any
    ) -> None:
        await self._turn()
        task = self._held(task_id, token)
        if section is not None:
            if section.name not in task.missing or not section.text:
                raise ValueError(f"{section.name} is finished already, or empty")
            finished = sorted([*task.sections, section], key=lambda done: SECTIONS.index(done.name))
            changes["sections"] = tuple(finished)
        self._commit(replace(task, touched_at=time.time(), **changes), events)

    def _held(self, task_id: str, token: str) -> Task:
        task = self._tasks.get(task_id)
        if task is None or task.status is not Status.RUNNING or task.lease_token != token:
            raise LeaseLost
        return task

    def _of(self, task_id: str, caller: str | None) -> Task:
        task = self._tasks.get(task_id)
        if task is None or caller not in (None, task.caller):
            raise UnknownTask
        return task

    def _change(self, task: Task, **changes: Any) -> Task:
        self._tasks[task.id] = changed = replace(task, **changes)
        return changed

    def _commit(self, task: Task, events: Sequence[Event]) -> Task:
        """Keep the task, add to its log, announce."""
        last = task.last_event_id
        stored = [StoredEvent(last + place, event.type, encode(event)) for place, event in enumerate(events, start=1)]
        self._tasks[task.id] = kept = replace(task, last_event_id=last + len(stored))
        self._events.setdefault(task.id, []).extend(stored)
        if stored:
            self._announce(task.id, stored)
        return kept

    # -- looking --------------------------------------------------------------------------------------------------

    async def get(self, task_id: str, caller: str | None = None) -> Task:
        """See `TaskStore.get`."""
        await self._turn()
        return self._of(task_id, caller)

    async def history(self, caller: str, limit: int, before_seq: int | None) -> list[Task]:
        """See `TaskStore.history`."""
        await self._turn()
        mine = [task for task in reversed(self._tasks.values()) if task.caller == caller]
        return [task for task in mine if before_seq is None or task.seq < before_seq][:limit]

    async def own_readings(self, new: NewTask, limit: int) -> list[OwnReading]:
        """See `TaskStore.own_readings`."""
        latest = await self.history(new.caller, MOST_OWN, None)
        what = new.collection, new.lot, new.language, new.mode, new.parent_id
        return [
            OwnReading(task.id, task.question, task.timings.get("cache_created_at"))
            for task in latest
            if (task.collection, task.lot, task.language, task.mode, task.parent_id) == what
            and task.status is Status.COMPLETED
            and task.care is None
            and task.timings.get("cache_task_id") is None
        ][:limit]

    async def events(self, task_id: str, after: int, limit: int) -> list[StoredEvent]:
        """See `TaskStore.events`."""
        await self._turn()
        return [event for event in self._events.get(task_id, ()) if event.id > after][:limit]

    async def ahead_of(self, task_ids: Sequence[str]) -> dict[str, int]:
        """See `TaskStore.ahead_of`."""
        await self._turn()
        queue = [task.id for task in self._tasks.values() if task.status is Status.QUEUED]
        return {task_id: place for place, task_id in enumerate(queue) if task_id in task_ids}

    async def counts(self) -> dict[Status, int]:
        """See `TaskStore.counts`."""
        await self._turn()
        return {status: sum(task.status is status for task in self._tasks.values()) for status in _LIVE}

    async def median_total_ms(self, mode: str) -> float | None:
        """See `TaskStore.median_total_ms`."""
        await self._turn()
        asked = [task for task in self._tasks.values() if task.mode == mode and task.attempts > 0]
        totals = [task.timings.get("total_time_ms") for task in asked if task.status is Status.COMPLETED]
        known = [total for total in totals if total is not None][-100:]
        return median(known) if known else None

    async def add_feedback(self, task_id: str, caller: str, feedback: Feedback, now: float) -> None:
        """See `TaskStore.add_feedback`."""
        await self._turn()
        self._of(task_id, caller)
        if feedback.score not in (-1, 1):
            raise ValueError(f"a score of {feedback.score}")
        self._feedback[task_id] = (feedback, now)


def _task_of(new: NewTask, seq: int) -> Task:
    """A task with `care` is complete as soon as it is stored: no worker ever sees it."""
    fields = {
        name: getattr(new, name) for name in new.__slots__ if name not in ("idempotency_key", "body_hash", "timings")
    }
    task = Task(seq=seq, status=Status.QUEUED, **fields)
    done: dict[str, Any] = {"status": Status.COMPLETED, "ended_at": new.created_at} if new.care is not None else {}
    waited = {"time_to_first_event_ms": round(max(0.0, time.time() - new.created_at) * 1000, 1)}
    return replace(task, touched_at=new.created_at, timings={**waited, **new.timings}, **done)

"""The store on SQL: SQLAlchemy Core, every write through the one writer, reads in threads of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.cache.answer import KeptAnswer
from jieqian.errors import StoreError, UnknownTask
from jieqian.events.event import Event, Stopped, StoredEvent, encode
from jieqian.sections.section import Section
from jieqian.tasks import rows
from jieqian.tasks.accepting import KEY_SECONDS, accept_in
from jieqian.tasks.answer_rows import AnswerRows, forget_answers, keep_answer, use_answer
from jieqian.tasks.database import begins_another_boot, open_engine, rewrite_a_page
from jieqian.tasks.desk_rows import DeskRows
from jieqian.tasks.experiment_rows import ExperimentRows
from jieqian.tasks.faq_rows import FaqRows, forget_task
from jieqian.tasks.faq_use_rows import FaqUseRows, cites_only_approved, count_uses_of
from jieqian.tasks.figure_rows import FigureRows, count_before_erasing
from jieqian.tasks.lease_rows import CLAIM, hold
from jieqian.tasks.notice_rows import NoticeRows, add_notice, forget_notice
from jieqian.tasks.share_rows import ShareRows, forget_share
from jieqian.tasks.store import Accepted, Announce, FirstEvents, FreeWorker, FromCache, Reused
from jieqian.tasks.tables import IS_QUEUED, IS_RUNNING, UNENDED, events, feedback, sections, tasks
from jieqian.tasks.task import Feedback, NewTask, Status, Task
from jieqian.tasks.timings import settled
from jieqian.tasks.writer import GroupWriter

Result = TypeVar("Result")
#: After a power cut ids go on so much later: those of text that was sent and then lost are never given out again.
EVENTS_A_POWER_CUT_TAKES = 100_000


def announce_nothing(_task_id: str, _events: Sequence[StoredEvent]) -> None:
    """For a store nobody listens to (a command line, a migration)."""


class SqlTaskStore(DeskRows, FaqRows, FaqUseRows, AnswerRows, ShareRows, NoticeRows, FigureRows, ExperimentRows):
    """`TaskStore` over a database whose schema is up to date (`tasks.database.migrate`)."""

    def __init__(
        self,
        url: str,
        announce: Announce = announce_nothing,
        *,
        most_answers: int = 10_000,
        keeps_notices: bool = False,
    ) -> None:
        """`most_answers`: how many answers are kept for those who ask the same. `keeps_notices`: there is a webhook."""
        self._keeps_notices = keeps_notices
        self._announce = announce
        self._most_answers = most_answers
        self._write_engine = open_engine(url, writes=True)
        self._read_engine = open_engine(url, writes=False)
        self._writer = GroupWriter(self._write_engine)
        self._readers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="jieqian-reader")

    # -- ways in and out ------------------------------------------------------------------------------------------

    async def _write(
        self,
        operation: Callable[[sa.Connection], Result],
        *,
        durable: bool = True,
        leaves_no_trace: bool = False,
        after_commit: Callable[[Result], None] | None = None,
    ) -> Result:
        return await self._writer.write(
            operation, durable=durable, leaves_no_trace=leaves_no_trace, after_commit=after_commit
        )

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        def run() -> Result:
            try:
                with self._read_engine.connect() as connection:
                    return operation(connection)
            except sa.exc.DBAPIError as error:
                raise StoreError(f"The database cannot be read: {error.orig}.") from error

        try:
            reading = asyncio.get_running_loop().run_in_executor(self._readers, run)
        except RuntimeError as error:  # the executor was shut down
            raise StoreError("The database was closed: the service is stopping.") from error
        return await reading

    async def close(self) -> None:
        """Finish what was begun and close."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.shutdown)
        self._write_engine.dispose()
        self._read_engine.dispose()

    async def ping(self) -> None:
        """Raise `StoreError` where the database cannot be read or written."""
        await self._read(lambda connection: connection.execute(sa.text("select 1")).scalar_one())
        await self._write(rewrite_a_page, durable=False)

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

        def insert(connection: sa.Connection) -> tuple[Accepted, list[StoredEvent]]:
            accepted, stored = accept_in(connection, new, first_events, max_queue, from_cache, worker)
            if accepted.created and self._keeps_notices:
                add_notice(connection, new.id, new.created_at)
            return accepted, stored

        def tell(done: tuple[Accepted, list[StoredEvent]]) -> None:
            accepted, stored = done
            if stored:
                self._announce(accepted.task.id, stored)
            if accepted.begun and worker is not None:
                worker.begin(accepted.task)

        accepted, _ = await self._write(insert, after_commit=tell)
        return accepted

    async def task_of_key(self, caller: str, idempotency_key: str, now: float) -> tuple[Task, str] | None:
        """See `TaskStore.task_of_key`."""
        mine = sa.and_(tasks.c.caller == caller, tasks.c.idempotency_key == idempotency_key)
        query = sa.select(tasks).where(mine, tasks.c.created_at >= now - KEY_SECONDS)

        def look(connection: sa.Connection) -> tuple[Task, str] | None:
            row = connection.execute(query).mappings().one_or_none()
            return (rows.whole_task(connection, row), row["body_hash"]) if row else None

        return await self._read(look)

    async def claim(self, token: str, now: float, lease_seconds: float, *, held: Collection[str] = ()) -> Task | None:
        """See `TaskStore.claim`."""
        asked = {"new_token": token, "now": now, "until": now + lease_seconds, "held": list(held)}

        def take(connection: sa.Connection) -> tuple[Task | None, list[tuple[str, list[StoredEvent]]]]:
            unreadable: list[tuple[str, list[StoredEvent]]] = []
            while (row := connection.execute(CLAIM, asked).mappings().one_or_none()) is not None:
                try:
                    return rows.whole_task(connection, row), unreadable
                except StoreError as error:
                    unreadable.append((row["id"], rows.give_up(connection, row, time.time(), error)))
            return None, unreadable

        def announce(done: tuple[Task | None, list[tuple[str, list[StoredEvent]]]]) -> None:
            for task_id, stored in done[1]:
                self._announce(task_id, stored)

        # Durable: that a task runs must be known after a power cut, which may take events its askers have seen.
        task, _ = await self._write(take, after_commit=announce)
        return task

    async def heartbeat(self, task_id: str, token: str, expires_at: float) -> None:
        """See `TaskStore.heartbeat`."""
        await self._write(
            lambda connection: hold(connection, task_id, token, lease_expires_at=expires_at), durable=False
        )

    async def release(self, task_id: str, token: str, *, counts: bool) -> None:
        """See `TaskStore.release`."""
        back: dict[str, Any] = {"status": Status.QUEUED, "lease_token": None, "lease_expires_at": None}
        await self._write(lambda connection: hold(connection, task_id, token, uncounted=0 if counts else 1, **back))

    async def release_leases(self) -> int:
        """See `TaskStore.release_leases`."""
        back = sa.update(tasks).where(IS_RUNNING).values(status=Status.QUEUED, lease_token=None, lease_expires_at=None)

        def take_over(connection: sa.Connection) -> int:
            lost = EVENTS_A_POWER_CUT_TAKES if begins_another_boot(connection) else 0
            # Touched: what a worker wrote without waiting for the disk may be gone, and with it that it wrote at all.
            behind = {"last_event_id": tasks.c.last_event_id + lost, "touched_at": tasks.c.touched_at + 0.001}
            return int(connection.execute(back.values(**behind) if lost else back).rowcount)

        return await self._write(take_over)

    async def append(self, task_id: str, token: str, events: Sequence[Event]) -> None:
        """See `TaskStore.append`."""
        await self._under_lease(task_id, token, events, durable=False)

    async def keep_sources(
        self,
        task_id: str,
        token: str,
        sources: Sequence[Mapping[str, Any]],
        timings: Mapping[str, Any],
        events: Sequence[Event],
    ) -> None:
        """See `TaskStore.keep_sources`."""
        kept = [dict(source) for source in sources]
        # Those that a power cut takes are looked for again.
        await self._under_lease(task_id, token, events, durable=False, sources=kept, timings=dict(timings))

    async def end_attempt(self, task_id: str, token: str, attempts: int, events: Sequence[Event]) -> None:
        """See `TaskStore.end_attempt`."""
        await self._under_lease(task_id, token, events, attempts=attempts)

    async def finish_section(
        self, task_id: str, token: str, section: Section, timings: Mapping[str, Any], events: Sequence[Event]
    ) -> None:
        """See `TaskStore.finish_section`."""

        def insert(connection: sa.Connection) -> None:
            rows.add_sections(connection, task_id, [section])

        await self._under_lease(task_id, token, events, and_also=insert, timings=dict(timings))

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

        changes = {"status": status, "error": error, **_ended(timings)}
        if attempts is not None:
            changes["attempts"] = attempts

        def keep_it(connection: sa.Connection) -> None:
            if keep is not None and cites_only_approved(connection, keep.sources):
                keep_answer(connection, keep, self._most_answers)
            if status is Status.COMPLETED:
                count_uses_of(connection, task_id, changes["ended_at"])

        await self._under_lease(task_id, token, events, and_also=keep_it, **changes)

    async def end_with(self, task_id: str, token: str, answer: KeptAnswer, reused: Reused) -> None:
        """See `TaskStore.end_with`."""

        def copy(connection: sa.Connection) -> None:
            rows.add_sections(connection, task_id, answer.sections)
            use_answer(connection, answer.key, time.time())
            count_uses_of(connection, task_id, time.time())

        sources = [dict(source) for source in answer.sources]
        changes = {"status": Status.COMPLETED, "sources": sources, **_ended(reused.timings)}
        await self._under_lease(task_id, token, reused.events, and_also=copy, **changes)

    async def stop(self, task_id: str, caller: str, now: float) -> Task:
        """See `TaskStore.stop`."""

        def end_now(connection: sa.Connection) -> tuple[Task, list[StoredEvent]]:
            row = rows.row_of(connection, task_id, caller)
            task = rows.whole_task(connection, row)
            if task.status.ended:
                return task, []
            timings = settled(task, now)
            done = {
                "status": Status.STOPPED,
                "ended_at": now,
                "lease_token": None,
                "lease_expires_at": None,
                "timings": timings,
                "total_time_ms": timings["total_time_ms"],
            }
            stored = rows.log(connection, task_id, task.last_event_id, [Stopped(task.sections_dict())])
            change = sa.update(tasks).where(tasks.c.id == task_id).values(last_event_id=stored[-1].id, **done)
            connection.execute(change)
            return rows.task_from(rows.row_of(connection, task_id, caller), task.sections), stored

        task, _ = await self._write(
            end_now, after_commit=lambda done: self._announce(task_id, done[1]) if done[1] else None
        )
        return task

    async def erase(self, task_id: str, caller: str) -> None:
        """See `TaskStore.erase`."""

        def delete(connection: sa.Connection) -> None:
            rows.row_of(connection, task_id, caller)
            count_before_erasing(connection, task_id)
            forget_task(connection, task_id)
            forget_answers(connection, task_id)
            forget_share(connection, task_id)
            forget_notice(connection, task_id)
            for table in (events, sections, feedback):
                connection.execute(sa.delete(table).where(table.c.task_id == task_id))
            connection.execute(sa.delete(tasks).where(tasks.c.id == task_id))

        await self._write(delete, leaves_no_trace=True, after_commit=lambda _: self._announce(task_id, []))

    async def _under_lease(
        self,
        task_id: str,
        token: str,
        new_events: Sequence[Event],
        *,
        durable: bool = True,
        and_also: Callable[[sa.Connection], None] | None = None,
        **changes: Any,
    ) -> None:
        encoded = [(event.type, encode(event)) for event in new_events]

        def write(connection: sa.Connection) -> list[StoredEvent]:
            last = hold(connection, task_id, token, events=len(encoded), touched_at=time.time(), **changes)
            if and_also is not None:
                and_also(connection)
            return rows.log_encoded(connection, task_id, last - len(encoded), encoded)

        # No events must not be announced: that would say the task was erased.
        await self._write(
            write, durable=durable, after_commit=lambda stored: self._announce(task_id, stored) if stored else None
        )

    # -- looking --------------------------------------------------------------------------------------------------

    async def get(self, task_id: str, caller: str | None = None) -> Task:
        """See `TaskStore.get`."""
        return await self._read(
            lambda connection: rows.whole_task(connection, rows.row_of(connection, task_id, caller))
        )

    async def history(self, caller: str, limit: int, before_seq: int | None) -> list[Task]:
        """See `TaskStore.history`."""
        mine = sa.select(tasks).where(tasks.c.caller == caller).order_by(tasks.c.seq.desc()).limit(limit)
        if before_seq is not None:
            mine = mine.where(tasks.c.seq < before_seq)

        def look(connection: sa.Connection) -> list[Task]:
            found = connection.execute(mine).mappings().all()
            return [rows.whole_task(connection, row) for row in found if rows.is_readable(row)]

        return await self._read(look)

    async def events(self, task_id: str, after: int, limit: int) -> list[StoredEvent]:
        """See `TaskStore.events`."""
        return await self._read(lambda connection: rows.events_after(connection, task_id, after, limit))

    async def ahead_of(self, task_ids: Sequence[str]) -> dict[str, int]:
        """See `TaskStore.ahead_of`."""
        queue = sa.select(tasks.c.id).where(IS_QUEUED).order_by(tasks.c.seq)
        wanted = set(task_ids)
        order = await self._read(lambda connection: connection.execute(queue).scalars().all())
        return {task_id: place for place, task_id in enumerate(order) if task_id in wanted}

    async def counts(self) -> dict[Status, int]:
        """See `TaskStore.counts`."""
        live = (Status.QUEUED, Status.RUNNING)
        query = sa.select(tasks.c.status, sa.func.count()).where(UNENDED).group_by(tasks.c.status)
        found = await self._read(lambda connection: connection.execute(query).all())
        return {status: 0 for status in live} | {Status(status): int(number) for status, number in found}

    async def median_total_ms(self, mode: str) -> float | None:
        """See `TaskStore.median_total_ms`."""
        recent = (
            sa.select(tasks.c.total_time_ms)
            .where(tasks.c.mode == mode, tasks.c.status == Status.COMPLETED)
            .where(tasks.c.attempts > 0, tasks.c.total_time_ms.is_not(None))
            .order_by(tasks.c.seq.desc())
            .limit(100)
        )
        totals = await self._read(lambda connection: connection.execute(recent).scalars().all())
        return median(totals) if totals else None

    async def add_feedback(self, task_id: str, caller: str, given: Feedback, now: float) -> None:
        """See `TaskStore.add_feedback`."""

        def replace(connection: sa.Connection) -> None:
            row = rows.row_of(connection, task_id, caller)
            connection.execute(sa.delete(feedback).where(feedback.c.task_id == task_id))
            model = row["timings"].get("llm_model")
            connection.execute(
                sa.insert(feedback).values(
                    task_id=task_id,
                    score=given.score,
                    comment=given.comment,
                    mode=row["mode"],
                    model=model,
                    created_at=now,
                )
            )

        await self._write(replace)


def _ended(timings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "timings": dict(timings),
        "total_time_ms": timings.get("total_time_ms"),
        "ended_at": time.time(),
        "lease_token": None,
        "lease_expires_at": None,
    }


__all__ = ["SqlTaskStore", "UnknownTask", "announce_nothing"]

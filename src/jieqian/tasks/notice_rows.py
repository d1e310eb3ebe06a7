"""Notices: which tasks' ends are still to be told to the operator's webhook. Written with the task, gone when told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from jieqian.tasks.store import Notice
from jieqian.tasks.tables import notices, tasks

Result = TypeVar("Result")


class NoticeRows:
    """The part of `SqlTaskStore` that keeps notices."""

    async def _write(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def due_notices(self, now: float, limit: int) -> list[Notice]:
        """See `TaskStore.due_notices`."""
        query = (
            sa.select(notices.c.task_id, notices.c.tries)
            .join(tasks, tasks.c.id == notices.c.task_id)
            .where(notices.c.due_at <= now, tasks.c.ended_at.is_not(None))
            .order_by(notices.c.due_at)
            .limit(limit)
        )
        return await self._read(lambda connection: [Notice(*row) for row in connection.execute(query)])

    async def put_off_notice(self, task_id: str, tries: int, due_at: float) -> None:
        """See `TaskStore.put_off_notice`."""
        change = sa.update(notices).where(notices.c.task_id == task_id).values(tries=tries, due_at=due_at)
        await self._write(lambda connection: connection.execute(change))

    async def forget_notice(self, task_id: str) -> None:
        """See `TaskStore.forget_notice`."""
        await self._write(lambda connection: forget_notice(connection, task_id))


def add_notice(connection: sa.Connection, task_id: str, due_at: float) -> None:
    """That task's end is to be told."""
    connection.execute(sa.insert(notices).values(task_id=task_id, tries=0, due_at=due_at))


def forget_notice(connection: sa.Connection, task_id: str) -> None:
    """Nothing is to be told of that task."""
    connection.execute(sa.delete(notices).where(notices.c.task_id == task_id))

"""Links to readings: their rows, one a task at most, and gone with the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from jieqian.errors import UnknownShare, UnknownTask
from jieqian.tasks import rows
from jieqian.tasks.store import Share
from jieqian.tasks.tables import shares
from jieqian.tasks.task import Task

Result = TypeVar("Result")


class ShareRows:
    """The part of `SqlTaskStore` that keeps links."""

    async def _write(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def share(self, share: Share, caller: str) -> Share:
        """See `TaskStore.share`."""
        row = {name: getattr(share, name) for name in share.__slots__}

        def keep(connection: sa.Connection) -> Share:
            rows.row_of(connection, share.task_id, caller)
            earlier = _share_of(connection, share.task_id, share.created_at)
            if earlier is not None and earlier.with_question == share.with_question:
                return earlier
            forget_share(connection, share.task_id)
            connection.execute(sa.insert(shares).values(row))
            return share

        return await self._write(keep)

    async def share_of(self, task_id: str, caller: str, now: float) -> Share | None:
        """See `TaskStore.share_of`."""

        def look(connection: sa.Connection) -> Share | None:
            rows.row_of(connection, task_id, caller)
            return _share_of(connection, task_id, now)

        return await self._read(look)

    async def withdraw_share(self, task_id: str, caller: str) -> bool:
        """See `TaskStore.withdraw_share`."""

        def end(connection: sa.Connection) -> bool:
            rows.row_of(connection, task_id, caller)
            return forget_share(connection, task_id)

        return await self._write(end)

    async def shared(self, token: str, now: float) -> tuple[Share, Task]:
        """See `TaskStore.shared`."""
        query = sa.select(shares).where(shares.c.token == token, shares.c.expires_at > now)

        def look(connection: sa.Connection) -> tuple[Share, Task]:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise UnknownShare
            try:
                return Share(**row), rows.whole_task(connection, rows.row_of(connection, row["task_id"], None))
            except UnknownTask as error:
                raise UnknownShare from error

        return await self._read(look)


def forget_share(connection: sa.Connection, task_id: str) -> bool:
    """End the link to that task; False if there was none."""
    return connection.execute(sa.delete(shares).where(shares.c.task_id == task_id)).rowcount > 0


def _share_of(connection: sa.Connection, task_id: str, now: float) -> Share | None:
    query = sa.select(shares).where(shares.c.task_id == task_id, shares.c.expires_at > now)
    row = connection.execute(query).mappings().one_or_none()
    return Share(**row) if row else None

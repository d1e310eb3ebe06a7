"""Leases as statements: claim the oldest task that waits, change one only while it is held."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from jieqian.errors import LeaseLost
from jieqian.tasks.tables import IS_QUEUED, IS_RUNNING, UNENDED, tasks
from jieqian.tasks.task import Status


def hold(
    connection: sa.Connection, task_id: str, token: str, *, events: int = 0, uncounted: int = 0, **changes: Any
) -> int:
    """Change the task if it still runs under this token, with so many more events and `uncounted` deliveries fewer.

    Answers `last_event_id`. Raises `LeaseLost`.
    """
    asked = {"its_id": task_id, "its_token": token, "more_events": events, "uncounted": uncounted}
    asked |= {f"new_{name}": value for name, value in changes.items()}
    last = connection.execute(_held_change(tuple(changes)), asked).scalar()
    if last is None:
        raise LeaseLost
    return int(last)


@lru_cache(maxsize=64)
def _held_change(names: tuple[str, ...]) -> sa.sql.dml.ReturningUpdate[Any]:
    """The change of those columns. Made once: building a statement costs more than SQLite takes to run it."""
    mine = sa.and_(
        tasks.c.id == sa.bindparam("its_id"),
        tasks.c.lease_token == sa.bindparam("its_token"),
        tasks.c.status == Status.RUNNING,
    )
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=tasks.c[name].type) for name in names}
    values["last_event_id"] = tasks.c.last_event_id + sa.bindparam("more_events")
    values["deliveries"] = tasks.c.deliveries - sa.bindparam("uncounted")
    return sa.update(tasks).where(mine).values(**values).returning(tasks.c.last_event_id)


def _claim() -> sa.sql.dml.ReturningUpdate[Any]:
    left = sa.and_(
        IS_RUNNING,
        tasks.c.lease_expires_at < sa.bindparam("now"),
        tasks.c.lease_token.not_in(sa.bindparam("held", expanding=True)),
    )
    waiting = sa.and_(UNENDED, sa.or_(IS_QUEUED, left))
    oldest = sa.select(tasks.c.seq).where(waiting).order_by(tasks.c.seq).limit(1).scalar_subquery()
    return (
        sa.update(tasks)
        .where(tasks.c.seq == oldest)
        .values(
            status=Status.RUNNING,
            lease_token=sa.bindparam("new_token"),
            lease_expires_at=sa.bindparam("until"),
            deliveries=tasks.c.deliveries + 1,
            claimed_at=sa.func.coalesce(tasks.c.claimed_at, sa.bindparam("now")),
        )
        .returning(*tasks.c)
    )


#: Asked with `new_token`, `now`, `until` and the tokens `held` by this process; answers the task's row, or none.
CLAIM = _claim()

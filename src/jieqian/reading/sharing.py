"""Links to readings: who may make one, of what, and for how long."""

from __future__ import annotations

import re
import secrets
import time

from jieqian.errors import NothingToShare, UnknownShare
from jieqian.tasks.store import Share, TaskStore
from jieqian.tasks.task import Task

#: 256 random bits, in 43 characters.
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_DAY_SECONDS = 24 * 3600.0


def is_shareable(task: Task) -> bool:
    """Whether there is a reading to show: it has ended, something was written, and it is not help lines."""
    return task.status.ended and bool(task.sections) and not task.care


async def share_reading(store: TaskStore, task_id: str, caller: str, *, with_question: bool, days: int) -> Share:
    """A link to the caller's reading. Raises `UnknownTask`, `NothingToShare`."""
    task = await store.get(task_id, caller)
    if not days:
        raise NothingToShare("No links are made here: the operator turned them off (SHARE_DAYS).")
    if not is_shareable(task):
        raise NothingToShare
    now = time.time()
    share = Share(
        token=secrets.token_urlsafe(_TOKEN_BYTES),
        task_id=task.id,
        with_question=with_question,
        created_at=now,
        expires_at=now + days * _DAY_SECONDS,
    )
    return await store.share(share, caller)


async def shared_reading(store: TaskStore, token: str) -> tuple[Share, Task]:
    """What that link shows. Raises `UnknownShare`."""
    if not _TOKEN.fullmatch(token):
        raise UnknownShare
    share, task = await store.shared(token, time.time())
    if not is_shareable(task):
        raise UnknownShare
    return share, task

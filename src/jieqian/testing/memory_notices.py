"""The part of the memory store that keeps notices."""

from __future__ import annotations

from collections.abc import Mapping

from jieqian.tasks.store import Notice
from jieqian.tasks.task import Task


class MemoryNotices:
    """Notices in a dictionary: tries and when they are due, by task."""

    _tasks: Mapping[str, Task]

    def __init__(self) -> None:
        super().__init__()
        self._notices: dict[str, tuple[int, float]] = {}

    async def _turn(self) -> None:
        raise NotImplementedError

    async def due_notices(self, now: float, limit: int) -> list[Notice]:
        """See `TaskStore.due_notices`."""
        await self._turn()
        due = [
            (due_at, Notice(task_id, tries))
            for task_id, (tries, due_at) in self._notices.items()
            if due_at <= now and self._tasks[task_id].status.ended
        ]
        return [notice for _, notice in sorted(due, key=lambda pair: pair[0])][:limit]

    async def put_off_notice(self, task_id: str, tries: int, due_at: float) -> None:
        """See `TaskStore.put_off_notice`."""
        await self._turn()
        if task_id in self._notices:
            self._notices[task_id] = (tries, due_at)

    async def forget_notice(self, task_id: str) -> None:
        """See `TaskStore.forget_notice`."""
        await self._turn()
        self._notices.pop(task_id, None)

"""The part of the memory store that keeps links to readings."""

from __future__ import annotations

from jieqian.errors import UnknownShare
from jieqian.tasks.store import Share
from jieqian.tasks.task import Task


class MemoryShares:
    """Links in a dictionary, by the task they show."""

    def __init__(self) -> None:
        super().__init__()
        self._shares: dict[str, Share] = {}

    async def _turn(self) -> None:
        raise NotImplementedError

    def _of(self, task_id: str, caller: str | None) -> Task:
        raise NotImplementedError

    async def share(self, share: Share, caller: str) -> Share:
        """See `TaskStore.share`."""
        await self._turn()
        self._of(share.task_id, caller)
        earlier = self._shares.get(share.task_id)
        lasts = earlier is not None and earlier.expires_at > share.created_at
        if earlier is not None and lasts and earlier.with_question == share.with_question:
            return earlier
        if any(known.token == share.token for known in self._shares.values()):
            raise ValueError("there is such a token already")
        self._shares[share.task_id] = share
        return share

    async def share_of(self, task_id: str, caller: str, now: float) -> Share | None:
        """See `TaskStore.share_of`."""
        await self._turn()
        self._of(task_id, caller)
        share = self._shares.get(task_id)
        return share if share is not None and share.expires_at > now else None

    async def withdraw_share(self, task_id: str, caller: str) -> bool:
        """See `TaskStore.withdraw_share`."""
        await self._turn()
        self._of(task_id, caller)
        return self._shares.pop(task_id, None) is not None

    async def shared(self, token: str, now: float) -> tuple[Share, Task]:
        """See `TaskStore.shared`."""
        await self._turn()
        for share in self._shares.values():
            if share.token == token and share.expires_at > now:
                return share, self._of(share.task_id, None)
        raise UnknownShare

    def _forget_share(self, task_id: str) -> None:
        self._shares.pop(task_id, None)

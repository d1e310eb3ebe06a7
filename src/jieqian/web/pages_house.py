"""What the pages need of the running service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Lot
from jieqian.reading.accept import ReadingRequest
from jieqian.reading.engines import Engines
from jieqian.settings import Settings
from jieqian.tasks.limits import RateLimit
from jieqian.tasks.store import Accepted, TaskStore
from jieqian.tasks.task import Task


class PagesHouse(Protocol):
    """The part of the house that pages stand on."""

    rate_limit: RateLimit

    @property
    def settings(self) -> Settings:
        """As the operator set them."""
        ...

    @property
    def lots(self) -> LotLibrary:
        """Every collection."""
        ...

    @property
    def store(self) -> TaskStore:
        """The tasks."""
        ...

    @property
    def engines(self) -> Engines:
        """Who writes."""
        ...

    async def accept(
        self,
        asked: ReadingRequest,
        caller: str,
        idempotency_key: str | None = None,
        *,
        limited_as: Sequence[str] | None = None,
    ) -> Accepted:
        """Check and store a request. Raises `RequestError` kinds."""
        ...

    async def stop_task(self, task_id: str, caller: str) -> Task:
        """Stop the caller's task. Raises `UnknownTask`."""
        ...

    def warm(self, caller: str, lot: Lot, language: Language) -> None:
        """The caller looks at that lot, and may soon ask about it."""
        ...

"""Requests and sections as a store gets them, and an ear for what it announces."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jieqian.events.event import Event, LotShown, Queued, StoredEvent
from jieqian.languages import Language
from jieqian.sections.section import Section, SectionName, SectionSource
from jieqian.tasks.task import Mode, NewTask, Status, StrategyName, Task

#: Seconds since the epoch; when a sample request was made unless it says otherwise.
SAMPLE_TIME = 1_750_000_000.0


def sample_request(caller: str = "asker", **changes: Any) -> NewTask:
    """A request on lot 7 of `yuelao`, with a new id; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "caller": caller,
        "collection": "yuelao",
        "lot": 7,
        "question": "會遇到對的人嗎？",
        "language": Language.ZH_HANT,
        "mode": Mode.QUALITY,
        "strategy": StrategyName.AUTO,
        "created_at": SAMPLE_TIME,
    }
    return NewTask(**(fields | changes))


def sample_task(**changes: Any) -> Task:
    """The task of a sample request, running; `changes` replace the fields of either."""
    asked = {key: changes.pop(key) for key in [*changes] if key in NewTask.__slots__}
    new = sample_request(**asked)
    fields = {name: getattr(new, name) for name in new.__slots__ if name not in ("idempotency_key", "body_hash")}
    return replace(Task(seq=1, status=Status.RUNNING, **fields), **changes)


def sample_first_events(ahead: int) -> Sequence[Event]:
    """Two events, as a request's acceptance writes them."""
    return [Queued(ahead, None), LotShown({"id": "yuelao/7"})]


def sample_section(name: SectionName = SectionName.LINE_BY_LINE, text: str = "一句一句地說。") -> Section:
    """A section by the model's first attempt."""
    return Section(name, text, SectionSource.MODEL, 1, 120)


class Ear:
    """An `Announce` that keeps what it heard, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, list[StoredEvent]]] = []

    def __call__(self, task_id: str, events: Sequence[StoredEvent]) -> None:
        """Keep it."""
        self.heard.append((task_id, list(events)))

    def events(self, task_id: str) -> list[StoredEvent]:
        """All events announced for a task."""
        return [event for heard_id, events in self.heard if heard_id == task_id for event in events]

"""One task as its page shows it: a value for the template, made from what the store and the lots know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jieqian.errors import UnknownCollection, UnknownLot
from jieqian.events.event import Stage
from jieqian.lots.library import LotLibrary
from jieqian.reading.reading import timings_of
from jieqian.sections.section import SECTIONS, Section, SectionName
from jieqian.tasks.task import Task
from jieqian.web.lot_view import LotView, lot_view

_STAGE_TIMES: tuple[tuple[Stage, str], ...] = (
    (Stage.QUEUE, "queue_wait_ms"),
    (Stage.POEM, "poem_lookup_ms"),
    (Stage.RETRIEVAL, "rag_retrieval_ms"),
    (Stage.GENERATION, "llm_generation_ms"),
    (Stage.VALIDATION, "validation_ms"),
)


@dataclass(frozen=True, slots=True)
class ReadingView:
    """What the page of a reading shows.

    `slip` is None where the lot was withdrawn; `collection` is its name, empty where the lot's title tells it; `stages`
    are (name, ms or None).
    """

    task: Task
    slip: LotView | None
    collection: str
    sections: Sequence[tuple[SectionName, Section | None]]
    stages: Sequence[tuple[str, float | None]]
    timings: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.task.status.ended

    @property
    def title(self) -> str:
        """The lot's title, or its id where the lot is gone."""
        return self.slip.lot["title"] if self.slip else f"{self.task.collection}/{self.task.lot}"

    @property
    def reused_from(self) -> str | None:
        """The asker's own earlier task, told in other words, whose reading this is."""
        told: str | None = self.timings["cache_task_id"]
        return told

    @property
    def reused_at(self) -> str:
        """When what is shown again was written, ISO 8601 in UTC; empty where nothing is."""
        written = self.timings["cache_created_at"]
        return "" if written is None else iso_time(written)

    @property
    def created(self) -> str:
        """When it was asked, ISO 8601 in UTC."""
        return iso_time(self.task.created_at)


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as `2026-11-22T08:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def view_of(task: Task, lots: LotLibrary) -> ReadingView:
    """The view; the lot, its commentary and the collection's name in the reading's language."""
    finished = {section.name: section for section in task.sections}
    try:
        collection = lots.collection(task.collection)
        slip = lot_view(lots.lot(task.collection, task.lot, counted=False), collection, task.language)
    except (UnknownCollection, UnknownLot):
        slip = None
    timings = timings_of(task, task.timings)
    return ReadingView(
        task=task,
        slip=slip,
        collection="" if slip is None or slip.temple in slip.lot["title"] else slip.temple,
        sections=tuple((name, finished.get(name)) for name in SECTIONS),
        stages=tuple((stage.value, timings[key]) for stage, key in _STAGE_TIMES),
        timings=timings,
    )

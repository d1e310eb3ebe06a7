"""One task as its page shows it: a value for the template, made from what the store and the lots know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jieqian.errors import UnknownCollection, UnknownLot
from jieqian.events.event import Stage
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.script import script_of
from jieqian.reading.reading import timings_of
from jieqian.sections.section import SECTIONS, Section, SectionName
from jieqian.tasks.task import Task

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

    `lot` is None where it was withdrawn; `collection` is its name, empty where the lot's title tells it; `stages` are
    (name, ms or None).
    """

    task: Task
    lot: Mapping[str, Any] | None
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
        return self.lot["title"] if self.lot else f"{self.task.collection}/{self.task.lot}"

    @property
    def verse_language(self) -> str:
        """The verse's language tag: collections print Chinese verse, unless there is kana in it."""
        return verse_language(self.lot["lines"]) if self.lot else Language.ZH_HANT.value

    @property
    def glossed(self) -> Sequence[tuple[str, str]]:
        """Each line with its gloss; empty where the two do not pair up."""
        note = self.lot and self.lot["commentary"]
        if not self.lot or not note or len(note["gloss"]) != len(self.lot["lines"]):
            return ()
        return tuple(zip(self.lot["lines"], note["gloss"], strict=True))

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


def verse_language(lines: Sequence[str]) -> str:
    """`ja` for verse with kana in it, `zh-Hans` where more characters are of that script only, else `zh-Hant`."""
    verse = "".join(lines)
    if any("\u3040" <= character <= "\u30ff" for character in verse):
        return Language.JA.value
    return script_of(verse).value


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as `2026-11-22T08:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def view_of(task: Task, lots: LotLibrary) -> ReadingView:
    """The view; the lot, its commentary and the collection's name in the reading's language."""
    finished = {section.name: section for section in task.sections}
    try:
        name = lots.collection(task.collection).name(task.language)
        lot = lots.lot(task.collection, task.lot, counted=False).as_dict(task.language)
    except (UnknownCollection, UnknownLot):
        name, lot = "", None
    timings = timings_of(task, task.timings)
    return ReadingView(
        task=task,
        lot=lot,
        collection="" if lot and name in lot["title"] else name,
        sections=tuple((name, finished.get(name)) for name in SECTIONS),
        stages=tuple((stage.value, timings[key]) for stage, key in _STAGE_TIMES),
        timings=timings,
    )

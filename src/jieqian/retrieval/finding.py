"""What a reading asks of retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.prompt.prompt import Passage
from jieqian.retrieval.passage import StoredPassage


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPassage:
    """One passage a reading is given. `score`: cosine similarity, or what the search by characters counted."""

    id: str
    title: str
    text: str
    collection: str
    lot: int
    kind: str
    topic: str | None
    language: Language
    score: float

    def as_source(self) -> dict[str, Any]:
        """As `sources` of a reading show it and the task keeps it."""
        return {**asdict(self), "language": self.language.value}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found and how: `vector`, `lexical` or `none`; `note` says why it was not by vectors.

    `version` tells of what they were chosen from and how; empty where looking failed or that changed meanwhile.
    """

    passages: tuple[FoundPassage, ...]
    how: str
    note: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """Passages an index of vectors found, with their cosine similarity, best first.

    `worth` tells what each is worth to the question, where that was learned for these vectors, and `characters` what a
    point of the search by characters is worth beside it.
    """

    passages: list[tuple[StoredPassage, float]]
    worth: Mapping[str, float] | None = None
    characters: float = 0.0


class PassageFinder(Protocol):
    """Finds passages of other lots and of approved FAQ entries."""

    async def find(self, question: str, lot: Lot, language: Language) -> Found:
        """The passages nearest to the question, best first, none of the lot's own. Never raises, never waits long."""
        ...


def prompt_passage(source: Mapping[str, Any]) -> Passage:
    """A kept source as the prompt takes it."""
    return Passage(id=str(source["id"]), title=str(source["title"]), text=str(source["text"]))

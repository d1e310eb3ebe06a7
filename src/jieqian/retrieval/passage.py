"""The values of retrieval: a passage of a lot or of an approved FAQ entry, before it is chosen for a reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Protocol

from jieqian.languages import Language

#: What is made into a vector is cut to so many characters: a question's cost grows with its length, 0.09 s of one
#: core for a hundred Chinese characters and 2.9 s for two thousand (measured), and whoever comes after waits for it.
QUESTION_CHARACTERS, PASSAGE_CHARACTERS = 300, 600


def both_ends(text: str, most: int) -> str:
    """The text, or of a longer one `most` characters, from its start and from its end: the point often lies last."""
    if len(text) <= most:
        return text
    last = most // 3
    return f"{text[: most - last - 1]} {text[-last:]}"


class Kind(StrEnum):
    """What part of a lot (or of the FAQ) a passage is."""

    VERSE = "verse"
    LINE = "line"
    RANK = "rank"
    OVERALL = "overall"
    ALLUSION = "allusion"
    TOPIC = "topic"
    FAQ = "faq"


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """One retrievable passage; there are thousands, so each is small.

    `serves`: the languages of readings it is found for. `explains`: it holds someone's explanation, not bare verse.
    `meaning` is what its vector is made of, `text` what a reading is given. `mark`: 16 hexadecimal digits that change
    with anything the index keeps of it.
    """

    id: str
    collection: str
    lot: int
    kind: Kind
    topic: str | None
    language: Language
    serves: frozenset[Language]
    explains: bool
    text: str
    meaning: str
    mark: str = field(init=False)

    def __post_init__(self) -> None:
        facts = f"{self.collection} {self.lot} {self.kind} {self.topic} {_in_order(self.serves)} {self.explains}"
        object.__setattr__(self, "mark", hashlib.sha256(f"{facts} {self.meaning}".encode()).hexdigest()[:16])

    @property
    def text_hash(self) -> str:
        """16 hexadecimal digits that change with what the vector is made of."""
        return hashlib.sha256(self.meaning.encode()).hexdigest()[:16]


@cache
def _in_order(languages: frozenset[Language]) -> str:
    return ",".join(sorted(languages))


@dataclass(frozen=True, slots=True)
class FaqPassage:
    """An approved FAQ entry as retrieval takes it; `category` is a topic such as `love`."""

    id: str
    collection: str
    lot: int
    language: Language
    category: str
    question: str
    answer: str


class FaqIndex(Protocol):
    """Where approved entries become passages. Both return soon and never raise: the index follows by itself."""

    async def add_faq(self, entries: Iterable[FaqPassage]) -> None:
        """Make these entries findable; one with a known id is replaced."""
        ...

    async def remove_faq(self, ids: Iterable[str]) -> None:
        """Forget these entries; unknown ids are let pass."""
        ...

"""What a lot is: values only, imported anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from jieqian.languages import Language

TOPICS = ("love", "work", "wealth", "health", "study", "family", "travel")
#: What questions are about: those, and three that commentaries have no counsel on.
ASKED_TOPICS = (*TOPICS, "home", "dispute", "lost")
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    return _NOTHING  # by a factory: Python 3.11's dataclasses take the unhashable proxy for a mutable default


class Polarity(StrEnum):
    """The sense of a rank, from best to worst."""

    GREAT = "great"
    GOOD = "good"
    MIXED = "mixed"
    CAUTION = "caution"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Fortune:
    """The rank as printed (大吉, 上籤, 凶 …) and its sense."""

    label: str
    polarity: Polarity

    def as_dict(self) -> dict[str, str]:
        """`{"label", "polarity"}`, as the API shows it."""
        return {"label": self.label, "polarity": self.polarity.value}


@dataclass(frozen=True, slots=True)
class Commentary:
    """Our explanation of one lot in one language: a gloss for each line, the sense of the whole, counsel by topic."""

    language: Language
    gloss: tuple[str, ...]
    overall: str
    topics: Mapping[str, str]

    def as_dict(self, counsel: Commentary | None = None) -> dict[str, Any]:
        """`{"language", "gloss", "overall", "topics", "topics_language"}`, as the API shows it.

        `counsel` has the topics where this one has none (`Lot.counsel`).
        """
        said = counsel or self
        return {
            "language": self.language.value,
            "gloss": list(self.gloss),
            "overall": self.overall,
            "topics": dict(said.topics),
            "topics_language": said.language.value,
        }


@dataclass(frozen=True)
class Lot:
    """One numbered poem of a collection; `lines` are in the collection's own script (Traditional, Japanese kanji)."""

    collection: str
    number: int
    lines: tuple[str, ...]
    fortune: Fortune | None
    edition: str
    titles: Mapping[Language, str] = field(default_factory=_nothing)
    allusions: Mapping[Language, str] = field(default_factory=_nothing)
    commentaries: Mapping[Language, Commentary] = field(default_factory=_nothing)
    sign: str | None = None

    @property
    def id(self) -> str:
        """`yuelao/1`."""
        return f"{self.collection}/{self.number}"

    @cached_property
    def text_hash(self) -> str:
        """SHA-256 (hex) of verse, rank and commentaries: changes when what a reading stands on changes."""
        whole: list[Any] = [self.lines, self.fortune and self.fortune.as_dict(), dict(self.allusions)]
        whole.append({language: note.as_dict() for language, note in self.commentaries.items()})
        return hashlib.sha256(json.dumps(whole, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def commentary(self, language: Language) -> Commentary | None:
        """The commentary in that language, or the nearest there is (its own `language` tells which), or None."""
        for wanted in _NEAREST[language]:
            if wanted in self.commentaries:
                return self.commentaries[wanted]
        return None

    def counsel(self, language: Language) -> Commentary | None:
        """The commentary with counsel by topic in that language, or the nearest that has any, or None."""
        those = (self.commentaries[near] for near in _NEAREST[language] if near in self.commentaries)
        return next((note for note in those if note.topics), None)

    def title(self, language: Language) -> str:
        """The lot's title in that language."""
        return self.titles.get(language) or self.titles.get(Language.ZH_HANT) or self.id

    def allusion(self, language: Language) -> str | None:
        """The story the lot alludes to, in that language or the nearest there is."""
        return next((self.allusions[near] for near in _NEAREST[language] if near in self.allusions), None)

    def as_dict(self, language: Language) -> dict[str, Any]:
        """The lot as the API shows it (contract, section 2)."""
        commentary, counsel = self.commentary(language), self.counsel(language)
        return {
            "collection": self.collection,
            "number": self.number,
            "id": self.id,
            "title": self.title(language),
            "lines": list(self.lines),
            "fortune": self.fortune.as_dict() if self.fortune else None,
            "sign": self.sign,
            "allusion": self.allusion(language),
            "edition": self.edition,
            "commentary": commentary.as_dict(counsel) if commentary else None,
        }


@dataclass(frozen=True, slots=True)
class Custom:
    """How a lot is drawn at these temples: `holy_throws` in a row confirm it (0: none are thrown)."""

    holy_throws: int
    text: Mapping[Language, str]

    def as_dict(self) -> dict[str, Any]:
        """`{"holy_throws", "text"}`, as the API shows it."""
        return {"holy_throws": self.holy_throws, "text": dict(self.text)}


@dataclass(frozen=True, slots=True)
class Collection:
    """One temple's set of numbered lots in a named edition."""

    id: str
    names: Mapping[Language, str]
    deity: Mapping[Language, str]
    aliases: tuple[str, ...]
    size: int
    edition: str
    source: str
    licence: str
    notes: Mapping[Language, str] = field(default_factory=_nothing)
    story: Mapping[Language, str] = field(default_factory=_nothing)
    asked_for: Mapping[Language, str] = field(default_factory=_nothing)
    custom: Custom | None = None
    missing: frozenset[int] = frozenset()

    def numbers(self) -> Sequence[int]:
        """The numbers of the lots that are there, in order."""
        every = range(1, self.size + 1)
        return [number for number in every if number not in self.missing] if self.missing else every

    def name(self, language: Language) -> str:
        """The collection's name in that language, or its Traditional Chinese one."""
        return self.names.get(language) or self.names[Language.ZH_HANT]

    def as_dict(self) -> dict[str, Any]:
        """The collection as `GET /collections` shows it; `lots` is their number."""
        return {
            "id": self.id,
            "names": dict(self.names),
            "deity": dict(self.deity),
            "story": dict(self.story),
            "asked_for": dict(self.asked_for),
            "custom": self.custom and self.custom.as_dict(),
            "lots": self.size - len(self.missing),
            "size": self.size,
            "missing": sorted(self.missing),
            "aliases": list(self.aliases),
            "edition": self.edition,
            "source": self.source,
            "licence": self.licence,
            "notes": dict(self.notes),
        }


_NEAREST: Mapping[Language, tuple[Language, ...]] = {
    Language.ZH_HANT: (Language.ZH_HANT, Language.ZH_HANS, Language.EN, Language.JA),
    Language.ZH_HANS: (Language.ZH_HANS, Language.ZH_HANT, Language.EN, Language.JA),
    Language.EN: (Language.EN, Language.ZH_HANT, Language.JA, Language.ZH_HANS),
    Language.JA: (Language.JA, Language.EN, Language.ZH_HANT, Language.ZH_HANS),
}


def nearest(words: Mapping[Language, str], language: Language) -> tuple[Language, str] | None:
    """The text in that language or the nearest there is, with the language it is in; None where there is none."""
    return next(((near, words[near]) for near in _NEAREST[language] if words.get(near)), None)

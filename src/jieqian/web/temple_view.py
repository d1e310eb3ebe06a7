"""A collection as its temple's page shows it, and the order in which temples are offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jieqian.languages import Language
from jieqian.lots.lot import Collection, nearest

#: The packaged collections from those that temples of many places keep to those of one shrine.
_PACKAGED = ("guanyin", "jiazi", "guandi", "yuelao", "wongtaisin", "sensoji")


@dataclass(frozen=True, slots=True)
class Said:
    """A run of text and the tag of the language it is in."""

    text: str
    lang: str


@dataclass(frozen=True, slots=True)
class TempleView:
    """The collection in the reader's language or the nearest there is; None for what its pack does not tell.

    `holy_throws`: how many holy throws the temple asks for, 0 where none are thrown or nothing is known of it.
    """

    collection: Collection
    name: Said
    deity: Said | None
    story: Said | None
    asked_for: Said | None
    custom: Said | None
    notes: Said | None
    holy_throws: int

    @property
    def id(self) -> str:
        """The collection's id."""
        return self.collection.id

    @property
    def count(self) -> int:
        """How many lots are there."""
        return len(self.collection.numbers())


def temple_view(collection: Collection, language: Language) -> TempleView:
    """What is told of it in that language."""
    custom = collection.custom
    return TempleView(
        collection=collection,
        name=_said(collection.names, language) or Said(collection.id, "und"),
        deity=_said(collection.deity, language),
        story=_said(collection.story, language),
        asked_for=_said(collection.asked_for, language),
        custom=_said(custom.text, language) if custom else None,
        notes=_said(collection.notes, language),
        holy_throws=custom.holy_throws if custom else 0,
    )


def in_order(collections: Sequence[Collection]) -> list[Collection]:
    """An operator's own collections first, in order of id; then the packaged ones, the most widely kept first."""
    place = {name: at for at, name in enumerate(_PACKAGED)}
    return sorted(collections, key=lambda collection: (place.get(collection.id, -1), collection.id))


def _said(words: Mapping[Language, str], language: Language) -> Said | None:
    found = nearest(words, language)
    return Said(found[1], found[0].value) if found else None

"""One lot as its slip of paper shows it, and what is said about it there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot, Polarity
from jieqian.lots.script import script_of
from jieqian.prompt.verse import rank_sense
from jieqian.reading.drawing import proof_of
from jieqian.tasks.store import Draw

#: A verse of more characters down or more lines across is set in smaller type, so that a phone holds it.
_DOWN, _ACROSS = 8, 5


@dataclass(frozen=True, slots=True)
class LotView:
    """The lot in the reader's language: `lot` as the API shows it, `temple` the collection's name."""

    lot: Mapping[str, Any]
    temple: str
    language: Language

    @property
    def verse_language(self) -> str:
        """The verse's language tag: collections print Chinese verse, unless there is kana in it."""
        return verse_language(self.lot["lines"])

    @property
    def which(self) -> str:
        """The title without the temple's name where it begins with that: `第七籤`, `Lot 7`."""
        title: str = self.lot["title"]
        short = title.removeprefix(self.temple).lstrip(" ,，、：")
        return short[:1].upper() + short[1:] if short else title

    @property
    def is_long(self) -> bool:
        """Whether the verse needs the smaller type."""
        lines = self.lot["lines"]
        return len(lines) > _ACROSS or max(map(len, lines)) > _DOWN

    @property
    def rank_sense(self) -> str:
        """What the printed rank means, for readers of no Chinese script; empty for the others."""
        fortune = self.lot["fortune"]
        if not fortune or self.language is not Language.EN:
            return ""
        return rank_sense(Polarity(fortune["polarity"]), self.language)

    @property
    def glossed(self) -> Sequence[tuple[str, str]]:
        """Each line with its gloss; empty where the two do not pair up."""
        note = self.lot["commentary"]
        if not note or len(note["gloss"]) != len(self.lot["lines"]):
            return ()
        return tuple(zip(self.lot["lines"], note["gloss"], strict=True))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draw as the page of its lot tells of it: `throws` is empty where that temple throws no blocks."""

    id: str
    throws: Sequence[str]
    at_once: bool
    proof: str


def lot_view(lot: Lot, collection: Collection, language: Language) -> LotView:
    """The lot, its commentary and the collection's name in that language."""
    return LotView(lot.as_dict(language), collection.name(language), language)


def drawn(draw: Draw, collection: Collection) -> Drawn:
    """A revealed draw of that collection."""
    proof = proof_of(draw)
    thrown = collection.custom is not None and collection.custom.holy_throws > 0
    return Drawn(
        id=draw.id,
        throws=tuple(proof["throws"]) if thrown else (),
        at_once=proof.pop("at_once", False),
        proof=json.dumps(proof, ensure_ascii=False, indent=2),
    )


def verse_language(lines: Sequence[str]) -> str:
    """`ja` for verse with kana in it, `zh-Hans` where more characters are of that script only, else `zh-Hant`."""
    verse = "".join(lines)
    if any("\u3040" <= character <= "\u30ff" for character in verse):
        return Language.JA.value
    return script_of(verse).value

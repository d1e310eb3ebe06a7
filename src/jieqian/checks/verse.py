"""A draft made ready to be checked: its shapes folded, the lot's own words told from the model's.

All of it is pure and done once a draft; a thousand characters take about a millisecond.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from jieqian.checks.check import SectionDraft
from jieqian.checks.script import Letters, count_letters, fold_shapes
from jieqian.lots.lot import Collection, Lot

# A run of this many of the verse's characters is a quotation; inside quotation marks two are enough.
_RUN = 4
_QUOTED = re.compile(r"[「『“‘《〈\"'（(]([^「」『』“”‘’《》〈〉\"'（）()\n]{1,60})[」』”’》〉\"'）)]")
_NOT_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class ReadDraft:
    """A section's draft with what the checks need of it, each part worked out once.

    `folded` has the text's length and order: case, width, accents and shapes folded, so that an index into it is one
    into `text`.
    """

    draft: SectionDraft
    text: str

    @cached_property
    def folded(self) -> str:
        """The whole text, folded."""
        return fold(self.text)

    @cached_property
    def own_words(self) -> str:
        """The text with quotations of the verse and the collection's names turned into spaces."""
        return without_quotations(self.text, self.draft.lot, self.draft.collection)

    @cached_property
    def letters(self) -> Letters:
        """The letters of `own_words`, by script."""
        return count_letters(self.own_words)

    @cached_property
    def folded_question(self) -> str:
        """The question, folded: a phrase the asker brought in may be taken up."""
        return fold(self.draft.question)


def read_draft(draft: SectionDraft) -> ReadDraft:
    """The draft ready to be checked; compatibility forms (full width) are composed first."""
    return ReadDraft(draft=draft, text=unicodedata.normalize("NFC", draft.text).strip())


def fold(text: str) -> str:
    """Case, width, accents and shapes folded, one character for one."""
    return fold_shapes("".join(map(_folded_character, text)))


@lru_cache(maxsize=16_384)
def _folded_character(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character)[:1].casefold()
    # Voiced kana are letters of their own; other folds that would change the length are left alone.
    if len(plain) != 1 or unicodedata.name(character, "").startswith(("HIRAGANA", "KATAKANA")):
        return character
    return plain


def core(text: str) -> str:
    """Only the folded letters and digits of a text."""
    return _NOT_LETTER.sub("", fold(text))


@lru_cache(maxsize=512)
def core_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The cores of a lot's lines."""
    return tuple(core(line) for line in lines)


def without_quotations(text: str, lot: Lot, collection: Collection) -> str:
    """The text with the verse, the printed rank and the collection's names turned into spaces; its length is kept."""
    folded = fold(text)
    letters = [(index, character) for index, character in enumerate(folded) if character.isalnum()]
    joined = "".join(character for _, character in letters)
    hidden = bytearray(len(text))
    lines = core_lines(lot.lines)
    for start, end in _verse_runs(joined, lines):
        for position in range(start, end):
            hidden[letters[position][0]] = 1
    verse = "".join(lines)
    for quotation in _QUOTED.finditer(folded):
        inner = _NOT_LETTER.sub("", quotation[1])
        if len(inner) >= 2 and inner in verse:
            _hide(hidden, *quotation.span())
    for name in names_pattern(collection).finditer(folded):
        _hide(hidden, *name.span())
    if lot.fortune:
        for rank in re.finditer(re.escape(fold(lot.fortune.label)), folded):
            _hide(hidden, *rank.span())
    return "".join(" " if gone else character for character, gone in zip(text, hidden, strict=True))


def _verse_runs(joined: str, lines: tuple[str, ...]) -> Iterable[tuple[int, int]]:
    for line in lines:
        size = min(_RUN, len(line)) or 1
        for offset in range(len(line) - size + 1):
            part = line[offset : offset + size]
            found = joined.find(part)
            while found >= 0:
                yield found, found + size
                found = joined.find(part, found + 1)


def _hide(hidden: bytearray, start: int, end: int) -> None:
    hidden[start:end] = b"\x01" * (end - start)


def names_pattern(collection: Collection) -> re.Pattern[str]:
    """Matches any name or alias of the collection in a folded text, however it is spaced."""
    return _pattern_of((collection.id, *collection.names.values(), *collection.aliases))


@lru_cache(maxsize=128)
def _pattern_of(names: tuple[str, ...]) -> re.Pattern[str]:
    forms = sorted({core(name) for name in names} - {""}, key=len, reverse=True)
    return re.compile("|".join(_spaced(form) for form in forms) or r"(?!)")


def _spaced(form: str) -> str:
    inside = r"[\W_]*".join(map(re.escape, form))
    # A Latin name must not be the middle of another word; Chinese has no word boundaries.
    return rf"(?<![a-z0-9]){inside}(?![a-z0-9])" if form.isascii() else inside

"""Which writing a text is in: counts of letters by script, and shapes folded so that scripts can be compared.

The tables come from `script_tables.py`; reading them takes under a millisecond and happens once.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from jieqian.checks.script_tables import TABLES

_HAN = ((0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3134F))
_KANA = ((0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FD, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))
_BOPOMOFO = ((0x3105, 0x312F), (0x31A0, 0x31BF))
_HAN_MARKS = "〇々〆"


@dataclass(frozen=True, slots=True)
class Letters:
    """How many letters of each script a text has.

    `simplified`, `traditional` and `japanese` are those of the `han` whose shape belongs to that writing alone; `other`
    counts letters of scripts no reading is written in; `words` the runs of Latin letters.
    """

    han: int = 0
    kana: int = 0
    bopomofo: int = 0
    latin: int = 0
    other: int = 0
    words: int = 0
    simplified: int = 0
    traditional: int = 0
    japanese: int = 0

    @property
    def total(self) -> int:
        """All letters."""
        return self.han + self.kana + self.bopomofo + self.latin + self.other


@dataclass(frozen=True, slots=True)
class ScriptTables:
    """Characters of one writing only, and the folding of all shapes into the simplified one."""

    simplified: frozenset[str]
    traditional: frozenset[str]
    japanese: frozenset[str]
    folding: dict[int, int]


@lru_cache(maxsize=1)
def script_tables() -> ScriptTables:
    """The tables, read once from `script_characters.json`."""
    raw = json.loads(TABLES.read_text(encoding="utf-8"))
    return ScriptTables(
        simplified=frozenset(raw["simplified"]),
        traditional=frozenset(raw["traditional"]),
        japanese=frozenset(raw["japanese"]),
        folding={ord(old): ord(new) for old, new in zip(raw["fold_from"], raw["fold_to"], strict=True)},
    )


def fold_shapes(text: str) -> str:
    """The text with Traditional and Japanese shapes turned into simplified ones; its length does not change."""
    return text.translate(script_tables().folding)


def count_letters(text: str) -> Letters:
    """The letters of a text by script."""
    tables = script_tables()
    counts = dict.fromkeys(("han", "kana", "bopomofo", "latin", "other", "words"), 0)
    shapes = dict.fromkeys(("simplified", "traditional", "japanese"), 0)
    in_word = False
    for character in text:
        script = _script_of(character)
        if script is None:
            # An apostrophe or hyphen inside a word does not begin a new one.
            in_word = in_word and character in "'’-"
            continue
        counts[script] += 1
        counts["words"] += script == "latin" and not in_word
        in_word = script == "latin"
        if script == "han":
            shapes["simplified"] += character in tables.simplified
            shapes["traditional"] += character in tables.traditional
            shapes["japanese"] += character in tables.japanese
    return Letters(**counts, **shapes)


@lru_cache(maxsize=16_384)
def _script_of(character: str) -> str | None:
    point = ord(character)
    if character in _HAN_MARKS or _within(point, _HAN):
        return "han"
    if _within(point, _KANA):
        return "kana"
    if _within(point, _BOPOMOFO):
        return "bopomofo"
    if not character.isalpha():
        return None
    return "latin" if "LATIN" in unicodedata.name(character, "") else "other"


def _within(point: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= point <= last for first, last in ranges)

"""Does a question tell of danger to life? Then help lines and the plain lot, no fortune (contract, section 2).

Deterministic: word lists as data (`care.toml`), found through width, script, spacing and look-alike digits; what only
sounds like danger ("dying to know", 笑死, 死ぬほど好き) is cut out first. In doubt it errs towards care: a help line
shown in vain costs a reading, one not shown may cost more.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from jieqian.checks.script import fold_shapes
from jieqian.languages import Language

CARE_WORDS = Path(__file__).with_name("care.toml")
HELP_LINES = Path(__file__).with_name("help_lines.json")

# 著 stands for 着 in Taiwan (活著), but is a letter of its own elsewhere, so the general folding leaves it.
_SAME = str.maketrans("著\u2019", "着'")
_CUT_OUT = "\ue000"
_LOOKALIKE_DIGITS = str.maketrans("013457@$!", "oieastasi")
_MIXED_WORD = re.compile(r"(?=\S*[a-z])[a-z013457@$!]{3,}")
_MARK_AT_EDGE = re.compile(r"^!+|!+$|!{2,}")
# "k i l l  m y s e l f", "k.i.l.l": three or more single letters with one mark or space between each.
_LETTERS_APART = re.compile(r"(?<![a-z0-9])[a-z](?:[^a-z0-9\n]{1,3}[a-z](?![a-z0-9])){2,}")


class DangerKind(StrEnum):
    """Whose life is in danger, and from whom."""

    SELF_HARM = "self_harm"
    VIOLENCE = "violence"
    HARM_TO_OTHERS = "harm_to_others"


@dataclass(frozen=True, slots=True)
class Danger:
    """A question tells of danger to life."""

    kind: DangerKind


@dataclass(frozen=True, slots=True)
class HelpLine:
    """One line to call. `country` is in the asked language; `checked_on` (ISO date) is when `source` gave it."""

    name: str
    contact: str
    country: str
    checked_on: str
    source: str

    def as_dict(self) -> dict[str, str]:
        """`{"name", "contact", "country", "checked_on", "source"}`, as the `care` event shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Words:
    """Patterns for a text with its words apart, and for one with nothing but letters and digits."""

    spaced: re.Pattern[str]
    joined: re.Pattern[str]

    def in_text(self, spaced: str, joined: str) -> bool:
        return self.spaced.search(spaced) is not None or self.joined.search(joined) is not None


def find_danger(question: str) -> Danger | None:
    """The danger a question tells of, danger to the asker's own life first; None for all others."""
    spaced, joined = _readable(question)
    benign = _words("benign")
    spaced, joined = benign.spaced.sub(_CUT_OUT, spaced), benign.joined.sub(_CUT_OUT, joined)
    return next((Danger(kind) for kind in DangerKind if _words(kind.value).in_text(spaced, joined)), None)


def help_lines(language: Language, kind: DangerKind) -> list[HelpLine]:
    """The lines for that kind of danger: of the countries where the language is spoken, then an international one."""
    data = _help_data()
    return [
        HelpLine(
            name=line["name"],
            contact=line["contact"],
            country=data["countries"][country][language.value],
            checked_on=line["checked_on"],
            source=line["source"],
        )
        for country in data["order"][language.value]
        for line in data["lines"]
        if line["country"] == country and kind.value in line["kinds"]
    ]


def care_message(language: Language, kind: DangerKind) -> str:
    """What is said instead of a fortune: a few warm sentences in the reading's language."""
    return str(_care_data()["message"][kind.value][language.value])


def _readable(question: str) -> tuple[str, str]:
    """The question with its words apart, and with letters and digits alone; width, case, accents and shapes folded."""
    text = unicodedata.normalize("NFKC", question).casefold()
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    plain = "".join(
        character for character in unicodedata.normalize("NFD", text) if not "\u0300" <= character <= "\u036f"
    )
    plain = fold_shapes(unicodedata.normalize("NFC", plain)).translate(_SAME)
    spaced = _LETTERS_APART.sub(lambda letters: re.sub(r"[^a-z0-9]", "", letters[0]), plain)
    spaced = _MIXED_WORD.sub(lambda word: _without_lookalikes(word[0]), spaced)
    # Only Latin letters stay: beside a Han character there would be no word boundary.
    return re.sub(r"[^a-z0-9']+", " ", spaced), re.sub(r"[\W_]+", "", plain)


def _without_lookalikes(word: str) -> str:
    if word.isdigit():
        return word
    # At a word's end "!" is a mark, and only inside a letter: "I want to die!", "k!ll".
    return _MARK_AT_EDGE.sub(" ", word).translate(_LOOKALIKE_DIGITS)


@lru_cache(maxsize=8)
def _words(table: str) -> _Words:
    lists: Mapping[str, list[str]] = _care_data()[table]
    spaced = (pattern.replace(" ", r"\s*") for pattern in lists["spaced"])
    joined = (fold_shapes(pattern) for pattern in lists["joined"])
    return _Words(spaced=re.compile("|".join(spaced)), joined=re.compile("|".join(joined)))


@lru_cache(maxsize=1)
def _care_data() -> dict[str, Any]:
    return tomllib.loads(CARE_WORDS.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _help_data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(HELP_LINES.read_text(encoding="utf-8"))
    return data

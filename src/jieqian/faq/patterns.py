"""The patterns of masking, read from `masking.toml` and `names.toml` and compiled once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jieqian.checks.script import fold_shapes

_HERE = Path(__file__).parent
_PART = re.compile(r"<([A-Z][A-Z_]*)>")
# Full-width ASCII and the ideographic blank; typographic quotes. One letter for one, so that places stay.
_WIDTHS = {0xFF01 + step: 0x21 + step for step in range(94)} | {0x3000: 0x20, 0x2019: 0x27, 0x2018: 0x27, 0xA0: 0x20}
# What keyboards give for the hyphen of a number: hyphens, dashes, the minus, and between digits the bar of kana.
_WIDTHS |= dict.fromkeys([*range(0x2010, 0x2016), 0x2212, 0xFF70], 0x2D)
_BAR = re.compile(r"(?<=\d)\u30fc(?=\d)")
#: A letter of Latin script, as a set for a pattern.
LATIN = "[A-Za-zÀ-ÖØ-öø-ɏ\u1e00-\u1eff]"

#: Letters by which a text is known to hold a script.
SCRIPTS = {
    "han": re.compile(r"[\u3400-\u9fff]"),
    "kana": re.compile(r"[\u3041-\u3096\u30a1-\u30fa]"),
    "latin": re.compile(r"[A-Za-z]"),
}


def folded(text: str) -> str:
    """The text as the patterns read it; its length does not change."""
    return _BAR.sub("-", fold_shapes(text.translate(_WIDTHS)))


@dataclass(frozen=True, slots=True)
class Rule:
    """Some patterns for one kind of mark.

    `sure`: what they find is masked though it may be a word of the lot. `weak`: not masked where it counts lots or
    percents. `needs`: only in a text with letters of this script (`SCRIPTS`). `honorific`: found by what follows it.
    """

    kind: str
    patterns: tuple[re.Pattern[str], ...]
    sure: bool = False
    weak: bool = False
    needs: str | None = None
    honorific: bool = False


@dataclass(frozen=True, slots=True)
class NameLists:
    """Words and names of `names.toml`, folded; Latin ones in small letters."""

    kept: tuple[str, ...]
    no_honorific: frozenset[str]
    surnames: frozenset[str]
    first_names: frozenset[str]
    names_like_words: frozenset[str]
    names_of_the_trusted: frozenset[str]
    names_of_the_missed: frozenset[str]
    known_capitals: frozenset[str]
    known_words: frozenset[str]


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of the file."""
    data = tomllib.loads((_HERE / "masking.toml").read_text(encoding="utf-8"))
    parts = _parts(data["parts"], _names())
    return tuple(
        Rule(
            rule["kind"],
            tuple(re.compile(_expanded(pattern, parts)) for pattern in rule["patterns"]),
            needs=rule.get("needs"),
            **{flag: rule.get(flag, False) for flag in ("sure", "weak", "honorific")},
        )
        for rule in data["rule"]
    )


def part(name: str) -> str:
    """A part of `masking.toml`, as the rules there use it."""
    given: str = tomllib.loads((_HERE / "masking.toml").read_text(encoding="utf-8"))["parts"][name]
    return folded(given)


@lru_cache(maxsize=1)
def name_lists() -> NameLists:
    """The lists."""
    names = _names()
    like_words = frozenset(names["first_names_like_words"].split())
    words = (_HERE / "known_words.txt").read_text(encoding="utf-8").splitlines()
    return NameLists(
        kept=tuple(folded(word) for word in (*names["kept"], *names["kept_places"])),
        no_honorific=frozenset(folded(word) for word in names["no_honorific"]),
        surnames=frozenset(folded(names["surnames"] + names["weak_surnames"])),
        first_names=frozenset(names["first_names"].split()) - like_words,
        names_like_words=like_words,
        names_of_the_trusted=frozenset(names["names_of_the_trusted"].split()),
        names_of_the_missed=frozenset(names["names_of_the_missed"].split()),
        known_capitals=frozenset(names["known_capitals"].split()),
        known_words=frozenset(word for line in words if not line.startswith("#") for word in line.split()),
    )


def _names() -> dict[str, Any]:
    return tomllib.loads((_HERE / "names.toml").read_text(encoding="utf-8"))


def _parts(given: Mapping[str, str], names: Mapping[str, Any]) -> dict[str, str]:
    lists = {
        "S": f"[{names['surnames']}]",
        "W": f"[{names['weak_surnames']}]",
        "G": f"[{names['given']}]",
        "FS": f"[{names['familiar_small']}]",
        "FO": f"[{names['familiar_old']}]",
        "NG": f"[{names['no_given']}]",
        "SS": _one_of(names["compound_surnames"]),
        "GT": f"[{names['given_told']}]",
        "GO": f"[{names['given_only']}]",
        "WORDS": _one_of(names["words"].split()),
        "NAMELIKE": _one_of(names["words_like_names"].split()),
        "NONAME": _one_of(names["no_names"]),
        "JS": _one_of(names["japanese_surnames"]),
        "JG": _one_of(names["japanese_given"]),
        "JK": _one_of(names["japanese_kana"]),
    }
    return {**given, **lists}


def _one_of(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


def _expanded(pattern: str, parts: Mapping[str, str]) -> str:
    """Parts put in; one that is a set of letters loses its brackets where it stands inside another set."""
    for _ in range(3):  # parts hold parts, at most two deep
        pattern = _PART.sub(lambda found: _put_in(found, parts), pattern)
    return folded(pattern)


def _put_in(found: re.Match[str], parts: Mapping[str, str]) -> str:
    part = parts[found[1]]
    before = found.string[: found.start()]
    inside = before.rfind("[") > before.rfind("]")
    return part[1:-1] if inside and part.startswith("[") else part

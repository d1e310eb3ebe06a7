"""Whether two questions have the same sense: by what is left of them once all that does not touch the sense is gone.

Every question is brought to a normal form by lists (`sense.toml`): greetings, politeness and endings go, ways of asking
and listed synonyms become one. Two questions have the same sense only if their forms are equal. So a number, a month, a
name, a negation, a person or who does what to whom cannot differ, and a word nobody listed is another sense: that loses
matches, and never makes a false one. No model is asked, and no vector made.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jieqian.checks.script import count_letters, fold_shapes

#: Longer questions are stories: no two of them are the same.
LONGEST = 200
_SPACE = re.compile(r"\s+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_STOPS = re.compile(r"[。！!？?;；…~～「」『』“”\"‘()（）【】\[\]《》]+")
_COMMAS = re.compile(r"[、，､,]+")
_LAST_STOPS = re.compile(r"(?<!\d)[.,:：]+|[.,:：]+(?!\d)")
_BLANK_OUTSIDE_LATIN = re.compile(r"(?<![0-9a-z]) | (?![0-9a-z])")


@dataclass(frozen=True, slots=True)
class Sense:
    """A question's normal form: what stands fixed, and what may stand anywhere (times), in the order it came."""

    group: str
    fixed: str
    anywhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rules:
    before: tuple[tuple[re.Pattern[str], str], ...]
    same: tuple[re.Pattern[str], dict[str, str]]
    after: tuple[tuple[re.Pattern[str], str], ...]
    anywhere: re.Pattern[str] | None
    begins: re.Pattern[str] | None
    leading: re.Pattern[str] | None
    about: re.Pattern[str] | None
    between: str
    chooses: re.Pattern[str]


def sense_of(question: str) -> Sense | None:
    """The normal form; None for a question too long, too short or in no language that has lists."""
    plain = fold_shapes(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", question).casefold()))
    plain = _SPACE.sub(" ", plain).strip().replace("\u2019", "'")
    group = _group_of(plain)
    if group is None or len(plain) > LONGEST:
        return None
    return _in_english(plain) if group == "en" else _in_characters(plain, group)


def same_sense(one: Sense, other: Sense) -> bool:
    """Whether the two questions ask the same; sides of a choice may be the other way round."""
    if (one.group, one.anywhere) != (other.group, other.anywhere):
        return False
    return one.fixed == other.fixed or _same_choice(one.fixed, other.fixed, _rules(one.group))


def likeness(one: str, other: str) -> float:
    """The share of letters that both have in the same order, from 0 to 1: told to readers, and decides nothing."""
    ratio = SequenceMatcher(None, fold_shapes(one.casefold()), fold_shapes(other.casefold()), autojunk=False).ratio()
    return round(ratio, 3)


def _group_of(plain: str) -> str | None:
    letters = count_letters(plain)
    if letters.kana:
        return "ja"
    if letters.han:
        return "zh"
    return "en" if letters.latin else None


def _in_english(plain: str) -> Sense | None:
    rules = _rules("en")
    plain = _LAST_STOPS.sub(" ", _COMMAS.sub(",", _THOUSANDS.sub("", _STOPS.sub(" ", plain))))
    words = _apply(rules.before, plain)
    words = _apply(rules.after, _one_for_all(rules, words))
    return Sense("en", words) if words else None


def _in_characters(plain: str, group: str) -> Sense | None:
    rules = _rules(group)
    plain = _STOPS.sub(",", _COMMAS.sub(",", _THOUSANDS.sub("", plain))).replace("。", ",")
    plain = _BLANK_OUTSIDE_LATIN.sub("", re.sub(",+", ",", plain)).strip(",")
    text = _apply(rules.after, _one_for_all(rules, _apply(rules.before, plain)))
    loose: list[str] = []
    if rules.begins is not None:
        text = rules.begins.sub(r"\1", text)
    if rules.anywhere is not None and "," not in text:  # in two clauses it matters which one a time stands in
        loose = rules.anywhere.findall(text)
        text = rules.anywhere.sub("", text)
    if rules.leading is not None:
        text = rules.leading.sub("", text, count=1)
    if rules.about is not None and len(rules.about.findall(text)) == 1:
        text = rules.about.sub("", text)
    text = _LAST_STOPS.sub("", text)
    return Sense(group, text, tuple(loose)) if text else None


def _apply(rules: tuple[tuple[re.Pattern[str], str], ...], text: str) -> str:
    for pattern, instead in rules:
        text = _SPACE.sub(" ", pattern.sub(instead, text)).strip()
    return text


def _one_for_all(rules: _Rules, text: str) -> str:
    pattern, first = rules.same
    return pattern.sub(lambda found: first[found[0]], text)


def _same_choice(one: str, other: str, rules: _Rules) -> bool:
    """Whether the one is `a A or B z` and the other `a B or A z`, where that word asks to choose."""
    parted = one.split(rules.between), other.split(rules.between)
    if len(one) != len(other) or any(len(parts) != 2 for parts in parted):
        return False
    (left, right), (left_other, right_other) = parted
    for start in range(len(left)):
        if left[:start] != left_other[:start]:
            return False
        if not rules.chooses.search(f"{left[:start]}{rules.between}{right}"):
            continue
        for end in range(len(right)):
            tail = right[len(right) - end :]
            swapped = left[start:] + tail, left_other[start:] + tail
            if right_other.endswith(tail) and swapped == (right_other, right):
                return True
    return False


@lru_cache(maxsize=3)
def _rules(group: str) -> _Rules:
    raw: dict[str, Any] = _raw()[group]
    words = {word: line.split("|")[0] for line in raw["same"] for word in line.split("|")}
    words = {fold_shapes(word): fold_shapes(first) for word, first in words.items()}
    times = "|".join(fold_shapes(each) for each in raw.get("anywhere", ()))
    one_of = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return _Rules(
        before=_compiled(raw["before"]),
        same=(re.compile(rf"\b(?:{one_of})\b" if group == "en" else one_of), words),
        after=_compiled(raw["after"]),
        anywhere=re.compile(times) if times else None,
        begins=re.compile(f"^({times}),") if times else None,
        leading=re.compile(f"^(?:{raw['leading']})") if "leading" in raw else None,
        about=_about(raw) if "about" in raw else None,
        between=raw["between"],
        chooses=re.compile(raw["chooses"]),
    )


def _about(raw: dict[str, Any]) -> re.Pattern[str]:
    return re.compile(rf"(?<![{fold_shapes(raw['persons'])}])(?<=[^\u3040-\u309f])(?:{raw['about']})")


def _compiled(pairs: list[list[str]]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(fold_shapes(pattern)), fold_shapes(instead)) for pattern, instead in pairs)


@lru_cache(maxsize=1)
def _raw() -> dict[str, Any]:
    return tomllib.loads(files("jieqian.cache").joinpath("sense.toml").read_text("utf-8"))

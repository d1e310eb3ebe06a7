"""Which number a lot has: by its id, else its title, else its file's name, else its place in the file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.errors import InvalidLot
from jieqian.lots.importing.columns import field_of, tells_the_number
from jieqian.lots.importing.parsing import RawLot
from jieqian.lots.numbers import parse_lot_number, split_lot_id
from jieqian.lots.pack_format import MAX_LOTS

_LAST_DIGITS = re.compile(r"([0-9０-９]+)\D*$")
_IN_TITLE = re.compile(
    r"第\s*([0-9０-９一二三四五六七八九十百廿卅〇零]+)\s*[籤签簽籖番首號号支枝]|(?i:\b(?:lot|no\.?|number)\s*#?(\d+))"
)
#: What a copy's name has at its end: `chuck_7 (1)`, `chuck_7_v2`.
_COPY = re.compile(r"(?:\s*[(（][0-9]{1,3}[)）]|[_-]v[0-9]{1,2})+$")
_WHOLE_FLOAT = re.compile(r"([0-9]{1,9})\.0+")
_OF_ALL = re.compile(r"([0-9]{1,9})\s*[/／]\s*[0-9]{1,9}")
#: Of so many lots and more, numbers far beyond their count belong to something else.
_ENOUGH_TO_JUDGE = 10


@dataclass(frozen=True, slots=True)
class Numbered:
    """A lot's number (None where nothing tells one) and a clause where that is worth telling."""

    number: int | None
    note: str | None = None


def numbers_of(raws: Sequence[RawLot]) -> list[Numbered]:
    """The number of each, in order."""
    ids = [_first_number(_values(raw, "number")) for raw in raws]
    from_zero = _count_from_zero([number for number in ids if number is not None])
    found = [_numbered(raw, number, from_zero) for raw, number in zip(raws, ids, strict=True)]
    if raws and all(each.number is None for each in found):  # a list without any number is in order
        return [Numbered(place, "has no number and was counted by its place") for place in range(1, len(raws) + 1)]
    return found


def size_of(numbers: Sequence[int]) -> int:
    """How many lots the tradition seems to have: the largest number that is not far beyond their count."""
    size = 0
    for count, number in enumerate(sorted(set(numbers)), 1):
        if count > _ENOUGH_TO_JUDGE and number > 2 * count + 20:
            break
        size = number
    return size


def agrees(raw: RawLot, number: int) -> bool:
    """Whether the file's name tells that number."""
    return _in_name(raw) == number


def _numbered(raw: RawLot, told: int | None, from_zero: bool) -> Numbered:
    if told is not None and from_zero:
        return Numbered(told + 1, "numbers were counted from 0 and are now from 1")
    if told is not None and told >= 1:
        named = _in_name(raw)
        if raw.line is None and named is not None and named != told:
            return Numbered(told, f"its id says {told}, its file's name {named}; the id was taken")
        return Numbered(told)
    if (number := _in_title(raw)) is not None:
        return Numbered(number, f"has no number of its own; {number} is from its title")
    if raw.line is None and (number := _in_name(raw)) is not None:
        return Numbered(number, f"has no number of its own; {number} is from its file's name")
    return Numbered(None)


def _count_from_zero(ids: Sequence[int]) -> bool:
    if len(ids) > _ENOUGH_TO_JUDGE and len(ids) % 10 == 1:  # a hundred lots and one before them
        return False
    return len(ids) > 1 and len(set(ids)) == len(ids) and sorted(ids) == list(range(len(ids)))


def _values(raw: RawLot, wanted: str) -> list[Any]:
    pairs = [(raw.columns.get(key) if raw.columns is not None else field_of(key), key) for key in raw.values]
    keys = [key for field, key in pairs if field and (field == wanted or field.startswith(f"{wanted}."))]
    return [raw.values[key] for key in sorted(keys, key=lambda key: not tells_the_number(key))]


def _first_number(values: Sequence[Any]) -> int | None:
    for value in values:
        if isinstance(value, str):
            value = unicodedata.normalize("NFKC", value).strip()
            if plain := _WHOLE_FLOAT.fullmatch(value) or _OF_ALL.fullmatch(value):
                value = plain[1]
        try:
            number = parse_lot_number(value)
        except InvalidLot:
            found = _number_in_id(value)
            if found is None:
                continue
            number = found
        if 0 <= number <= MAX_LOTS:
            return number
    return None


def _number_in_id(value: Any) -> int | None:
    if not isinstance(value, str) or len(value) > 120:
        return None
    try:
        return split_lot_id(value)[1]
    except InvalidLot:
        found = _LAST_DIGITS.search(value)
        return _small(found[1]) if found else None


def _in_title(raw: RawLot) -> int | None:
    for value in (*_values(raw, "title"), *_values(raw, "subtitle")):
        if isinstance(value, str) and (found := _IN_TITLE.search(value[:200])):
            return _small(found[1] or found[2])
    return None


def _in_name(raw: RawLot) -> int | None:
    stem = unicodedata.normalize("NFC", _COPY.sub("", raw.file.stem[-60:]))
    if (found := _IN_TITLE.search(stem)) and (number := _small(found[1] or found[2])) is not None:
        return number
    found = _LAST_DIGITS.search(stem)
    return _small(found[1] if found else stem)


def _small(text: str) -> int | None:
    try:
        number = parse_lot_number(text)
    except InvalidLot:
        return None
    return number if 1 <= number <= MAX_LOTS else None

"""Lot numbers as people write them: 7, ７, 第七籤, 廿一, No. 7; and ids such as YueLao_1.

Own code, not a library: most of the work is the words round a temple's numerals (第…籤, …番, 首) and 廿, 卅 and
卌; what is left for a library for Chinese numbers is the one regular expression below.
"""

from __future__ import annotations

import re
import unicodedata

from jieqian.errors import InvalidLot

LARGEST = 10**18
"""Numbers beyond this are given as this (or its negative): no collection is so large, and they stay cheap to print."""

_LONGEST_TEXT = 200
_DIGITS = "零一二三四五六七八九"
_SAME = str.maketrans(
    "〇○Ｏ壹壱弌貳贰弐弍參叁参弎肆伍陸陆柒捌玖兩两拾什佰陌仟阡萬億",
    "零零零一一一二二二二三三三三四五六六七八九二二十十百百千千万亿",
)
_TENS = {"廿": 20, "卄": 20, "卅": 30, "卌": 40}
_WESTERN = re.compile(r"[-−]?[0-9]+(?:e\+?[0-9]{1,9})?")
_UNDER_TEN_THOUSAND = re.compile(
    r"(?:(?P<k>[一二三四五六七八九])?(?P<K>千))?零?(?:(?P<h>[一二三四五六七八九])?(?P<H>百))?零?"
    r"(?:(?P<t>[一二三四五六七八九])?(?P<T>十)|(?P<tens>[廿卄卅卌]))?零?(?P<u>[一二三四五六七八九])?"
)
_POSITIONAL = re.compile(r"[零一二三四五六七八九]+")
_BEFORE = re.compile(r"(?:lot|number|no|nr|n°|[#.:\s])*第?\s*")
_AFTER = re.compile(r"\s*[支枝條条號号番首]?\s*(?:籤詩|签诗|[籤签籖簽詩诗首番號号])?")
_BETWEEN = re.compile(r"[\s_/\-#:]+|(?=第)")
_MARKS = " \t_/-#:"


def parse_lot_number(text: object) -> int:
    """The number meant by a JSON value or a piece of a path.

    Whole floats count (JSON does not tell 1e9 from 1000000000); 0, negative and very large numbers are numbers, which
    the look-up then does not find. A number beyond ±10**18 is cut to that. Raises InvalidLot for anything else, among
    it 1.5, true, null and words.
    """
    if isinstance(text, bool):
        raise InvalidLot
    if isinstance(text, int):
        return _cut(text)
    if isinstance(text, float):
        if not text.is_integer():
            raise InvalidLot
        return _cut(int(text))
    if isinstance(text, str):
        return _from_text(text)
    raise InvalidLot


def split_lot_id(text: str) -> tuple[str, int]:
    """`YueLao_1`, `yuelao/1`, `guanyin-7` or `月老第七籤` as collection (or alias) and number; raises InvalidLot."""
    folded = unicodedata.normalize("NFKC", text).strip() if isinstance(text, str) else ""
    if len(folded) <= _LONGEST_TEXT:
        for cut in _BETWEEN.finditer(folded):
            collection, rest = folded[: cut.start()], folded[cut.start() :]
            if not collection.strip(_MARKS):
                continue
            try:
                return collection.strip(), parse_lot_number(re.sub(r"^\s*[\s_/\-#:]", "", rest))
            except InvalidLot:
                continue
    raise InvalidLot("Name the collection with the lot: yuelao/7, or give `collection` beside `lot`.")


def chinese_number(number: int) -> str:
    """7 as 七, 21 as 二十一, 101 as 一百零一; for 0 to 9999, beyond that the digits as they are."""
    if not 0 <= number <= 9999:
        return str(number)
    if number < 10:
        return _DIGITS[number]
    words = ""
    for digit, unit in zip(f"{number:04d}", "千百十 ", strict=True):
        if digit != "0":
            words += _DIGITS[int(digit)] + unit.strip()
        elif words and not words.endswith("零"):
            words += "零"
    words = words.rstrip("零")
    return words[1:] if words.startswith("一十") else words


def _from_text(text: str) -> int:
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    if _WESTERN.fullmatch(folded):
        return _western(folded)
    if len(folded) > _LONGEST_TEXT:
        raise InvalidLot
    rest = folded[_BEFORE.match(folded).end() :]  # type: ignore[union-attr]
    western = _WESTERN.match(rest)
    if western and _AFTER.fullmatch(rest, western.end()):
        return _western(western[0])
    for end in range(len(rest), 0, -1):
        if _AFTER.fullmatch(rest, end) and (number := _chinese(rest[:end].translate(_SAME))) is not None:
            return number
    raise InvalidLot


def _western(text: str) -> int:
    digits, _, exponent = text.replace("−", "-").partition("e")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("-").lstrip("0") or "0"
    if digits == "0":
        return 0
    if len(digits) + int(exponent or 0) > len(str(LARGEST)):
        return sign * LARGEST
    return _cut(sign * int(digits) * 10 ** int(exponent or 0))


def _chinese(text: str) -> int | None:
    if _POSITIONAL.fullmatch(text):
        return _western("".join(str(_DIGITS.index(digit)) for digit in text))
    for unit, worth in (("亿", 10**8), ("万", 10**4)):
        before, found, after = text.partition(unit)
        if found:
            high, low = _chinese(before), _chinese(after.lstrip("零")) if after else 0
            return None if high is None or low is None or low >= worth else _cut(high * worth + low)
    match = _UNDER_TEN_THOUSAND.fullmatch(text)
    if not text or match is None or text.endswith("零"):
        return None
    number = _TENS.get(match["tens"] or "", 0) + (_DIGITS.index(match["u"]) if match["u"] else 0)
    for digit, unit, worth in (("k", "K", 1000), ("h", "H", 100), ("t", "T", 10)):
        if match[unit]:
            number += (_DIGITS.index(match[digit]) if match[digit] else 1) * worth
    return number


def _cut(number: int) -> int:
    return max(-LARGEST, min(LARGEST, number))

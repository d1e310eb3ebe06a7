"""Lines named by their place ("Line 2", "the second and third lines", 第二句, 二行目); the lot named by its number."""

from __future__ import annotations

import re
from functools import lru_cache

from jieqian.checks.script import fold_shapes
from jieqian.lots.numbers import chinese_number

_ENGLISH = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_ENGLISH_ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
_TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_HAN_DIGITS = "一二三四五六七八九十"

_VALUES: dict[str, int] = (
    {word: place for place, word in enumerate(_ENGLISH, 1)}
    | {word: place for place, word in enumerate(_ENGLISH_ORDINALS, 1)}
    | {digit: place for place, digit in enumerate(_HAN_DIGITS, 1)}
)
_CARDINAL = rf"(?:\d{{1,2}}|{'|'.join(_ENGLISH)})"
_ORDINAL = rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{'|'.join(_ENGLISH_ORDINALS)})"
_EN_JOIN = r"\s?(?:(?:,|and|&|to|through|[-–—~])\s?){1,3}"
_HAN_NUMBER = rf"(?:\d{{1,2}}|[{_HAN_DIGITS}])"
_HAN_JOIN = r"\s?[、,和与及到至・~〜-]?\s?第?"
_PLACE = re.compile(rf"\d{{1,2}}|[{_HAN_DIGITS}]|[a-z]+")
_RANGE = re.compile(r"\d\s*(?:[-–—~〜到至]|to|through)|[a-z]\s+(?:to|through)\s|[一-十]\s*[到至~〜-]")

# Every repetition is bounded: a runaway text must not make the search slow.
# All are searched in folded text, so one shape stands for all: 籤 is 签, 聯 is 联, 後 is 后.
_LINES_AT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:lines?|verses?)\s*(?:no\.?|number|#)?\s*({_CARDINAL}(?:{_EN_JOIN}{_CARDINAL}){{0,7}})\b",
        rf"\b({_ORDINAL}(?:(?:{_EN_JOIN})(?:the\s+)?{_ORDINAL}){{0,7}})\s+(?:[a-z]+\s+)?(?:lines?|verses?|phrases?|clauses?|sentences?)\b",
        rf"第\s*({_HAN_NUMBER}(?:{_HAN_JOIN}{_HAN_NUMBER}){{0,7}})\s*[句行]",
        rf"(?<![这那每首哪前后末]){_HAN_NUMBER}(?:{_HAN_JOIN}{_HAN_NUMBER}){{1,7}}\s?[句行]",
        rf"({_HAN_NUMBER}(?:{_HAN_JOIN}{_HAN_NUMBER}){{0,7}})\s*[句行]目",
        rf"(?m)^\s*[(\[]?({_HAN_NUMBER})\s*[)\].、,:]",
    )
)
_FIRST_OF = re.compile(
    rf"\b(first|opening|last|final|closing)\s+({_CARDINAL})\s+lines\b|([前后末])\s*([两二三四])\s*[句行]"
)
_COUPLET = re.compile(rf"\b({_ORDINAL})\s+couplet\b")
_FIRST = re.compile(r"\b(?:opening|first|beginning) (?:line|verse|phrase)\b|[首初起]句|最初の[句行]|[上前]句|上联")
_LAST = re.compile(
    r"\b(?:last|final|closing|concluding|ending) (?:line|verse|phrase)\b|[末尾结]句|最后[一の]?[句行]|下句|后句|下联"
)
_NEXT = re.compile(r"次句|承句")
_THIRD_OF_FOUR = re.compile(r"转句")
_ONLY = re.compile(r"\b(?:line|verse|poem|words)\b|[句诗行]")


def lines_named(folded: str, count: int) -> frozenset[int]:
    """Which of `count` lines (1 to `count`) a folded text names by their place."""
    named: set[int] = set()
    for pattern in _LINES_AT:
        for found in pattern.finditer(folded):
            named |= _places(found[found.lastindex or 0])
    for found in _FIRST_OF.finditer(folded):
        size = _value(found[2] or found[4])
        backwards = (found[1] or found[3]) in ("last", "final", "closing", "后", "末")
        named |= set(range(count - size + 1, count + 1) if backwards else range(1, size + 1))
    for found in _COUPLET.finditer(folded):
        pair = _value(found[1])
        named |= {2 * pair - 1, 2 * pair}
    for pattern, place in ((_FIRST, 1), (_LAST, count), (_NEXT, 2), (_THIRD_OF_FOUR, 3)):
        if pattern.search(folded):
            named.add(place)
    if count == 1 and _ONLY.search(folded):
        named.add(1)
    return frozenset(place for place in named if 1 <= place <= count)


def number_named(folded: str, number: int) -> bool:
    """Whether a folded text gives the lot's number: 7, 第七籤, lot seven, the seventh lot; "line 7" does not."""
    without_lines = folded
    for pattern in _LINES_AT:
        without_lines = pattern.sub(" ", without_lines)
    return _number_pattern(number).search(without_lines) is not None


@lru_cache(maxsize=256)
def _number_pattern(number: int) -> re.Pattern[str]:
    han = "|".join(map(re.escape, _han_forms(number)))
    forms = [
        # Fractions, percentages and times of day are no lot numbers.
        rf"(?<![\d.:/])0*{number}(?![\d%:]|[.]\d)",
        rf"第\s*(?:{han})(?![百十〇零{_HAN_DIGITS}])",
        rf"签\s*(?:{han})(?![百十〇零{_HAN_DIGITS}])",
        rf"(?<![百十{_HAN_DIGITS}])(?:{han})\s*(?:[号番首支]|签)",
    ]
    words = _english_words(number)
    if words:
        cardinal, ordinal = (word.replace("-", r"[\s-]") for word in words)
        kind = r"(?:lot|stick|slip|sign|poem|oracle|fortune|number|no\.?|verse)"
        forms += [rf"\b{kind}\s+(?:number\s+)?{cardinal}\b", rf"\b{ordinal}\s+(?:[a-z]+\s+){{0,2}}{kind}\b"]
    return re.compile("|".join(forms))


def _han_forms(number: int) -> tuple[str, ...]:
    full = fold_shapes(chinese_number(number))
    forms = {full, "".join("〇一二三四五六七八九"[int(digit)] for digit in str(number))}
    if 10 <= number < 20:
        forms.add("一" + full)
    if number == 100:
        forms.add("百")
    forms |= {form.replace("二十", "廿", 1) for form in forms if form.startswith("二十")}
    forms |= {form.replace("三十", "卅", 1) for form in forms if form.startswith("三十")}
    return tuple(sorted(forms, key=len, reverse=True))


def _english_words(number: int) -> tuple[str, str] | None:
    """Cardinal and ordinal of 1 to 100; larger numbers are always written in figures."""
    if number == 100:
        return "(?:one|a)?-?hundred", "(?:one-)?hundredth"
    if not 1 <= number < 100:
        return None
    if number <= 12:
        return _ENGLISH[number - 1], _ENGLISH_ORDINALS[number - 1]
    if number < 20:
        return _TEENS[number - 13], _TEENS[number - 13] + "th"
    tens, units = _TENS[number // 10 - 2], number % 10
    if not units:
        return tens, tens[:-1] + "ieth"
    return f"{tens}-{_ENGLISH[units - 1]}", f"{tens}-{_ENGLISH_ORDINALS[units - 1]}"


def _places(written: str) -> set[int]:
    places = [_value(place) for place in _PLACE.findall(written) if _value(place)]
    if len(places) == 2 and _RANGE.search(written):
        return set(range(places[0], places[1] + 1))
    return set(places)


def _value(written: str) -> int:
    if written == "两":
        return 2
    digits = re.match(r"\d+", written)
    return int(digits[0]) if digits else _VALUES.get(written, 0)

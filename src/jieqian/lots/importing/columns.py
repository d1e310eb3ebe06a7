"""Whose value is what: keys and heads of columns in Chinese, English and Japanese, and columns without a head.

A field is `number`, `title`, `subtitle`, `rank`, `verse`, `line.3`, `sign`, `allusion`, `overall`, `topics.love` or
`reference`; a text in one language has it at the end: `overall.en`. `zh` stands for either Chinese script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache

from jieqian.errors import InvalidLot, UsageError
from jieqian.lots.importing.ranks import NAMES, is_rank
from jieqian.lots.importing.verses import is_verse
from jieqian.lots.lot import TOPICS
from jieqian.lots.numbers import parse_lot_number
from jieqian.lots.script import to_simplified

#: Chinese names in Simplified characters: what is compared is folded to them.
_IN_LANGUAGES = ("title", "allusion", "overall", "topics.")
_LINE = re.compile(
    r"(?:line|verse|poem|诗|句|签诗|诗句|第)([1-9一二三四五六七八])(?:句|行|line)?目?|([1-9一二三四五六七八])(?:句|行)目?"
    r"|([起承转合])句?"
)
_DIGITS = "一二三四五六七八"
#: `en`, `zh` alone may head anything.
_CODE = re.compile(r"[a-z]{2}")
_A_VERSE = 4
_WHOLE_FLOAT = re.compile(r"(?<=[0-9])\.0+$")
_HAN = re.compile(r"[\u3400-\u9fff]")
_TURNS = "起承转合"
_IN_BRACKETS = re.compile(r"[（(【\[〔](.*?)[）)】\]〕]")
#: A head that can mean nothing but the lot's number, unlike `id` and `序號`.
_TELLING = re.compile(r"[籤签簽籖番]|lot|number", re.I)
_ENOUGH = 0.8
#: Of letters; a Chinese character counts for two.
_LONG_TEXT = 12


@lru_cache(maxsize=4096)
def field_of(key: str) -> str | None:
    """The field a key or head means, or None. Case, width, script and marks do not count."""
    parts = _parts(key, ".")
    if not parts:
        return "number" if key.strip() in ("#", "＃", "№") else None
    joined = "".join(parts)
    if joined in _fields():
        return _fields()[joined]
    if found := _LINE.fullmatch(joined):
        written = found[1] or found[2] or found[3]
        digits = _TURNS if written in _TURNS else _DIGITS
        return f"line.{digits.index(written) + 1 if written in digits else int(written)}"
    if (field := _of_parts(parts)) is not None:
        return field
    words = _parts(_IN_BRACKETS.sub(r" \1 ", key), None)  # 籤號（必填）, Meaning (English), lot_id
    field = _of_parts(words) or _of_parts(words[:1]) if len(words) > 1 else None
    if field is None and len(words) > 1 and len({_fields().get(word) for word in words}) == 1:
        field = _fields().get(words[0])
    return field


def tells_the_number(key: str) -> bool:
    """Whether a key that means a number can mean no other than the lot's."""
    return _TELLING.search(key) is not None


def _tells_more(key: str, other: str) -> bool:
    return tells_the_number(key) and not tells_the_number(other)  # 籤號 beside 序號


def _parts(key: str, mark: str | None) -> list[str]:
    spaced = key if mark else re.sub(r"[._\-/：:*]+", " ", key)
    return [part for part in map(_folded, spaced.split(mark)) if part]


def _of_parts(parts: list[str]) -> str | None:
    """The field of a name's parts, among which its language may be; a language alone is an explanation in it."""
    language = next((_languages()[part] for part in parts if part in _languages()), None)
    bare = [part for part in parts if part not in _languages()]
    if language is None:
        bare, language = _without_language(parts)
    if not bare:
        return f"overall.{language}" if len(parts) == 1 and not _CODE.fullmatch(parts[0]) else None
    field = _fields().get("".join(bare)) or (_fields().get(bare[-1]) if len(bare) > 1 else None)
    if field is None or language is None or not field.startswith(_IN_LANGUAGES):
        return field
    return f"{field}.{language}"


def _without_language(parts: list[str]) -> tuple[list[str], str | None]:
    """`analysiszh`, `英文解釋`: the language joined to the name."""
    last = parts[-1]
    for word in sorted(_languages(), key=len, reverse=True):
        if word.isascii():
            rest = last.removesuffix(word)
        else:
            rest = last.removesuffix(word) if last.endswith(word) else last.removeprefix(word)
        if rest != last and rest in _fields():
            return [*parts[:-1], rest], _languages()[word]
    return parts, None


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text[:60]).casefold()
    return to_simplified("".join(c for c in plain if c.isalnum()))


@cache
def _fields() -> Mapping[str, str]:
    return {_folded(name): field for field, names in NAMES["fields"].items() for name in names}


@cache
def _languages() -> Mapping[str, str]:
    return {_folded(name): language for language, names in NAMES["languages"].items() for name in names}


def parse_columns(told: str) -> dict[str, str]:
    """`number=1,verse=詩文,overall.en=Meaning` as the field of each column, by its head or its place.

    Raises `UsageError`.
    """
    columns: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in told.split(","))):
        field, _, column = (part.strip() for part in pair.partition("="))
        if not column or not _is_field(field):
            known = ", ".join(
                (*(name for name in NAMES["fields"] if "." not in name), "line.1", "topics.love", "overall.en")
            )
            raise UsageError(f"--columns: {pair!r} is not FIELD=COLUMN. Fields: {known}.", usage=True)
        columns[column] = field
    return columns


def _is_field(field: str) -> bool:
    base, _, last = field.rpartition(".")
    if last in NAMES["languages"] and base.startswith(_IN_LANGUAGES):
        field = base
    return field in NAMES["fields"] or bool(re.fullmatch(r"line\.[1-9]|topics\.(?:" + "|".join(TOPICS) + ")", field))


def guess_columns(rows: Sequence[Sequence[str]], told: Mapping[str, str]) -> tuple[bool, dict[str, str]]:
    """Whether the first row holds heads, and the field of each column by its place (`"1"`).

    Raises `UsageError` for a told column that is not there.
    """
    if not rows:
        return False, {}
    heads = [head.strip() for head in rows[0]]
    known = _known(heads)
    places = {head: str(at) for at, head in reversed(list(enumerate(heads, 1)))}
    by_head = any(not column.isdecimal() for column in told)
    has_heads = by_head or _are_heads(heads)
    columns: dict[str, str] = {}
    for column, field in told.items():
        place = places.get(column) if by_head and column in places else column
        if place is None or not place.isdecimal() or not 1 <= int(place) <= len(heads):
            there = ", ".join(filter(None, heads)) if by_head else f"1 to {len(heads)}"
            raise UsageError(f"--columns: there is no column {column!r}. There are: {there[:300]}.", usage=True)
        columns[place] = field
    if told:
        return has_heads, columns
    found = known if has_heads else _by_content(rows)
    for place, field in found.items():
        first = next((other for other, held in columns.items() if held == field), None)
        if first is None or field.startswith("overall"):  # several explanations are joined
            columns[place] = field
        elif field == "number" and has_heads and _tells_more(heads[int(place) - 1], heads[int(first) - 1]):
            del columns[first]
            columns[place] = field
    return has_heads, columns


def heads_at(rows: Sequence[Sequence[str]], told: Mapping[str, str]) -> int:
    """Which of the first rows holds the heads: that with the most told or known ones; 0 where none is sure."""
    wanted = {column for column in told if not column.isdecimal()}
    best, place = 1, 0
    for at, row in enumerate(rows):
        heads = [head.strip() for head in row]
        known = len(wanted & set(heads)) if wanted else len(_known(heads)) if _are_heads(heads) else 0
        if known > best:
            best, place = known, at
    return place


def _known(heads: Sequence[str]) -> dict[str, str]:
    return {str(at): field for at, head in enumerate(heads, 1) if head and (field := field_of(head))}


def _are_heads(heads: Sequence[str]) -> bool:
    known = len(_known(heads))
    return (known >= 2 or (known == 1 and len(heads) == 1)) and not any(cell.isdecimal() for cell in heads)


def _by_content(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """Columns of a table without heads, by what stands in them."""
    sample = rows[:200]
    width = max(map(len, sample))
    cells = {str(at + 1): [row[at] for row in sample if at < len(row) and row[at].strip()] for at in range(width)}
    columns: dict[str, str] = {}
    tests: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("number", is_number),
        ("rank", is_rank),
        ("verse", is_verse),
    )
    short = [place for place, held in cells.items() if _mostly(held, is_one_line) and not _mostly(held, is_rank)]
    for field, fits in tests:
        for place, held in cells.items():
            if place not in columns and _mostly(held, fits) and not (field == "verse" and len(short) >= _A_VERSE):
                columns[place] = field
                break
    if "verse" not in columns.values() and len(short) >= 2:
        columns |= {place: f"line.{at}" for at, place in enumerate(short[:8], 1)}
    for place, held in cells.items():
        if place not in columns and held and sum(map(_extent, held)) / len(held) > _LONG_TEXT:
            field = f"overall.{_language(held)}"
            if field not in columns.values():
                columns[place] = field
    return columns


def _extent(text: str) -> int:
    return len(text) + len(_HAN.findall(text))


def _mostly(cells: Sequence[str], fits: Callable[[str], bool]) -> bool:
    return bool(cells) and sum(map(fits, cells)) >= _ENOUGH * len(cells)


def is_number(cell: str) -> bool:
    """Whether a cell holds a lot's number, as people write it."""
    try:
        return 1 <= parse_lot_number(_WHOLE_FLOAT.sub("", cell.strip())) <= 10_000
    except InvalidLot:
        return False


def is_one_line(cell: str) -> bool:
    """Whether a cell holds one line of verse."""
    return bool(re.fullmatch(r"[\u3400-\u9fff]{4,8}[，。、；,.;]?", cell.strip()))


def _language(cells: Iterable[str]) -> str:
    text = "".join(cells)
    if re.search(r"[\u3041-\u3096]", text):
        return "ja"
    return "zh" if len(re.findall(r"[\u3400-\u9fff]", text)) * 3 > len(text) else "en"

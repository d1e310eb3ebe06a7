"""A rank in one of its many spellings, or what stands in its place: a hexagram, a stem and branch, nothing."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path

from jieqian.lots.lot import Fortune, Polarity
from jieqian.lots.script import to_simplified

NAMES = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))
"""What keys, columns and ranks are called."""

_SENSE = {rank: Polarity(sense) for sense, ranks in NAMES["ranks"].items() for rank in ranks}
_ENGLISH = {rank: Polarity(sense) for sense, ranks in NAMES["ranks_in_english"].items() for rank in ranks}
_AROUND = " \t\u3000【】[]()（）「」『』《》<>〈〉:：,，.。、·・*★☆"
_LOT_SIGN = re.compile(r"[籤签籖簽]$")
_NUMBERED = re.compile(r"^第?[0-9一二三四五六七八九十百廿卅]+[籤签簽籖番首号號]?[\s:：,，、.。\-]*")
_HAN = re.compile(r"[\u3400-\u9fff]")
_STEM_BRANCH = re.compile(r"[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥][日年]?|[子丑寅卯辰巳午未申酉戌亥][宮宫]")
_SYMBOLS = re.compile(r"[\u4dc0-\u4dff\u2630-\u2637○●◯〇⚊⚋\s]+")
_HEXAGRAM = re.compile(
    r".{0,4}卦.{0,4}|[乾坤震巽坎離离艮兌兑天地雷風风水火山澤泽]{2}.{1,2}|[乾坤震巽坎離离艮兌兑][為为]."
)
_ELEMENT = re.compile(r"(?:屬|属)[金木水火土].{0,12}")
#: What parts a rank from its reading, its translation or what stands beside it.
_PARTS = re.compile(r"[（(）)【】\[\]/／|:：·・]|\s[-–—]\s|\s{2,}")
_HAN_APART = re.compile(r"(?<=[\u3400-\u9fff]) +(?=[\u3400-\u9fff])")
_LONGEST_LABEL, _LONGEST_SIGN, _LONGEST_TEXT = 20, 120, 200


def read_rank(text: str) -> tuple[Fortune | None, str | None, str | None]:
    """Rank, sign, and a clause where something of a cleaned text was changed or could not be a rank."""
    whole = _bare(text.replace("\n", "  ")[:_LONGEST_TEXT])
    if not whole:
        return None, None, None
    parts = [bare for part in _PARTS.split(_NUMBERED.sub("", whole)) if (bare := _bare(part))]
    words = [word for part in parts for word in part.split(" ")]
    chinese = [word for word in words if _HAN.search(word)]
    for label in (_HAN_APART.sub("", whole), _HAN_APART.sub("", _NUMBERED.sub("", whole)), *parts, *chinese):
        if len(label) <= _LONGEST_LABEL and (polarity := _polarity(label)) is not None:
            beside = " ".join(word for word in words if label not in word and not is_rank(word) and is_sign(word))
            note = None if label == text.strip() else f"the rank {_shown(text)} is kept as {label}"
            return Fortune(label, polarity), beside or None, f"{note}, {beside} as the sign" if beside else note
    if not parts:
        return None, None, f"{_shown(whole)} is the lot's number, no rank, and is left out"
    if is_sign(whole):
        return None, whole[:_LONGEST_SIGN], f"{_shown(whole)} is no rank and is kept as the sign"
    if len(whole) <= _LONGEST_SIGN and any(unicodedata.category(character)[0] == "L" for character in whole):
        return None, whole, f"the rank {_shown(whole)} is not known and is kept as the sign"
    return None, None, f"{_shown(whole)} is no rank and is left out"


def is_rank(text: str) -> bool:
    """Whether a text is a rank that is known."""
    return _polarity(_bare(unicodedata.normalize("NFKC", text[:_LONGEST_TEXT]))) is not None


def _bare(text: str) -> str:
    return text.lstrip(_AROUND).rstrip(f"{_AROUND}!！")


def is_sign(text: str) -> bool:
    """Whether a text is a stem and branch, a hexagram or an element: what stands beside a verse besides its rank."""
    words = _SYMBOLS.sub("", text)
    return not words or any(pattern.fullmatch(words) for pattern in (_STEM_BRANCH, _HEXAGRAM, _ELEMENT))


def _polarity(label: str) -> Polarity | None:
    bare = to_simplified(_LOT_SIGN.sub("", label.replace(" ", "")) or label)
    if bare in _SENSE:
        return _SENSE[bare]
    return _ENGLISH.get(re.sub(r"[\s_-]+", " ", label).strip().casefold())


def _shown(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}…"

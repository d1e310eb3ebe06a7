"""Traditional Chinese into Simplified, by OpenCC's `tw2s`.

`tw2s` knows Taiwan's variants (著, 裡, 簷); `t2s` leaves 著 where mainland print has 着. `tw2sp` would also swap
Taiwan's words for mainland ones, and does so inside other words: 行程 (a journey) became 进程 (a computer's process).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from jieqian.languages import Language
from jieqian.lots.script_forms import FORMS

if TYPE_CHECKING:
    from opencc import OpenCC

OLD_FORMS = str.maketrans("", "", "却碍烟叶亘")
"""Forms that Simplified script took over from older print, where verse in Traditional characters has them too."""

_BETWEEN = "\x1f"
# Mainland print has its own marks, and 它 where Taiwan writes 牠; `tw2s` leaves both alone.
_MAINLAND = tuple(zip("「」『』〈〉・牠", "“”‘’《》·它", strict=True))


@cache
def _converter(how: str = "tw2s") -> OpenCC:
    from opencc import OpenCC

    return OpenCC(how)


def to_simplified(text: str) -> str:
    """One text in Simplified characters, its marks left as they are."""
    return text if text.isascii() else str(_converter().convert(text))


def to_traditional(text: str) -> str:
    """One text in Traditional characters, by words: 头 has one form, 发 two, so a person should look at it."""
    return text if text.isascii() else str(_converter("s2tw").convert(text))


def simplify_all(texts: Sequence[str]) -> list[str]:
    """Each text in Simplified characters with mainland marks; one conversion for all (none holds U+001F)."""
    if not texts:
        return []
    made = str(_converter().convert(_BETWEEN.join(texts)))
    for taiwan, mainland in _MAINLAND:  # five times as fast as `translate`
        made = made.replace(taiwan, mainland)
    return made.split(_BETWEEN)


@lru_cache(maxsize=16_384)
def is_simplified_form(character: str) -> bool:
    """Whether only Simplified script has this character: OpenCC would change it, and Big5 lacks it (it has 后)."""
    return not _encodable(character, "cp950") and character in changed_forms("s2t")


@lru_cache(maxsize=16_384)
def is_traditional_form(character: str) -> bool:
    """Whether only Traditional script has this character: OpenCC would change it, and GB 2312 lacks it."""
    return not _encodable(character, "gb2312") and to_simplified(character) != character


def script_of(text: str) -> Language:
    """`zh-Hans` where more characters belong to Simplified script alone than to Traditional, else `zh-Hant`."""
    han = text.translate(OLD_FORMS)
    simplified = sum(map(is_simplified_form, han))
    return Language.ZH_HANS if simplified > sum(map(is_traditional_form, han)) else Language.ZH_HANT


@cache
def changed_forms(how: str) -> dict[str, str]:
    """What single characters become by OpenCC's `s2t` or `s2tw`; those that stay as they are are not in it."""
    before, after = json.loads(FORMS.read_text(encoding="utf-8"))[how]
    return dict(zip(before, after, strict=True))


def _encodable(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True

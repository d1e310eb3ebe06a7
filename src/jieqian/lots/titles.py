"""A lot's title in the four languages, made from its collection's name and its number."""

from __future__ import annotations

from collections.abc import Mapping

from jieqian.languages import Language
from jieqian.lots.numbers import chinese_number


def lot_titles(names: Mapping[Language, str], number: int) -> dict[Language, str]:
    """From all four names: 月老靈籤 第七籤, 月老灵签 第七签, Yue Lao's Hundred Lots, lot 7, 月老霊籤 第七番."""
    chinese = chinese_number(number)
    # Japanese writes 百 and 千 without 一 before them.
    japanese = chinese.replace("一百", "百").replace("一千", "千").replace("零", "")
    return {
        Language.ZH_HANT: f"{names[Language.ZH_HANT]} 第{chinese}籤",
        Language.ZH_HANS: f"{names[Language.ZH_HANS]} 第{chinese}签",
        Language.EN: f"{names[Language.EN]}, lot {number}",
        Language.JA: f"{names[Language.JA]} 第{japanese}番",
    }

"""Makes `script_characters.json`, the tables by which `script.py` tells the scripts apart.

Run `python -m jieqian.checks.script_tables` after an upgrade of OpenCC; it needs the `opencc` package, reading the
tables does not. Sources: OpenCC's dictionaries (Apache-2.0) and the coded character sets of Python's codecs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

TABLES = Path(__file__).with_name("script_characters.json")
_FIRST, _LAST = 0x4E00, 0x9FFF
_BIG5_FREQUENT = range(0xA440, 0xC67F)
# Simplified or variant shapes that printed Traditional Chinese uses all the same: they tell nothing.
_USED_IN_BOTH = frozenset("却碍叶烟亘凄凉冲净决况减凑")


def make_tables() -> dict[str, str]:
    """`simplified`, `traditional`, `japanese`: characters of one script only; `fold_from` and `fold_to`: pairs.

    A character counts as simplified where OpenCC turns it into another one and Big5's frequent plane lacks it; as
    traditional where OpenCC simplifies it and GB 2312 lacks it; as Japanese where Shift JIS alone has it. Folding
    turns a Traditional or Japanese shape into the simplified one, one character for one.
    """
    import opencc

    characters = [chr(point) for point in range(_FIRST, _LAST + 1)]
    to_simplified = _converted(opencc.OpenCC("t2s").convert, characters)
    to_traditional = _converted(opencc.OpenCC("s2t").convert, characters)
    from_japanese = _converted(opencc.OpenCC("jp2t").convert, characters)
    frequent = _charset("big5", _BIG5_FREQUENT)
    mainland = _charset("gb2312", range(0xA1A1, 0xF7FF))
    japanese = _charset("shift_jis", range(0x8140, 0xEAA5))
    folded = {c: to_simplified.get(from_japanese[c], from_japanese[c]) for c in characters}
    pairs = {c: new for c, new in folded.items() if new != c and len(new) == 1}
    return {
        "simplified": "".join(
            c for c in characters if to_traditional[c] != c and c not in frequent and c not in _USED_IN_BOTH
        ),
        "traditional": "".join(
            c for c in characters if to_simplified[c] != c and c not in mainland and c not in _USED_IN_BOTH
        ),
        "japanese": "".join(c for c in characters if c in japanese and c not in mainland and c not in frequent),
        "fold_from": "".join(pairs),
        "fold_to": "".join(pairs.values()),
    }


def _converted(convert: Callable[[str], str], characters: list[str]) -> dict[str, str]:
    return dict(zip(characters, convert("\n".join(characters)).split("\n"), strict=True))


def _charset(codec: str, codes: range) -> frozenset[str]:
    return frozenset("".join(code.to_bytes(2, "big").decode(codec, "ignore") for code in codes))


if __name__ == "__main__":
    TABLES.write_text(json.dumps(make_tables(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

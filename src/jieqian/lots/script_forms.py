"""Makes `script_forms.json`: what single characters become when a text is put into Traditional Chinese.

Run `python -m jieqian.lots.script_forms` after an upgrade of OpenCC. At run time nothing but this table is read: a
converter from Simplified keeps 30 MB of phrases, of which single characters have no use. Source: OpenCC's
dictionaries (Apache-2.0).
"""

from __future__ import annotations

import json
from pathlib import Path

FORMS = Path(__file__).with_name("script_forms.json")
#: OpenCC's conversions: to its own standard, and to Taiwan's.
CONVERSIONS = ("s2t", "s2tw")
#: Where Unicode has Chinese characters.
_HAN = ((0x2E80, 0x3000), (0x3400, 0xA000), (0xF900, 0xFB00), (0x20000, 0x32400))
_BETWEEN = "\x1f"


def make_forms() -> dict[str, list[str]]:
    """For each conversion two texts: the characters it changes, and what each becomes; one character for one."""
    from opencc import OpenCC

    characters = [chr(code) for first, last in _HAN for code in range(first, last)]
    made: dict[str, list[str]] = {}
    for how in CONVERSIONS:
        forms = str(OpenCC(how).convert(_BETWEEN.join(characters))).split(_BETWEEN)
        changed = [(one, form) for one, form in zip(characters, forms, strict=True) if form != one and len(form) == 1]
        made[how] = ["".join(one for one, _ in changed), "".join(form for _, form in changed)]
    return made


if __name__ == "__main__":
    FORMS.write_text(json.dumps(make_forms(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

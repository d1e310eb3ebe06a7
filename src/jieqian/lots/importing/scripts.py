"""Prose in which characters of the other Chinese script stand, in one."""

from __future__ import annotations

from jieqian.lots.script import is_simplified_form, is_traditional_form, to_simplified, to_traditional


def in_one_script(text: str, tag: str) -> tuple[str, str | None]:
    """Prose of `zh-Hant` or `zh-Hans` without characters only the other has, and a clause where some were turned.

    Verse is left as it is printed.
    """
    if tag not in ("zh-Hant", "zh-Hans"):
        return text, None
    strange, turn = (is_simplified_form, to_traditional) if tag == "zh-Hant" else (is_traditional_form, to_simplified)
    if not any(map(strange, text)):
        return text, None
    turned = turn(text)
    if len(turned) != len(text):  # a word became another: character by character
        turned = "".join(map(turn, text))
    made = "".join(new if strange(old) else old for old, new in zip(text, turned, strict=True))
    return made, f"characters of the other script were turned into {tag}"

"""The lines of a verse, however they are parted: by marks, by blanks, by line breaks, or not at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from jieqian.lots.importing.report import Refused

LONGEST_LINE, MOST_LINES = 60, 20
_BETWEEN = re.compile(r"[，、。,.;；!！?？:：｡､．\s/／|｜]+")
_AROUND = "「」『』“”‘’\"'《》〈〉()（）[]【】…-—·*"
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々\U00020000-\U0003ffff]")
#: Lines and characters a line of a verse that stands in one string, by its length.
_WHOLE = {28: 7, 20: 5, 56: 7, 40: 5, 16: 4, 32: 4, 24: 6, 14: 7, 10: 5, 12: 6}
#: A count before a line: `1.`, `其一`.
_COUNT = re.compile(r"[0-9０-９①-⑳]+")


def verse_of(parts: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """The lines of cleaned texts, and a clause where they had to be parted. Raises `Refused`."""
    lines = [line for part in parts for line in _parted(part)]
    note = None
    if lines and len(lines) != len(parts):
        note = f"the verse was parted into {len(lines)} lines"
    if len(lines) == 1 and len(lines[0]) in _WHOLE and len(_HAN.findall(lines[0])) == len(lines[0]):
        size = _WHOLE[len(lines[0])]
        lines = [lines[0][at : at + size] for at in range(0, len(lines[0]), size)]
        note = f"the verse stood in one string and was parted into {len(lines)} lines of {size}"
    if not lines:
        raise Refused("has no verse")
    if len(lines) > MOST_LINES:
        raise Refused(f"has a verse of {len(lines)} lines; the limit is {MOST_LINES}")
    if longest := max((line for line in lines if len(line) > LONGEST_LINE), key=len, default=""):
        raise Refused(f"has a line of verse of {len(longest)} characters; the limit is {LONGEST_LINE}")
    if not any(_HAN.search(line) for line in lines):
        raise Refused(f"has a verse without a Chinese character: {lines[0][:20]}")
    return tuple(lines), note


def is_verse(text: str) -> bool:
    """Whether a cell holds a whole verse: two and more lines of like length, or a length that is known."""
    lines = _parted(unicodedata.normalize("NFC", text))
    if not lines or any(len(_HAN.findall(line)) != len(line) for line in lines):
        return False
    if len(lines) == 1:
        return len(lines[0]) in _WHOLE and len(lines[0]) >= 16
    return max(map(len, lines)) <= 12 and 8 <= sum(map(len, lines)) <= 80


def _parted(text: str) -> list[str]:
    spaced = _BETWEEN.split(text)
    if _is_prose(text):
        spaced = [line.strip() for line in text.split("\n")]
    pieces = [piece.strip(_AROUND).strip() for piece in spaced]
    return [piece for piece in pieces if _has_letter(piece) and not _COUNT.fullmatch(piece)]


def _is_prose(text: str) -> bool:
    """Latin or kana: its blanks part words, not lines."""
    return len(_HAN.findall(text)) * 2 < sum(c.isalpha() for c in text)


def _has_letter(text: str) -> bool:
    return any(unicodedata.category(character)[0] == "L" for character in text)

"""The lines of a verse, however they are parted: by marks, by blanks, by line breaks, or not at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from jieqian.lots.importing.ranks import is_rank
from jieqian.lots.importing.report import Refused

LONGEST_LINE, MOST_LINES = 60, 20
#: One dot in the middle parts lines; two stand for what was left out of one.
_BETWEEN = re.compile(r"(?:[，、。,.;；!！?？:：｡､．\s/／|｜①-⑳【】\[\]]|(?<![·・‧])[·・‧](?![·・‧]))+")
_AROUND = "「」『』“”‘’\"'《》〈〉()（）[]【】…-—·*"
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々\U00020000-\U0003ffff]")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
#: Lines and characters a line of a verse that stands in one string, by its length.
_WHOLE = {28: 7, 20: 5, 56: 7, 40: 5, 16: 4, 32: 4, 24: 6, 14: 7, 10: 5, 12: 6}
#: A count before a line: `1.`, `其一`, `第一句`.
_COUNT = re.compile(r"[0-9０-９]+|其?[一二三四五六七八]|第?[一二三四五六七八首次末][句聯联]")
#: What stands before a verse and is none of it: `籤詩曰`, `第七籤`.
_HEAD = re.compile(r"[籤签簽]?[詩诗文]?[曰云]|[籤签簽][詩诗文]|.{0,8}第.{1,6}[籤签簽籖番首號号]")
_TITLE = re.compile(r"\s*[【《〈〔\[]([^【】《》〈〉〔〕\[\]\n]{1,30})[】》〉〕\]](?=\s*[^\s【《〈〔\[])")
#: A reading or a translation in brackets.
_READING = re.compile(r"[（(〔][^（()）〔〕\u3400-\u9fff]{1,100}[)）〕]")


def title_of(text: str) -> tuple[str, str]:
    """A title in brackets before the verse ("" where there is none), and the rest."""
    found = _TITLE.match(text)
    return (found[1].strip(), text[found.end() :]) if found else ("", text)


def verse_of(parts: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """The lines of cleaned texts, and a clause where they had to be mended. Raises `Refused`."""
    lines = [line for part in parts for line in _parted(part)]
    if _lacks_characters(parts, lines):
        raise Refused("has a verse in which characters were lost (?)")
    told = []
    if lines and len(lines) != len(parts):
        told = [f"the verse was parted into {len(lines)} lines"]
    if any(_READING.search(part) for part in parts):
        told.append("what stood in brackets beside it was left out")
    lines, left_out = _of_verse(lines)
    told += [f"{line[:20]} beside the verse was left out" for line in left_out]
    if len(lines) == 1 and len(lines[0]) in _WHOLE and len(_HAN.findall(lines[0])) == len(lines[0]):
        size = _WHOLE[len(lines[0])]
        lines = [lines[0][at : at + size] for at in range(0, len(lines[0]), size)]
        told.append(f"the verse stood in one string and was parted into {len(lines)} lines of {size}")
    if not lines:
        raise Refused("has no verse")
    if len(lines) > MOST_LINES:
        raise Refused(f"has a verse of {len(lines)} lines; the limit is {MOST_LINES}")
    if longest := max((line for line in lines if len(line) > LONGEST_LINE), key=len, default=""):
        raise Refused(f"has a line of verse of {len(longest)} characters; the limit is {LONGEST_LINE}")
    if not any(_HAN.search(line) for line in lines):
        raise Refused(f"has a verse without a Chinese character: {lines[0][:20]}")
    return tuple(lines), "; ".join(told) or None


def _of_verse(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines without heads, ranks and readings that stand with them, and these."""
    left_out: list[str] = []
    while len(lines) > 1 and (_HEAD.fullmatch(lines[0]) or (is_rank(lines[0]) and len(lines[0]) < len(lines[1]))):
        left_out.append(lines.pop(0))
    chinese = [line for line in lines if _HAN.search(line)]
    if chinese and all(len(_HAN.findall(line)) == len(line) for line in chinese):
        left_out += [line for line in lines if line not in chinese]
        lines = chinese
    return lines, left_out


def _lacks_characters(parts: Sequence[str], lines: Sequence[str]) -> bool:
    """Whether a ? stands for a character: with one in its place the lines are alike, and else they are not."""
    if not any("?" in part for part in parts):
        return False
    filled = {len(line) for part in parts for line in _parted(part.replace("?", "字"))}
    return len(filled) == 1 < len({len(line) for line in lines})


def is_verse(text: str) -> bool:
    """Whether a cell holds a whole verse: two and more lines of like length, or a length that is known."""
    lines = _parted(unicodedata.normalize("NFC", text))
    if not lines or any(len(_HAN.findall(line)) != len(line) for line in lines):
        return False
    if len(lines) == 1:
        return len(lines[0]) in _WHOLE and len(lines[0]) >= 16
    return max(map(len, lines)) <= 12 and 8 <= sum(map(len, lines)) <= 80


def _parted(text: str) -> list[str]:
    text = _READING.sub(" ", text)
    spaced = text.split("\n") if _is_prose(text) else _BETWEEN.split(text)
    pieces = [piece.strip().strip(_AROUND).strip() for piece in spaced]
    return [piece for piece in pieces if _has_letter(piece) and not _COUNT.fullmatch(piece)]


def _is_prose(text: str) -> bool:
    """Latin: its blanks part words, not lines."""
    return len(_HAN.findall(text)) * 2 < len(_LATIN.findall(text))


def _has_letter(text: str) -> bool:
    return any(unicodedata.category(character)[0] == "L" for character in text)

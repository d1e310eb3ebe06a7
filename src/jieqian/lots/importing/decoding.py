"""Bytes as text: UTF-8, UTF-16, and what older systems of the region wrote.

Which of the old encodings a text is in is told by its characters: of those that decode it, the one in which most
of them are characters of the packaged lots. Of 1,700 files of one lot each, its collection left out of the comparison,
this was wrong once; `charset-normalizer` 3.5 read one in twenty of the Big5 ones as Shift JIS.
"""

from __future__ import annotations

import codecs
from functools import cache

from jieqian.lots.importing.report import Refused
from jieqian.lots.library import PACKAGED
from jieqian.lots.pack import LOTS_FILE
from jieqian.lots.script import to_simplified

#: Stands for a line that is in no encoding.
LOST_LINE = "\ufffd"
_OLD = ("gb18030", "cp950", "cp932", "big5hkscs")
_NAMES = {"gb18030": "GB 18030", "cp950": "Big5", "cp932": "Shift JIS", "big5hkscs": "Big5"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", ""),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
#: Less than this share of known characters is no text of lots in that encoding.
_LEAST_KNOWN = 0.4
#: A line in an old encoding is hardly ever UTF-8 by chance: where so many are, the file is mixed.
_MIXED = 0.1


def decode(data: bytes) -> tuple[str, str]:
    """The text, and the encoding's name where it is not UTF-8 ("" where it is). Raises `Refused`."""
    for mark, encoding, name in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), name
            except UnicodeDecodeError as error:
                raise Refused(f"begins as {name or 'UTF-8'} and is not: byte {error.start + 1:,}") from error
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        found = _by_characters(data)
        if found is None:
            line = data.count(b"\n", 0, error.start) + 1
            told = f"line {line}, byte 0x{data[error.start]:02X}"
            raise Refused(f"is in no encoding that is known ({told}); save it as UTF-8") from error
        return found


def decode_lines(data: bytes) -> tuple[str, str]:
    """As `decode`, line by line where the file as a whole is not in one encoding: some were pasted from another."""
    try:
        text, name = decode(data)
        if not name or _utf8_share(data) < _MIXED:  # GB 18030 decodes nearly anything
            return text, name
    except Refused:
        if _utf8_share(data) == 0:
            raise
    pieces: list[str] = []
    names: dict[str, None] = {}
    for place, line in enumerate(data.split(b"\n"), 1):
        try:
            text, name = decode(line)
        except Refused:
            text, name = LOST_LINE, f"none that is known (line {place})"
        pieces.append(text)
        names.setdefault(name or "UTF-8")
    return "\n".join(pieces), " and ".join(names)


def _utf8_share(data: bytes) -> float:
    """Of the lines that are not ASCII, the share that are UTF-8."""
    telling = [line for line in data.split(b"\n") if not line.isascii()]
    return sum(map(_is_utf8, telling)) / max(1, len(telling))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _by_characters(data: bytes) -> tuple[str, str] | None:
    best: tuple[float, str, str] | None = None
    for encoding in _OLD:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        wide = [character for character in text if not character.isascii()]
        share = sum(character in _known() for character in wide) / max(1, len(wide))
        if share >= _LEAST_KNOWN and (best is None or share > best[0]):
            best = share, text, _NAMES[encoding]
    return best and (best[1], best[2])


@cache
def _known() -> frozenset[str]:
    """Every character of the packaged lots' files, in both scripts."""
    texts = "".join(file.read_text(encoding="utf-8") for file in sorted(PACKAGED.glob(f"*/{LOTS_FILE}")))
    characters = "".join(sorted({character for character in texts if not character.isascii()}))
    return frozenset(characters + to_simplified(characters))

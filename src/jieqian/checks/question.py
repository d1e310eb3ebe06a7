"""A question made fit to be stored, shown and put into a prompt (contract, section 2)."""

from __future__ import annotations

import re
import unicodedata

from jieqian.errors import InvalidQuestion, QuestionTooLong

LONGEST_QUESTION = 2_000
"""Unicode code points, after cleaning."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?|[\u0085\u2028\u2029]")
# The payload stops at any control character, so that no input makes the search quadratic.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b\]|\x9d)[^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC: window titles, links
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x00-\x1f\x7f-\x9f]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
)
# Everything a reader cannot see and a model or a terminal can: controls, bidi marks, zero widths, tags, non-characters.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufeff\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e00ff]"
)
_JOINER = "\u200d"
_VARIATION = re.compile(r"([\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
_LOOSE_VARIATION = re.compile(r"(^|\s)[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
# Letters by Unicode's book, but nothing to see: Hangul fillers and the empty braille cell.
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0\u2800"


def clean_question(text: str) -> str:
    """The question without what cannot be seen, trimmed; line ends are `\\n`, tabs are spaces.

    Taken out: NUL and other control characters, ANSI escape sequences, bidi marks and overrides, zero-width and tag
    characters, doubled variation selectors; a joiner stays between emoji. Raises `InvalidQuestion` (a lone surrogate,
    nothing to read) and `QuestionTooLong` (over 2,000 code points after cleaning).
    """
    if _SURROGATE.search(text):
        raise InvalidQuestion("The question holds half a character (a lone surrogate). Send it as valid Unicode.")
    cleaned = _ANSI.sub("", text)
    cleaned = _LINE_END.sub("\n", cleaned).replace("\t", " ")
    cleaned = _without_loose_joiners(_UNSEEN.sub("", cleaned))
    cleaned = _LOOSE_VARIATION.sub(r"\1", _VARIATION.sub(r"\1", cleaned)).strip()
    if not any(_is_visible(character) for character in cleaned):
        raise InvalidQuestion
    if len(cleaned) > LONGEST_QUESTION:
        raise QuestionTooLong
    return cleaned


def _without_loose_joiners(text: str) -> str:
    if _JOINER not in text:
        return text
    kept: list[str] = []
    for index, character in enumerate(text):
        if character == _JOINER and not (kept and _in_emoji(kept[-1]) and _in_emoji(text[index + 1 : index + 2])):
            continue
        kept.append(character)
    return "".join(kept)


def _in_emoji(character: str) -> bool:
    """Whether a joiner may stand beside it: a pictograph, a skin tone, or the emoji variation selector."""
    return character == "\ufe0f" or (character != "" and unicodedata.category(character) in ("So", "Sk"))


def _is_visible(character: str) -> bool:
    return character not in _BLANK_LETTERS and unicodedata.category(character)[0] not in "ZCM"

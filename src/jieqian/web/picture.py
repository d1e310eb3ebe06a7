"""A picture of a reading to give away: the slip, drawn as SVG, with a sentence of what was read from it.

Every character of the verse has its own place: no program that shows SVG sets vertical lines like another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.languages import Language
from jieqian.sections.section import SectionName
from jieqian.web.reading_view import ReadingView

WIDTH, HEIGHT = 1080, 1350
_MARGIN = 120
#: The verse's field: from the right, each line from the top.
_VERSE_TOP, _VERSE_HEIGHT, _VERSE_WIDTH = 300, 560, 700
_LONGEST_COLUMN = 14
_HAN = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
#: What stays together in a line: a word, or a full-width character with the marks that may not leave it.
_TOKEN = re.compile(rf"[「『（《〈“‘]*[{_HAN}][，。、；：！？」』）》〉”’…]*|[^\s{_HAN}]+|\s+")
_SENTENCE = re.compile(r".+?(?:[。！？]+[」』）]*|[.!?]+[\"'”’)]*(?=\s|$)|$)", re.DOTALL)
_FACES = {
    Language.ZH_HANT: "'Noto Serif TC', 'Noto Serif CJK TC', 'Songti TC', PMingLiU, serif",
    Language.ZH_HANS: "'Noto Serif SC', 'Noto Serif CJK SC', 'Songti SC', SimSun, serif",
    Language.JA: "'Noto Serif JP', 'Noto Serif CJK JP', 'Hiragino Mincho ProN', 'Yu Mincho', serif",
    Language.EN: "Georgia, 'Noto Serif', 'Noto Serif CJK TC', serif",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One piece of text: `x` its middle, `y` its baseline, in units of the picture."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True, slots=True)
class Seal:
    """The rank's stamp: its field, and its characters from the top."""

    x: float
    y: float
    width: float
    height: float
    runs: Sequence[Run]


def picture_of(view: ReadingView, *, with_question: bool) -> dict[str, Any]:
    """What the template of the picture fills in; the lot must be there."""
    if view.slip is None:
        raise ValueError("a picture needs its lot")
    language = view.task.language
    left, verse = _verse(view.slip.lot["lines"])
    fortune = view.slip.lot["fortune"]
    below: list[Run] = []
    y, most = 975.0, 4
    if with_question:
        opening, closing = "“”" if language in (Language.EN, Language.ZH_HANS) else "「」"
        below += set_lines(f"{opening}{view.task.question}{closing}", 945, 32, 2)
        y, most = below[-1].y + 76, 3
    below += set_lines(_first_sentence(view), y, 38, most)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "title": _plain(view.title),
        "head": [*_head(view.collection, 130, 40), *_head(view.title, 206, 60)],
        "verse": verse,
        "verse_language": view.slip.verse_language,
        "verse_faces": _FACES[Language(view.slip.verse_language)],
        "seal": _seal(fortune["label"], left) if fortune else None,
        "below": below,
        "language": language.value,
        "faces": _FACES[language],
    }


def _verse(lines: Sequence[str]) -> tuple[float, list[Run]]:
    """The verse in columns from the right; and where the last of them has its left edge."""
    columns = [part for line in lines for part in _columns(_plain(line))]
    longest = max(len(column) for column in columns)
    size = min(88.0, _VERSE_HEIGHT / (longest * 1.15), _VERSE_WIDTH / (len(columns) * 1.3))
    pitch = min(size * 1.9, _VERSE_WIDTH / len(columns))
    right = WIDTH / 2 + pitch * (len(columns) - 1) / 2
    runs = [
        Run(right - pitch * place, _VERSE_TOP + size + size * 1.15 * row, size, character)
        for place, column in enumerate(columns)
        for row, character in enumerate(column)
        if not character.isspace()
    ]
    return right - pitch * (len(columns) - 1) - size / 2, runs


def _columns(line: str) -> list[str]:
    """A line over fourteen characters in columns of about one length."""
    parts = -(-len(line) // _LONGEST_COLUMN) or 1
    length = -(-len(line) // parts) or 1
    return [line[start : start + length] for start in range(0, len(line), length)]


def _seal(label: str, verse_left: float) -> Seal:
    characters = list(_plain(label))[:6] or ["籤"]
    size = 44.0 if len(characters) <= 4 else 30.0
    width, height = size * 1.7, size * 1.2 * len(characters) + size * 0.6
    x = max(_MARGIN - 20.0, verse_left - 70 - width)
    y = _VERSE_TOP + _VERSE_HEIGHT - height
    runs = [
        Run(x + width / 2, y + size * 1.15 + size * 1.2 * row, size, character)
        for row, character in enumerate(characters)
    ]
    return Seal(x, y, width, height, runs)


def _head(text: str, y: float, size: float) -> list[Run]:
    """One line, smaller if it is long."""
    plain = _plain(text)
    room = (WIDTH - 2 * _MARGIN) / max(1.0, _ems(plain))
    return [Run(WIDTH / 2, y, min(size, room), plain)] if plain else []


def set_lines(text: str, top: float, size: float, most: int) -> list[Run]:
    """At most so many lines; what does not fit is left out, and said so by its last mark."""
    room = (WIDTH - 2 * _MARGIN) / size
    lines = [""]
    for token in _TOKEN.findall(_plain(text)):
        if _ems(lines[-1] + token.rstrip()) > room and lines[-1].strip():
            lines.append("")
        lines[-1] += token if lines[-1] else token.lstrip()
    if len(lines) > most:
        lines = lines[:most]
        lines[-1] = _cut(lines[-1].rstrip("，、。 "), room)
    fitting = [line if _ems(line) <= room else _cut(line, room) for line in lines]
    return [Run(WIDTH / 2, top + size * 1.55 * row, size, line.strip()) for row, line in enumerate(fitting)]


def _cut(line: str, room: float) -> str:
    while line and _ems(line + "…") > room:
        line = line[:-1]
    return line + "…"


def _first_sentence(view: ReadingView) -> str:
    """The first sentence of the conclusion, or of the lot's own sense where none was written."""
    written = next((section.text for name, section in view.sections if name is SectionName.CONCLUSION and section), "")
    note = view.slip.lot["commentary"] if view.slip else None
    found = _SENTENCE.match((written or (note["overall"] if note else "")).strip())
    return found[0].strip() if found else ""


def _ems(text: str) -> float:
    """About how wide it is, in its size."""
    return sum(1.0 if unicodedata.east_asian_width(character) in "WFA" else 0.56 for character in text)


def _plain(text: str) -> str:
    """In one line, without what XML forbids and what turns the direction of writing."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())

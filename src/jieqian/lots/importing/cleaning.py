"""A text as it came, as plain text: without HTML, Markdown, links, invisible characters and what speaks to a model."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

from jieqian.lots.importing.report import Refused
from jieqian.lots.text_faults import LINK, speaks_to_a_model

#: Longer ones are no text of a lot.
LONGEST_TEXT = 20_000
_TAG = re.compile(r"<[/!?]?[a-zA-Z][^<>]*>?|<!--|&(?:[a-zA-Z]+|#\d+|#x[0-9a-fA-F]+);")
#: A `<` that no `>` ends: a sign for "less than", which a parser would take as a tag up to the end of the text.
_UNENDED = re.compile(r"<(?=[/!?a-zA-Z][^<>]*(?:<|\Z))")
_ESCAPED_BREAK = re.compile(r"\\r?\\n|\\[nr](?![A-Za-z])")
_BREAKING = frozenset(("br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6"))
_SILENT = frozenset(("script", "style", "template", "noscript", "iframe", "object", "svg", "math", "title", "rt", "rp"))
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_LOST = "\ufffd"
_WIDE_FORMS = re.compile(r"[\uff01-\uff5e\uff61-\uff9f]")
#: Marks of full width are how Chinese is printed; letters, digits and half-width kana are not.
_KEEPS_ITS_WIDTH = frozenset("！（），．：；？［］｛｝～／＜＞")
#: Marks, and the rules and edges of tables.
_EMPHASIS = re.compile(
    r"\*\*|__|~~~?|`+|^\s{0,3}(?:#{1,6}|[-*+>]|\d+\.)\s+|^[ \t]*\|(?:[-:| \t]*$)?|\|[ \t]*$", re.MULTILINE
)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]\n]{0,200})\]\([^()\s]{0,500}\)")
_LINK_WORD = re.compile(LINK.pattern + r"[^\s\u3000-\u9fff，。]*")
_FORMULA = re.compile(r"\s*(?:[=@]|[+\-](?=[0-9A-Za-z(\"'=+@]))")
_NOTHING = re.compile(
    r"[-—–_~.·*/\\?？無无]*|(?:none|null|nil|nan|n/?a|undefined|なし|沒有|没有|暫無|暂无)", re.IGNORECASE
)


def clean(value: Any, *, breaks: bool = True) -> tuple[str, list[str]]:
    """The plain text and what was mended in it, as clauses; "" where it holds nothing.

    Raises `Refused` for what is no text, for a formula and for words meant for a language model.
    """
    text = _as_text(value)
    notes: list[str] = []
    if (
        _FORMULA.match(unicodedata.normalize("NFKC", text))
        and len(text.strip()) > 1
        and not _NOTHING.fullmatch(text.strip())
    ):
        raise Refused("begins like a formula of a spreadsheet")
    for mend, note in (
        (_without_html, "HTML was taken out"),
        (_visible, "invisible or broken characters were taken out"),
        (_in_width, "half- and full-width forms were made even"),
        (_without_markdown, "Markdown was taken out"),
        (_without_links, "a link was taken out"),
    ):
        mended = mend(text)
        if mended != text:
            notes.append(note)
            text = mended
    if speaks_to_a_model(text):
        raise Refused("speaks to a language model, not to a reader")
    text = _evenly_spaced(text, breaks)
    return ("", notes) if _NOTHING.fullmatch(text) else (text, notes)


def _as_text(value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        raise Refused("is no text")
    if isinstance(value, list | tuple):
        if len(value) > 1000 or any(isinstance(part, list | tuple | dict) for part in value):
            raise Refused("is a list that holds no texts")
        return "\n".join(map(_as_text, value))
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise Refused("is no text")
    if len(value) > LONGEST_TEXT:
        raise Refused(f"has more than {LONGEST_TEXT:,} characters")
    return value


class _Plain(HTMLParser):
    """Collects the text of a piece of HTML; what scripts and styles hold is left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        if tag in _BREAKING:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT and self._silent:
            self._silent -= 1
        if tag in _BREAKING:
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKING:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def _without_html(text: str) -> str:
    for _ in range(3):  # what was escaped twice
        if not _TAG.search(text):
            break
        plain = _Plain()
        plain.feed(_UNENDED.sub("＜", text))
        plain.close()
        text = "".join(plain.parts)
    return _TAG.sub("", _UNENDED.sub("＜", text))


def _visible(text: str) -> str:
    text = (
        _ESCAPED_BREAK.sub("\n", text)
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\u2028", "\n")
        .replace("\u2029", "\n")
    )
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).replace(_LOST, "")


def _in_width(text: str) -> str:
    """Letters and digits narrow, kana wide; marks as they are. Compatibility ideographs become what they stand for."""
    made = _WIDE_FORMS.sub(lambda run: run[0] if run[0] in _KEEPS_ITS_WIDTH else _plain_width(run[0]), text)
    return unicodedata.normalize("NFC", made.translate(_VOICED))


def _plain_width(character: str) -> str:
    return unicodedata.normalize("NFKC", character)


#: Half-width voice marks stand apart from their kana until they are joined.
_VOICED = str.maketrans({"ﾞ": "\u3099", "ﾟ": "\u309a"})


def _without_markdown(text: str) -> str:
    return _EMPHASIS.sub("", _MARKDOWN_LINK.sub(r"\1", text))


def _without_links(text: str) -> str:
    return _LINK_WORD.sub("", text)


def _evenly_spaced(text: str, breaks: bool) -> str:
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return ("\n" if breaks else " ").join(filter(None, lines)).strip()

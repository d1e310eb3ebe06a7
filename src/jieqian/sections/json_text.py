"""Finds the JSON object in what a model writes and mends, while it arrives, the slips small models make.

Mended: prose or a code fence around the object, line breaks and control characters inside strings, unknown escapes,
half surrogate pairs, quotation marks left unescaped inside a value, trailing commas. A doubled key gets a suffix, so
that the first one stands. A valid object comes out with the same meaning. What cannot be decided yet (a cut escape, a
quotation mark whose follower is not known) is held back, so `text` only ever grows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

DEEPEST = 32

_OPENING = re.compile(r'\{(?=\s*["}])')
_OPENING_CUT = re.compile(r"\{\s*\Z")
_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+')
_SPACE = re.compile(r"[ \t\r\n]+")
_LITERAL = re.compile(r"[^\s\"{}\[\],:]+")
_COMMA_CUT = re.compile(r",\s*\Z")
_COMMA_TRAILING = re.compile(r",(?=\s*[}\]])")

_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_PAIR_CUT = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?\Z")
_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_ESCAPE_CUT = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")

_KEY_ENDS = re.compile(r'"\s*:')
_KEY_CUT = re.compile(r'"\s*\Z')
_MEMBER_ENDS = re.compile(r'"\s*(?:\}|,\s*["}])')
_MEMBER_CUT = re.compile(r'"\s*(?:,\s*)?\Z')
_ITEM_ENDS = re.compile(r'"\s*(?:\]|,\s*(?:["\[{\]]|-?\d|(?:true|false|null)\s*[,\]]))')
_ITEM_CUT = re.compile(
    r'"\s*(?:,\s*(?:-|t(?:r(?:u(?:e\s*)?)?)?|f(?:a(?:l(?:s(?:e\s*)?)?)?)?|n(?:u(?:l(?:l\s*)?)?)?)?)?\Z'
)


@dataclass(slots=True)
class _Level:
    is_object: bool
    key_next: bool
    keys: set[str] = field(default_factory=set)


class ObjectText:
    """One JSON object, out of text fed in pieces of any size.

    `text` is the mended object so far ("" before it begins); `closed` is true once it ended. Text after the end is
    never read: `feed` gives it back. Nested deeper than `DEEPEST`, the object is left unfinished.
    """

    def __init__(self) -> None:
        self.text = ""
        self.closed = False
        self._held = ""
        self._levels: list[_Level] = []
        self._in_string = False
        self._string_at = 0
        self._too_deep = False

    def feed(self, text: str) -> str:
        """Takes the next piece; gives back what follows the object's end."""
        source = self._held + text
        self._held = ""
        at = 0
        if not self._levels:
            at = self._seek(source)
        while at < len(source) and not self.closed and not self._too_deep:
            step = self._string_step(source, at) if self._in_string else self._frame_step(source, at)
            if step == 0:
                self._held = source[at:]
                return ""
            at += step
        return source[at:] if self.closed else ""

    def _seek(self, source: str) -> int:
        opening = _OPENING.search(source)
        if opening is None:
            cut = _OPENING_CUT.search(source)
            self._held = cut.group() if cut else ""
            return len(source)
        self._open("{")
        return opening.end()

    def _open(self, mark: str) -> None:
        self.text += mark
        self._levels.append(_Level(is_object=mark == "{", key_next=mark == "{"))
        self._too_deep = len(self._levels) > DEEPEST

    def _frame_step(self, source: str, at: int) -> int:
        mark = source[at]
        level = self._levels[-1]
        if mark == '"':
            self._in_string = True
            self._string_at = len(self.text) + 1
        elif mark in "{[":
            self._open(mark)
            return 1
        elif mark in "}]":
            self._levels.pop()
            self.closed = not self._levels
        elif mark == ",":
            if _COMMA_CUT.match(source, at):
                return 0
            level.key_next = level.is_object
            if _COMMA_TRAILING.match(source, at):
                return 1
        elif mark == ":":
            level.key_next = False
        else:
            run = _SPACE.match(source, at) or _LITERAL.match(source, at)
            self.text += run.group() if run else " "
            return len(run.group()) if run else 1
        self.text += mark
        return 1

    def _string_step(self, source: str, at: int) -> int:
        plain = _PLAIN.match(source, at)
        if plain:
            self.text += plain.group()
            return len(plain.group())
        mark = source[at]
        if mark == '"':
            return self._quote_step(source, at)
        if mark == "\\":
            return self._escape_step(source, at)
        if mark in "\n\t":
            self.text += "\\n" if mark == "\n" else " "
        return 1

    def _quote_step(self, source: str, at: int) -> int:
        level = self._levels[-1]
        if level.key_next:
            ends, cut = _KEY_ENDS, _KEY_CUT
        elif level.is_object:
            ends, cut = _MEMBER_ENDS, _MEMBER_CUT
        else:
            ends, cut = _ITEM_ENDS, _ITEM_CUT
        if cut.match(source, at):
            return 0
        if not ends.match(source, at):
            self.text += '\\"'
            return 1
        if level.key_next:
            self._name(level)
        self._in_string = False
        self.text += '"'
        return 1

    def _name(self, level: _Level) -> None:
        key = self.text[self._string_at :]
        if key in level.keys:
            self.text += f"#{len(level.keys)}"
        level.keys.add(key)

    def _escape_step(self, source: str, at: int) -> int:
        whole = _PAIR.match(source, at)
        if whole is None:
            if _PAIR_CUT.match(source, at) or _ESCAPE_CUT.match(source, at):
                return 0
            half = _HALF.match(source, at)
            if half:
                return len(half.group())
            whole = _ESCAPE.match(source, at)
        if whole is None:
            return 1
        self.text += whole.group()
        return len(whole.group())

"""Reads a reading out of a model's JSON while it is being written.

The whole object is parsed again at each piece with jiter (some 10 µs for a reading); only what is new goes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jiter

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.versions import TEMPLATE_VERSION
from jieqian.sections.echoes import without_echo
from jieqian.sections.json_text import ObjectText
from jieqian.sections.line_by_line import compose
from jieqian.sections.script_mend import mend_script
from jieqian.sections.section import SectionName
from jieqian.sections.strategy import Draft, DraftEnded, DraftStarted, DraftText

_REMOVED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffd]+"
)
_BREAKS = re.compile(r"[ \t]*\n\s*\n\s*")
_NAMES = {name.value: name for name in SectionName}


def cleaned(text: str) -> str:
    """Text as it may leave here: no control but newline, direction mark, half character or run of empty lines."""
    return _BREAKS.sub("\n\n", _REMOVED.sub("", text.replace("\t", " "))).strip()


class ReadingParser:
    """Turns one model answer, fed in pieces, into drafts of the wanted sections.

    For every section the `DraftText`s joined are a beginning of, and in the end equal, its `DraftEnded`. A section is
    ended when the next key has begun or the object closed; one that the end of the answer cut is never ended. The
    first of doubled keys stands. Nothing that is fed raises.
    """

    def __init__(
        self,
        wanted: Iterable[SectionName],
        lot: Lot,
        collection: Collection,
        language: Language,
        template: str = TEMPLATE_VERSION,
    ) -> None:
        self._template = template
        self._wanted = frozenset(wanted)
        self._lot, self._collection, self._language = lot, collection, language
        self._object = ObjectText()
        self._parsed = ""
        self._path: tuple[str, ...] | None = None
        self._shown: dict[SectionName, str] = {}
        self._done: set[SectionName] = set()
        self._spoilt: set[SectionName] = set()
        self._broken = False

    @property
    def complete(self) -> bool:
        """Whether every wanted section has ended."""
        return self._done >= self._wanted

    def feed(self, text: str) -> list[Draft]:
        """The drafts that the next piece of the answer brings."""
        drafts: list[Draft] = []
        rest = text
        while rest and not self.complete and not self._broken:
            rest = self._object.feed(rest)
            drafts += self._advance()
            if self._object.closed:
                self._object, self._parsed, self._path = ObjectText(), "", None
        return drafts

    def end(self) -> list[Draft]:
        """The drafts that the end of the answer brings; a section still open stays without its `DraftEnded`."""
        return self._advance()

    def _advance(self) -> list[Draft]:
        text = self._object.text
        if text == self._parsed or self._broken:
            return []
        self._parsed = text
        try:
            answer = jiter.from_json(text.encode(), partial_mode="trailing-strings")
        except ValueError:
            self._broken = True
            return []
        found = self._sections_in(answer)
        return [draft for name, value, ended in found for draft in self._draft(name, value, ended=ended)]

    def _sections_in(self, answer: Any) -> list[tuple[SectionName, Any, bool]]:
        """The wanted sections with their values so far, each with whether its value is whole."""
        if self._path is None:
            self._path = _path_to(answer, self._wanted)
        if self._path is None:
            return []
        whole = self._object.closed
        for key in self._path:
            whole = whole or next(reversed(answer)) != key
            answer = answer[key]
        last = next(reversed(answer))
        found: dict[SectionName, tuple[Any, bool]] = {}
        for key, value in answer.items():
            name = _named(key)
            if name in self._wanted and name not in found:
                found[name] = (value, whole or key != last)
        return [(name, value, ended) for name, (value, ended) in found.items()]

    def _draft(self, name: SectionName, value: Any, *, ended: bool) -> list[Draft]:
        if name in self._done or name in self._spoilt:
            return []
        text = self._text_of(name, value, ended=ended)
        if text is None:
            return []
        drafts: list[Draft] = []
        if name not in self._shown:
            self._shown[name] = ""
            drafts.append(DraftStarted(name))
        if not text.startswith(self._shown[name]):
            self._spoilt.add(name)
            return drafts
        new = text[len(self._shown[name]) :]
        if new:
            drafts.append(DraftText(name, new))
        self._shown[name] = text
        if ended:
            self._done.add(name)
            drafts.append(DraftEnded(name, text))
        return drafts

    def _text_of(self, name: SectionName, value: Any, *, ended: bool) -> str | None:
        if isinstance(value, str):
            return without_echo(self._mended(value), name, self._language, grows=not ended, template=self._template)
        if not isinstance(value, list | dict):
            return None
        if name is not SectionName.LINE_BY_LINE:
            return self._mended("\n".join(_strings(value)))
        parts = [
            self._mended(" ".join(_strings(part))) for part in (value.values() if isinstance(value, dict) else value)
        ]
        if not any(parts):
            return ""
        return compose(parts, lot=self._lot, collection=self._collection, language=self._language, ended=ended)

    def _mended(self, text: str) -> str:
        return mend_script(cleaned(text), self._language)


def _named(key: str) -> SectionName | None:
    return _NAMES.get(key.strip().lower().replace(" ", "_").replace("-", "_"))


def _path_to(answer: Any, wanted: frozenset[SectionName]) -> tuple[str, ...] | None:
    """Where the sections lie: at the top, or inside one or two objects wrapped around them."""
    if not isinstance(answer, Mapping):
        return None
    if any(_named(key) in wanted for key in answer):
        return ()
    for key, value in answer.items():
        if isinstance(value, Mapping) and (inner := _path_to(value, wanted)) is not None:
            return (key, *inner)
    return None


def _strings(value: Any) -> list[str]:
    """Every string in a value, in order; numbers, booleans and null are passed over."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return []

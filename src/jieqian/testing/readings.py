"""Plausible readings for stand-in models: made from the prompt's own marks and the schema that was sent.

The marks are those that `jieqian.prompt.builder` promises: `<lot collection number language>` and `<line n>`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_LOT = re.compile(r'<lot collection="(?P<collection>[^"]*)" number="(?P<number>\d+)" language="(?P<language>[^"]*)">')
_LINE = re.compile(r'<line n="\d+">(.*?)</line>')
_ASKED_PART = re.compile(r'^"(\w+)"\s*[:：]', re.MULTILINE)
_FIRST = "line_by_line"


@dataclass(frozen=True, slots=True)
class PromptMarks:
    """What a prompt says of its lot."""

    collection: str
    number: int
    language: str
    lines: tuple[str, ...]


def marks_of(prompt: str) -> PromptMarks:
    """The lot a prompt holds; a prompt without marks gets a made-up one in English."""
    found = _LOT.search(prompt)
    if found is None:
        return PromptMarks("Yue Lao", 1, "en", ("關關雎鳩", "在河之洲", "窈窕淑女", "君子好逑"))
    lines = tuple(_LINE.findall(prompt, found.end()))
    return PromptMarks(found["collection"], int(found["number"]), found["language"], lines)


def reading_for(prompt: str, schema: Any, language: str | None = None) -> dict[str, Any]:
    """A reading with the schema's properties in their order; `language` overrides the one the prompt names."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    wanted = properties if isinstance(properties, Mapping) else {key: {} for key in _texts()["en"]["sections"]}
    marks = marks_of(prompt)
    return {name: _value(name, kind, marks, language or marks.language) for name, kind in wanted.items()}


def answer_for(prompt: str, schema: Any, language: str | None = None, prose: bool = False) -> str:
    """What a model would answer, as text: JSON by the schema, else by the parts the prompt asks for, else prose."""
    marks = marks_of(prompt)
    if schema is None and not prose:
        asked = {key: {"type": "array" if key == _FIRST else "string"} for key in _ASKED_PART.findall(prompt)}
        schema = {"properties": asked} if asked else None
    if schema is None or prose:
        texts = _texts_in(language or marks.language)
        return "\n\n".join(text for name, text in texts["sections"].items())
    return json.dumps(reading_for(prompt, schema, language), ensure_ascii=False)


def _value(name: str, kind: Any, marks: PromptMarks, language: str) -> Any:
    texts = _texts_in(language)
    if name != _FIRST:
        return texts["sections"].get(name, texts["sections"]["conclusion"])
    notes = texts["lines"]
    count, as_list = len(marks.lines), isinstance(kind, Mapping) and kind.get("type") == "array"
    if as_list:
        count = min(max(count, kind.get("minItems", 0)), kind.get("maxItems", count))
    explained = [notes[place % len(notes)] for place in range(count)]
    if as_list:
        return explained
    opening = texts["heading"].format(collection=marks.collection, number=marks.number)
    quoted = [texts["quoted"].format(line=line) + note for line, note in zip(marks.lines, explained, strict=True)]
    return "\n".join([opening, *quoted])


def _texts_in(language: str) -> dict[str, Any]:
    texts = _texts()
    return texts.get(language, texts["en"])


@cache
def _texts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("jieqian.testing").joinpath("readings.toml").read_text("utf-8"))

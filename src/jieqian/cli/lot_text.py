"""A lot with its commentary, and help lines, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jieqian.cli.words import Words


def lot_lines(lot: Mapping[str, Any], words: Words) -> Iterator[str]:
    """The lot of the API (contract, section 2), all of it but its title."""
    if fortune := lot.get("fortune"):
        yield f"{words('lot.fortune')}: {fortune['label']}"
        yield ""
    if sign := lot.get("sign"):
        yield f"{words('lot.sign')}: {sign}"
        yield ""
    note = lot.get("commentary") or {}
    glosses = note.get("gloss") or []
    for place, line in enumerate(lot.get("lines") or ()):
        yield f"  {line}"
        if len(glosses) == len(lot["lines"]):
            yield f"    {glosses[place]}"
    yield ""
    if not note:
        yield words("lot.no_commentary")
        return
    yield note["overall"]
    yield ""
    if note.get("topics_language", note["language"]) != note["language"]:
        yield words("lot.topics_foreign")
    for topic, counsel in (note.get("topics") or {}).items():
        name = words(f"topic.{topic}") if words.has(f"topic.{topic}") else topic
        yield f"{name}: {counsel}"
    if allusion := lot.get("allusion"):
        yield ""
        yield f"{words('lot.allusion')}: {allusion}"


def care_lines(care: Mapping[str, Any], words: Words) -> Iterator[str]:
    """What is said to somebody in danger, and where help is; not its title."""
    yield str(care["message"])
    yield ""
    yield f"{words('care.help_lines')}:"
    for line in care.get("help_lines") or ():
        checked = words("care.checked_on", date=line["checked_on"])
        yield f"  {line['name']}: {line['contact']} ({line['country']}; {checked})"

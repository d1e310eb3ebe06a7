"""Forms of the admin pages: a lot and a collection as fields of text, and back.

Fields are named as faults of the pack format are: `lines`, `fortune.label`, `title.en`, `commentary.ja.topics.love`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from jieqian.errors import EntryRefused, UnknownCollection
from jieqian.languages import Language
from jieqian.lots.importing.drafts import Seen
from jieqian.lots.lot import TOPICS
from jieqian.lots.pack_format import CollectionEntry, LotEntry

TAGS = tuple(language.value for language in Language)
#: More than any of these forms has.
MOST_FIELDS = 120
#: Parts of a lot that no field shows; they stay as they are.
_UNSHOWN = ("reference", "variants")
_SENTENCES = ("edition", "source", "licence")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field: of a kind the pages can say in their languages, or `told` in English."""

    told: str
    kind: str = ""
    most: int | None = None


def faults_of(error: EntryRefused) -> dict[str, Fault]:
    """By field."""
    kinds = error.extra.get("kinds", {})
    found = {}
    for name, told in error.extra["faults"].items():
        kind, most = kinds.get(name, ("", None))
        found[name] = Fault(told, kind, most)
    return found


def lot_fields(entry: LotEntry | None) -> dict[str, str]:
    """The lot as the form shows it; None: an empty one."""
    if entry is None:
        return {}
    fields = {"lines": "\n".join(entry.lines), "sign": entry.sign or ""}
    if entry.fortune:
        fields |= {"fortune.label": entry.fortune.label, "fortune.polarity": entry.fortune.polarity}
    for name, texts in (("title", entry.title), ("allusion", entry.allusion)):
        fields |= {f"{name}.{tag}": text for tag, text in texts.items()}
    for tag, note in entry.commentary.items():
        base = f"commentary.{tag}"
        fields |= {f"{base}.overall": note.overall, f"{base}.gloss": "\n".join(note.gloss)}
        fields |= {f"{base}.topics.{topic}": text for topic, text in note.counsel().items()}
    return fields


def lot_made(fields: Mapping[str, str], before: LotEntry | None) -> dict[str, Any]:
    """The form as a line of a pack, not yet checked."""
    kept = before.model_dump(mode="json", exclude_defaults=True) if before else {}
    label, polarity = _line(fields, "fortune.label"), fields.get("fortune.polarity", "")
    made: dict[str, Any] = {name: kept[name] for name in _UNSHOWN if name in kept}
    made["lines"] = _lines(fields, "lines")
    made["fortune"] = {"label": label, "polarity": polarity} if label or polarity else None
    if sign := _line(fields, "sign"):
        made["sign"] = sign
    made["title"] = {tag: text for tag in TAGS if (text := _line(fields, f"title.{tag}"))}
    made["allusion"] = {tag: text for tag in TAGS if (text := _paragraph(fields, f"allusion.{tag}"))}
    made["commentary"] = {tag: note for tag in TAGS if (note := _note(fields, f"commentary.{tag}"))}
    return made


def _note(fields: Mapping[str, str], base: str) -> dict[str, Any]:
    note: dict[str, Any] = {}
    if gloss := _lines(fields, f"{base}.gloss"):
        note["gloss"] = gloss
    if overall := _paragraph(fields, f"{base}.overall"):
        note["overall"] = overall
    if counsel := {topic: text for topic in TOPICS if (text := _line(fields, f"{base}.topics.{topic}"))}:
        note["topics"] = counsel
    return note


def collection_fields(entry: CollectionEntry) -> dict[str, str]:
    """The collection's own fields as the form shows them."""
    fields = {f"names.{tag}": name for tag, name in entry.names.items()}
    fields |= {f"deity.{tag}": name for tag, name in entry.deity.items()}
    fields |= {f"notes.{tag}": text for tag, text in entry.notes.items()}
    fields |= {name: getattr(entry, name) for name in _SENTENCES}
    return fields | {"aliases": "\n".join(entry.aliases), "size": str(entry.size)}


def collection_made(fields: Mapping[str, str], before: CollectionEntry) -> dict[str, Any]:
    """The form as the part of a `collection.json` that may be changed, not yet checked."""
    kept = before.model_dump(mode="json", exclude_defaults=True)
    made: dict[str, Any] = {name: kept[name] for name in ("story", "asked_for", "custom") if name in kept}
    for name in ("names", "deity"):
        made[name] = {tag: text for tag in TAGS if (text := _line(fields, f"{name}.{tag}"))}
    if notes := {tag: text for tag in TAGS if (text := _paragraph(fields, f"notes.{tag}"))}:
        made["notes"] = notes
    size = fields.get("size", "").strip()
    made["size"] = int(size) if size.isascii() and size.isdigit() and len(size) < 9 else size
    made["aliases"] = _lines(fields, "aliases")
    return made | {name: _line(fields, name) for name in _SENTENCES}


def told_columns(fields: Mapping[str, str]) -> dict[str, str]:
    """Of `column.1=verse` …: the field by the column's place; those left out are not taken."""
    places = {name.removeprefix("column."): value for name, value in fields.items() if name.startswith("column.")}
    return {place: field for place, field in places.items() if place.isascii() and place.isdigit() and field}


#: What a column may be taken as, in the order of the list.
COLUMN_FIELDS = (
    *("number", "verse", *(f"line.{at}" for at in range(1, 9)), "rank", "sign", "title", "subtitle"),
    *(f"{base}{tag}" for base in ("overall", "allusion") for tag in ("", ".zh", ".en", ".ja")),
    *(f"topics.{topic}" for topic in TOPICS),
    "reference",
)


def column_places(report: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Of a table: each column's place, head and what it was taken as ("" where it was not)."""
    if report is None or not report["columns"]:
        return []
    heads, columns = report.get("heads", {}), report["columns"]
    unnamed = {key.removeprefix("column ") for key in report.get("not_taken", {}) if key.startswith("column ")}
    places = {place for place in (*heads, *columns, *unnamed) if place.isdecimal()}
    return [(place, heads.get(place, ""), columns.get(place, "")) for place in sorted(places, key=int)]


def _lines(fields: Mapping[str, str], name: str) -> list[str]:
    return [line.strip() for line in fields.get(name, "").splitlines() if line.strip()]


def _line(fields: Mapping[str, str], name: str) -> str:
    return " ".join(_lines(fields, name))


def _paragraph(fields: Mapping[str, str], name: str) -> str:
    return "\n".join(line.rstrip() for line in fields.get(name, "").strip().splitlines())


def named(request: Request) -> str:
    """The collection in the address."""
    name: str = request.path_params["collection"]
    return name


def lot_number(request: Request, seen: Seen) -> int:
    """The lot's number in the address. Raises `UnknownCollection` for none of this collection."""
    told: str = request.path_params["number"]
    number = int(told) if told.isascii() and told.isdigit() and len(told) < 6 else 0
    if not 1 <= number <= seen.held.collection.size:
        raise UnknownCollection(f"{seen.held.collection.id} has lots 1 to {seen.held.collection.size}.")
    return number


def page_number(request: Request) -> int:
    """`?page=`, from 1; 1 for what is no number."""
    told = request.query_params.get("page", "")
    return max(1, int(told)) if told.isascii() and told.isdigit() and len(told) < 6 else 1

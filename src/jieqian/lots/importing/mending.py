"""One lot, or a collection's own fields, changed by hand: checked as the pack format has it, faults told by field."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jieqian.errors import ChangedMeanwhile, EntryRefused
from jieqian.lots.importing.entries import mark_of
from jieqian.lots.importing.plan import collection_text
from jieqian.lots.importing.shelf import Held
from jieqian.lots.pack import fault_sentence
from jieqian.lots.pack_format import MAX_LOTS, CollectionEntry, LotEntry

_Entry = TypeVar("_Entry", bound=BaseModel)
#: Remembered for a lot of which no import is: a later one then keeps it, as it keeps what was mended.
_BY_HAND = "by hand"
#: Pydantic's types of fault, and how our own of the pack format begin, as kinds.
_KINDS = {
    **dict.fromkeys(("string_too_short", "too_short", "missing"), "empty"),
    **dict.fromkeys(("int_type", "greater_than_equal", "less_than_equal"), "number"),
    "string_too_long": "long",
    "too_long": "many",
    "literal_error": "choose",
}
_SAID = {"holds markup": "markup", "holds the character": "invisible", "holds no letter": "letters"}
#: What of a collection may be changed; the id is its folder's name, and `missing` follows from the lots.
COLLECTION_FIELDS = (
    *("names", "deity", "aliases", "size", "edition", "source", "licence"),
    *("notes", "story", "asked_for", "custom"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A collection after the change, not yet written, and the mark of what was changed."""

    collection: CollectionEntry
    lots: tuple[LotEntry, ...]
    record: Mapping[str, Any]
    mark: str


def mark_of_collection(collection: CollectionEntry) -> str:
    """A hash of a collection's own fields."""
    return hashlib.sha256(collection_text(collection).encode()).hexdigest()[:24]


def mended_lots(held: Held, number: int, made: Mapping[str, Any], mark: str | None) -> Mended:
    """With that lot in place of the one of its number, or added. Raises `ChangedMeanwhile`, `EntryRefused`."""
    before = held.lot(number)
    if mark is not None and mark != (mark_of(before) if before else ""):
        raise ChangedMeanwhile
    if number > held.collection.size:
        raise EntryRefused(
            f"The collection has {held.collection.size} lots, and none numbered {number}.",
            faults={"number": "is too high"},
        )
    entry = _checked(LotEntry, {"fortune": None, **made, "number": number})
    lots = sorted([*(lot for lot in held.lots if lot.number != number), entry], key=lambda lot: lot.number)
    missing = [absent for absent in held.collection.missing if absent != number]
    marks = {str(number): _BY_HAND, **held.record.get("lots", {})}
    return Mended(
        collection=held.collection.model_copy(update={"missing": missing}),
        lots=tuple(lots),
        record={**held.record, "lots": marks},
        mark=mark_of(entry),
    )


def mended_collection(held: Held, made: Mapping[str, Any], mark: str | None) -> Mended:
    """With these fields of its own. Raises `ChangedMeanwhile`, `EntryRefused`."""
    if mark is not None and mark != mark_of_collection(held.collection):
        raise ChangedMeanwhile
    if stranger := next((key for key in made if key not in COLLECTION_FIELDS), None):
        raise EntryRefused(f"{stranger[:40]} cannot be changed.", faults={stranger[:40]: "cannot be changed"})
    before = held.collection.model_dump(mode="json", exclude_defaults=True)
    kept = {key: value for key, value in before.items() if key not in COLLECTION_FIELDS}
    size = made.get("size", held.collection.size)
    last = max(lot.number for lot in held.lots)
    if isinstance(size, int) and size < last:
        raise EntryRefused(f"There is a lot {last}.", faults={"size": f"there is a lot {last}"})
    numbers = {lot.number for lot in held.lots}
    whole = isinstance(size, int) and 0 < size <= MAX_LOTS
    missing = [number for number in range(1, size + 1) if number not in numbers] if whole else []
    entry = _checked(CollectionEntry, {**kept, **made, "size": size, "missing": missing})
    return Mended(collection=entry, lots=held.lots, record=held.record, mark=mark_of_collection(entry))


def _checked(kind: type[_Entry], made: Mapping[str, Any]) -> _Entry:
    try:
        return kind.model_validate(made)
    except ValidationError as error:
        faults: dict[str, str] = {}
        kinds: dict[str, tuple[str, int | None]] = {}
        for fault in error.errors(include_url=False):
            where = ".".join(str(part) for part in fault["loc"] if part != "[key]" and not isinstance(part, int))[:80]
            if where not in faults:
                faults[where] = fault_sentence(fault)
                if said := _kind_of(fault):
                    kinds[where] = (said, fault.get("ctx", {}).get("max_length"))
        told = "; ".join(list(faults.values())[:5])
        raise EntryRefused(f"{told[0].upper()}{told[1:]}.", faults=faults, kinds=kinds) from error


def _kind_of(fault: ErrorDetails) -> str:
    """What the pages can say in their own languages; "" for what is rare."""
    if fault["type"] != "value_error":
        return _KINDS.get(fault["type"], "")
    if fault["loc"] == ("fortune",):
        return "sense"
    said = str(fault["ctx"]["error"])
    return next((kind for begin, kind in _SAID.items() if said.startswith(begin)), "")

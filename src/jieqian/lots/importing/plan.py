"""What an import would do: which lots are taken as what, what was mended, and why the others are refused.

Nothing is written here. `placing` writes a plan, and knows what an earlier import took.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from jieqian.errors import UnknownCollection, UsageError
from jieqian.languages import Language
from jieqian.lots.importing.entries import draft_of, entry_text, mark_of, packed_entry
from jieqian.lots.importing.numbering import Numbered, agrees, numbers_of, size_of
from jieqian.lots.importing.parsing import BadRow, RawLot, parse
from jieqian.lots.importing.report import Refused, Told
from jieqian.lots.importing.source import SourceFile, source_files
from jieqian.lots.library import PACKAGED, LotLibrary, fold_alias
from jieqian.lots.lot import Collection
from jieqian.lots.pack import COLLECTION_FILE, fault_sentence, parse_json
from jieqian.lots.pack_format import MAX_LOTS, CollectionEntry, LotEntry
from jieqian.lots.script import script_of, to_simplified, to_traditional

_ID = re.compile(r"[^a-z0-9]+")
_LONGEST_ID = 40
#: So much of the verse must be that of a packaged collection's same numbers to know its tradition by it.
_SAME_TRADITION = 0.5
Heard = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the importer told: everything may be left out.

    `collection`: the id it shall have; `name`: what it is called; `size`: how many lots the tradition has; `columns`:
    the field of each column of a table (`parse_columns`).
    """

    collection: str | None = None
    name: str | None = None
    size: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedLot:
    """One lot that would be taken. `mark`: a hash of what its source holds, to know it again; `notes`: mends."""

    entry: LotEntry
    file: str
    mark: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An import before it is done. `lots` are in order of number.

    `columns`, `heads`: of a table, the field and the head of each column by its place (`"1"`). `not_taken`: keys and
    heads that mean nothing to us, and how often.
    """

    collection: CollectionEntry
    lots: tuple[PlannedLot, ...]
    refused: tuple[Told, ...]
    columns: Mapping[str, str]
    heads: Mapping[str, str]
    not_taken: Mapping[str, int]
    files: int

    @property
    def mended(self) -> list[Told]:
        """What was mended, one line a mend."""
        return [Told(lot.file, lot.entry.number, note) for lot in self.lots for note in lot.notes]


def plan_import(path: Path, wish: Wish, library: LotLibrary, heard: Heard = lambda *_: None) -> Plan:
    """Read everything under `path` and decide.

    Raises `UsageError` where nothing can be taken at all; `extra["refused"]` then holds every reason.
    """
    files, left_alone = source_files(path)
    refused = [Told(name, None, why) for name, why in left_alone]
    own, lot_files = _collection_of(files, refused)
    _expect_one_folder(lot_files, wish)
    raws: list[RawLot] = []
    for place, file in enumerate(lot_files):
        heard(place, len(lot_files), file.name)
        raws += _raws(file, wish.columns, refused)
    taken, unknown = _taken(raws, refused)
    script = _script_of(taken)
    taken = [_in_script(lot, script) for lot in taken]
    if not taken:
        told = "; ".join(map(str, refused[:3])) or f"{path} holds no {', '.join(('.json', '.csv'))} file"
        more = f" … and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise UsageError(f"No lot could be taken. {told}.{more}", refused=[each.as_dict() for each in refused])
    collection = settled(
        _collection_entry(path, wish, own, taken, script, library), library, told_id=wish.collection is not None
    )
    lots = _within(taken, collection.size, refused)
    numbers = {lot.entry.number for lot in lots}
    missing = [number for number in range(1, collection.size + 1) if number not in numbers]
    return Plan(
        collection=collection.model_copy(update={"missing": missing}),
        lots=tuple(lots),
        refused=tuple(refused),
        columns=_by_place(next((raw.columns for raw in raws if raw.columns), {})),
        heads=_by_place(next((raw.heads for raw in raws if raw.heads), {})),
        not_taken=unknown,
        files=len(files) + len(left_alone),
    )


# -- files


def _collection_of(files: Sequence[SourceFile], refused: list[Told]) -> tuple[CollectionEntry | None, list[SourceFile]]:
    """A pack's own `collection.json`, where there is one, and the other files."""
    about = [file for file in files if file.name.rpartition("/")[2] == COLLECTION_FILE]
    rest = [file for file in files if file not in about]
    if not about:
        return None, rest
    if len(about) > 1:
        raise UsageError(
            f"There are {len(about)} packs ({', '.join(file.folder for file in about[:5])}). Name one.", usage=True
        )
    try:
        return CollectionEntry.model_validate(parse_json(about[0].read().decode("utf-8"))), rest
    except Refused as error:
        refused.append(Told(about[0].name, None, str(error)))
    except ValidationError as error:
        refused.append(Told(about[0].name, None, fault_sentence(error.errors(include_url=False)[0])))
    except (ValueError, RecursionError) as error:
        refused.append(Told(about[0].name, None, f"is no JSON in UTF-8: {str(error)[:80]}"))
    return None, rest


def _expect_one_folder(files: Sequence[SourceFile], wish: Wish) -> None:
    folders = list(dict.fromkeys(file.folder for file in files))
    if len(folders) > 1 and wish.collection is None:
        named = ", ".join(folder or "the top" for folder in folders[:6]) + (" …" if len(folders) > 6 else "")
        raise UsageError(
            f"There are lots in {len(folders)} folders ({named}). Import one of them, or say --collection ID to take "
            "all as one collection.",
            usage=True,
        )


def _raws(file: SourceFile, columns: Mapping[str, str], refused: list[Told]) -> list[RawLot]:
    found: list[RawLot] = []
    try:
        for each in parse(file, columns):
            if isinstance(each, BadRow):
                refused.append(Told(_at(file.name, each.line), None, each.reason))
            else:
                found.append(each)
        if not found and not any(told.file.startswith(file.name) for told in refused):
            raise Refused("holds no lot")
    except Refused as error:
        refused.append(Told(file.name, None, str(error)))
    return found


def _at(name: str, line: int | None) -> str:
    return name if line is None else f"{name}:{line}"


def _by_place(columns: Mapping[str, str]) -> dict[str, str]:
    return {place: columns[place] for place in sorted(columns, key=int)}


# -- lots


def _taken(raws: Sequence[RawLot], refused: list[Told]) -> tuple[list[PlannedLot], dict[str, int]]:
    """One lot a number; on doubles the one whose file is named by it, else the first."""
    by_number: dict[int, tuple[RawLot, PlannedLot]] = {}
    unknown: Counter[str] = Counter()
    for raw, numbered in zip(raws, numbers_of(raws), strict=True):
        try:
            planned, keys = _planned(raw, numbered)
        except Refused as error:
            refused.append(Told(_at(raw.file.name, raw.line), numbered.number, str(error)))
            continue
        unknown.update(keys)
        number = planned.entry.number
        held = by_number.get(number)
        if held is None:
            by_number[number] = raw, planned
            continue
        other = held[1]
        if _says_the_same(planned.entry, other.entry):
            refused.append(Told(planned.file, number, f"is the same lot as {other.file}"))
        elif raw.line is None and agrees(raw, number) and not agrees(held[0], number):
            by_number[number] = raw, planned
            refused.append(Told(other.file, number, f"has the number of {planned.file}, whose name tells it too"))
        else:
            refused.append(Told(planned.file, number, f"has the number of {other.file}, and another text"))
    return [planned for _, (_, planned) in sorted(by_number.items())], dict(unknown.most_common(50))


def _planned(raw: RawLot, numbered: Numbered) -> tuple[PlannedLot, tuple[str, ...]]:
    where = _at(raw.file.name, raw.line)
    packed = packed_entry(raw)
    if packed is not None:
        return PlannedLot(packed, where, mark_of(packed), raw.notes), ()
    draft = draft_of(raw)
    if numbered.number is None:
        raise Refused("has no number: none in its id, title or file's name")
    entry = draft.entry(numbered.number)
    notes = (*draft.notes, *((numbered.note,) if numbered.note else ()))
    return PlannedLot(entry, where, mark_of(entry), notes), draft.unknown


def _script_of(lots: Sequence[PlannedLot]) -> Language:
    """The script most verses are in."""
    counted = Counter(script_of("".join(lot.entry.lines)) for lot in lots)
    return Language.ZH_HANS if counted[Language.ZH_HANS] > counted[Language.ZH_HANT] else Language.ZH_HANT


def _in_script(lot: PlannedLot, script: Language) -> PlannedLot:
    """A verse in the other script than the collection's is turned into it, and a person told to look at it."""
    lines = lot.entry.lines
    if script_of("".join(lines)) is script:
        return lot
    turned = [to_simplified(line) if script is Language.ZH_HANS else to_traditional(line) for line in lines]
    if turned == lines:
        return lot
    fortune = lot.entry.fortune
    if fortune is not None and script is Language.ZH_HANT:
        fortune = fortune.model_copy(update={"label": fortune.label.replace("签", "籤")})
    entry = lot.entry.model_copy(update={"lines": turned, "fortune": fortune, "variants": []})
    note = f"the verse was turned into {script.value} as the others are; compare it with the source"
    return PlannedLot(entry, lot.file, mark_of(entry), (*lot.notes, note))


def _says_the_same(one: LotEntry, other: LotEntry) -> bool:
    return entry_text(one) == entry_text(other)


def _within(taken: Sequence[PlannedLot], size: int, refused: list[Told]) -> list[PlannedLot]:
    for lot in taken:
        if lot.entry.number > size:
            refused.append(Told(lot.file, lot.entry.number, f"is beyond the tradition's {size} lots"))
    return [lot for lot in taken if lot.entry.number <= size]


# -- the collection


def _collection_entry(
    path: Path,
    wish: Wish,
    own: CollectionEntry | None,
    lots: Sequence[PlannedLot],
    script: Language,
    library: LotLibrary,
) -> CollectionEntry:
    base = path.stem if path.is_file() else path.resolve().name
    wanted = wish.collection or (own.id if own else _id_by_name(base, library))
    size = wish.size or (own.size if own else _size(base, lots, library))
    name = wish.name or (None if own else _name(wanted, wish, base))
    if own is not None:
        changed = {"id": id_of(wanted), "size": size, "missing": [], **({"names": _names(name)} if name else {})}
        return CollectionEntry.model_validate({**own.model_dump(exclude_none=True), **changed})
    return CollectionEntry.model_validate(
        {
            "id": id_of(wanted),
            "names": _names(name or base),
            "deity": {"zh-Hant": "未註明", "en": "Not told"},
            "aliases": [],
            "size": size,
            "script": script.value,
            "edition": f"As in the imported {'file' if path.is_file() else 'folder'} {_plain_name(path.name)}.",
            "source": "Imported; where the text comes from is not told.",
            "licence": "Not told at the import: ask whoever gave the text.",
        }
    )


def settled(collection: CollectionEntry, library: LotLibrary, *, told_id: bool) -> CollectionEntry:
    """The collection under an id and names that are not a packaged one's, nor another's.

    One of the operator's own of that id is what it is imported into. Raises `UsageError` where the id was told.
    """
    of_package = {each.id for each in _packaged(library)}
    others = [each for each in library.collections() if each.id != collection.id or each.id in of_package]
    changed: dict[str, object] = {}
    if collection.id in of_package:
        other = f"{collection.id[: _LONGEST_ID - 4]}-own"
        if told_id:
            told = f"{collection.id} comes with the package and is not overwritten"
            raise UsageError(f"{told}. Say another id: --collection {other}.", usage=True)
        changed["id"] = other
        others = [each for each in others if each.id != other]
    taken = {fold_alias(name) for each in others for name in (each.id, *each.names.values(), *each.aliases)}
    changed["names"] = {
        tag: name if fold_alias(name) not in taken else f"{name[:100]} (own)" for tag, name in collection.names.items()
    }
    changed["aliases"] = [name for name in collection.aliases if fold_alias(name) not in taken]
    return collection.model_copy(update=changed)


def id_of(wanted: str) -> str:
    """A text as an id: lower-case letters, digits and single hyphens. Raises `UsageError` where nothing is left."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", wanted) if not unicodedata.combining(c))
    made = _ID.sub("-", plain.casefold()).strip("-")[:_LONGEST_ID].strip("-")
    if not made:
        raise UsageError(
            f"{wanted[:40]!r} gives no id. Say --collection ID with letters and digits, as river-temple.", usage=True
        )
    return made


def _id_by_name(base: str, library: LotLibrary) -> str:
    """A file's or folder's name as an id: 月老 is yuelao; any other name without letters is known by its hash."""
    if re.search("[a-z]", unicodedata.normalize("NFKD", base).casefold()):
        return base
    with suppress(UnknownCollection):
        return library.collection(base).id
    return f"own-{hashlib.sha256(fold_alias(base).encode()).hexdigest()[:6]}"


def _name(wanted: str, wish: Wish, base: str) -> str:
    return _plain_name(wanted if wish.collection else base) or wanted


def _plain_name(text: str) -> str:
    return " ".join("".join(c if c.isprintable() and c not in "<>&" else " " for c in text).split())[:120] or "lots"


def _names(name: str) -> dict[str, str]:
    plain = _plain_name(name)
    return {"zh-Hant": plain, "en": plain}


def _size(base: str, lots: Sequence[PlannedLot], library: LotLibrary) -> int:
    """The tradition's, where it is known by its name or by its verse; else as the numbers tell."""
    packaged = _packaged(library)
    with suppress(UnknownCollection):
        named = library.collection(base)
        if named in packaged:
            return named.size
    verse = {lot.entry.number: _folded(lot.entry.lines) for lot in lots}
    for collection in packaged:
        theirs = {lot.number: _folded(lot.lines) for lot in library.lots(collection.id)}
        same = sum(theirs.get(number) == text for number, text in verse.items())
        if same > _SAME_TRADITION * min(len(verse), len(theirs)):
            return collection.size
    return min(size_of([lot.entry.number for lot in lots]), MAX_LOTS)


def _packaged(library: LotLibrary) -> list[Collection]:
    return [each for each in library.collections() if library.folder(each.id).parent == PACKAGED]


def _folded(lines: Sequence[str]) -> str:
    return fold_alias("".join(lines))


def collection_text(collection: CollectionEntry) -> str:
    """A pack's `collection.json`."""
    return json.dumps(collection.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False, indent=1) + "\n"

"""A pack on disk (docs/packs.md) read into values, every fault named by file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jieqian.languages import Language
from jieqian.lots.finding import Finding
from jieqian.lots.lot import Collection, Commentary, Custom, Fortune, Lot, Polarity
from jieqian.lots.pack_format import CollectionEntry, CommentaryEntry, LotEntry, Tag
from jieqian.lots.script import simplify_all
from jieqian.lots.titles import lot_titles

COLLECTION_FILE = "collection.json"
LOTS_FILE = "lots.jsonl"
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024
_MOST_FINDINGS = 500
_LANGUAGES: tuple[tuple[Tag, Language], ...] = tuple((language.value, language) for language in Language)

_Entry = TypeVar("_Entry", bound=BaseModel)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class LotRow:
    """One well-formed line of lots.jsonl and where it stands (`line` from 1)."""

    line: int
    lot: LotEntry


@dataclass(frozen=True, slots=True)
class PackContents:
    """What could be read of a pack. Where `findings` is empty, `collection` is there and `rows` are all its lots."""

    folder: Path
    collection: CollectionEntry | None
    rows: tuple[LotRow, ...]
    findings: tuple[Finding, ...]


def load_pack(folder: Path) -> tuple[Collection, tuple[Lot, ...]]:
    """The collection and its lots in order of number; raises PackError, with file and line, at the first fault."""
    contents = read_pack(folder)
    if contents.findings:
        raise contents.findings[0].as_pack_error()
    assert contents.collection is not None
    collection = _collection(contents.collection)
    return collection, _lots(collection, [row.lot for row in contents.rows])


def read_pack(folder: Path) -> PackContents:
    """Everything readable in a pack, and every fault of format; never raises for what the files hold."""
    findings: list[Finding] = []
    collection = _read_collection(folder / COLLECTION_FILE, findings)
    rows = list(_read_rows(folder / LOTS_FILE, findings))
    if not findings and collection is not None:
        findings.extend(_wrong_numbers(str(folder / LOTS_FILE), rows, collection))
    elif rows:
        findings.extend(_doubled_numbers(str(folder / LOTS_FILE), rows))
    return PackContents(folder, collection, tuple(rows), tuple(findings[:_MOST_FINDINGS]))


def _read_collection(path: Path, findings: list[Finding]) -> CollectionEntry | None:
    file = str(path)
    data = _read_bytes(path, findings)
    text = None if data is None else _decode(data, file, 1, findings)
    if text is None:
        return None
    try:
        return CollectionEntry.model_validate(parse_json(text))
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            findings.append(Finding(file, _line_of_key(text, fault), None, fault_sentence(fault)))
    except json.JSONDecodeError as error:
        findings.append(Finding(file, error.lineno, None, f"is not valid JSON: {error.msg}"))
    except (ValueError, RecursionError) as error:
        findings.append(Finding(file, None, None, f"is not valid JSON: {error}"))
    return None


def _read_rows(path: Path, findings: list[Finding]) -> Iterator[LotRow]:
    file = str(path)
    data = _read_bytes(path, findings)
    if data is None:
        return
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        findings.append(Finding(file, None, None, "holds no lots"))
    for place, raw in enumerate(lines, start=1):
        if len(findings) >= _MOST_FINDINGS:
            return
        entry = _read_lot(raw, file, place, findings)
        if entry is not None:
            yield LotRow(place, entry)


def _read_lot(raw: bytes, file: str, place: int, findings: list[Finding]) -> LotEntry | None:
    if len(raw) > MAX_LINE_BYTES:
        findings.append(Finding(file, place, None, f"the line has {len(raw):,} bytes; the limit is {MAX_LINE_BYTES:,}"))
        return None
    text = _decode(raw, file, place, findings)
    if text is None:
        return None
    if not text.strip():
        findings.append(Finding(file, place, None, "the line is empty"))
        return None
    value: Any = None
    try:
        value = parse_json(text)
        return LotEntry.model_validate(value)
    except ValidationError as error:
        number = value.get("number") if isinstance(value, dict) else None
        known = number if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 10**9 else None
        findings.extend(Finding(file, place, known, fault_sentence(fault)) for fault in error.errors(include_url=False))
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        findings.append(Finding(file, place, None, f"is not valid JSON: {reason}"))
    return None


def _read_bytes(path: Path, findings: list[Finding]) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        findings.append(Finding(str(path), None, None, f"cannot be read: {error.strerror or error}"))
        return None
    if len(data) > MAX_FILE_BYTES:
        findings.append(Finding(str(path), None, None, f"is larger than {MAX_FILE_BYTES:,} bytes"))
        return None
    return data


def _decode(data: bytes, file: str, first_line: int, findings: list[Finding]) -> str | None:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        findings.append(Finding(file, first_line, None, "begins with a byte-order mark; save it as UTF-8 without one"))
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        findings.append(Finding(file, line, None, f"is not UTF-8 (byte 0x{data[error.start]:02X}); save it as UTF-8"))
        return None


def parse_json(text: str) -> Any:
    """JSON without what its parsers let pass: a key given twice, NaN and Infinity."""
    return json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse_constant)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"a key stands twice: {next(key for key in keys if keys.count(key) > 1)[:60]!a}")
    return made


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def fault_sentence(fault: ErrorDetails) -> str:
    """One fault of format as a clause: `lines.2 holds markup`."""
    # Lists are counted from 1, as lines of verse are.
    where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in fault["loc"] if part != "[key]")
    match fault["type"]:
        case "missing":
            what = "is missing"
        case "extra_forbidden":
            what = "is no key of the format"
        case "value_error":
            what = str(fault["ctx"]["error"])
        case _:
            what = fault["msg"][0].lower() + fault["msg"][1:]
    # Keys come from the file: whatever they hold, the message is one printable line.
    return "".join(c if c.isprintable() else "?" for c in f"{where[:120]} {what}".strip())


def _line_of_key(text: str, fault: ErrorDetails) -> int | None:
    if not fault["loc"] or fault["type"] == "missing":
        return None
    found = re.search(rf"^\s*{re.escape(json.dumps(fault['loc'][0], ensure_ascii=False))}\s*:", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else None


def _doubled_numbers(file: str, rows: list[LotRow]) -> Iterator[Finding]:
    first: dict[int, int] = {}
    for row in rows:
        number = row.lot.number
        if number in first:
            yield Finding(file, row.line, number, f"the number stands already in line {first[number]}")
        first.setdefault(number, row.line)


def _wrong_numbers(file: str, rows: list[LotRow], collection: CollectionEntry) -> Iterator[Finding]:
    yield from _doubled_numbers(file, rows)
    before, size, left_out = 0, collection.size, set(collection.missing)
    for row in rows:
        if row.lot.number > size:
            yield Finding(file, row.line, row.lot.number, f"the collection's size is {size}")
        elif row.lot.number in left_out:
            yield Finding(file, row.line, row.lot.number, f"{COLLECTION_FILE} says that it is missing")
        elif row.lot.number < before:
            yield Finding(file, row.line, row.lot.number, f"stands after lot {before}; lots stand in order of number")
        before = max(before, row.lot.number)
    present = {row.lot.number for row in rows}
    if missing := [number for number in range(1, size + 1) if number not in present and number not in left_out]:
        named = ", ".join(map(str, missing[:20])) + (" …" if len(missing) > 20 else "")
        yield Finding(file, None, None, f"{len(missing)} of {size} lots missing: {named}")


def _collection(entry: CollectionEntry) -> Collection:
    return Collection(
        id=entry.id,
        names=_in_four(entry.names),
        deity=_in_four(entry.deity),
        aliases=tuple(entry.aliases),
        size=entry.size,
        edition=entry.edition,
        source=entry.source,
        licence=entry.licence,
        notes=_in_both_scripts(entry.notes),
        story=_in_both_scripts(entry.story or {}),
        asked_for=_in_both_scripts(entry.asked_for or {}),
        custom=Custom(entry.custom.holy_throws, _in_both_scripts(entry.custom.text)) if entry.custom else None,
        missing=frozenset(entry.missing),
    )


def _in_both_scripts(texts: Mapping[Tag, str]) -> Mapping[Language, str]:
    """By language; Simplified made from Traditional where it is missing."""
    made: dict[Tag, str] = dict(texts)
    if "zh-Hant" in made and "zh-Hans" not in made:
        made["zh-Hans"] = simplify_all([made["zh-Hant"]])[0]
    return _by_language(made, str)


def _in_four(names: Mapping[Tag, str]) -> Mapping[Language, str]:
    """Simplified made from Traditional; Japanese, where it is missing, as the Traditional name stands."""
    hant = names["zh-Hant"]
    made: dict[Tag, str] = {"zh-Hans": simplify_all([hant])[0], "ja": hant, **names}
    return _by_language(made, str)


def _by_language(texts: Mapping[Any, _Value], make: Callable[[_Value], Any]) -> Mapping[Language, Any]:
    return MappingProxyType({language: make(texts[tag]) for tag, language in _LANGUAGES if tag in texts})


def _lots(collection: Collection, entries: list[LotEntry]) -> tuple[Lot, ...]:
    simplified = _Simplified(entries)
    return tuple(_lot(collection, entry, simplified) for entry in entries)


def _lot(collection: Collection, entry: LotEntry, simplified: _Simplified) -> Lot:
    titles = {**lot_titles(collection.names, entry.number), **_by_language(entry.title, str)}
    allusions = dict(_by_language(entry.allusion, str))
    commentaries = {
        language: _commentary(language, entry.commentary[tag])
        for tag, language in _LANGUAGES
        if tag in entry.commentary
    }
    if Language.ZH_HANT in allusions and Language.ZH_HANS not in allusions:
        allusions[Language.ZH_HANS] = simplified[allusions[Language.ZH_HANT]]
    if Language.ZH_HANT in commentaries and Language.ZH_HANS not in commentaries:
        commentaries[Language.ZH_HANS] = simplified.commentary(commentaries[Language.ZH_HANT])
    if "zh-Hant" in entry.title and "zh-Hans" not in entry.title:
        titles[Language.ZH_HANS] = simplified[entry.title["zh-Hant"]]
    return Lot(
        collection=collection.id,
        number=entry.number,
        lines=tuple(entry.lines),
        fortune=Fortune(entry.fortune.label, Polarity(entry.fortune.polarity)) if entry.fortune else None,
        edition=collection.edition,
        titles=MappingProxyType(titles),
        allusions=MappingProxyType(allusions),
        commentaries=MappingProxyType(commentaries),
        sign=entry.sign,
    )


def _commentary(language: Language, entry: CommentaryEntry) -> Commentary:
    return Commentary(language, tuple(entry.gloss), entry.overall, MappingProxyType(entry.counsel()))


class _Simplified:
    """The Simplified form of every Traditional text of a pack, converted in one call."""

    def __init__(self, entries: list[LotEntry]) -> None:
        texts: list[str] = []
        for entry in entries:
            texts.extend(part["zh-Hant"] for part in (entry.title, entry.allusion) if "zh-Hant" in part)
            if "zh-Hant" in entry.commentary:
                note = entry.commentary["zh-Hant"]
                texts.extend([*note.gloss, note.overall, *note.counsel().values()])
        self._made = dict(zip(texts, simplify_all(texts), strict=True))

    def __getitem__(self, text: str) -> str:
        return self._made[text]

    def commentary(self, note: Commentary) -> Commentary:
        """A Traditional commentary in Simplified characters."""
        return Commentary(
            Language.ZH_HANS,
            tuple(self[line] for line in note.gloss),
            self[note.overall],
            MappingProxyType({topic: self[counsel] for topic, counsel in note.topics.items()}),
        )

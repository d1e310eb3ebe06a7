"""One lot of a source as a lot of the pack format: cleaned, its parts told apart, and what was mended."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from jieqian.languages import Language
from jieqian.lots.importing.cleaning import clean
from jieqian.lots.importing.columns import field_of
from jieqian.lots.importing.parsing import RawLot
from jieqian.lots.importing.ranks import is_rank, is_sign, read_rank
from jieqian.lots.importing.report import Refused
from jieqian.lots.importing.scripts import in_one_script
from jieqian.lots.importing.verses import title_of, verse_of
from jieqian.lots.lot import TOPICS, Fortune
from jieqian.lots.pack import fault_sentence
from jieqian.lots.pack_format import LotEntry, Tag
from jieqian.lots.script import script_of

_LONG = {"overall": 6_000, "allusion": 6_000, "reference": 6_000, "title": 120, "sign": 120, "topics": 1_200}
_SHORT = 30
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_ONLY_PARTED = re.compile(r"the verse was parted into \d+ lines")
#: A title that says no more than which lot it is.
_BARE_TITLE = re.compile(
    r"(?:.{0,12}第.{1,8}[籤签簽籖番首]|(?:lot|no\.?|number|fortune|chuck)?\s*#?\s*\d+|.{0,12}\d+\s*[號号番])", re.I
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A lot as far as its own text goes; its number is still a guess of `plan`. `unknown`: keys that mean nothing."""

    lines: tuple[str, ...]
    fortune: Fortune | None
    sign: str | None
    title: Mapping[Tag, str]
    allusion: Mapping[Tag, str]
    overall: Mapping[Tag, str]
    topics: Mapping[Tag, Mapping[str, str]]
    reference: str | None
    notes: tuple[str, ...]
    unknown: tuple[str, ...]

    def entry(self, number: int) -> LotEntry:
        """As a line of a pack. Raises `Refused`."""
        commentary: dict[Tag, dict[str, Any]] = {}
        for tag in dict.fromkeys((*self.overall, *self.topics)):
            counsel = dict(self.topics.get(tag, {}))
            # Counsel without the sense of the whole: the first of it says what there is to say.
            whole = self.overall.get(tag) or "\n".join(counsel.values())
            commentary[tag] = {"overall": whole, **({"topics": counsel} if counsel else {})}
        made = {
            "number": number,
            "lines": list(self.lines),
            "fortune": self.fortune and self.fortune.as_dict(),
            "sign": self.sign,
            "title": dict(self.title),
            "allusion": dict(self.allusion),
            "commentary": commentary,
            "reference": self.reference,
        }
        return checked(made)


def checked(made: Mapping[str, Any]) -> LotEntry:
    """Raises `Refused` with the first fault of format."""
    try:
        return LotEntry.model_validate(made)
    except ValidationError as error:
        raise Refused(fault_sentence(error.errors(include_url=False)[0])) from error


def packed_entry(raw: RawLot) -> LotEntry | None:
    """The lot as it stands, where it is in the pack format."""
    if raw.whole is None or not {"number", "lines"} <= raw.whole.keys():
        return None
    try:
        return LotEntry.model_validate({"fortune": None, **raw.whole})
    except ValidationError:
        return None


def entry_text(entry: LotEntry) -> str:
    """The lot's line in a pack's file."""
    return json.dumps(entry.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)


def mark_of(entry: LotEntry) -> str:
    """A hash of a lot in the pack format."""
    return hashlib.sha256(entry_text(entry).encode()).hexdigest()[:24]


def draft_of(raw: RawLot) -> Draft:
    """The lot's parts, cleaned. Raises `Refused` where it has no verse that can be taken."""
    by_field, unknown = _by_field(raw)
    parts = _Parts()
    verse = _verse(by_field, parts)
    for field, values in by_field.items():
        base, language = _split(field)
        if base in ("number", "verse", "rank", "subtitle", "sign") or base.startswith("line."):
            continue
        for value in values:
            parts.add(base, language, value)
    fortune, sign = _rank_and_sign(by_field, parts)
    return Draft(
        lines=verse,
        fortune=_in_script_of(verse, fortune, parts),
        sign=sign,
        title={tag: text for tag, text in parts.texts["title"].items() if not _BARE_TITLE.fullmatch(text)},
        allusion=parts.texts["allusion"],
        overall=parts.texts["overall"],
        topics=parts.counsel(),
        reference=next(iter(parts.texts["reference"].values()), None),
        notes=tuple(dict.fromkeys((*raw.notes, *parts.notes))),
        unknown=unknown,
    )


def _by_field(raw: RawLot) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    by_field: dict[str, list[Any]] = {}
    unknown: list[str] = []
    for key, value in raw.values.items():
        field = raw.columns.get(key) if raw.columns is not None else field_of(key)
        if field is not None:
            by_field.setdefault(field, []).append(value)
        else:
            unknown.append(key if raw.heads is None else raw.heads.get(key) or f"column {key}")
    return by_field, tuple(unknown)


def _split(field: str) -> tuple[str, str | None]:
    base, _, last = field.rpartition(".")
    return (base, last) if base and last in ("zh", "en", "ja") else (field, None)


def _verse(by_field: Mapping[str, list[Any]], parts: _Parts) -> tuple[str, ...]:
    numbered = sorted(field for field in by_field if field.startswith("line."))
    given = by_field.get("verse") or [[by_field[field][0] for field in numbered]]
    value = given[0]
    texts: list[str] = []
    for piece in value if isinstance(value, list) else [value]:
        if isinstance(piece, str) and "\ufffd" in piece:
            raise Refused("has a verse in which characters were lost (�)")
        try:
            text, notes = clean(piece)
        except Refused as refused:
            raise Refused(f"its verse {refused}") from refused
        parts.notes += [f"verse: {note}" for note in notes]
        texts += text.split("\n") if text else []
    title, rest = title_of("\n".join(texts))
    if title:
        parts.notes.append(f"{title[:30]} stood before the verse and was taken as its title")
        parts.add("title", None, title)
        texts = [text for text in rest.split("\n") if text]
    lines, note = verse_of(texts)
    if note and not (isinstance(value, str) and _ONLY_PARTED.fullmatch(note)):
        parts.notes.append(note)
    return lines


def _rank_and_sign(by_field: Mapping[str, list[Any]], parts: _Parts) -> tuple[Fortune | None, str | None]:
    fortune, signs = None, []
    for value in by_field.get("rank", []):
        text = parts.cleaned("rank", value)
        found, sign, note = read_rank(text)
        fortune = fortune or found
        signs += [sign] if sign else []
        parts.notes += [note] if note else []
    signs = [text for value in by_field.get("sign", []) if (text := parts.cleaned("sign", value))] + signs
    for value in by_field.get("subtitle", []):
        text = parts.cleaned("subtitle", value)
        if text and fortune is None and is_rank(text):
            fortune = read_rank(text)[0]
            parts.notes.append(f"the rank {text} was taken from the subtitle")
        elif text and (is_sign(text) or text.startswith(("屬", "属"))):
            signs.append(text)
        elif text and not (fortune and fortune.label in text and is_rank(text)):
            parts.add("allusion", None, text)
    joined = " ".join(dict.fromkeys(sign.replace("\n", " ") for sign in signs))
    return fortune, joined[: _LONG["sign"]].strip() or None


def _in_script_of(verse: tuple[str, ...], fortune: Fortune | None, parts: _Parts) -> Fortune | None:
    """A Simplified rank beside a Traditional verse in the verse's script: 中平签 as 中平籤."""
    if fortune is None or "签" not in fortune.label or script_of("".join(verse)) is Language.ZH_HANS:
        return fortune
    label = fortune.label.replace("签", "籤")
    parts.notes.append(f"the rank {fortune.label} is kept as {label}, in the script of the verse")
    return Fortune(label, fortune.polarity)


class _Parts:
    """Texts by part and language as they are found, and notes of what was mended."""

    def __init__(self) -> None:
        self.texts: dict[str, dict[Tag, str]] = {name: {} for name in ("title", "allusion", "overall", "reference")}
        self.notes: list[str] = []

    def cleaned(self, field: str, value: Any) -> str:
        """ "" where it cannot be taken."""
        try:
            text, notes = clean(value, breaks=field in ("overall", "allusion", "reference"))
        except Refused as refused:
            self.notes.append(f"{field} was left out: it {refused}")
            return ""
        self.notes += [f"{field}: {note}" for note in notes]
        longest = _LONG[field.partition(".")[0]] if field.partition(".")[0] in _LONG else _LONG["overall"]
        if len(text) > longest:
            self.notes.append(f"{field} was cut to {longest:,} characters")
            text = text[: longest - 1].rstrip() + "…"
        return text

    def add(self, base: str, told: str | None, value: Any) -> None:
        """Clean it and put it where its language belongs; what is there already is joined, in `overall`, or kept."""
        text = self.cleaned(base, value)
        if not text:
            return
        if not any(character.isalpha() for character in text):
            self.notes.append(f"{base} was left out: it holds no letter")
            return
        tag = _language_of(text)
        if told == "ja" and tag.startswith("zh") and len(_HAN.findall(text)) <= _SHORT:
            # Japanese may do without kana in so few characters; Chinese under its key is what stands there twice.
            tag = "ja" if text not in self.texts.get(base, {}).values() else tag
        text, note = in_one_script(text, tag)
        self.notes += [f"{base}: {note}"] if note else []
        if told and not tag.startswith(told):
            self.notes.append(f"{base}.{told} is written in {tag} and was taken as that")
        held = self.texts.setdefault(base, {})
        if tag not in held:
            held[tag] = text
        elif base == "overall" and text not in held[tag] and len(held[tag]) + len(text) < _LONG["overall"]:
            held[tag] += f"\n{text}"
        elif text != held[tag]:
            self.notes.append(f"{base} stands twice in {tag}; the first was taken")

    def counsel(self) -> dict[Tag, dict[str, str]]:
        """By language, then topic."""
        made: dict[Tag, dict[str, str]] = {}
        for topic in TOPICS:
            for tag, text in self.texts.get(f"topics.{topic}", {}).items():
                made.setdefault(tag, {})[topic] = text
        return made


def _language_of(text: str) -> Tag:
    han, kana, latin = (len(pattern.findall(text)) for pattern in (_HAN, _KANA, _LATIN))
    if latin > 2 * (han + kana):
        return "en"
    if kana * 20 > han + kana:
        return "ja"
    return "zh-Hans" if script_of(text) is Language.ZH_HANS else "zh-Hant"

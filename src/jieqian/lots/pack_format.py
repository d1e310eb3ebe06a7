"""The pack format as types (docs/packs.md); the JSON Schemas in `schema/` are made from them.

`python -m jieqian.lots.pack_format` writes the schemas anew; a test fails when they lag behind.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import GenerateJsonSchema

SCHEMA_FOLDER = Path(__file__).with_name("schema")
MAX_LOTS = 10_000

_CLEAN = r"^[^\u0000-\u001F\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFFD]+$"
_CLEAN_WITH_BREAKS = _CLEAN.replace(r"\u0000-\u001F", r"\u0000-\u0009\u000B-\u001F")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd\ud800-\udfff]")
_SUSPECT = re.compile(f"{_FORBIDDEN.pattern}|[<&]")
_MARKUP = re.compile(r"<[/!?]?[a-zA-Z][^<>]*>?|<!--|&(?:[a-zA-Z]+|#\d+|#x[0-9a-fA-F]+);")


def _plain(text: str) -> str:
    """Refuse what no verse or commentary holds: control and bidi characters, markup, blanks at the ends, nothing."""
    if text[0].isalnum() and not text[-1].isspace() and not _SUSPECT.search(text):
        return text  # as nearly every one of thousands
    if found := _FORBIDDEN.search(text):
        raise ValueError(f"holds the character U+{ord(found[0]):04X}, a control, invisible or bidi character")
    if found := _MARKUP.search(text):
        raise ValueError(f"holds markup: {found[0][:30]}")
    if text != text.strip():
        raise ValueError("begins or ends with a blank")
    if not any(unicodedata.category(character)[0] in "LN" for character in text):
        raise ValueError("holds no letter")
    return text


def _plain_with_breaks(text: str) -> str:
    _plain(text.replace("\n", " ") if text == text.strip() else text)
    return text


def _text(longest: int) -> Any:
    return Field(min_length=1, max_length=longest, json_schema_extra={"pattern": _CLEAN})


def _long_text(longest: int) -> Any:
    return Field(min_length=1, max_length=longest, json_schema_extra={"pattern": _CLEAN_WITH_BREAKS})


Tag = Literal["zh-Hant", "zh-Hans", "en", "ja"]
VerseLine = Annotated[str, _text(60), AfterValidator(_plain)]
Name = Annotated[str, _text(120), AfterValidator(_plain)]
Sentence = Annotated[str, _text(1_200), AfterValidator(_plain)]
Paragraph = Annotated[str, _long_text(6_000), AfterValidator(_plain_with_breaks)]


def _names_hold_two(names: dict[Tag, str]) -> dict[Tag, str]:
    for tag in ("zh-Hant", "en"):
        if tag not in names:
            raise ValueError(f"{tag} is missing")
    return names


_IN_TWO = (AfterValidator(_names_hold_two), Field(json_schema_extra={"required": ["zh-Hant", "en"]}))
Names = Annotated[dict[Tag, Name], *_IN_TWO]
Paragraphs = Annotated[dict[Tag, Paragraph], *_IN_TWO]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CustomEntry(_Strict):
    """How a lot is drawn at these temples."""

    holy_throws: int = Field(ge=0, le=9, description="Holy throws in a row that confirm a lot; 0: none are thrown")
    text: Paragraphs = Field(description="How it is drawn and when it is drawn again, by language")


class CollectionEntry(_Strict):
    """collection.json: who the collection is."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)] = Field(
        description="Short lower-case name: yuelao"
    )
    names: Names = Field(description="The collection's name by language; zh-Hant and en at least")
    deity: Names = Field(description="The deity's name by language; zh-Hant and en at least")
    story: Paragraphs | None = Field(default=None, description="Who the deity is and was, by language")
    asked_for: Paragraphs | None = Field(default=None, description="What the deity is asked for, by language")
    custom: CustomEntry | None = None
    aliases: list[Name] = Field(
        max_length=100,
        description="Other names. Case, blanks, hyphens, underscores and the Chinese script do not count",
    )
    size: int = Field(ge=1, le=MAX_LOTS, description="How many lots the tradition has")
    edition: Sentence = Field(description="Which printing the text follows, in English")
    source: Sentence = Field(description="Where the verse comes from, in English")
    licence: Sentence = Field(description="The rights of the verse and of the commentary, in English")
    notes: dict[Tag, Paragraph] = Field(default_factory=dict, description="What a reader should know, by language")
    missing: list[Annotated[int, Field(ge=1, le=MAX_LOTS)]] = Field(
        default_factory=list, max_length=MAX_LOTS, description="Numbers of the tradition that this pack does not have"
    )
    script: Literal["zh-Hant", "zh-Hans"] = Field(default="zh-Hant", description="The script of the verse")

    @model_validator(mode="after")
    def _something_is_there(self) -> CollectionEntry:
        if self.missing != sorted(set(self.missing)) or (self.missing and self.missing[-1] > self.size):
            raise ValueError("missing names numbers of the collection, each once and in order")
        if len(self.missing) == self.size:
            raise ValueError("missing names every lot")
        return self


class FortuneEntry(_Strict):
    """The rank as printed, and its sense."""

    label: Annotated[str, _text(20), AfterValidator(_plain)] = Field(description="The rank as printed: 大吉, 上籤, 凶")
    polarity: Literal["great", "good", "mixed", "caution", "bad"]

    @model_validator(mode="after")
    def _sense_agrees(self) -> FortuneEntry:
        """A rank that says 吉 is not bad, one that says 凶 or 下 is not good; one that says both may be anything."""
        fair = bool(re.search(r"[吉上]", self.label))
        foul = bool(re.search(r"[凶下]", self.label))
        wrong = ("bad",) if fair and not foul else ("great", "good") if foul and not fair else ()
        if self.polarity in wrong:
            raise ValueError(f"the rank {self.label} cannot have the polarity {self.polarity}")
        return self


class TopicsEntry(_Strict):
    """Counsel by topic; `corpus validate` asks for all seven."""

    love: Sentence | None = None
    work: Sentence | None = None
    wealth: Sentence | None = None
    health: Sentence | None = None
    study: Sentence | None = None
    family: Sentence | None = None
    travel: Sentence | None = None


class CommentaryEntry(_Strict):
    """An explanation in one language. Others' lots come with what they have; `corpus validate` asks for the whole."""

    def counsel(self) -> dict[str, str]:
        """Its counsel by topic."""
        return {} if self.topics is None else self.topics.model_dump(exclude_none=True)

    gloss: list[Sentence] = Field(
        default_factory=list, max_length=20, description="One for each line of verse, or none"
    )
    overall: Paragraph = Field(description="The sense of the whole")
    topics: TopicsEntry | None = Field(
        default=None, description="In Japanese they may be left out: a reader is then given those of another language"
    )


class VariantEntry(_Strict):
    """Where printings differ, or a slip was mended."""

    line: int = Field(ge=1, le=20, description="Which line of the verse, from 1")
    ours: Name = Field(description="The line as this pack has it")
    other: Name = Field(description="The line as the other printing has it")
    decided_by: Sentence = Field(description="What decided: a classical source, sense, another printing")


class LotEntry(_Strict):
    """One line of lots.jsonl: one lot."""

    number: int = Field(ge=1, le=MAX_LOTS, description="1 to the collection's size, each once, in order")
    lines: list[VerseLine] = Field(
        min_length=1, max_length=20, description="The verse, one string a line, without punctuation at its end"
    )
    fortune: FortuneEntry | None = Field(description="The rank; null where none is printed")
    sign: Name | None = Field(
        default=None, description="What stands beside the verse: a stem and branch, a hexagram, as printed"
    )
    title: dict[Tag, Name] = Field(
        default_factory=dict, description="By language; else made from the collection's name and the number"
    )
    allusion: dict[Tag, Paragraph] = Field(
        default_factory=dict, description="By language: who, what happened, which source"
    )
    commentary: dict[Tag, CommentaryEntry] = Field(
        default_factory=dict, description="By language; a lot without it is shown by its verse"
    )
    reference: Paragraph | None = Field(
        default=None, description="What an imported lot's source says of where it comes from; kept, and told to nobody"
    )
    variants: list[VariantEntry] = Field(default_factory=list, max_length=40)

    @model_validator(mode="after")
    def _parts_fit_the_verse(self) -> LotEntry:
        lines = len(self.lines)
        for tag, commentary in self.commentary.items():
            if commentary.gloss and len(commentary.gloss) != lines:
                raise ValueError(f"commentary.{tag}.gloss has {len(commentary.gloss)} entries, the verse {lines} lines")
        for variant in self.variants:
            if variant.line > lines:
                raise ValueError(f"variants name line {variant.line}; the verse has {lines}")
        return self


class _Schema(GenerateJsonSchema):
    """JSON Schema 2020-12 without the titles made from names."""

    def generate(self, schema: Any, mode: Any = "validation") -> Any:
        made = super().generate(schema, mode)
        made["$schema"] = self.schema_dialect
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


SCHEMAS: dict[str, type[_Strict]] = {"collection.schema.json": CollectionEntry, "lot.schema.json": LotEntry}


def schema_text(name: str) -> str:
    """The JSON Schema of that name, as its file holds it."""
    return json.dumps(SCHEMAS[name].model_json_schema(schema_generator=_Schema), ensure_ascii=False, indent=2) + "\n"


def write_schemas(folder: Path = SCHEMA_FOLDER) -> None:
    """Write both schemas anew."""
    folder.mkdir(exist_ok=True)
    for name in SCHEMAS:
        (folder / name).write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()

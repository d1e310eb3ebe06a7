"""A section without a model: put together from the lot's commentary by the question's topic, its verse and its rank.

What the commentary says stands as it was written; around it come a few sentences of the service's own (`phrases/`),
by rank and topic. A commentary in another language is given as it stands, and the section says so. Without a
commentary nothing is made up: verse, rank and what that rank means.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Commentary, Lot
from jieqian.lots.script import simplify_all
from jieqian.prompt.builder import is_foreign
from jieqian.prompt.verse import in_script, rank_label, verse_lines
from jieqian.sections.line_by_line import compose, heading, quoted
from jieqian.sections.section import SectionName
from jieqian.sections.topics import counselled_topic_of

_SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "phrases").glob("*.toml")}
_WITHOUT_TOPIC = ("love", "work")
_RELATED: Mapping[str | None, str] = {
    "love": "family",
    "work": "wealth",
    "wealth": "work",
    "health": "family",
    "study": "work",
    "family": "love",
    "travel": "health",
    None: "family",
}


def commentary_section(
    section: SectionName, lot: Lot, collection: Collection, language: Language, question: str
) -> str:
    """The text of one section in `language`; never empty, and different from the other six of that lot."""
    topic = counselled_topic_of(question)
    return _WRITERS[section](_Stand(lot=lot, collection=collection, language=language, topic=topic))


def note_for(section: SectionName, lot: Lot, language: Language, question: str) -> str:
    """The one note a section other than `line_by_line` stands on, without any frame; "" where there is none.

    The sense of the whole, counsel on the question's topic, counsel on a neighbouring one, or what the rank means.
    """
    commentary = lot.commentary(language)
    if commentary is None or commentary.language is not language:
        return ""
    topic = counselled_topic_of(question)
    if section is SectionName.OVERALL_DEVELOPMENT:
        return commentary.overall
    if section is SectionName.SUGGESTED_ACTIONS:
        return commentary.topics.get(topic or _WITHOUT_TOPIC[0], "")
    if section is SectionName.SUPPLEMENTARY_NOTES:
        return commentary.topics.get(_RELATED[topic], "")
    phrases = _phrases(language)
    spoken = phrases["topics"][topic or "general"]
    if section is SectionName.POSITIVE_FACTORS:
        return str(spoken["positive"])
    if section is SectionName.CHALLENGES:
        return str(spoken["challenge"])
    fortune = lot.fortune
    return str(phrases[fortune.polarity.value if fortune else "none"]["conclusion"]).format(topic=spoken["name"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stand:
    """What a section is put together from."""

    lot: Lot
    collection: Collection
    language: Language
    topic: str | None

    @property
    def commentary(self) -> Commentary | None:
        return self.lot.commentary(self.language)

    @property
    def foreign(self) -> bool:
        commentary = self.commentary
        return commentary is not None and is_foreign(commentary.language, self.language)

    def frame(self, name: str, **values: str) -> str:
        return str(_phrases(self.language)["frames"][name]).format(**values)

    def of_rank(self, name: str) -> str:
        fortune = self.lot.fortune
        phrases = _phrases(self.language)[fortune.polarity.value if fortune else "none"]
        rank = rank_label(fortune, self.language) if fortune else ""
        return str(phrases[name]).format(rank=rank, topic=self.topic_name(self.topic))

    def of_topic(self, name: str) -> str:
        return str(_phrases(self.language)["topics"][self.topic or "general"][name])

    def topic_name(self, topic: str | None) -> str:
        return str(_phrases(self.language)["topics"][topic or "general"]["name"])

    @property
    def counsel(self) -> Commentary | None:
        """Where counsel is taken from: another language's where this one has none."""
        return self.lot.counsel(self.language)

    @property
    def counsel_foreign(self) -> bool:
        counsel = self.counsel
        return counsel is not None and is_foreign(counsel.language, self.language)

    def own_words(self, text: str) -> str:
        return text if self.foreign else in_script(text, self.language)

    def language_of(self, note: Commentary | None) -> str:
        return str(_phrases(self.language)["languages"][note.language.value]) if note else ""

    def commentary_language(self) -> str:
        return self.language_of(self.commentary)

    def sentences(self, *parts: str) -> str:
        return (" " if self.language is Language.EN else "").join(part for part in parts if part)


def _line_by_line(stand: _Stand) -> str:
    commentary = stand.commentary
    if commentary is None or not any(commentary.gloss):
        rows = [quoted(line, stand.language).rstrip("：: ") for line in verse_lines(stand.lot, stand.language)]
        named = stand.sentences(
            heading(stand.lot, stand.collection, stand.language), stand.frame("lines_without_gloss")
        )
        return "\n".join([named, *rows])
    text = compose(
        [stand.own_words(note) for note in commentary.gloss],
        lot=stand.lot,
        collection=stand.collection,
        language=stand.language,
    )
    if not stand.foreign:
        return text
    named, _, rest = text.partition("\n")
    return stand.sentences(named, stand.frame("lines_foreign", language=stand.commentary_language())) + "\n" + rest


def _overall(stand: _Stand) -> str:
    commentary = stand.commentary
    if commentary is None:
        return stand.sentences(stand.of_rank("overall"), stand.frame("overall_missing"))
    if stand.foreign:
        language = stand.commentary_language()
        return f"{stand.of_rank('overall')}\n{stand.frame('overall_foreign', language=language)}\n{commentary.overall}"
    name = stand.topic_name(stand.topic)
    lead = stand.frame("overall_topic", topic=name) if stand.topic else stand.frame("overall_plain")
    return stand.sentences(lead, stand.own_words(commentary.overall))


def _positive(stand: _Stand) -> str:
    return stand.sentences(stand.of_rank("positive"), stand.of_topic("positive"))


def _challenges(stand: _Stand) -> str:
    return stand.sentences(stand.of_rank("challenges"), stand.of_topic("challenge"))


def _actions(stand: _Stand) -> str:
    counsel = _counsel(stand)
    if not counsel:
        return stand.of_topic("action")
    if stand.counsel_foreign:
        language = stand.language_of(stand.counsel)
        given = "\n".join(
            text if len(counsel) == 1 else f"{stand.frame('counsel_item', topic=stand.topic_name(topic))}\n{text}"
            for topic, text in counsel.items()
        )
        return f"{stand.of_topic('action')}\n{stand.frame('counsel_foreign', language=language)}\n{given}"
    if len(counsel) == 1:
        ((topic, text),) = counsel.items()
        return stand.sentences(stand.frame("counsel_topic", topic=stand.topic_name(topic)), stand.own_words(text))
    rows = [
        stand.sentences(stand.frame("counsel_item", topic=stand.topic_name(topic)), stand.own_words(text))
        for topic, text in counsel.items()
    ]
    return "\n".join([stand.frame("counsel_two"), *rows])


def _counsel(stand: _Stand) -> dict[str, str]:
    """The commentary's counsel on the topic; without one, on the two most asked about."""
    topics = stand.counsel.topics if stand.counsel else {}
    if stand.topic is not None and stand.topic in topics:
        return {stand.topic: topics[stand.topic]}
    return {topic: topics[topic] for topic in _WITHOUT_TOPIC if topic in topics}


def _notes(stand: _Stand) -> str:
    deity = stand.collection.deity.get(stand.language) or stand.collection.name(stand.language)
    if stand.commentary is None:
        return stand.frame("notes_missing", deity=deity)
    if stand.foreign:
        return stand.frame("notes_plain")
    parts: list[str] = []
    allusion = stand.lot.allusion(stand.language)
    if allusion and _story_is_readable(stand):
        parts.append(stand.sentences(stand.frame("notes_story"), stand.own_words(allusion)))
    related = _RELATED[stand.topic]
    if related in stand.commentary.topics:
        lead = stand.frame("notes_related", topic=stand.topic_name(related))
        parts.append(stand.sentences(lead, stand.own_words(stand.commentary.topics[related])))
    return "\n".join(parts) or stand.frame("notes_plain")


def _story_is_readable(stand: _Stand) -> bool:
    if stand.language.is_chinese:
        return any(language.is_chinese for language in stand.lot.allusions)
    return stand.language in stand.lot.allusions


def _conclusion(stand: _Stand) -> str:
    return stand.of_rank("conclusion")


@cache
def _phrases(language: Language) -> Mapping[str, Any]:
    own = Language.ZH_HANT if language is Language.ZH_HANS else language
    phrases = tomllib.loads(_SOURCES[own.value])
    return _simplified(phrases) if language is Language.ZH_HANS else phrases


def warm_up() -> None:
    """Reads the phrases of all four languages (some 40 ms), which the first section would else wait for."""
    for language in Language:
        _phrases(language)


def _simplified(phrases: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: simplify_all([value])[0] if isinstance(value, str) else _simplified(value)
        for name, value in phrases.items()
    }


_WRITERS = {
    SectionName.LINE_BY_LINE: _line_by_line,
    SectionName.OVERALL_DEVELOPMENT: _overall,
    SectionName.POSITIVE_FACTORS: _positive,
    SectionName.CHALLENGES: _challenges,
    SectionName.SUGGESTED_ACTIONS: _actions,
    SectionName.SUPPLEMENTARY_NOTES: _notes,
    SectionName.CONCLUSION: _conclusion,
}

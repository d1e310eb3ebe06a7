"""Cuts lots and FAQ entries into passages: six or more a lot, five for a lot of one line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import ASKED_TOPICS, Commentary, Lot
from jieqian.prompt.verse import rank_label, rank_sense
from jieqian.retrieval.labels import NO_RANK, RANK, TOPIC_LABELS, joined, noted
from jieqian.retrieval.passage import FaqPassage, Kind, StoredPassage

#: Changes when passages are cut in another way: an index of another schema is made anew.
PASSAGE_SCHEMA = 2
#: Verse and rank are told in these, whatever commentary there is.
_ALWAYS = (Language.ZH_HANT, Language.EN)
_EVERY = frozenset(Language)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every passage there is, by id, the lots they come from by `yuelao/7`, and a version of each collection's text.

    A version changes with any passage that readings of the collection may be given, approved answers among them.
    """

    passages: Mapping[str, StoredPassage]
    lots: Mapping[str, Lot]
    versions: Mapping[str, str] = field(default_factory=dict)
    _by_use: dict[tuple[str, Language], list[StoredPassage]] = field(init=False, repr=False, default_factory=dict)
    _explained: set[tuple[str, Language]] = field(init=False, repr=False, default_factory=set)

    def __post_init__(self) -> None:
        for passage in self.passages.values():
            for language in passage.serves:
                use = passage.collection, language
                self._by_use.setdefault(use, []).append(passage)
                if passage.explains:
                    self._explained.add(use)

    def of(self, collection: str, language: Language) -> Sequence[StoredPassage]:
        """A collection's passages that serve readings in a language."""
        return self._by_use.get((collection, language), ())

    def explains(self, collection: str, language: Language) -> bool:
        """Whether any of these is more than verse."""
        return (collection, language) in self._explained


def make_catalogue(library: LotLibrary, faq: Iterable[FaqPassage]) -> Catalogue:
    """Cut everything; some 0.1 s for 200 lots, so not for the event loop."""
    lots = [lot for collection in library.collections() for lot in library.lots(collection.id)]
    passages = {passage.id: passage for lot in lots for passage in lot_passages(lot)}
    lots_there = {lot.id for lot in lots}
    answers = [entry for entry in faq if f"{entry.collection}/{entry.lot}" in lots_there]
    passages |= {f"faq/{entry.id}": faq_passage(entry) for entry in answers}
    return Catalogue(passages, {lot.id: lot for lot in lots}, _versions(passages.values()))


def _versions(passages: Iterable[StoredPassage]) -> dict[str, str]:
    digests: dict[str, Any] = {}
    for passage in sorted(passages, key=lambda one: one.id):
        digest = digests.setdefault(passage.collection, hashlib.sha256())
        digest.update(f"{passage.id}\0{passage.mark}\0{passage.text}\0".encode())
    return {collection: digest.hexdigest()[:16] for collection, digest in digests.items()}


def lot_passages(lot: Lot) -> tuple[StoredPassage, ...]:
    """The lot's passages, ids such as `yuelao/7#topic:love@en`.

    A reading is served in its own language or the nearest the lot has, as its commentary is (`Lot.commentary`).
    """
    written: set[Language] = {language for language in lot.commentaries if language is not Language.ZH_HANS}
    if Language.ZH_HANS in lot.commentaries and Language.ZH_HANT not in written:
        written.add(Language.ZH_HANS)
    counselled = {language for language in written if lot.commentaries[language].topics}
    languages = sorted({*_ALWAYS, *written})
    found: list[StoredPassage] = []
    for language in languages:
        serves = _served(language, languages)
        found += [_verse(lot, language, serves), _rank(lot, language, serves)]
    if not written:
        found += [_passage(lot, Kind.LINE, str(n), None, _EVERY, line) for n, line in enumerate(lot.lines, 1)]
    for language in sorted(written):
        found += _explained(lot, lot.commentaries[language], _served(language, written))
        found += _counsel(lot, lot.commentaries[language], _served(language, counselled))
    return tuple(found)


def _served(language: Language, there: Iterable[Language]) -> frozenset[Language]:
    """The languages whose readings are given this one, of those there are."""
    return _served_of(language, frozenset(there))


@cache
def _served_of(language: Language, there: frozenset[Language]) -> frozenset[Language]:
    return frozenset(each for each in Language if _nearest(each, there) is language)


def faq_passage(entry: FaqPassage) -> StoredPassage:
    """An approved entry: question and answer, for readings in its own language (either Chinese script)."""
    chinese = frozenset({Language.ZH_HANT, Language.ZH_HANS})
    text = f"{entry.question}\n{entry.answer}"
    return StoredPassage(
        id=f"faq/{entry.id}",
        collection=entry.collection,
        lot=entry.lot,
        kind=Kind.FAQ,
        topic=entry.category if entry.category in ASKED_TOPICS else None,
        language=entry.language,
        serves=chinese if entry.language.is_chinese else frozenset({entry.language}),
        explains=True,
        text=text,
        meaning=text,
    )


def _explained(lot: Lot, note: Commentary, serves: frozenset[Language]) -> Iterator[StoredPassage]:
    language = note.language
    for number, (line, gloss) in enumerate(zip(lot.lines, note.gloss, strict=False), 1):
        yield _passage(lot, Kind.LINE, str(number), language, serves, noted(line, gloss, language), explains=True)
    yield _passage(lot, Kind.OVERALL, None, language, serves, note.overall, explains=True)
    if language in lot.allusions:
        yield _passage(lot, Kind.ALLUSION, None, language, serves, lot.allusions[language], explains=True)


def _counsel(lot: Lot, note: Commentary, serves: frozenset[Language]) -> Iterator[StoredPassage]:
    language = note.language
    for topic, counsel in note.topics.items():
        label = TOPIC_LABELS[language].get(topic, topic)
        meaning = noted(label, counsel, language)
        yield _passage(lot, Kind.TOPIC, topic, language, serves, counsel, explains=True, meaning=meaning)


def _verse(lot: Lot, language: Language, serves: frozenset[Language]) -> StoredPassage:
    rank = f" ({_rank_text(lot, language)})" if language is Language.EN else f"（{_rank_text(lot, language)}）"
    return _passage(lot, Kind.VERSE, None, language, serves, joined(lot.lines) + (rank if lot.fortune else ""))


def _rank(lot: Lot, language: Language, serves: frozenset[Language]) -> StoredPassage:
    return _passage(lot, Kind.RANK, None, language, serves, noted(RANK[language], _rank_text(lot, language), language))


def _rank_text(lot: Lot, language: Language) -> str:
    if lot.fortune is None:
        return NO_RANK[language]
    label, sense = rank_label(lot.fortune, language), rank_sense(lot.fortune.polarity, language)
    return f"{label}, {sense}" if language is Language.EN else f"{label}，{sense}"


def _passage(
    lot: Lot,
    kind: Kind,
    part: str | None,
    language: Language | None,
    serves: frozenset[Language],
    text: str,
    *,
    explains: bool = False,
    meaning: str | None = None,
) -> StoredPassage:
    place = f"{lot.id}#{kind}" + (f":{part}" if part else "") + (f"@{language}" if language else "")
    return StoredPassage(
        id=place,
        collection=lot.collection,
        lot=lot.number,
        kind=kind,
        topic=part if kind is Kind.TOPIC else None,
        language=language or Language.ZH_HANT,
        serves=serves,
        explains=explains,
        text=text,
        meaning=meaning or text,
    )


_NEAREST = {
    Language.ZH_HANT: (Language.ZH_HANT, Language.ZH_HANS, Language.EN, Language.JA),
    Language.ZH_HANS: (Language.ZH_HANT, Language.ZH_HANS, Language.EN, Language.JA),
    Language.EN: (Language.EN, Language.ZH_HANT, Language.JA, Language.ZH_HANS),
    Language.JA: (Language.JA, Language.EN, Language.ZH_HANT, Language.ZH_HANS),
}


def _nearest(asked: Language, there: Iterable[Language]) -> Language | None:
    """The language a reading in `asked` is given, of those there are; Chinese comes from one script by conversion."""
    there = set(there)
    return next((language for language in _NEAREST[asked] if language in there), None)

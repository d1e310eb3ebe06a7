"""Which of the passages found a reading is given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.lots.script import simplify_all
from jieqian.retrieval.catalogue import Catalogue
from jieqian.retrieval.finding import FoundPassage
from jieqian.retrieval.labels import title_of
from jieqian.retrieval.lexical import fold, pieces
from jieqian.retrieval.passage import Kind, StoredPassage

MOST_OF_A_LOT = 2
#: A reading's model reads perhaps fifty tokens a second: a passage is cut, at the end of a sentence where one is.
LONGEST_DENSE, LONGEST_SPACED = 110, 320
_ALIKE = 0.6
_SENTENCE_END = re.compile(r"[。！？；.!?](?=\s|$|[^\s\d])")


def choose_passages(
    ranked: Iterable[tuple[StoredPassage, float]], lot: Lot, language: Language, most: int, catalogue: Catalogue
) -> tuple[FoundPassage, ...]:
    """The best of `ranked` (best first): of this collection and language, not the lot's own, no two alike.

    At most two are of one lot. Bare verse and ranks of other lots tell an asker little: they are taken only where the
    collection has no explanation at all, and then only verses.
    """
    fitting = [
        (passage, score)
        for passage, score in ranked
        if passage.collection == lot.collection
        and language in passage.serves
        and (passage.kind is Kind.FAQ or passage.lot != lot.number)
    ]
    explaining = [found for found in fitting if found[0].explains]
    candidates = explaining or [found for found in fitting if found[0].kind is Kind.VERSE]
    chosen: list[tuple[StoredPassage, float]] = []
    of_lot: Counter[int] = Counter()
    for passage, score in candidates:
        if len(chosen) == most:
            break
        if of_lot[passage.lot] < MOST_OF_A_LOT and not any(_alike(passage, other) for other, _ in chosen):
            of_lot[passage.lot] += 1
            chosen.append((passage, score))
    return tuple(_found(passage, score, language, catalogue) for passage, score in chosen)


def shortened(text: str, language: Language) -> str:
    """The text's first sentences within the limit of its script."""
    most = LONGEST_SPACED if language is Language.EN else LONGEST_DENSE
    if len(text) <= most:
        return text
    ends = [end.end() for end in _SENTENCE_END.finditer(text) if end.end() <= most]
    return text[: ends[-1]] if ends and ends[-1] >= most // 3 else text[: most - 1].rstrip() + "…"


def _found(passage: StoredPassage, score: float, language: Language, catalogue: Catalogue) -> FoundPassage:
    title = title_of(passage, catalogue.lots[f"{passage.collection}/{passage.lot}"], language)
    text = shortened(passage.text, passage.language)
    if language is Language.ZH_HANS and passage.language.is_chinese:
        title, text = simplify_all([title, text])
    return FoundPassage(
        id=passage.id,
        title=title,
        text=text,
        collection=passage.collection,
        lot=passage.lot,
        kind=passage.kind.value,
        topic=passage.topic,
        language=language if language.is_chinese and passage.language.is_chinese else passage.language,
        score=round(score, 3),
    )


def _alike(one: StoredPassage, other: StoredPassage) -> bool:
    first, second = _pieces_of(one.text), _pieces_of(other.text)
    return len(first & second) > _ALIKE * min(len(first), len(second))


@lru_cache(maxsize=1024)
def _pieces_of(text: str) -> frozenset[str]:
    return frozenset(pieces(fold(text))) or frozenset((text,))

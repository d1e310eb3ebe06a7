"""What the index keeps beside a passage's vector, and what is asked of it."""

from __future__ import annotations

from typing import Any

from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.retrieval.catalogue import Catalogue
from jieqian.retrieval.passage import Kind, StoredPassage


def facts_of(passage: StoredPassage) -> dict[str, Any]:
    """Every key each time: of a passage that is put in anew Chroma keeps those that are not told."""
    return {
        "mark": passage.mark,
        "collection": passage.collection,
        "lot": passage.lot,
        "kind": passage.kind.value,
        "explains": passage.explains,
        **{f"serves_{language.value}": language in passage.serves or None for language in Language},
        "topic": passage.topic,
    }


def filters_for(catalogue: Catalogue, lot: Lot, language: Language, topic: str | None) -> list[dict[str, Any]]:
    """What is looked through: this collection's, other lots', for this language; the question's topic once more."""
    explained = catalogue.explains(lot.collection, language)
    conditions: list[dict[str, Any]] = [
        {"collection": lot.collection},
        {f"serves_{language.value}": True},
        {"$or": [{"lot": {"$ne": lot.number}}, {"kind": Kind.FAQ.value}]},
        {"explains": True} if explained else {"kind": Kind.VERSE.value},
    ]
    filters = [{"$and": conditions}]
    if topic is not None and explained:
        filters.append({"$and": [*conditions, {"topic": topic}]})
    return filters

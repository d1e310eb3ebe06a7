"""The questions models are compared on (`labelled/compared.jsonl`): 72, over all collections, ranks and languages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection as SomeOf
from dataclasses import dataclass

from jieqian.bench.questions import LABELLED
from jieqian.languages import Language
from jieqian.lots.lot import Polarity

_FILE = LABELLED / "compared.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedQuestion:
    """One question about a drawn lot. `polarity` is the lot's; None: no rank is printed."""

    id: str
    language: Language
    collection: str
    lot: int
    polarity: Polarity | None
    topic: str
    question: str


def compared_questions(
    languages: SomeOf[Language] = tuple(Language), most: int | None = None
) -> list[ComparedQuestion]:
    """Those in these languages, the first `most` of them.

    The file's order keeps every beginning balanced: languages take turns, and of each language the first six are
    about six collections. So more questions are the same ones and others besides.
    """
    rows = (json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines())
    found = [
        ComparedQuestion(
            id=row["id"],
            language=Language(row["language"]),
            collection=row["collection"],
            lot=row["lot"],
            polarity=Polarity(row["polarity"]) if row["polarity"] else None,
            topic=row["topic"],
            question=row["question"],
        )
        for row in rows
    ]
    return [one for one in found if one.language in languages][:most]


def questions_digest() -> str:
    """What tells this set of questions from another version's: the beginning of its SHA-256."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()[:16]

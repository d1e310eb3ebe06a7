"""Whether two questions are nearly the same, by their letters alone: no model, no network."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

from jieqian.checks.script import fold_shapes

#: Two questions that share so much of their pairs (triples, in Latin letters) of letters are one for the FAQ.
NEARLY = 0.8


def nearly_same(question: str, others: Iterable[str]) -> bool:
    """Whether one of the others asks the same, but for case, width, script, marks and a word or so."""
    mine, my_parts = _letters_and_parts(question)
    for other in others:
        letters, parts = _letters_and_parts(other)
        if letters == mine or _shared(my_parts, parts) >= NEARLY:
            return True
    return False


def _letters_and_parts(text: str) -> tuple[str, Counter[str]]:
    plain = fold_shapes(unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(letter for letter in plain if letter.isalnum())
    size = 3 if letters.isascii() else 2
    return letters, Counter(letters[at : at + size] for at in range(max(1, len(letters) - size + 1)))


def _shared(mine: Counter[str], other: Counter[str]) -> float:
    """Dice's coefficient, from 0 to 1."""
    return 2 * (mine & other).total() / max(1, mine.total() + other.total())

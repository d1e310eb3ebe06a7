"""Texts that say the same: sentences that stand in two lots, and near-copies."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

_Key = TypeVar("_Key", bound=Hashable)

_SENTENCE_END = re.compile(r"(?<=[。！？；!?])|(?<=[.;])\s+|\n")
_WORD = re.compile(r"[^\W_]+")
_SHORTEST_CHINESE = 10
_SHORTEST_LATIN = 30
_FEWEST_SHINGLES = 12
_STOCK_PHRASE = 30
"""A run of words standing in more texts than this says nothing of copying."""


def sentences(text: str) -> list[tuple[str, str]]:
    """(folded, as written) of each sentence long enough that its standing twice is no accident."""
    found = []
    for sentence in _SENTENCE_END.split(text):
        folded = "".join(c for c in unicodedata.normalize("NFKC", sentence).casefold() if c.isalnum())
        if len(folded) >= (_SHORTEST_LATIN if folded.isascii() else _SHORTEST_CHINESE):
            found.append((folded, sentence.strip()))
    return found


def shingles(text: str) -> frozenset[str]:
    """Runs of four words (Latin) or four characters (Chinese, Japanese), without marks and case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(folded)
    if "".join(words).isascii():
        units = words
    else:
        units = list("".join(words))
    return frozenset(" ".join(units[i : i + 4]) for i in range(len(units) - 3))


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """How much of the shorter text stands in the longer: 0 to 1."""
    shorter = min(len(one), len(other))
    return len(one & other) / shorter if shorter else 0.0


def near_copies(texts: Mapping[_Key, str], threshold: float) -> Iterator[tuple[_Key, _Key, float]]:
    """Pairs of texts, in the mapping's order, of which more than `threshold` of the shorter stands in the other."""
    made = {key: found for key, text in texts.items() if len(found := shingles(text)) >= _FEWEST_SHINGLES}
    holders: dict[str, list[_Key]] = defaultdict(list)
    for key, found in made.items():
        for shingle in found:
            holders[shingle].append(key)
    shared: Counter[tuple[_Key, _Key]] = Counter()
    for keys in holders.values():
        if 2 <= len(keys) <= _STOCK_PHRASE:
            shared.update((keys[i], keys[j]) for i in range(len(keys)) for j in range(i + 1, len(keys)))
    for (one, other), count in shared.items():
        share = count / min(len(made[one]), len(made[other]))
        if share > threshold:
            yield one, other, share

"""A collection's vectors in memory, each of them compared: exact, and quicker than asking the index on disk.

Chroma resolves filters in SQL before it looks at a vector; for the few thousand passages of a collection that takes
some twenty times as long as comparing all of them (docs/benchmarks.md). Only the index's process imports this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jieqian.retrieval.leaning import Leaning, LeantVectors, Worth

#: Facts that no filter asks for.
_NO_FILTERS = frozenset({"mark"})


class Damaged(Exception):
    """Vectors that no embedder made."""


class HeldVectors:
    """Passages with their vectors, rows of equal length; `facts` are what filters ask for.

    Of two that are as near the one that comes first in `ids` is found first.

    With `leaning` they can be ranked as a question leans to them. Raises `Damaged` where a vector has no direction.
    """

    def __init__(
        self,
        ids: Sequence[str],
        facts: Sequence[Mapping[str, Any]],
        vectors: NDArray[np.float32],
        leaning: Leaning | None = None,
    ) -> None:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise Damaged("a stored vector is no vector")
        self._ids = list(ids)
        self._vectors = vectors / lengths
        self._worth = None if leaning is None else Worth(leaning, LeantVectors(ids, facts, self._vectors))
        self._codes: dict[str, dict[Any, int]] = {}
        self._coded: dict[str, NDArray[np.int32]] = {}
        for key in sorted({key for each in facts for key in each} - _NO_FILTERS):
            codes = self._codes[key] = {}
            coded = [codes.setdefault(each[key], len(codes)) if key in each else -1 for each in facts]
            self._coded[key] = np.array(coded, dtype=np.int32)

    @property
    def rows(self) -> int:
        """How many vectors."""
        return len(self._ids)

    def nearest(self, vector: Sequence[float], most: int, wheres: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The `most` nearest that meet each of the filters (as Chroma writes them): cosine similarity by id."""
        scores = self._scores(_unit(vector))
        return {self._ids[place]: float(scores[place]) for where in wheres for place in self._best(scores, most, where)}

    def worthiest(
        self, vector: Sequence[float], language: str, topic: str | None, most: int, where: Mapping[str, Any]
    ) -> list[tuple[str, float, float]] | None:
        """The `most` that are worth most to a question of that language and topic, best first.

        Of each its id, cosine similarity and worth. None where nothing was learned for these vectors.
        """
        if self._worth is None:
            return None
        asked = _unit(vector)
        scores, worth = self._scores(asked), self._worth.of(asked, language, topic)
        best = sorted(self._best(worth, most, where), key=lambda place: (-worth[place], place))
        return [(self._ids[place], float(scores[place]), float(worth[place])) for place in best]

    def _scores(self, asked: NDArray[np.float32]) -> NDArray[np.float32]:
        # Equal rows get scores that differ in the last bit, by where they stand.
        scores: NDArray[np.float32] = np.round(self._vectors @ asked, 5)
        return scores

    def _best(self, scores: NDArray[np.float32], most: int, where: Mapping[str, Any]) -> NDArray[np.intp]:
        places = np.flatnonzero(self._meets(where))
        if len(places) <= most:
            return places
        near = scores[places]
        least = np.partition(near, -most)[-most]
        nearer = places[near > least]
        return np.concatenate([nearer, places[near == least][: most - len(nearer)]])

    def _meets(self, where: Mapping[str, Any]) -> NDArray[np.bool_]:
        ((key, wanted),) = where.items()
        if key == "$and":
            return np.logical_and.reduce([self._meets(each) for each in wanted])  # type: ignore[no-any-return]
        if key == "$or":
            return np.logical_or.reduce([self._meets(each) for each in wanted])  # type: ignore[no-any-return]
        if isinstance(wanted, Mapping):
            return ~self._meets({key: wanted["$ne"]})
        if key not in self._coded:
            return np.zeros(len(self._ids), dtype=np.bool_)
        its: NDArray[np.bool_] = self._coded[key] == self._codes[key].get(wanted, -2)
        return its


def _unit(vector: Sequence[float]) -> NDArray[np.float32]:
    asked = np.asarray(vector, dtype=np.float32)
    unit: NDArray[np.float32] = asked / (np.linalg.norm(asked) or 1.0)
    return unit

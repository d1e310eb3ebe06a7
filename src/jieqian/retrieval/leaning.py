"""What a question leans to: counsel on which topic, or the sense of a lot; learned from labelled questions.

Similarities of multilingual-e5-small all lie close together and follow language as much as sense. So vectors are
centred by language, the versions of a passage in several languages are taken together, a little of its whole lot is
added, and a linear model of the question's vector and of the topic its words tell says what kind of passage is asked
for. `tools/learn_leaning.py`
makes `leaning.npz` of the odd half of the labelled questions. Only the index's process imports this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from jieqian.lots.lot import ASKED_TOPICS, TOPICS
from jieqian.retrieval.passage import Kind

SOURCE = Path(__file__).with_name("vectors") / "leaning.npz"
#: What a passage can be, in the order of `Leaning.kinds`; anything else counts as the sense of a lot.
KINDS = (*TOPICS, Kind.OVERALL.value, Kind.LINE.value, Kind.ALLUSION.value)
_ELSE = KINDS.index(Kind.OVERALL.value)


@dataclass(frozen=True, slots=True, eq=False)
class Leaning:
    """What was learned for the vectors of one embedder, `d` numbers each.

    `means`: of questions, by their language. `kinds` (10, d + 1): for each of `KINDS` what a centred question adds to
    such passages' worth, and a constant. `topics` (10, 10): what each of `ASKED_TOPICS` adds, told by the question's
    words. `passage`, `lot`, `characters`: what the likeness to a passage, to the lot it
    is of, and a point of the search by characters are worth.
    """

    embedder: str
    means: Mapping[str, NDArray[np.float32]]
    kinds: NDArray[np.float32]
    topics: NDArray[np.float32]
    passage: float
    lot: float
    characters: float

    def centred(self, vector: NDArray[np.float32], language: str) -> NDArray[np.float32]:
        """A question's vector without what all questions of the language have in common, of length 1."""
        centred: NDArray[np.float32] = _unit((vector - self.means[language])[np.newaxis])[0]
        return centred

    def save(self, path: Path = SOURCE) -> None:
        """Write it as `read_leaning` reads it."""
        weights = np.array([self.passage, self.lot, self.characters], dtype=np.float32)
        means = {f"mean_{language}": mean for language, mean in self.means.items()}
        told: dict[str, Any] = {
            "embedder": np.array(self.embedder),
            "kinds": self.kinds,
            "topics": self.topics,
            **means,
        }
        told["weights"] = weights
        np.savez_compressed(path, **told)


def read_leaning(embedder: str, path: Path = SOURCE) -> Leaning | None:
    """What was learned for that embedder; None where nothing was, or it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as told:
            if str(told["embedder"]) != embedder:
                return None
            means = {name.removeprefix("mean_"): told[name] for name in told.files if name.startswith("mean_")}
            passage, lot, characters = (float(weight) for weight in told["weights"])
            return Leaning(embedder, means, told["kinds"], told["topics"], passage, lot, characters)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


class LeantVectors:
    """The passages of one collection without their languages; `ids`, `facts` and `vectors` as in `HeldVectors`.

    `base_of`: for each row its place in `likeness` and `of_lot` (one vector each) and in `kind_of`.
    """

    def __init__(self, ids: Sequence[str], facts: Sequence[Mapping[str, Any]], vectors: NDArray[np.float32]) -> None:
        bases: dict[str, int] = {}
        self.base_of = np.array([bases.setdefault(place.partition("@")[0], len(bases)) for place in ids])
        explains = np.array([bool(each.get("explains")) for each in facts])
        likeness = np.zeros((len(bases), vectors.shape[1]), dtype=np.float32)
        np.add.at(likeness, self.base_of, vectors - _means(ids, explains, vectors))
        self.likeness = _unit(likeness)
        first = np.unique(self.base_of, return_index=True)[1]
        self.kind_of = np.array([_kind(facts[row]) for row in first])
        lots = np.array([int(facts[row].get("lot", 0)) for row in first])
        of_lots = explains[first] & np.array([facts[row].get("kind") != Kind.FAQ.value for row in first])
        self.of_lot = np.zeros_like(self.likeness)
        for lot in set(lots):
            its = lots == lot
            if (its & of_lots).any():
                self.of_lot[its] = self.likeness[its & of_lots].mean(axis=0)


class Worth:
    """What each of a collection's passages is worth to a question."""

    def __init__(self, leaning: Leaning, leant: LeantVectors) -> None:
        self._leaning, self._base_of, self._kind_of = leaning, leant.base_of, leant.kind_of
        self._vectors = leaning.passage * leant.likeness + leaning.lot * leant.of_lot

    def of(self, vector: NDArray[np.float32], language: str, topic: str | None) -> NDArray[np.float32]:
        """Of a question of that language, row by row; `topic`: one of `ASKED_TOPICS`, None where its words tell none.

        Equal passages are worth the same to the last bit.
        """
        centred = self._leaning.centred(vector, language)
        kinds = self._leaning.kinds
        by_kind = kinds[:, :-1] @ centred + kinds[:, -1]
        if topic is not None:
            by_kind = by_kind + self._leaning.topics[:, ASKED_TOPICS.index(topic)]
        by_base = np.round(self._vectors @ centred + by_kind[self._kind_of], 5)
        worth: NDArray[np.float32] = by_base[self._base_of]
        return worth


def _means(ids: Sequence[str], explains: NDArray[np.bool_], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each row the mean of its language; an approved answer's id tells none, so the mean it is nearest to."""
    languages = np.array([place.partition("@")[2] for place in ids])
    means = []
    of_row = np.zeros(len(ids), dtype=np.intp)
    for number, language in enumerate(sorted(set(languages) - {""})):
        its = languages == language
        means.append(vectors[its & explains if (its & explains).any() else its].mean(axis=0))
        of_row[its] = number
    if not means:
        means.append(vectors.mean(axis=0))
    found = np.stack(means)
    of_row[languages == ""] = np.argmax(vectors[languages == ""] @ found.T, axis=1)
    told: NDArray[np.float32] = found[of_row]
    return told


def _kind(facts: Mapping[str, Any]) -> int:
    asked = facts.get("topic") or facts.get("kind")
    return KINDS.index(asked) if asked in KINDS else _ELSE


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return units

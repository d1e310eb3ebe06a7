"""What a question leans to: what was learned ranks passages, and nothing is learned for other vectors."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jieqian.lots.lot import ASKED_TOPICS
from jieqian.retrieval.retriever import RANKING

np = pytest.importorskip("numpy")

from jieqian.retrieval.held import HeldVectors  # noqa: E402 (it imports numpy)
from jieqian.retrieval.leaning import KINDS, SOURCE, Leaning, LeantVectors, read_leaning  # noqa: E402
from jieqian.retrieval.shipped import read_manifest  # noqa: E402

ENGLISH, CHINESE = np.array([4.0, 0, 0, 0]), np.array([0, 4.0, 0, 0])
EAST, NORTH = np.array([0, 0, 1.0, 0]), np.array([0, 0, 0, 1.0])


def passage(lot: int, kind: str, topic: str | None = None) -> dict[str, object]:
    return {"lot": lot, "kind": kind, "topic": topic, "explains": True}


ROWS = {
    "river/1#topic:love@en": (passage(1, "topic", "love"), ENGLISH + EAST),
    "river/1#topic:love@zh-Hant": (passage(1, "topic", "love"), CHINESE + EAST),
    "river/2#topic:work@en": (passage(2, "topic", "work"), ENGLISH - EAST),
    "river/2#topic:work@zh-Hant": (passage(2, "topic", "work"), CHINESE - EAST),
    "river/3#overall@en": (passage(3, "overall"), ENGLISH + NORTH),
    "river/3#overall@zh-Hant": (passage(3, "overall"), CHINESE + NORTH),
}


def leaning(kinds: dict[str, float] | None = None, *, lot: float = 0.0) -> Leaning:
    """Of questions whose mean is the English one; `kinds` are constants."""
    told = np.zeros((len(KINDS), 5), dtype=np.float32)
    for kind, constant in (kinds or {}).items():
        told[KINDS.index(kind), -1] = constant
    means = dict.fromkeys(("en", "ja", "zh-Hant", "zh-Hans"), ENGLISH.astype(np.float32))
    topics = np.zeros((len(KINDS), len(ASKED_TOPICS)), dtype=np.float32)
    topics[KINDS.index("work"), ASKED_TOPICS.index("dispute")] = 5.0
    return Leaning("made up", means, told, topics, 1.0, lot, 0.5)


def held(learned: Leaning | None, rows: dict[str, tuple[dict[str, object], object]] | None = None) -> HeldVectors:
    facts, vectors = zip(*(rows or ROWS).values(), strict=True)
    return HeldVectors(list(rows or ROWS), facts, np.array(vectors, dtype=np.float32), learned)


def order(learned: Leaning, question: object, most: int = 6, topic: str | None = None) -> list[str]:
    found = held(learned).worthiest(list(question), "en", topic, most, {"explains": True})
    return [place for place, _, _ in found]


def test_a_passage_is_as_near_in_another_language() -> None:
    assert order(leaning(), ENGLISH + EAST)[:2] == ["river/1#topic:love@en", "river/1#topic:love@zh-Hant"]
    assert order(leaning(), ENGLISH - EAST, 2) == ["river/2#topic:work@en", "river/2#topic:work@zh-Hant"]


def test_what_is_asked_for_goes_before_what_is_nearer() -> None:
    assert order(leaning({"work": 5.0}), ENGLISH + EAST, 2) == ["river/2#topic:work@en", "river/2#topic:work@zh-Hant"]


def test_the_topic_that_its_words_tell_counts_beside() -> None:
    """Here a question on a dispute wants counsel on work, whatever its vector is near."""
    assert order(leaning(), ENGLISH + EAST, 2, "dispute")[0] == "river/2#topic:work@en"
    assert order(leaning(), ENGLISH + EAST, 2, "home")[0] == "river/1#topic:love@en"


def test_a_lot_that_is_near_as_a_whole_lends_its_passages_some_worth() -> None:
    rows = ROWS | {"river/3#topic:work@en": (passage(3, "topic", "work"), ENGLISH - EAST)}
    for lot, first in ((0.0, "river/2#topic:work@en"), (2.0, "river/3#topic:work@en")):
        found = held(leaning(lot=lot), rows).worthiest(list(ENGLISH + NORTH - EAST), "en", None, 7, {"topic": "work"})
        assert found[0][0] == first, lot


def test_scores_shown_are_cosines_and_only_what_is_asked_for_is_looked_at() -> None:
    found = held(leaning()).worthiest(list(ENGLISH + EAST), "en", None, 6, {"lot": {"$ne": 1}})
    assert {place.partition("#")[0] for place, _, _ in found} == {"river/2", "river/3"}
    cosine = {place: score for place, score, _ in found}["river/2#topic:work@en"]
    assert cosine == pytest.approx(15 / 17, abs=1e-4)


def test_an_approved_answer_tells_no_language_and_is_compared_with_the_nearest() -> None:
    answer = {"lot": 2, "kind": "faq", "topic": None, "explains": True}
    rows = ROWS | {"faq/1": (answer, CHINESE + NORTH)}
    ids, (facts, vectors) = list(rows), zip(*rows.values(), strict=True)
    leant = LeantVectors(ids, facts, np.array(vectors, dtype=np.float32))
    likeness = leant.likeness[leant.base_of]
    assert likeness[ids.index("faq/1")] @ likeness[ids.index("river/3#overall@en")] > 0.9


def test_nothing_is_learned_for_other_vectors(tmp_path: Path) -> None:
    assert held(None).worthiest([1, 0, 0, 0], "en", None, 3, {"explains": True}) is None
    learned = leaning({"love": 0.25}, lot=0.5)
    learned.save(tmp_path / "leaning.npz")
    assert read_leaning("another", tmp_path / "leaning.npz") is None
    assert read_leaning("made up", tmp_path / "none.npz") is None
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    assert read_leaning("made up", tmp_path / "broken.npz") is None
    read = read_leaning("made up", tmp_path / "leaning.npz")
    assert read is not None
    assert (read.passage, read.lot, read.characters) == (1.0, 0.5, 0.5)
    assert (read.kinds == learned.kinds).all()
    assert (read.topics == learned.topics).all()


def test_what_is_shipped_fits_the_vectors_that_are_shipped() -> None:
    manifest = read_manifest()
    assert manifest is not None
    learned = read_leaning(manifest.embedder, SOURCE)
    assert learned is not None
    assert learned.kinds.shape == (len(KINDS), manifest.dimension + 1)
    assert learned.topics.shape == (len(KINDS), len(ASKED_TOPICS))
    assert hashlib.sha256(SOURCE.read_bytes()).hexdigest().startswith(RANKING.partition("-")[2])
    assert set(learned.means) == {"zh-Hant", "zh-Hans", "en", "ja"}

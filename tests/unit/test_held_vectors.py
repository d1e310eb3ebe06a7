"""Vectors held in memory: the nearest that meet filters as Chroma writes them."""

import random
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from jieqian.retrieval.held import Damaged, HeldVectors  # noqa: E402 (it imports numpy)

FACTS = [
    {"mark": "a", "lot": 1, "kind": "verse", "explains": False, "serves_en": True},
    {"mark": "b", "lot": 1, "kind": "topic", "explains": True, "serves_en": True, "topic": "love"},
    {"mark": "c", "lot": 2, "kind": "topic", "explains": True, "serves_ja": True, "topic": "love"},
    {"mark": "d", "lot": 2, "kind": "faq", "explains": True, "serves_en": True, "topic": "work"},
]
VECTORS = [[1, 0, 0], [0, 3, 0], [0, 2, 2], [0, 0, 0.5]]


def held() -> HeldVectors:
    return HeldVectors(list("abcd"), FACTS, np.array(VECTORS, dtype=np.float32))


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"serves_en": True}, "abd"),
        ({"serves_ko": True}, ""),
        ({"topic": "love"}, "bc"),
        ({"topic": "wealth"}, ""),
        ({"lot": {"$ne": 1}}, "cd"),
        ({"$or": [{"lot": {"$ne": 2}}, {"kind": "faq"}]}, "abd"),
        ({"$and": [{"explains": True}, {"$or": [{"lot": {"$ne": 1}}, {"kind": "faq"}]}, {"serves_en": True}]}, "d"),
    ],
)
def test_filters_mean_what_they_mean_to_chroma(where: dict[str, Any], ids: str) -> None:
    assert sorted(held().nearest([1, 1, 1], 10, [where])) == list(ids)


def test_the_nearest_by_cosine_of_each_filter() -> None:
    found = held().nearest([0, 10, 0], 1, [{"serves_en": True}, {"kind": "faq"}])
    assert found == {"b": pytest.approx(1), "d": pytest.approx(0)}
    assert held().nearest([0, 1, 1], 9, [{"serves_ja": True}]) == {"c": pytest.approx(1)}


def test_it_finds_what_a_plain_comparison_finds() -> None:
    rng = random.Random(5)
    rows = [[rng.gauss(0, 1) for _ in range(16)] for _ in range(300)]
    facts = [{"lot": number % 7} for number in range(300)]
    many = HeldVectors([str(number) for number in range(300)], facts, np.array(rows, dtype=np.float32))
    for _ in range(20):
        asked = [rng.gauss(0, 1) for _ in range(16)]
        cosine = [float(np.dot(row, asked) / np.linalg.norm(row) / np.linalg.norm(asked)) for row in rows]
        expected = sorted((at for at in range(300) if at % 7 != 3), key=lambda at: -cosine[at])[:10]
        found = many.nearest(asked, 10, [{"lot": {"$ne": 3}}])
        assert sorted(found, key=lambda place: -found[place]) == [str(at) for at in expected]


@pytest.mark.parametrize("bad", [[0, 0, 0], [float("nan"), 1, 0], [float("inf"), 0, 0]])
def test_what_no_embedder_made_is_damaged(bad: list[float]) -> None:
    with pytest.raises(Damaged):
        HeldVectors(["a", "b"], FACTS[:2], np.array([[1, 0, 0], bad], dtype=np.float32))


@pytest.mark.parametrize("most", [1, 2, 3])
def test_of_equals_the_first_are_found(most: int) -> None:
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0, 2, 0], [0, 3, 0]], dtype=np.float32)
    facts = [{"lot": 1}] * 4
    found = HeldVectors(list("abcd"), facts, vectors).nearest([0, 1, 0], most, [{"lot": 1}])
    assert "".join(sorted(found)) == "bcd"[:most]


@pytest.mark.parametrize("rows", [101, 501, 1003])
def test_equals_are_found_in_order_wherever_they_stand(rows: int) -> None:
    rng = random.Random(3)
    vectors = np.array([[rng.gauss(0, 1) for _ in range(384)] for _ in range(rows)], dtype=np.float32)
    equal = [*range(0, rows, 7), rows - 1]
    vectors[equal] = vectors[0]
    held = HeldVectors([f"{place:04}" for place in range(rows)], [{"lot": 1}] * rows, vectors)
    for most in range(1, len(equal)):
        found = held.nearest([rng.gauss(0, 1) + 3 * x for x in vectors[0].tolist()], most, [{"lot": 1}])
        assert sorted(found) == [f"{place:04}" for place in equal[:most]]

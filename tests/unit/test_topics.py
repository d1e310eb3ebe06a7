"""Ten topics are told by a question's words, measured on labelled questions, and three of them have no counsel."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from sample_lots import YUELAO, sample_lot

import jieqian.bench
import jieqian.sections
from jieqian.bench.topics import HELD_OUT, LANGUAGES, UNREAD, Score, measure, score_of, told_topics
from jieqian.faq.entry import CATEGORIES, GENERAL
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import ASKED_TOPICS, TOPICS
from jieqian.retrieval.catalogue import faq_passage, make_catalogue
from jieqian.retrieval.choosing import choose_passages
from jieqian.retrieval.lexical import Lexicon
from jieqian.retrieval.passage import FaqPassage
from jieqian.retrieval.retriever import _by_topic
from jieqian.sections.from_commentary import commentary_section, note_for
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.topics import counselled_topic_of, marks_of, topic_of

EXAMPLES = sorted((Path(jieqian.sections.__file__).parent / "topic_examples").glob("*.txt"))
LABELLED = Path(jieqian.bench.__file__).with_name("labelled")
WITHOUT_COUNSEL = {
    "home": ("房東要漲房租，要不要搬家？", "Should we buy this house?", "マンションを買うべきですか"),
    "dispute": ("這場官司會贏嗎？", "Will I win the lawsuit?", "裁判に勝てますか"),
    "lost": ("錢包掉了，找得回來嗎？", "Where is my lost wallet?", "なくした財布は見つかりますか"),
}
ASKED_WITHOUT_COUNSEL = [(question, topic) for topic, asked in WITHOUT_COUNSEL.items() for question in asked]


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_the_questions_held_out_most_are_told_right_in_each_language(language: str) -> None:
    """A guard against loss: what unread questions would give is told in `labelled/README.md`."""
    held = [one for one in told_topics() if one.half == HELD_OUT and one.language == language]
    assert len(held) >= 45
    assert score_of(held).share >= 0.85


def test_of_unread_questions_most_are_told_right() -> None:
    unread = [one for one in told_topics() if one.half == UNREAD]
    assert len(unread) == 200
    assert score_of(unread).share >= 0.85
    for language in LANGUAGES:
        assert score_of(one for one in unread if one.language == language).share >= 0.75


def test_no_labelled_question_is_among_the_examples() -> None:
    """Else the measure would be of memory."""
    rows = [json.loads(line) for file in LABELLED.glob("*s-*.jsonl") for line in _lines(file)]
    rows = [row for row in rows if "question" in row]
    asked = {_bare(row["question"]) for row in rows}
    lines = {_bare(line) for file in EXAMPLES for line in _lines(file)}
    assert len(asked) > 300
    assert not asked & lines


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _bare(text: str) -> str:
    return "".join(re.findall(r"\w", text.casefold()))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_topic_has_words_and_questions_in_each_language(file: Path) -> None:
    parts = re.split(r"^\[(\w+)\]\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    assert set(found) == {*ASKED_TOPICS, GENERAL}
    for topic in ASKED_TOPICS:
        lines = found[topic].split("\n")
        assert sum(line.startswith("= ") for line in lines) >= 5, topic
        questions = [line for line in lines if line and not line.startswith("= ")]
        assert len(questions) >= 50, topic
        assert len(set(questions)) == len(questions), topic


@pytest.mark.parametrize(
    "question",
    [
        "What should I know?",
        "Is this a good sign?",
        "Anything for me today?",
        "What does the oracle say?",
        "Will it be all right?",
        "hi",
        "請指點",
        "最近運氣如何",
        "我的願望會實現嗎",
        "接下來該注意什麼",
        "给我一点指引",
        "最近很迷茫",
        "これからどうなりますか",
        "今年の運勢は？",
        "良いことはありますか",
        "導いてください",
        "",
        "？？",
        "🙏",
    ],
)
def test_a_question_that_shows_no_topic_has_none(question: str) -> None:
    assert topic_of(question) is None


def test_what_speaks_for_a_topic_speaks_against_others() -> None:
    marks = marks_of("Will I win the lawsuit?")
    assert tuple(marks) == ASKED_TOPICS
    assert max(marks, key=marks.__getitem__) == "dispute"
    assert sum(marks.values()) == pytest.approx(0, abs=1e-9)
    assert marks == marks_of("  ＷＩＬＬ i win THE lawsuit")


@pytest.mark.parametrize(("question", "topic"), ASKED_WITHOUT_COUNSEL)
def test_three_topics_have_no_counsel(question: str, topic: str) -> None:
    assert topic_of(question) == topic
    assert topic not in TOPICS
    assert counselled_topic_of(question) is None


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("section", SECTIONS)
def test_a_topic_without_counsel_is_answered_as_one_not_known(section: SectionName, language: Language) -> None:
    lot = sample_lot()
    asked = ("Where is my lost wallet?", "這場官司會贏嗎？", "hi")
    assert len({commentary_section(section, lot, YUELAO, language, question) for question in asked}) == 1
    assert len({note_for(section, lot, language, question) for question in asked}) == 1


def test_the_faq_has_a_category_for_each_topic() -> None:
    assert (*ASKED_TOPICS, GENERAL) == CATEGORIES
    assert all(len(category) <= 16 for category in CATEGORIES), "what the database's column holds"


def _answers() -> list[FaqPassage]:
    text = "先把知道的寫下來，再慢慢想。"
    return [
        FaqPassage(each, "yuelao", 7, Language.ZH_HANT, each, f"{each}會順利嗎？", f"{each}：{text}")
        for each in CATEGORIES
    ]


def test_an_answer_on_a_topic_without_counsel_is_preferred_and_nothing_else_moves() -> None:
    library = LotLibrary()
    catalogue = make_catalogue(library, _answers())
    assert {entry.category: faq_passage(entry).topic for entry in _answers()} == {
        **{topic: topic for topic in ASKED_TOPICS},
        GENERAL: None,
    }
    passages = catalogue.of("yuelao", Language.ZH_HANT)
    lexicon = Lexicon(passages)
    found = choose_passages(
        lexicon.search("會順利嗎？", "lost"), library.lot("yuelao", 9), Language.ZH_HANT, 5, catalogue
    )
    assert found[0].id == "faq/lost"
    by_characters = [passage.id for passage, _ in lexicon.search("主管不讓我升遷", "home") if passage.topic != "home"]
    assert by_characters == [passage.id for passage, _ in lexicon.search("主管不讓我升遷", None)][: len(by_characters)]
    alike = [(passage, 0.8) for passage in passages]
    ranked = [passage.id for passage, _ in _by_topic(alike, "lost", Language.ZH_HANT)]
    assert ranked[0] == "faq/lost"
    assert ranked[1:] == [passage.id for passage, _ in alike if passage.id != "faq/lost"], "no counsel goes farther"


def test_the_interval_is_wilsons() -> None:
    low, high = Score(8, 10).interval
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert Score(0, 0).interval == (0.0, 1.0)
    assert Score(10, 10).interval[1] == pytest.approx(1.0)


def test_the_measure_is_a_report_of_languages_topics_and_ways() -> None:
    advanced: list[float] = []
    report = asyncio.run(measure(lambda done, _of, _what: advanced.append(done)))
    assert advanced == [0, 1]
    assert [row[0] for row in report.tables[1].rows] == list(LANGUAGES)
    told = report.document()["held_out"]
    assert {"direct", "indirect", "all", "home", "dispute", "lost", *LANGUAGES} <= set(told)
    assert told["all"]["asked"] == told["direct"]["asked"] + told["indirect"]["asked"]
    assert told["all"]["right"] == sum(told[language]["right"] for language in LANGUAGES)

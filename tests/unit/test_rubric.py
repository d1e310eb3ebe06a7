"""The rubric: for each rule a good text in four languages that keeps it, and bad ones with what offends in them."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import product

import pytest

from jieqian.bench.compared import ComparedQuestion, compared_questions
from jieqian.bench.rubric.score import RULES, Score, score_reading, score_texts
from jieqian.bench.rubric.written import Rule
from jieqian.checks.care import find_danger
from jieqian.checks.language import question_language
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import ASKED_TOPICS, Polarity
from jieqian.prompt.verse import verse_lines
from jieqian.sections.from_commentary import commentary_section
from jieqian.sections.line_by_line import compose
from jieqian.sections.section import SECTIONS, SectionName

LINES, ACTIONS, CONCLUSION = SectionName.LINE_BY_LINE, SectionName.SUGGESTED_ACTIONS, SectionName.CONCLUSION
OVERALL = SectionName.OVERALL_DEVELOPMENT
Texts = dict[SectionName, str]
#: In each language a question whose reading the commentary gives whole in that language: of good rank, and of bad.
GOOD = {"en": "en-05", "zh-Hant": "zh-Hant-02", "zh-Hans": "zh-Hans-10", "ja": "ja-18"}
BAD = {"en": "en-15", "zh-Hant": "zh-Hant-03", "zh-Hans": "zh-Hans-08", "ja": "ja-14"}
LANGUAGES = list(GOOD)


@cache
def lots() -> LotLibrary:
    return LotLibrary()


def asked(id_: str) -> ComparedQuestion:
    return next(each for each in compared_questions() if each.id == id_)


def reading(question: ComparedQuestion) -> Texts:
    """What a model would write that keeps every rule: the commentary's own sections."""
    lot, collection = lots().lot(question.collection, question.lot), lots().collection(question.collection)
    return {name: commentary_section(name, lot, collection, question.language, question.question) for name in SECTIONS}


def scored(question: ComparedQuestion, texts: Mapping[SectionName, str]) -> Score:
    return score_texts(texts, question, lots())


def offending(score: Score, rule: Rule) -> list[str]:
    return [fault.offending for fault in score.rules[rule].faults]


def generic(language: str) -> Texts:
    """A text that could be about any lot and any question."""
    data = tomllib.loads(files("jieqian.testing").joinpath("readings.toml").read_text("utf-8"))
    return {SectionName(name): text for name, text in data[language]["sections"].items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_good_reading_keeps_every_rule(language: str) -> None:
    score = scored(asked(GOOD[language]), reading(asked(GOOD[language])))
    assert {rule: found.score for rule, found in score.rules.items() if found.score < 1} == {}, score.faults
    assert (score.from_model, score.whole, score.own) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_left_out_bare_or_explained_by_another(language: str) -> None:
    question = asked(GOOD[language])
    lot, collection = lots().lot(question.collection, question.lot), lots().collection(question.collection)
    lines, notes = verse_lines(lot, question.language), lot.commentary(question.language)
    assert notes is not None
    gloss = list(notes.gloss)

    def covered(explained: list[str]) -> tuple[float, list[str]]:
        text = compose(explained, lot=lot, collection=collection, language=question.language)
        found = scored(question, {LINES: text}).rules[Rule.LINES_COVERED]
        return found.score, [fault.why for fault in found.faults]

    assert covered(gloss) == (1.0, [])
    without = covered([gloss[0], "", *gloss[2:]])
    assert (without[0], len(without[1])) == (0.75, 1)
    assert lot.lines[1] in without[1][0]
    bare = scored(
        question,
        {
            LINES: "\n".join(
                [*(f"「{line}」：{note}" for line, note in zip(lines[:3], gloss, strict=False)), f"「{lines[3]}」："]
            )
        },
    )
    assert bare.rules[Rule.LINES_COVERED].score == 0.75
    same = covered([gloss[0]] * 4)
    assert same[0] == 0.25
    assert same[1][0] == "line 2 is explained as line 1 is"
    shifted = covered([f"{lines[place + 1]}，{gloss[place + 1]}" for place in range(3)] + [gloss[3]])
    assert (shifted[0], shifted[1][0]) == (0.25, "line 1 is explained by line 2")
    all_at_once = scored(question, {LINES: "".join(f"「{line}」" for line in lines) + gloss[0]})
    assert all_at_once.rules[Rule.LINES_COVERED].score == 0.25


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_about_any_lot_cites_none_and_addresses_little(language: str) -> None:
    question = asked(GOOD[language])
    score = scored(question, generic(language))
    assert score.rules[Rule.LINES_COVERED].score == 0
    assert score.rules[Rule.LOT_CITED].score <= 0.25
    assert score.rules[Rule.QUESTION_ADDRESSED].score < 1
    texts = {" ".join(text.split()) for text in generic(language).values()}
    shown = [excerpt.removesuffix("…") for excerpt in offending(score, Rule.LOT_CITED) if excerpt]
    assert shown
    assert all(any(text.startswith(excerpt) for text in texts) for excerpt in shown)


@pytest.mark.parametrize(
    ("language", "wrong"),
    [
        ("en", "你問的事情正在慢慢好轉，家人的心意比你想的更近，只要願意先開口，這個家就會暖起來。"),
        (
            "zh-Hant",
            "Your family matter is getting better, and you should speak first, for they are waiting to hear from you.",
        ),
        ("zh-Hans", "あなたの家族のことは少しずつ良くなっています。まず自分から話してみてください。"),
        ("ja", "你问的家事正在慢慢好转，家人的心意比你想的更近，只要愿意先开口，这个家就会暖起来。"),
    ],
)
def test_a_section_in_another_language(language: str, wrong: str) -> None:
    question = asked(GOOD[language])
    found = scored(question, reading(question) | {CONCLUSION: wrong}).rules[Rule.LANGUAGE_RIGHT]
    assert found.score == pytest.approx(6 / 7)
    assert [(fault.section, fault.offending[:10].strip() in wrong) for fault in found.faults] == [(CONCLUSION, True)]


@pytest.mark.parametrize(
    ("language", "piece"),
    [("en", "耐心"), ("zh-Hant", "patience"), ("zh-Hant", "这"), ("zh-Hans", "進"), ("ja", "patience"), ("ja", "这")],
)
def test_a_piece_of_another_writing(language: str, piece: str) -> None:
    question = asked(GOOD[language])
    texts = reading(question)
    found = scored(question, texts | {CONCLUSION: f"{texts[CONCLUSION]} {piece}"}).rules[Rule.LANGUAGE_RIGHT]
    assert found.score == pytest.approx(6.5 / 7)
    assert [fault.offending for fault in found.faults] == [piece]


@pytest.mark.parametrize(
    ("language", "triumph"),
    [
        ("en", "This is a highly auspicious lot, and you will find everything you hoped for in a few days."),
        ("zh-Hant", "這是支上上籤，你和他的感情會開花結果，放心去愛就好。"),
        ("zh-Hans", "这是支上上签，家里的事会圆满，放心去做就好。"),
        ("ja", "これは最高のくじで、お二人は必ず結ばれるでしょう。安心して進んでください。"),
    ],
)
def test_a_bad_lot_told_as_a_good_one(language: str, triumph: str) -> None:
    question = asked(BAD[language])
    assert question.polarity is Polarity.BAD
    whole = scored(question, reading(question)).rules[Rule.POLARITY_KEPT]
    assert whole.score == 1, whole.faults
    found = scored(question, reading(question) | {CONCLUSION: triumph, OVERALL: triumph}).rules[Rule.POLARITY_KEPT]
    assert found.score < 0.5
    assert all(fault.offending in triumph for fault in found.faults)


@pytest.mark.parametrize(
    ("language", "disaster"),
    [
        ("en", "This lot is inauspicious, and your body is doomed to fail whatever you may try."),
        ("zh-Hant", "這是下下籤，注定失敗，家裡的事在劫難逃。"),
        ("zh-Hans", "这是下下签，注定失败，考试在劫难逃。"),
        ("ja", "これは不吉なくじです。変えられない運命です。"),
    ],
)
def test_a_good_lot_told_as_fate_and_disaster(language: str, disaster: str) -> None:
    question = asked(GOOD[language])
    found = scored(question, reading(question) | {CONCLUSION: disaster, OVERALL: disaster}).rules[Rule.POLARITY_KEPT]
    assert found.score < 0.5
    assert {fault.why for fault in found.faults} >= {"calls the rank its opposite", "as fate"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_sections_that_are_copies(language: str) -> None:
    question = asked(GOOD[language])
    texts = reading(question)
    copied = scored(question, texts | {CONCLUSION: texts[ACTIONS]}).rules[Rule.SECTIONS_DISTINCT]
    assert copied.score == pytest.approx(6 / 7)
    assert [fault.section for fault in copied.faults] == [CONCLUSION]
    assert copied.faults[0].offending.removesuffix("…") in " ".join(texts[ACTIONS].split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_to_another_question(language: str) -> None:
    question = asked(GOOD[language])
    other = {"en": "en-14", "zh-Hant": "zh-Hant-07", "zh-Hans": "zh-Hans-06", "ja": "ja-13"}[language]
    texts = reading(asked(other))
    del texts[LINES]
    own = scored(question, reading(question)).rules[Rule.QUESTION_ADDRESSED].score
    found = scored(question, texts).rules[Rule.QUESTION_ADDRESSED]
    assert found.score < own == 1
    assert any(fault.section is OVERALL for fault in found.faults)


def test_what_the_commentary_stood_in_for_is_not_the_models() -> None:
    question = asked("en-05")
    sections = {name.value: {"text": text, "source": "commentary"} for name, text in reading(question).items()}
    none = score_reading(sections, question, lots())
    assert (none.whole, none.own, none.from_model) == (0.0, None, 0.0)
    assert all(found.faults or found.score == 0 for found in none.rules.values())
    sections[CONCLUSION]["source"] = "model"
    one = score_reading(sections, question, lots())
    assert one.from_model == pytest.approx(1 / 7)
    assert one.rules[Rule.LANGUAGE_RIGHT].score == pytest.approx(1 / 7)
    assert one.rules[Rule.LANGUAGE_RIGHT].own == 1.0
    assert set(RULES) == set(Rule)


# -- the questions ----------------------------------------------------------------------------------------------------


def test_the_questions_are_balanced() -> None:
    questions = compared_questions()
    assert len(questions) >= 60
    assert len({each.id for each in questions}) == len({each.question for each in questions}) == len(questions)
    assert set(Counter(each.language for each in questions).values()) == {len(questions) // len(Language)}
    by_cell = Counter((each.language, each.collection) for each in questions)
    collections = [collection.id for collection in lots().collections()]
    assert {by_cell[cell] for cell in product(Language, collections)} == {3}
    assert set(Counter(each.topic for each in questions)) == set(ASKED_TOPICS)
    assert min(Counter(each.topic for each in questions).values()) >= 6
    for collection in collections:
        there = {
            lot.fortune.polarity if lot.fortune else None
            for number in lots().collection(collection).numbers()
            for lot in [lots().lot(collection, number)]
        }
        asked_about = Counter(each.polarity for each in questions if each.collection == collection)
        assert set(asked_about) == there
        assert min(asked_about.values()) >= 2
    for language in Language:
        ranks = {each.polarity for each in questions if each.language is language}
        assert ranks == {*Polarity, None}, language


def test_every_beginning_is_balanced() -> None:
    for most in (8, 24, 48):
        some = compared_questions(most=most)
        assert some == compared_questions()[:most]
        counts = Counter(each.language for each in some).values()
        assert max(counts) - min(counts) <= 1
    for language in Language:
        assert len({each.collection for each in compared_questions([language], 6)}) == 6


def test_each_question_is_what_it_says() -> None:
    for each in compared_questions():
        fortune = lots().lot(each.collection, each.lot).fortune
        assert each.polarity == (fortune.polarity if fortune else None), each.id
        assert question_language(each.question) is each.language, each.id
        assert find_danger(each.question) is None, each.id

"""The stand-in models' texts: by the schema, in the language, and good enough to pass every check of a section."""

import json

import pytest
from sample_lots import YUELAO, sample_lot

from jieqian.checks.check import SectionDraft
from jieqian.checks.sections import check_section
from jieqian.languages import Language
from jieqian.lots.lot import Lot, Polarity
from jieqian.prompt.builder import build_prompt
from jieqian.sections.ordering import schema_of
from jieqian.sections.parsing import ReadingParser
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.strategy import DraftEnded
from jieqian.testing.readings import answer_for, marks_of, reading_for
from jieqian.testing.script import DEFAULT, QUICK, behaviour_from, even_pieces, prepare, tokens_of

QUESTIONS = {
    Language.ZH_HANT: "我和他會有結果嗎？",
    Language.ZH_HANS: "我和他会有结果吗？",
    Language.EN: "Will the two of us stay together?",
    Language.JA: "彼との関係はうまくいきますか。",
}


def prompt_of(lot: Lot, language: Language) -> str:
    question = QUESTIONS[language]
    made = build_prompt(lot=lot, collection=YUELAO, language=language, passages=(), question=question, parent=None)
    return f"{made.prefix}\n{made.question}"


@pytest.mark.parametrize("polarity", [None, *Polarity])
@pytest.mark.parametrize("language", Language)
def test_the_default_reading_passes_every_check(language: Language, polarity: Polarity | None) -> None:
    lot = sample_lot(polarity=polarity)
    parser = ReadingParser(SECTIONS, lot, YUELAO, language)
    drafts = parser.feed(answer_for(prompt_of(lot, language), schema_of(SECTIONS, lot)))
    texts = {draft.section: draft.text for draft in drafts if isinstance(draft, DraftEnded)}
    assert list(texts) == list(SECTIONS)
    written: dict[SectionName, str] = {}
    for section, text in texts.items():
        draft = SectionDraft(
            section=section,
            text=text,
            lot=lot,
            collection=YUELAO,
            language=language,
            question=QUESTIONS[language],
            written=dict(written),
        )
        assert check_section(draft) is None, (section, text)
        written[section] = text
    assert len(set(texts.values())) == 7


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("count", [1, 2, 4, 8, 20])
def test_each_line_has_its_note(language: Language, count: int) -> None:
    lot = sample_lot(lines=tuple(f"關關雎鳩{place}" for place in range(count)))
    prompt = prompt_of(lot, language)
    assert len(reading_for(prompt, schema_of(SECTIONS, lot))["line_by_line"]) == count
    as_text = reading_for(prompt, {"properties": {"line_by_line": {"type": "string"}}})["line_by_line"]
    assert str(lot.number) in as_text
    assert all(line in as_text for line in marks_of(prompt).lines)


def test_another_language_can_be_asked_for() -> None:
    prompt = prompt_of(sample_lot(), Language.ZH_HANT)
    reading = reading_for(prompt, {"properties": {"conclusion": {"type": "string"}}}, language="en")
    assert reading["conclusion"].isascii()


def test_without_a_schema_the_prompts_own_list_is_followed() -> None:
    prompt = prompt_of(sample_lot(), Language.EN) + '\n"line_by_line": an array\n"conclusion": an answer'
    assert list(json.loads(answer_for(prompt, None))) == ["line_by_line", "conclusion"]
    assert "{" not in answer_for("Retell this note.", None)
    assert "{" not in answer_for(prompt, {"properties": {}}, prose=True)


def test_the_default_pace_is_three_hundred_pieces() -> None:
    messages = [{"content": prompt_of(sample_lot(), Language.EN)}]
    schema = schema_of(SECTIONS, sample_lot())
    turn = prepare(DEFAULT, messages=messages, schema=schema, limit=None, thinks=False)
    assert (turn.written, turn.length) == (300, False)
    assert list(json.loads("".join(text for _, text in turn.pieces))) == [name.value for name in SECTIONS]


@pytest.mark.parametrize("limit", [0, 1, 5, 299])
def test_a_limit_is_kept_exactly(limit: int) -> None:
    turn = prepare(DEFAULT, messages=[], schema=None, limit=limit, thinks=False)
    assert (turn.written, turn.length) == (limit, True)


@pytest.mark.parametrize("text", ["", " ", "a", "two words", "月🌙籤 mixed text\n\n", "internationalization"])
def test_tokens_and_pieces_lose_nothing(text: str) -> None:
    assert "".join(tokens_of(text)) == text
    assert "".join(even_pieces(text, 3)) == text
    assert len(even_pieces("x" * 1000, 300)) == 300


def test_a_behaviour_is_checked() -> None:
    assert behaviour_from({"text": "a"}).tokens is None
    assert behaviour_from({"cut_after": 3}, QUICK).first_token_ms == 0
    with pytest.raises(ValueError, match="colour"):
        behaviour_from({"colour": "red"})

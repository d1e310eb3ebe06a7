"""A question is cleaned of what cannot be seen, and refused only when there is nothing, or too much, to read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jieqian.checks.question import LONGEST_QUESTION, clean_question
from jieqian.errors import InvalidQuestion, QuestionTooLong


@dataclass(frozen=True)
class Case:
    id: str
    asked: str
    cleaned: str


CASES = [
    Case("two characters are a question", "hi", "hi"),
    Case("one Han character is one", "愛", "愛"),
    Case("an emoji is one", "❤️", "❤️"),
    Case("trimmed", "  \u3000會結婚嗎？ \n", "會結婚嗎？"),
    Case("NUL", "a\x00b", "ab"),
    Case("control characters", "a\x01\x08\x0b\x0c\x1f\x7fb", "ab"),
    Case("C1 controls", "a\x80\x84\x86b", "ab"),
    Case("line ends become one kind", "a\r\nb\rc\u2028d\u0085e", "a\nb\nc\nd\ne"),
    Case("a tab becomes a space", "a\tb", "a b"),
    Case("colours of a terminal", "\x1b[1;31mred\x1b[0m?", "red?"),
    Case("the one-byte form of an escape", "\x9b31mred", "red"),
    Case("a window title", "\x1b]0;owned\x07safe", "safe"),
    Case("a terminal link", "\x1b]8;;http://x.example\x1b\\word\x1b]8;;\x1b\\", "word"),
    Case("an unfinished escape", "ab\x1b", "ab"),
    Case("a cursor escape of two characters", "\x1b7ab\x1bc", "ab"),
    Case("bidi override", "safe\u202etxt.exe\u202c", "safetxt.exe"),
    Case("bidi isolates and marks", "\u2066a\u2069\u200eb\u200f\u061c", "ab"),
    Case("zero widths", "k\u200bi\u200cl\u2060l\ufeff\u00ad", "kill"),
    Case("smuggled tags", "hi\U000e0041\U000e0042\U000e007f there", "hi there"),
    Case("a loose joiner", "a\u200db", "ab"),
    Case("a family stays a family", "👨\u200d👩\u200d👧 ok?", "👨\u200d👩\u200d👧 ok?"),
    Case("a rainbow flag stays one", "🏳\ufe0f\u200d🌈?", "🏳\ufe0f\u200d🌈?"),
    Case("a skin tone before a joiner", "👩🏽\u200d🚀?", "👩🏽\u200d🚀?"),
    Case("variation selectors that carry bytes", "a😀\ufe0f\ufe01\ufe02\U000e0101b", "a😀\ufe0fb"),
    Case("variation selectors with nothing to vary", "\ufe0fa \ufe0fb", "a b"),
    Case("a name's ideographic variant is kept", "葛\U000e0100", "葛\U000e0100"),
    Case("HTML is text, escaped where it is shown", "<b>why</b>?", "<b>why</b>?"),
    Case("full width is kept as typed", "我會７嗎", "我會７嗎"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_cleaned(case: Case) -> None:
    assert clean_question(case.asked) == case.cleaned


@pytest.mark.parametrize(
    "asked",
    [
        "",
        " ",
        "\n\t \u3000",
        "\x00\x01",
        "\u200b\u200d\u202e",
        "\u3164",
        "\u2800\u2800",
        "\x1b[31m",
        "\U000e0041",
        "\ufe0f",
    ],
    ids=ascii,
)
def test_nothing_to_read(asked: str) -> None:
    with pytest.raises(InvalidQuestion):
        clean_question(asked)


@pytest.mark.parametrize("asked", ["\ud800", "ok \udc80 then"], ids=ascii)
def test_a_lone_surrogate_is_refused(asked: str) -> None:
    with pytest.raises(InvalidQuestion, match="surrogate"):
        clean_question(asked)


def test_the_limit_counts_what_is_left() -> None:
    fits = "問" * LONGEST_QUESTION
    assert clean_question(f"  {fits}\u200b\x00 ") == fits
    assert clean_question("😀" * LONGEST_QUESTION) == "😀" * LONGEST_QUESTION
    with pytest.raises(QuestionTooLong):
        clean_question(fits + "嗎")


@pytest.mark.parametrize("unit", ["a", "\x9db", "\x1b[0mb", "\x1b]b", "👨\u200d"], ids=ascii)
def test_a_hundred_kilobytes_are_refused(unit: str) -> None:
    with pytest.raises(QuestionTooLong):
        clean_question(unit * 100_000)


@given(st.text(max_size=200))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    try:
        once = clean_question(text)
    except InvalidQuestion:
        return
    assert clean_question(once) == once
    assert not set(once) & {chr(point) for point in (*range(0x09), *range(0x0B, 0x20), *range(0x202A, 0x202F), 0x1B)}

"""The parts the checks stand on: folding, scripts, lines named by their place, numbers, quotations."""

# A case is easier to read on one line than wrapped.
# ruff: noqa: E501

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jieqian.checks.ordinals import lines_named, number_named
from jieqian.checks.script import count_letters
from jieqian.checks.script_tables import TABLES, make_tables
from jieqian.checks.verse import fold, names_pattern, without_quotations
from jieqian.lots.library import LotLibrary

LIBRARY = LotLibrary()


@given(st.text(max_size=100))
def test_folding_keeps_every_place(text: str) -> None:
    assert len(fold(text)) == len(text)


def test_folding_makes_shapes_alike() -> None:
    assert fold("關關") == fold("关关") == fold("関関")
    assert fold("Ｙｕè　Ｌǎｏ") == "yue lao"
    assert fold("が") != fold("か")


def test_the_tables_are_those_of_the_installed_opencc() -> None:
    shipped = json.loads(TABLES.read_text(encoding="utf-8"))
    made = make_tables()
    for name, characters in made.items():
        apart = set(characters) ^ set(shipped[name])
        assert len(apart) <= len(characters) // 100, f"{name}: run python -m jieqian.checks.script_tables"


def test_letters_are_counted_by_script() -> None:
    letters = count_letters("我们 don't say 學ぶ ㄅ Я 7!")
    assert (letters.han, letters.kana, letters.bopomofo, letters.words, letters.other) == (3, 1, 1, 2, 1)
    assert (letters.simplified, letters.traditional) == (1, 1)


LINES = {
    "line 2": {2},
    "lines 1 and 3": {1, 3},
    "lines 2-4": {2, 3, 4},
    "lines one to three": {1, 2, 3},
    "the second line": {2},
    "the 3rd verse": {3},
    "the second and third lines": {2, 3},
    "the first two lines; the last two lines": {1, 2, 3, 4},
    "the opening line and the final line": {1, 4},
    "the second couplet": {3, 4},
    "第二句": {2},
    "第三、四句": {3, 4},
    "第2句": {2},
    "一二句": {1, 2},
    "首句…末句": {1, 4},
    "前兩句": {1, 2},
    "後二句": {3, 4},
    "起句承句轉句結句": {1, 2, 3, 4},
    "二行目": {2},
    "３句目": {3},
    "最初の行と最後の行": {1, 4},
    "1. fish\n2. water": {1, 2},
    "line 9": set(),
    "這一句": set(),
    "two people on the line": set(),
    "in 3 days": set(),
}


@pytest.mark.parametrize("text", LINES)
def test_lines_named_by_their_place(text: str) -> None:
    assert lines_named(fold(text), 4) == LINES[text]


NAMED = [
    ("Lot 7", 7), ("No. 7", 7), ("７", 7), ("第七籤", 7), ("第７籤", 7), ("七番", 7), ("lot seven", 7), ("the seventh lot", 7),
    ("籤七", 7), ("第二十一籤", 21), ("廿一籤", 21), ("第二一籤", 21), ("lot twenty-one", 21), ("the twenty-first stick", 21),
    ("the fortieth lot", 40), ("第一百籤", 100), ("第百番", 100), ("lot 100", 100), ("第十籤", 10), ("lot 007", 7),
]  # fmt: skip
NOT_NAMED = [
    ("line 7", 7), ("第七句", 7), ("lot 17", 7), ("lot 70", 7), ("第十七籤", 7), ("第七十籤", 7), ("七天之後", 7), ("7%", 7),
    ("at 7:30", 7), ("1. first\n2. second", 2), ("the second line", 2), ("第二十一籤", 20), ("twenty-one", 21), ("第一百零一籤", 100),
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), NAMED)
def test_a_number_is_found(text: str, number: int) -> None:
    assert number_named(fold(text), number)


@pytest.mark.parametrize(("text", "number"), NOT_NAMED)
def test_another_number_is_not_it(text: str, number: int) -> None:
    assert not number_named(fold(text), number)


@pytest.mark.parametrize(
    "name", ["Yue Lao", "YueLao", "yue-lao", "YUÈ LǍO", "月老靈籤", "月老灵签", "月老霊籤", "月下老人"]
)
def test_a_collection_is_known_by_any_name(name: str) -> None:
    assert names_pattern(LIBRARY.collection("yuelao")).search(fold(f"of {name}: "))


def test_a_name_is_not_found_inside_a_word() -> None:
    assert not names_pattern(LIBRARY.collection("yuelao")).search(fold("fayuelaos"))


def test_quotations_are_taken_out_and_nothing_else() -> None:
    lot, collection = LIBRARY.lot("guanyin", 1), LIBRARY.collection("guanyin")
    text = "觀音籤說「日吉時良」，就是上籤，「條件」齊備，要人行中正。"
    own = without_quotations(text, lot, collection)
    assert len(own) == len(text)
    assert own.replace(" ", "") == "說，就是，「條件」齊備，要。"

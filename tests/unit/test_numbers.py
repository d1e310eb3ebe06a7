import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jieqian.errors import InvalidLot
from jieqian.lots.numbers import LARGEST, chinese_number, parse_lot_number, split_lot_id


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (7, 7),
        ("7", 7),
        ("７", 7),
        (" 7 ", 7),
        ("007", 7),
        ("⑦", 7),
        (7.0, 7),
        ("第七籤", 7),
        ("第七签", 7),
        ("七", 7),
        ("第 7 首", 7),
        ("第７籤", 7),
        ("第7支籤", 7),
        ("第七", 7),
        ("7號", 7),
        ("七番", 7),
        ("第七番", 7),
        ("No. 7", 7),
        ("№7", 7),
        ("#7", 7),
        ("lot 7", 7),
        ("Lot No.7", 7),
        ("柒", 7),
        ("壹", 1),
        ("一", 1),
        ("十", 10),
        ("拾", 10),
        ("十一", 11),
        ("廿", 20),
        ("廿一", 21),
        ("二十一", 21),
        ("二一", 21),
        ("卅", 30),
        ("卅五", 35),
        ("卌九", 49),
        ("第七十二籤", 72),
        ("九十九", 99),
        ("百", 100),
        ("一百", 100),
        ("第一百籤", 100),
        ("一〇〇", 100),
        ("第一百零一籤", 101),
        ("一百〇一", 101),
        ("一〇一", 101),
        ("一百一十", 110),
        ("第壹佰籤", 100),
        ("一萬", 10_000),
        ("十億", 10**9),
        ("〇", 0),
        ("零", 0),
        (0, 0),
        (-1, -1),
        ("-1", -1),
        ("−1", -1),
        (101, 101),
        (10**9, 10**9),
        ("1000000000", 10**9),
        ("1e9", 10**9),
        (1e9, 10**9),
    ],
)
def test_every_way_of_writing_a_number(written, meant):
    assert parse_lot_number(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        1.5,
        "1.5",
        "7.0",
        "abc",
        "",
        "  ",
        None,
        True,
        False,
        [],
        {},
        float("inf"),
        float("nan"),
        "+7",
        "7x",
        "0x7",
        "1_0",
        "第籤",
        "籤",
        "第",
        "十十",
        "二三十",
        "百百",
        "七籤籤",
        "萬",
        "½",
        "\ud800",
        "\x00",
        "7\x00",
        "九" * 5000,
        "第" * 300,
    ],
)
def test_what_is_no_number_is_refused(written):
    with pytest.raises(InvalidLot) as refused:
        parse_lot_number(written)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    "written",
    ["9" * 100_000, 10**5000, "1e999999999", "九" * 190, 1e300],
    ids=["digits", "an int too long for str()", "exponent", "Chinese", "float"],
)
def test_a_number_too_large_to_print_is_cut_and_still_a_number(written):
    assert parse_lot_number(written) == LARGEST


def test_very_negative_numbers_are_cut_too():
    assert parse_lot_number("-" + "9" * 100_000) == -LARGEST == parse_lot_number(-(10**5000))


def test_the_contracts_numbers_arrive_from_json_as_the_same_number():
    assert [parse_lot_number(json.loads(text)) for text in ("1e9", "1000000000", '"1e9"')] == [10**9] * 3


@given(st.integers(0, 9999))
def test_chinese_numbers_there_and_back(number):
    assert parse_lot_number(f"第{chinese_number(number)}籤") == number


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_refused(text):
    for parse in (parse_lot_number, split_lot_id):
        try:
            parse(text)
        except InvalidLot:
            continue


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("YueLao_1", ("YueLao", 1)),
        ("yuelao/1", ("yuelao", 1)),
        ("guanyin-7", ("guanyin", 7)),
        ("yue-lao-7", ("yue-lao", 7)),
        ("月老第七籤", ("月老", 7)),
        ("月老 第七籤", ("月老", 7)),
        ("yuelao/７", ("yuelao", 7)),
        ("yuelao lot 7", ("yuelao", 7)),
        ("guanyin100/7", ("guanyin100", 7)),
        ("YueLao_0", ("YueLao", 0)),
        ("yuelao_-1", ("yuelao", -1)),
        ("guanyin--7", ("guanyin", -7)),
        ("YueLao_101", ("YueLao", 101)),
    ],
)
def test_ids_that_name_collection_and_number(written, meant):
    assert split_lot_id(written) == meant


@pytest.mark.parametrize(
    "written", ["", "7", "-1", "_1", "/1", "yuelao", "yuelao_", "YueLao_abc", "YueLao_1.5", "a" * 5000 + "_1", None]
)
def test_ids_that_lack_a_part_are_refused(written):
    with pytest.raises(InvalidLot, match="Name the collection"):
        split_lot_id(written)

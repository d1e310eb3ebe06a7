"""Numbers in a JSON body, however long."""

from __future__ import annotations

import pytest

from jieqian.api.bodies import TaskBody, parse_body
from jieqian.errors import MalformedJson
from jieqian.lots.numbers import LARGEST, parse_lot_number


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("7", 7),
        ("-1", -1),
        ("1e9", 10**9),
        ("9" * 101, LARGEST),
        ("9" * 5000, LARGEST),
        ("-" + "9" * 5000, -LARGEST),
        ("1e400", LARGEST),
        ("-1e400", -LARGEST),
    ],
)
def test_a_number_of_any_length_is_a_number(written: str, meant: int) -> None:
    body = parse_body(f'{{"question": "ab", "lot": {written}}}'.encode(), TaskBody)
    assert parse_lot_number(body.lot) == meant


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "01", "9" * 5000 + "x"])
def test_what_is_no_json_stays_malformed(written: str) -> None:
    with pytest.raises(MalformedJson):
        parse_body(f'{{"question": "ab", "lot": {written}}}'.encode(), TaskBody)

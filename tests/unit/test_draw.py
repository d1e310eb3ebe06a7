import hashlib
import hmac
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from jieqian.errors import InvalidRequest
from jieqian.lots.draw import DrawResult, Throw, commitment, draw_lot, new_seed, numbered, verify

SEED = bytes(range(32))
DOCS = Path(__file__).parents[2] / "docs" / "draws.md"


def document(seed=SEED, client_seed="hello", collection="yuelao", size=100):
    drawn = draw_lot(seed, client_seed, collection, size)
    made = {
        "commitment": commitment(seed),
        "server_seed": seed.hex(),
        "client_seed": client_seed,
        "lot": {"collection": collection, "number": drawn.lot_number},
        "throws": [throw.value for throw in drawn.throws],
        "size": size,
    }
    return json.loads(json.dumps(made))


def number(counter, seed=SEED, client_seed="hello", collection="yuelao"):
    message = client_seed.encode() + b"\x00" + collection.encode() + b"\x00" + str(counter).encode()
    return int(hmac.new(seed, message, hashlib.sha256).hexdigest()[:8], 16)


def test_the_lot_is_the_hmac_of_the_seeds():
    assert draw_lot(SEED, "hello", "yuelao", 100).lot_number == number(0) % 100 + 1


def test_the_encoding_stays_as_it_was_published():
    assert draw_lot(SEED, "hello", "yuelao", 100) == DrawResult(100, (Throw.NEGATIVE,) * 3)
    assert draw_lot(SEED, "籤", "guanyin", 60).lot_number == number(0, client_seed="籤", collection="guanyin") % 60 + 1
    assert commitment(SEED) == "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"


def test_each_throw_takes_the_next_counter_until_one_is_holy():
    for client_seed in map(str, range(200)):
        drawn = draw_lot(SEED, client_seed, "yuelao", 100)
        expected = []
        for counter in (1, 2, 3):
            left, right = (
                number(counter, client_seed=client_seed) & 1,
                number(counter, client_seed=client_seed) >> 1 & 1,
            )
            expected.append("holy" if left != right else "negative" if left else "laughing")
            if expected[-1] == "holy":
                break
        assert list(drawn.throws) == expected


def test_numbers_in_the_unfair_rest_are_drawn_again():
    size = 3 * 10**9
    again = next(str(n) for n in range(100) if number(0, client_seed=str(n)) >= size > number(1, client_seed=str(n)))
    assert draw_lot(SEED, again, "yuelao", size).lot_number == number(1, client_seed=again) + 1


def test_every_lot_and_every_throw_comes_as_often_as_it_should():
    draws = [draw_lot(SEED, str(n), "yuelao", 100) for n in range(20_000)]
    lots = Counter(drawn.lot_number for drawn in draws)
    assert set(lots) == set(range(1, 101))
    assert sum((count - 200) ** 2 / 200 for count in lots.values()) < 160  # chi-squared, 99 degrees: p > 0.0001
    first = Counter(drawn.throws[0] for drawn in draws)
    assert abs(first["holy"] - 10_000) < 350
    assert abs(first["laughing"] - 5_000) < 300
    assert abs(first["negative"] - 5_000) < 300


def test_seeds_are_secret_and_never_twice_the_same():
    seeds = {new_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert {len(seed) for seed in seeds} == {32}


def test_both_seeds_and_the_collection_matter():
    results = {
        draw_lot(seed, client, collection, 10**9).lot_number
        for seed in (SEED, bytes(32))
        for client in ("", "a", "a\0", "a\0yuelao")
        for collection in ("yuelao", "guanyin")
    }
    assert len(results) == 16


@pytest.mark.parametrize("client_seed", ["x" * 201, "\ud800"])
def test_a_client_seed_too_long_or_not_unicode_is_refused(client_seed):
    with pytest.raises(InvalidRequest, match="client_seed"):
        draw_lot(SEED, client_seed, "yuelao", 100)
    assert draw_lot(SEED, "籤" * 200, "yuelao", 100).lot_number


def test_lots_that_are_missing_are_passed_over():
    assert [numbered(position, {1, 4, 5, 9}) for position in range(1, 6)] == [2, 3, 6, 7, 8]
    assert [numbered(position, set()) for position in (1, 7)] == [1, 7]
    drawn = draw_lot(SEED, "hello", "river", 4)
    true = document(collection="river", size=4)
    gapped = {**true, "missing": [1], "lot": {"collection": "river", "number": drawn.lot_number + 1}}
    assert verify(gapped) == []
    assert verify({**gapped, "missing": []}) != []
    assert verify({**gapped, "missing": ["one"]}) == ["missing is no list of numbers."]


@pytest.mark.parametrize("size", [0, -1, 2**32 + 1])
def test_a_size_nothing_can_be_drawn_from_is_refused(size):
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw_lot(SEED, "", "yuelao", size)


def test_a_collection_of_one_lot_gives_it():
    assert draw_lot(SEED, "", "one", 1).lot_number == 1


def test_a_true_draw_verifies():
    assert verify(document()) == []
    assert verify(document(client_seed="")) == []
    true = document()
    assert verify({**true, "collection": "yuelao", "lot": true["lot"]["number"]}) == []
    del true["size"]
    assert verify(true, {"yuelao": 100}) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"commitment": "0" * 64}, "not the one committed to"),
        ({"commitment": None}, "commitment is missing"),
        ({"server_seed": "00" * 32}, "not the one committed to"),
        ({"server_seed": "00" * 31}, "64 hexadecimal digits"),
        ({"server_seed": "zz" * 32}, "64 hexadecimal digits"),
        ({"server_seed": 7}, "64 hexadecimal digits"),
        ({"client_seed": "other"}, "The seeds give lot"),
        ({"client_seed": None}, "client_seed is missing"),
        ({"client_seed": "x" * 201}, "at most 200"),
        ({"lot": {"collection": "yuelao", "number": 7}}, "The seeds give lot 100, not 7."),
        ({"lot": {"collection": "guanyin", "number": 100}}, "The seeds give"),
        ({"lot": None}, "collection is missing"),
        ({"lot": {"number": 100}}, "collection is missing"),
        ({"number": 7}, "lot 100 of yuelao, but its number is 7"),
        ({"lot": {"number": 100, "id": "yuelao/7"}, "collection": "yuelao"}, "its id is yuelao/7"),
        (
            {"lot": {"number": 100, "collection": "guanyin"}, "collection": "yuelao"},
            "its collection is guanyin",
        ),
        ({"throws": ["holy"]}, "The seeds give the throws negative, negative, negative, not holy."),
        ({"throws": None}, "The seeds give the throws"),
        ({"throws": ["\x1b[31m"]}, r"not \?\[31m"),
        ({"size": 7}, "collection has 100 lots"),
        ({"size": 0}, "size is missing"),
        ({"size": True}, "size is missing"),
    ],
)
def test_a_false_draw_is_told_apart(changed, said):
    problems = verify({**document(), **changed}, {"yuelao": 100, "guanyin": 100})
    assert any(re.search(said, problem) for problem in problems), problems


@pytest.mark.parametrize("wrong", [None, [], "x", 7, {}])
def test_what_is_no_document_is_told(wrong):
    assert verify(wrong)


def test_the_documented_check_by_hand_agrees():
    example = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert len(example.strip().splitlines()) <= 20
    space = {}
    exec(compile(example, str(DOCS), "exec"), space)
    for n in range(50):
        true = document(client_seed=f"籤 {n}")
        assert space["check"](true) is True
        assert space["check"]({**true, "client_seed": "other", "lot": {**true["lot"], "number": 0}}) is False
        assert space["check"]({**true, "commitment": "0" * 64}) is False
        assert space["check"]({**true, "throws": true["throws"][:-1]}) is False
        place = true["lot"]["number"]
        moved = {**true, "missing": [1, 50], "lot": {**true["lot"], "number": numbered(place, {1, 50})}}
        assert verify(moved) == []
        assert space["check"](moved) is True
        assert space["check"]({**moved, "missing": [101]}) is False


def test_the_documented_document_verifies():
    shown = re.search(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert verify(json.loads(shown)) == []

"""What the FAQ pages' forms and addresses mean."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from starlette.requests import Request

from jieqian.faq.entry import FaqStatus
from jieqian.web.faq_forms import DECISIONS, Told, decision_of, outcome_of, outcome_query, paged, view_of

A, B, C, D = (letter * 8 for letter in "abcd")
ROWS = {f"row.{A}": "m1.1", f"row.{B}": "m2.2", f"row.{C}": "m3.2", f"row.{D}": "m4.3"}


def request(query: str) -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []})


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"act": f"approve.{B}"}, Told("approve", {B: "m2"}, C)),
        ({"act": f"reject.{D}"}, Told("reject", {D: "m4"}, None)),
        ({"act": f"keep.{B}"}, Told("reject", {C: "m3"}, B)),
        ({"act": "reject", f"pick.{A}": "1", f"pick.{D}": "1"}, Told("reject", {A: "m1", D: "m4"}, None)),
        ({"act": "take_back", "all": "1"}, Told("take_back", {A: "m1", B: "m2", C: "m3", D: "m4"}, None)),
        ({"act": "approve"}, Told("approve", {}, None)),
        ({"act": "approve.eeeeeeee"}, Told("approve", {}, None)),
        ({"act": "burn", "all": "1"}, None),
        ({"act": "keep.eeeeeeee"}, None),
        ({}, None),
    ],
)
def test_a_button_means_its_entry_its_group_or_what_was_ticked(sent: dict[str, str], expected: Told | None):
    assert decision_of(ROWS | sent) == expected


def test_what_is_no_id_is_never_meant():
    told = decision_of({"row.../etc": "m.1", "row.ABCD": "m.1", "act": "approve", "all": "1"})
    assert told == Told("approve", {}, None)


def test_no_group_is_cut_in_two():
    groups = [[1, 2, 3], [4], [5, 6, 7, 8, 9], [10]]
    assert paged(groups, 4, 1) == ([[1, 2, 3], [4]], 1, 3)
    assert paged(groups, 4, 2) == ([[5, 6, 7, 8, 9]], 2, 3)
    assert paged(groups, 4, 9) == ([[10]], 3, 3)
    assert paged([], 4, 1) == ([], 1, 1)


def test_an_address_says_what_is_shown_and_back():
    asked = "status=approved&language=ja&collection=yuelao&topic=love&sort=hits&unused=90&size=100&page=3"
    view = view_of(request(asked))
    assert (view.status, view.which.category, view.by_hits, view.unused) == (FaqStatus.APPROVED, "love", True, True)
    assert parse_qs(view.query().removeprefix("?")) == parse_qs(asked)
    odd = view_of(request("status=burnt&language=tlh&collection=../x&topic=luck&sort=x&unused=1&size=9999&page=-1"))
    assert odd == view_of(request(""))
    assert odd.query() == "?"


def test_what_was_done_is_told_on_the_next_page():
    left = {f"{at:08x}-0000": "changed" for at in range(30)}
    query = view_of(request("")).query(**outcome_query("approve", 499, left))
    told = outcome_of(request(query.removeprefix("?")))
    assert told is not None
    assert (told["decision"], told["did"], told["left"], len(told["ids"])) == ("approve", 499, 30, 20)
    assert outcome_of(request("done=<b>&did=1")) is None
    assert outcome_of(request("done=reject&did=x&ids=<b>,ab")) == {"decision": "reject", "did": 0, "left": 0, "ids": []}
    assert {*DECISIONS} == {"approve", "reject", "take_back"}

"""The way in without a browser: order, drawing, lots by any name, what is not there, tokens."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from importlib.resources import files

import pytest
from test_pages import LOTS, House, Visitor, asked

from jieqian.cache.suggested import questions_by_topic, suggested_questions
from jieqian.checks.language import resolve_language
from jieqian.languages import Language
from jieqian.lots.draw import verify
from jieqian.lots.lot import TOPICS, Custom
from jieqian.reading.accept import care_for
from jieqian.web.lot_view import lot_view
from jieqian.web.rendering import load_pages
from jieqian.web.temple_view import in_order, temple_view

STATIC = files("jieqian.web").joinpath("static")


@pytest.fixture(scope="module", autouse=True)
def files_read() -> None:
    load_pages()
    care_for("好嗎", resolve_language(None, "好嗎"))


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def visitor(house: House) -> Visitor:
    return Visitor(house)


def test_an_operators_own_temples_come_first_then_the_most_widely_kept() -> None:
    own = replace(LOTS.collection("yuelao"), id="own")
    other = replace(own, id="another")
    ids = [collection.id for collection in in_order([*LOTS.collections(), own, other])]
    assert ids == ["another", "own", "guanyin", "jiazi", "guandi", "yuelao", "wongtaisin", "sensoji"]
    assert {collection.id for collection in LOTS.collections()} == set(ids[2:]), "a new pack needs its place"


def test_a_temple_says_only_what_its_pack_tells_and_in_which_language() -> None:
    bare = replace(LOTS.collection("yuelao"), deity={}, story={}, asked_for={}, notes={}, custom=None)
    view = temple_view(bare, Language.EN)
    assert (view.deity, view.story, view.asked_for, view.custom, view.notes, view.holy_throws) == (None,) * 5 + (0,)
    half = replace(bare, story={Language.ZH_HANT: "故事"}, custom=Custom(3, {Language.EN: "Three."}))
    view = temple_view(half, Language.JA)
    assert view.story is not None
    assert (view.story.text, view.story.lang) == ("故事", "zh-Hant")
    assert view.custom is not None
    assert (view.custom.lang, view.holy_throws) == ("en", 3)


def test_the_slip_names_temple_and_number_apart() -> None:
    yuelao = LOTS.collection("yuelao")
    assert [lot_view(LOTS.lot("yuelao", 7), yuelao, language).which for language in Language] == [
        "第七籤",
        "第七签",
        "Lot 7",
        "第七番",
    ]
    alone = replace(LOTS.lot("yuelao", 7), titles={Language.EN: "yuelao"})
    assert lot_view(alone, replace(yuelao, names={Language.ZH_HANT: "yuelao"}), Language.EN).which == "yuelao"


def test_suggested_questions_have_topics_that_pages_can_name() -> None:
    for language in Language:
        topics = questions_by_topic()[language]
        assert set(topics) <= set(TOPICS)
        assert sum(topics.values(), ()) == suggested_questions()[language]


async def test_a_plain_draw_leads_to_its_lot_with_a_proof_for_the_drawer_alone(house: House, visitor: Visitor) -> None:
    answer = await visitor.post("/temples/月老/draw", {})
    assert answer.status == 303
    place = answer.headers["location"]
    found = re.fullmatch(r"/temples/yuelao/lots/(\d+)\?draw=([0-9a-f-]{36})", place)
    assert found is not None
    assert house.warmed == [f"yuelao/{found[1]}"]
    page = await visitor.get(place)
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", page.text, re.DOTALL)
    assert shown is not None
    proof = json.loads(unescape(shown[1]))
    assert verify(proof, {"yuelao": 100}) == []
    assert str(proof["lot"]) == found[1]
    assert f'name="draw_id" value="{found[2]}"' in page.text
    assert f"draw={found[2]}&amp;question=" in page.text
    assert f"?draw={found[2]}&amp;lang=ja" in page.text
    other = int(found[1]) % 100 + 1
    for foreign in (
        await Visitor(house).get(place),
        await visitor.get(f"/temples/yuelao/lots/{other}?draw={found[2]}"),
        await visitor.get(f"/temples/guanyin/lots/{found[1]}?draw={found[2]}"),
        await visitor.get(f"/temples/yuelao/lots/{found[1]}?draw=%22%3E%3Cscript%3E"),
    ):
        assert foreign.status == 200
        assert proof["server_seed"] not in foreign.text
        assert 'name="draw_id" value=""' in foreign.text
    sent = await visitor.post("/readings", asked(lot=found[1], draw_id=found[2], place="lot"))
    assert sent.status == 303


async def test_draws_are_limited_and_say_how_long_to_wait() -> None:
    visitor = Visitor(House(per_minute=1))
    assert (await visitor.post("/temples/yuelao/draw", {})).status == 303
    page = await visitor.post("/temples/yuelao/draw", {})
    assert page.status == 429
    assert int(page.headers["retry-after"]) > 0
    assert 'href="/temples/yuelao?lang=en"' in page.text


@pytest.mark.parametrize(
    ("asked_for", "place"),
    [
        ("/temples/月老/lots/7", "/temples/yuelao/lots/7"),
        ("/temples/YueLao/lots/７?draw=x", "/temples/yuelao/lots/7?draw=x"),
        ("/temples/yuelao/lots/yuelao_7", "/temples/yuelao/lots/7"),
        ("/temples/yuelao/lots/007", "/temples/yuelao/lots/7"),
        ("/temples/YueLao/lots?number=%E7%AC%AC%E4%B8%83%E7%B1%A4", "/temples/yuelao/lots/7"),
    ],
)
async def test_a_lot_by_any_name_is_at_one_address(visitor: Visitor, asked_for: str, place: str) -> None:
    answer = await visitor.get(asked_for)
    assert (answer.status, answer.headers["location"]) in ((302, place), (303, place))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/temples/nowhere", 404),
        ("/temples/nowhere/lots", 404),
        ("/temples/nowhere/lots/7", 404),
        ("/temples/yuelao/lots/0", 404),
        ("/temples/yuelao/lots/101", 404),
        ("/temples/yuelao/lots/" + "9" * 500, 404),
        ("/temples/yuelao/lots/guanyin_7", 404),
        ("/temples/yuelao/lots/%00", 404),
        ("/temples/yuelao/lots?number=101", 404),
        ("/temples/yuelao/lots?number=", 422),
        ("/temples/yuelao/lots?number=%3Cscript%3Ealert(1)", 422),
    ],
)
async def test_what_is_not_there_is_a_kind_page(visitor: Visitor, path: str, status: int) -> None:
    page = await visitor.get(path)
    assert page.status == status
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in page.text
    assert (await visitor.post("/temples/nowhere/draw", {})).status == 404


async def test_a_near_name_is_offered(visitor: Visitor) -> None:
    assert 'href="/temples/guanyin"' in (await visitor.get("/temples/guanyinn")).text


async def test_a_fault_on_the_lots_page_comes_back_there_and_elsewhere_on_the_form(visitor: Visitor) -> None:
    there = await visitor.post("/readings", asked(question="問" * 2001, place="lot"))
    assert there.status == 413
    assert 'class="slip"' in there.text
    assert 'href="/temples/yuelao/lots/7?lang=en"' in there.text
    for changes in ({"lot": "101"}, {"collection": "nowhere"}):
        page = await visitor.post("/readings", asked(place="lot", **changes))
        assert page.status == 404
        assert 'id="collection"' in page.text


async def test_old_links_and_suggested_questions_fill_the_form(visitor: Visitor) -> None:
    assert 'value="9"' in (await visitor.get("/?collection=yuelao&lot=9")).text
    page = await visitor.get("/temples/yuelao/lots/9?question=%E5%A5%BD%3C%2Ftextarea%3E")
    assert ">\n好&lt;/textarea&gt;</textarea>" in page.text


def test_colours_and_sizes_of_type_are_tokens_alone() -> None:
    for sheet in STATIC.iterdir():
        if not sheet.name.endswith(".css") or sheet.name == "tokens.css":
            continue
        source = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert re.findall(r":[^;{}]*#[0-9a-fA-F]{3,8}\b[^;{}]*;", source) == [], sheet.name
        assert re.findall(r"font(?:-size)?:[^;]*\d(?:rem|px|pt)\b", source) == [], sheet.name
        for name in re.findall(r"var\((--[\w-]+)", source):
            assert f"{name}:" in STATIC.joinpath("tokens.css").read_text(encoding="utf-8"), (sheet.name, name)


@pytest.mark.parametrize(("language", "told"), [("en", True), ("zh-Hant", False), ("zh-Hans", False), ("ja", False)])
async def test_a_rank_is_put_into_words_for_who_cannot_read_it(language: str, told: bool) -> None:
    page = (await Visitor(House()).get(f"/temples/yuelao/lots/1?lang={language}")).text
    assert ('<p lang="en">very favourable</p>' in page) is told
    assert "大吉" in page

"""A pack whose texts would end an attribute: they stay text on every page. One with markup is not served at all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.visiting import OpenPage, Site, ask, kiosk_way, wait_for_end

ATTACK = "\" onfocus=alert(1) autofocus x=' {{7*7}} 籤"
_SHORT = '" onfocus=alert(1)'
_IN_ALL = dict.fromkeys(("zh-Hant", "en", "ja"), ATTACK)
_COLLECTION = {
    "id": "hostile", "names": _IN_ALL, "deity": _IN_ALL, "story": _IN_ALL, "asked_for": _IN_ALL, "notes": _IN_ALL,
    "aliases": [], "size": 1, "edition": ATTACK, "source": ATTACK, "licence": ATTACK,
    "custom": {"holy_throws": 1, "text": _IN_ALL},
}  # fmt: skip
_NOTE = {"gloss": [ATTACK, ATTACK], "overall": ATTACK, "topics": {"love": ATTACK, "work": ATTACK}}
_LOT = {
    "number": 1, "lines": [ATTACK, ATTACK], "fortune": {"label": _SHORT, "polarity": "good"}, "sign": ATTACK,
    "allusion": _IN_ALL, "commentary": dict.fromkeys(("zh-Hant", "en", "ja"), _NOTE),
}  # fmt: skip
_MADE_BY_IT = """() => [...document.querySelectorAll("*")].filter(({ attributes }) =>
  [...attributes].some(({ name }) => name.startsWith("on"))).map((element) => element.outerHTML)"""


@pytest.fixture(scope="module")
def hostile_site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("hostile") / "data"
    pack = data_dir / "collections" / "hostile"
    pack.mkdir(parents=True)
    (pack / "collection.json").write_text(json.dumps(_COLLECTION), encoding="utf-8")
    (pack / "lots.jsonl").write_text(json.dumps(_LOT) + "\n", encoding="utf-8")
    site = Site(data_dir, llm_provider="commentary", embed_origins="http://host.example", public_url="http://h.example")
    site.start()
    try:
        yield site
    finally:
        site.end()


def assert_harmless(page: Page, *, shown: bool = True) -> None:
    """The attack stands there to be read; the watch over the page fails, besides, for a dialog or an error."""
    assert page.evaluate(_MADE_BY_IT) == []
    text = page.locator("body").inner_text()
    assert not shown or ATTACK in text


@pytest.mark.parametrize("locale", ["en-US", "zh-TW"])
def test_a_pack_that_breaks_out_stays_text(hostile_site: Site, open_page: OpenPage, locale: str) -> None:
    page = open_page(hostile_site, "/", locale=locale)
    paths = (
        "/",
        "/temples/hostile",
        "/temples/hostile/lots",
        "/temples/hostile/lots/1",
        "/embed/hostile",
        "/embed/hostile/lots/1",
    )
    for path in paths:
        page.goto(f"{hostile_site.url}{path}")
        assert_harmless(page, shown=path != "/temples/hostile/lots")
    page.goto(f"{hostile_site.url}/ask")
    task_id = ask(page, "Will it go well?", collection="hostile")
    wait_for_end(page)
    assert_harmless(page)
    page.click("#share button[type=submit]")
    page.wait_for_url("**#share")
    link = page.locator("#share-link").inner_text().removeprefix("http://h.example")
    for path in (link, "/history", f"/readings/{task_id}/picture.svg"):
        page.goto(f"{hostile_site.url}{path}")
        if path.endswith(".svg"):
            assert page.evaluate("document.querySelectorAll('image, script, foreignObject').length") == 0
        else:
            assert_harmless(page)


def test_a_pack_that_breaks_out_stays_text_in_the_hall(hostile_site: Site, open_page: OpenPage) -> None:
    page = open_page(hostile_site, "/kiosk/hostile", has_touch=True, reduced_motion="reduce")
    for _ in kiosk_way(page, "1"):
        assert page.evaluate(_MADE_BY_IT) == []
    expect(page.locator("body")).to_contain_text("onfocus=alert(1)")

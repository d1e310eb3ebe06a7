"""axe-core finds nothing to mend on any page, in any of the four languages, in either scheme."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.visiting import OpenPage, Site, ask, draw, faults, kiosk_way, wait_for_end

pytest.importorskip("axe_playwright_python")

PAGES = (
    "/",
    "/ask",
    "/temples/guanyin",
    "/temples/nowhere",
    "/temples/yuelao/lots",
    "/temples/yuelao/lots?number=101",
    "/temples/yuelao/lots/16",
    "/temples/jiazi/lots/61",
    "/components",
    "/history",
    "/readings/none",
    "/nowhere/at/all",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["zh-TW", "zh-CN", "en-US", "ja-JP"])
def test_pages_before_a_reading(site: Site, open_page: OpenPage, locale: str, scheme: str) -> None:
    page = open_page(site, "/", locale=locale, color_scheme=scheme, reduced_motion="reduce")
    found: list[str] = []
    for path in PAGES:
        page.goto(f"{site.url}{path}")
        found += faults(page)
    page.goto(f"{site.url}/temples/yuelao")
    draw(page)
    page.click("#draw-proof summary")
    found += faults(page)
    page.click("#see")
    page.click(".drawn summary")
    found += faults(page)
    page.fill("#question", "長" * 2001)
    page.click("#ask button[type=submit]")
    expect(page.locator("#problem")).to_be_visible()
    found += faults(page)
    assert found == []


@pytest.mark.parametrize("locale", ["zh-TW", "en-US"])
def test_pages_of_readings(site: Site, open_page: OpenPage, locale: str) -> None:
    page = open_page(site, locale=locale, reduced_motion="reduce")
    ask(page, "Will it go well?")
    wait_for_end(page)
    found = faults(page)
    page.click("#share button[type=submit]")
    page.wait_for_url("**#share")
    link = page.locator("#share-link").inner_text()
    found += faults(page)
    for path in (link.removeprefix(site.url), "/shared/none", "/history"):
        page.goto(f"{site.url}{path}")
        found += faults(page)
    page.goto(f"{site.url}/ask")
    ask(page, "I want to kill myself")
    found += faults(page)
    assert found == []


@pytest.mark.parametrize(
    ("locale", "number", "scheme"), [("zh-TW", "", "light"), ("en-US", "7", "dark"), ("ja-JP", "16", "light")]
)
def test_every_step_of_the_kiosk(kiosk_site: Site, open_page: OpenPage, locale: str, number: str, scheme: str) -> None:
    options = {"locale": locale, "color_scheme": scheme, "has_touch": True, "reduced_motion": "reduce"}
    page = open_page(kiosk_site, "/kiosk", viewport={"width": 1080, "height": 1920}, **options)
    found = faults(page)
    page.goto(f"{kiosk_site.url}/kiosk/yuelao")
    page.clock.install()
    for _ in kiosk_way(page, number):
        found += faults(page)
    page.clock.fast_forward(80_000)
    expect(page.locator("#idle")).to_be_visible()
    found += faults(page)
    page.tap("#still-here")
    page.tap("#finish")
    way = kiosk_way(page, "1")
    while next(way) != "asking":
        pass
    page.fill("#question", "I want to kill myself")
    page.tap("#send")
    expect(page.locator("#caring")).to_be_visible()
    found += faults(page)
    assert found == []

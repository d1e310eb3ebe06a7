"""The admin pages in a browser: from the sign-in to a served collection and back, with scripts and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.test_looks import _CONTRASTS, _SMALL_TARGETS
from browser.visiting import OpenPage, Site, faults

TOKEN = "a-token-for-browsers-1"
VERSE = ("春江潮水連海平", "海上明月共潮生", "灩灩隨波千萬里", "何處春江無月明")


@pytest.fixture(scope="module")
def admin_site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("admin") / "data", llm_provider="commentary", admin_token=TOKEN)
    site.start()
    try:
        yield site
    finally:
        site.end()


def table(lots: int) -> bytes:
    rows = [
        f"{at},{VERSE[at % 4]}，{VERSE[(at + 1) % 4]},{'上上' if at % 2 else '下下'},It is even {at}.,"
        for at in range(1, lots)
    ]
    return "\n".join(["籤號,詩文,等第,Meaning,Remark", *rows, f"{lots},,,,no verse"]).encode()


def sign_in(page: Page, token: str = TOKEN) -> None:
    page.fill("#token", token)
    page.click("main button[type=submit]")


def upload(page: Page, file: str, held: bytes, /, **fields: str) -> None:
    page.click("#more > summary")
    for field, value in fields.items():
        page.fill(f"#{field}", value)
    page.set_input_files("#file", {"name": file, "mimeType": "text/csv", "buffer": held})
    page.click("#upload button[type=submit]")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_whole_way(admin_site: Site, open_page: OpenPage, scripts: bool) -> None:
    name = f"river-{scripts}".lower()
    page = open_page(admin_site, "/admin/collections", java_script_enabled=scripts)
    sign_in(page, "not the token, surely")
    expect(page.get_by_role("alert")).to_contain_text("not the ADMIN_TOKEN")
    sign_in(page)
    upload(page, "lots.csv", table(25), id=name, name=f"River {scripts}")
    expect(page.get_by_role("status")).to_contain_text("has become a draft")
    expect(page.locator("h1 .state")).to_have_text("draft")
    expect(page.locator("#refused")).to_contain_text("has no verse")
    expect(page.locator("article.slip")).to_have_count(20)
    page.click("a[rel=next]")
    expect(page.locator("article.slip")).to_have_count(4)
    page.select_option("[id='column.4']", "topics.love")
    page.click("#columns button")
    page.click("#lot-1 details summary")
    expect(page.locator("#lot-1 dt")).to_have_text("Love")
    page.click("#lot-1 > p:last-child a")
    page.fill("#lines", "手改的一行\n海上明月共潮生")
    page.select_option("[id='fortune.polarity']", "bad")
    page.click("#mend button.main")
    expect(page.get_by_role("alert")).to_contain_text("contradicts the rank")
    assert page.input_value("#lines") == "手改的一行\n海上明月共潮生"
    expect(page.locator("[id='fortune.polarity']")).to_have_attribute("aria-invalid", "true")
    page.select_option("[id='fortune.polarity']", "good")
    page.click("#mend button.main")
    expect(page.locator("#lot-1 .lines")).to_contain_text("手改的一行")
    page.click("#publish")
    expect(page.locator("h1 .state")).to_have_text("served")
    expect(open_page(admin_site).locator(f"#collection option[value={name}]")).to_have_count(1)
    page.click(".steps summary")
    page.click("#withdraw")
    expect(page.locator("h1 .state")).to_have_text("withdrawn")
    page.click(".steps summary")
    page.click("#discard")
    expect(page.get_by_role("status")).to_have_text("Discarded.")
    page.click(".sign-out button")
    expect(page.locator("#token")).to_be_visible()


@pytest.mark.parametrize("locale", ["zh-TW", "zh-CN", "en-US", "ja-JP"])
def test_how_they_look_on_a_narrow_phone(admin_site: Site, open_page: OpenPage, locale: str) -> None:
    name = f"narrow-{locale}".lower()
    page = open_page(admin_site, "/admin/collections", locale=locale, viewport={"width": 320, "height": 640})
    looked_at(page)
    sign_in(page)
    page.wait_for_url("**/admin/collections")
    upload(page, "lots.csv", table(3), id=name, name=name)
    page.wait_for_url("**?taken=1")
    for path in ("", f"/{name}", f"/{name}/lots/1", f"/{name}/about"):
        page.goto(f"{admin_site.url}/admin/collections{path}")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        looked_at(page)
    page.fill("#licence", "")
    page.click("#mend button.main")
    expect(page.locator("#licence")).to_have_attribute("aria-describedby", "licence-hint licence-fault")
    looked_at(page)


def looked_at(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(_SMALL_TARGETS) == []
    assert [what for ratio, what in page.evaluate(_CONTRASTS) if ratio < 4.5] == []
    assert page.locator("h1").count() == 1
    assert faults(page) == []
    nameless = "(all) => all.filter((field) => !field.labels.length).map((field) => field.outerHTML)"
    assert page.eval_on_selector_all("input:not([type=hidden]), select, textarea", nameless) == []
    ids = page.eval_on_selector_all("[id]", "(all) => all.map((element) => element.id)")
    assert len(ids) == len(set(ids))
    told = "(all) => all.flatMap((each) => (each.getAttribute('aria-describedby') ?? '').split(' ')).filter(Boolean)"
    assert set(page.eval_on_selector_all("[aria-describedby]", told)) <= set(ids)


def test_a_save_on_an_older_state_shows_both(admin_site: Site, open_page: OpenPage) -> None:
    page = open_page(admin_site, "/admin/collections")
    sign_in(page)
    upload(page, "lots.csv", table(3), id="twice", name="Twice")
    page.goto(f"{admin_site.url}/admin/collections/twice/lots/1")
    other = open_page(admin_site, "/admin/collections/twice/lots/1", profile=page.context)
    other.fill("#sign", "甲子")
    other.click("#mend button.main")
    page.fill("#sign", "乙丑")
    page.click("#mend button.main")
    expect(page.get_by_role("alert")).to_contain_text("changed after you looked")
    expect(page.locator(".now")).to_contain_text("甲子")
    assert page.input_value("#sign") == "乙丑"
    page.click("#mend button.main")
    expect(page.locator("#lot-1")).to_contain_text("乙丑")

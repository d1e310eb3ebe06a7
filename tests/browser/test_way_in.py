"""The way in: choose a temple, draw or name a lot, look at it, ask."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from browser.visiting import OpenPage, Site, draw, task_of, wait_for_end
from jieqian.lots.draw import verify

LANGUAGES = {"zh-TW": "zh-Hant", "zh-CN": "zh-Hans", "en-US": "en", "ja-JP": "ja"}
MOST_BYTES = 100_000


def lot_in(page: Page) -> int:
    found = re.search(r"/lots/(\d+)", page.url)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
@pytest.mark.parametrize("locale", LANGUAGES)
def test_from_the_temples_to_the_answer(site: Site, open_page: OpenPage, locale: str, scripts: bool) -> None:
    page = open_page(site, "/", locale=locale, java_script_enabled=scripts, reduced_motion="reduce")
    expect(page.locator("html")).to_have_attribute("lang", LANGUAGES[locale])
    assert page.locator("a.temple").count() == 7
    page.click("a.temple[href$='/yuelao']")
    expect(page.locator(".story")).to_have_attribute("lang", LANGUAGES[locale])
    page.click("#draw")
    if scripts:
        page.click("#see")
    page.wait_for_url("**/lots/*?draw=*")
    expect(page.locator(".verse li").first).to_be_visible()
    expect(page.locator(".drawn .throw").first).to_be_visible()
    number = lot_in(page)
    page.locator(".chip").first.click()
    if not scripts:
        page.wait_for_url("**question=*")
    assert len(page.input_value("#question")) > 4
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/readings/*")
    expect(page.locator("#task[data-status=completed]")).to_be_visible(timeout=30_000)
    task = task_of(page, page.url.rsplit("/", 1)[1])
    assert task["lot"]["number"] == number
    assert task["language"] == LANGUAGES[locale]


def test_a_draw_comes_with_a_proof_that_holds_here_and_on_the_lots_page(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/guanyin")
    promised: list[str] = []
    page.on("response", lambda got: promised.append(got.json()["commitment"]) if got.url.endswith("/draws") else None)
    draw(page)
    page.click("#draw-proof summary")
    proof = json.loads(page.locator("#draw-proof pre").inner_text())
    assert proof["commitment"] == promised[0]
    assert verify(proof, {"guanyin": 100}) == []
    assert verify({**proof, "lot": proof["lot"] % 100 + 1}, {"guanyin": 100}) != []
    assert page.locator(".throw:visible").count() == len(proof["throws"])
    expect(page.locator("#draw-says")).to_contain_text(f"lot {proof['lot']}")
    page.click("#see")
    assert lot_in(page) == proof["lot"]
    page.click(".drawn summary")
    assert json.loads(page.locator(".drawn pre").inner_text()) == proof
    page.click(".languages [lang=ja]")
    expect(page.locator(".drawn")).to_be_visible()
    falls = page.locator(".drawn .blocks").evaluate_all("all => all.map((each) => each.dataset.fall)")
    assert falls == proof["throws"]


def test_a_plain_draw_says_that_it_was_one_step_and_its_proof_still_holds(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/sensoji", java_script_enabled=False)
    page.click("#draw")
    page.click(".drawn summary")
    expect(page.locator(".drawn .hint").last).to_contain_text("could not tell you the commitment first")
    assert page.locator(".throw").count() == 0
    proof = json.loads(page.locator(".drawn pre").inner_text())
    assert verify(proof, {"sensoji": 100}) == []
    assert proof["lot"] == lot_in(page)


def test_the_draw_is_told_twice_and_no_more(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/yuelao", reduced_motion="reduce")
    page.evaluate(
        "() => { window.said = []; const place = document.querySelector('#draw-says');"
        " new MutationObserver(() => window.said.push(place.textContent)).observe(place, {childList: true}); }"
    )
    draw(page)
    said = [each for each in page.evaluate("window.said") if each]
    assert len(said) == 2
    assert said[0] == "The tube is shaken…"
    assert said[1].startswith("You drew lot ")
    assert page.evaluate("document.getAnimations().length") == 0


def test_a_draw_that_fails_is_told_and_can_be_tried_again(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/yuelao")
    page.context.set_offline(True)
    page.click("#draw")
    expect(page.locator("#draw-says")).to_have_text("The draw did not succeed. Please try again.")
    page.context.set_offline(False)
    draw(page)


def test_a_question_without_a_network_is_kept_and_can_be_sent_again(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/yuelao/lots/7")
    page.context.set_offline(True)
    page.fill("#question", "Shall I go?")
    for _ in range(2):
        page.click("#ask button[type=submit]")
        expect(page.locator("#ask [role=alert]")).to_contain_text("There is no network")
    assert page.input_value("#question") == "Shall I go?"
    page.context.set_offline(False)
    expect(page.locator("#ask [role=alert]")).to_have_count(0)
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/readings/*")


def test_a_machine_without_a_network_asks_the_service_that_runs_on_it(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/yuelao/lots/7")
    page.evaluate("() => Object.defineProperty(navigator, 'onLine', {get: () => false})")
    page.fill("#question", "Shall I stay?")
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/readings/*")


def test_a_number_from_the_real_temple_leads_to_its_lot(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/yuelao")
    page.fill("#number", "第七籤")
    page.press("#number", "Enter")
    page.wait_for_url("**/temples/yuelao/lots/7")
    expect(page.locator(".drawn")).to_have_count(0)
    page.goto(f"{site.url}/temples/yuelao")
    page.fill("#number", "101")
    page.press("#number", "Enter")
    expect(page.locator("#problem")).to_contain_text("lots 1 to 100")
    expect(page.locator("#problem")).to_be_focused()
    assert page.input_value("#number") == "101"
    page.click(".ways a.target")
    page.click(".numbers a >> nth=4")
    page.wait_for_url("**/temples/yuelao/lots/5")


def test_a_fault_on_the_lots_page_keeps_lot_draw_and_question(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/yuelao", reduced_motion="reduce")
    draw(page)
    page.click("#see")
    number = lot_in(page)
    page.fill("#question", "長" * 2001)
    page.check("input[value=fast]")
    page.click("#ask button[type=submit]")
    expect(page.locator("#problem")).to_contain_text("longer than 2,000")
    expect(page.locator("#problem")).to_be_focused()
    expect(page.locator("#question")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("input[value=fast]")).to_be_checked()
    expect(page.locator(".drawn")).to_be_visible()
    assert page.input_value("#question") == "長" * 2001
    page.fill("#question", "好嗎")
    page.click("#ask button[type=submit]")
    wait_for_end(page)
    assert task_of(page, page.url.rsplit("/", 1)[1])["lot"]["number"] == number


def test_links_of_old_fill_the_form_in(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/?collection=YueLao&lot=7")
    assert (page.input_value("#collection"), page.input_value("#lot")) == ("yuelao", "7")


def test_the_keyboard_alone_is_enough(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/", reduced_motion="reduce")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("a.temple").first).to_be_focused()
    tab_to(page, "a[href$='/guanyin']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/temples/guanyin")
    tab_to(page, "#draw")
    page.keyboard.press("Space")
    page.wait_for_selector("#see:not([hidden])")
    expect(page.locator("#draw")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#see")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/lots/*")
    tab_to(page, ".chip")
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(" And when?")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.locator("#ask button[type=submit]")).to_be_focused()
    page.keyboard.press("Enter")
    wait_for_end(page)
    tab_to(page, "#erase summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/history?erased=1")


def tab_to(page: Page, what: str) -> None:
    for _ in range(60):
        if page.evaluate("(what) => document.activeElement.matches(what)", what):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {what} by the Tab key")


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_verse_is_set_vertically_and_stays_on_its_slip(site: Site, open_page: OpenPage, width: int) -> None:
    page = open_page(site, "/", viewport={"width": width, "height": 800})
    for place in ("yuelao/lots/5", "yuelao/lots/16", "sensoji/lots/1", "river/lots/1"):
        page.goto(f"{site.url}/temples/{place}")
        assert page.evaluate("getComputedStyle(document.querySelector('.verse')).writingMode") == "vertical-rl"
        verse, slip = page.locator(".verse").bounding_box(), page.locator(".slip").bounding_box()
        assert verse is not None
        assert slip is not None
        assert slip["x"] <= verse["x"]
        assert verse["x"] + verse["width"] <= slip["x"] + slip["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ["/", "/temples/guanyin", "/temples/yuelao/lots/16"])
def test_the_first_load_is_light(site: Site, open_page: OpenPage, path: str) -> None:
    page = open_page(site, "/history")
    page.context.clear_cookies()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"{site.url}{path}", wait_until="networkidle")
    assert len(sizes) >= 4
    assert sum(sizes) < MOST_BYTES


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/temples/nowhere", "no such temple"),
        ("/temples/yuelao/lots/0", "lots 1 to 100"),
        ("/temples/yuelao/lots/guanyin_3", "lot's number"),
        ("/nowhere/at/all", "choose a temple"),
    ],
)
def test_what_is_not_there_says_so_and_leads_on(site: Site, open_page: OpenPage, path: str, told: str) -> None:
    page = open_page(site, "/")
    answer = page.goto(f"{site.url}{path}")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("main")).to_contain_text(told)
    page.locator("main a").first.click()
    expect(page.locator("h1")).to_be_visible()
    assert page.title().startswith(("Choose", "Yue Lao"))


def test_one_part_page_shows_every_component_and_none_leads_there(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/components")
    for part in (".slip", ".fortune", ".tube", ".blocks", ".chip", ".notice", ".problem", ".care", ".part", "textarea"):
        expect(page.locator(part).first).to_be_visible()
    for path in ("/", "/temples/yuelao", "/temples/yuelao/lots/7", "/ask", "/history"):
        assert "/components" not in page.request.get(f"{site.url}{path}").text()

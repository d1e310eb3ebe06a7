"""The screen in a temple's hall: by touch alone, one stranger after another."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.visiting import OpenPage, Pace, Site, kiosk_way
from jieqian.web.qr import qr_code

SECRET = "Will my debts at the pawnshop be found out?"
HALL = {"width": 1080, "height": 1920}
#: A finger of somebody who stands, and does not look closely.
LEAST_TARGET = 56
_TARGETS = """() => [...document.querySelectorAll('a, button, input, textarea, summary')]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < %d)
  .map((element) => element.outerHTML.slice(0, 80))"""
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def screen(site: Site, open_page: OpenPage, path: str = "/kiosk/yuelao", **options: object) -> Page:
    """A touch screen whose clock the test may put forward."""
    page = open_page(site, path, **{"viewport": HALL, "has_touch": True, "reduced_motion": "reduce", **options})
    page.clock.install()
    page.wait_for_selector("#kiosk:not([hidden])")
    return page


def go_to(page: Page, step: str, number: str = "7") -> None:
    for name in kiosk_way(page, number):
        if name == step:
            return
    raise AssertionError(f"no step {step}")


def ask_a_secret(page: Page) -> str:
    go_to(page, "asking")
    page.fill("#question", SECRET)
    page.tap("#send")
    expect(page.locator("#afterwards")).to_be_visible(timeout=30_000)
    assert SECRET in page.content()
    return session_of(page)


def leave_alone(page: Page, seconds: int) -> None:
    """Nobody touches the screen."""
    page.clock.fast_forward(seconds * 1000)


def session_of(page: Page) -> str:
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "jieqian_session")


def own_tasks(page: Page, site: Site) -> list[dict[str, str]]:
    tasks: list[dict[str, str]] = page.request.get(f"{site.url}/api/v1/tasks").json()["tasks"]
    return tasks


@pytest.mark.parametrize(
    ("locale", "number", "size"),
    [("zh-TW", "", (1080, 1920)), ("en-US", "7", (1920, 1080)), ("ja-JP", "", (1280, 800))],
)
def test_the_whole_way_by_touch(
    kiosk_site: Site, open_page: OpenPage, locale: str, number: str, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    page = screen(kiosk_site, open_page, "/kiosk/Yue-Lao", locale=locale, viewport=viewport)
    steps = []
    for step in kiosk_way(page, number):
        steps.append(step)
        assert page.evaluate(_TARGETS % LEAST_TARGET) == [], step
        assert page.evaluate(_TOO_WIDE) <= 0, step
        assert page.locator("a:visible").count() == (4 if step == "greeting" else 0), "no way out of the screen"
        expect(page.locator(".step:visible h1")).to_have_count(1)
    assert len(steps) == (6 if number else 7)
    address = page.locator(".address").inner_text()
    drawn = page.locator(".qr path").evaluate_all("(paths) => paths.map((path) => path.getAttribute('d'))")
    assert drawn == re.findall(r' d="([^"]+)"', qr_code(address))
    assert address.startswith("https://lots.example.org/shared/")
    phone = open_page(kiosk_site, address.removeprefix("https://lots.example.org"), locale=locale)
    assert phone.locator(".part .text").all_inner_texts() == page.locator("#reading .text").all_text_contents()
    expect(phone.locator("blockquote")).to_have_count(0)
    assert page.locator("html").get_attribute("lang") == phone.locator(".part .text").first.get_attribute("lang")


def test_a_lot_is_taken_home_without_asking(kiosk_site: Site, open_page: OpenPage) -> None:
    page = screen(kiosk_site, open_page)
    page.tap("[data-go=entering]")
    for digit in "101":
        page.tap(f"[data-digit='{digit}']")
    page.tap("#number-form [type=submit]")
    expect(page.locator("#number-says")).to_contain_text("lots 1 to 100")
    page.tap("#rub-out")
    page.tap("#number-form [type=submit]")
    page.tap("#looking [data-take-home]")
    expect(page.locator(".address")).to_have_text("https://lots.example.org/temples/yuelao/lots/10?lang=en")
    assert own_tasks(page, kiosk_site) == []
    page.tap("#take-back")
    expect(page.locator("#lot-place .commentary")).to_be_visible()


def test_an_address_no_phone_reaches_is_told_in_words(site: Site, open_page: OpenPage) -> None:
    page = screen(site, open_page)
    go_to(page, "taking")
    expect(page.locator("#taking h1")).to_have_text("A phone cannot reach this address")
    expect(page.locator("#taking code")).to_have_text("JIEQIAN_PUBLIC_URL")
    expect(page.locator(".qr")).to_have_count(0)
    task_id = own_tasks(page, site)[0]["task_id"]
    shared = page.request.get(f"{site.url}/readings/{task_id}").text()
    assert "share-link" not in shared, "no link is made for a code that is not shown"


def test_left_alone_it_starts_anew_and_nothing_leads_back(kiosk_site: Site, open_page: OpenPage) -> None:
    page = screen(kiosk_site, open_page, locale="zh-TW")
    page.tap(".tongues [lang=en]")
    page.wait_for_url("**lang=en**")
    before = ask_a_secret(page)
    task_id = own_tasks(page, kiosk_site)[0]["task_id"]
    leave_alone(page, 78)
    expect(page.locator("#idle")).to_be_visible()
    assert 0 < int(page.locator("#idle-left").inner_text()) <= 15
    page.tap("#still-here")
    expect(page.locator("#idle")).to_be_hidden()
    expect(page.locator("#asked")).to_be_visible()
    leave_alone(page, 95)
    expect(page.locator("#greeting")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hant")
    assert session_of(page) != before
    assert own_tasks(page, kiosk_site) == []
    assert page.request.get(f"{kiosk_site.url}/api/v1/tasks/{task_id}").status == 404
    for _ in range(3):
        page.go_back()
        assert SECRET not in page.content()
    for _ in range(3):
        page.go_forward()
        assert SECRET not in page.content()


def test_a_page_loaded_anew_is_another_visitors(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(tokens=2000, tokens_per_second=10.0)
    page = screen(model_site, open_page)
    go_to(page, "asking")
    page.fill("#question", SECRET)
    page.tap("#send")
    expect(page.locator("#reading [data-state=writing]")).to_have_count(1)
    before = session_of(page)
    (task,) = own_tasks(page, model_site)
    page.goto(page.url)  # as after a power cut, or a finger that pulled the page down
    expect(page.locator("#greeting")).to_be_visible()
    page.wait_for_function("!localStorage.length")
    expect(page.locator("#greeting")).to_be_visible()
    assert session_of(page) != before
    assert own_tasks(page, model_site) == []
    cookie = {"Cookie": f"jieqian_session={before}"}
    assert (
        page.request.get(f"{model_site.url}/api/v1/tasks/{task['task_id']}", headers=cookie).json()["status"]
        == "stopped"
    )


def test_nobodys_greeting_stays_as_it_is(kiosk_site: Site, open_page: OpenPage) -> None:
    page = screen(kiosk_site, open_page)
    before = session_of(page)
    leave_alone(page, 5000)
    page.wait_for_timeout(1000)
    expect(page.locator("#idle")).to_be_hidden()
    assert session_of(page) == before


def test_without_the_service_the_reading_goes_and_the_greeting_comes_when_it_can(
    kiosk_site: Site, open_page: OpenPage
) -> None:
    page = screen(kiosk_site, open_page)
    before = ask_a_secret(page)
    kiosk_site.end()
    try:
        leave_alone(page, 95)
        expect(page.locator("#moment")).to_be_visible()
        expect(page.locator("#moment")).to_have_text("One moment…")
        assert SECRET not in page.content()
        assert page.locator(".slip").count() == 0
        page.wait_for_timeout(1500)
        expect(page.locator("#moment")).to_be_visible()
    finally:
        kiosk_site.start()
    expect(page.locator("#greeting")).to_be_visible(timeout=30_000)
    assert session_of(page) != before
    assert SECRET not in page.content()


def test_while_a_reading_is_written_it_waits_longer_but_not_for_ever(
    model_site: Site, open_page: OpenPage, pace: Pace
) -> None:
    pace(first_token_ms=300_000.0)
    page = screen(model_site, open_page)
    go_to(page, "asking")
    page.tap("[data-question]:visible")
    expect(page.locator("#reading")).to_have_attribute("data-status", "running")
    task = own_tasks(page, model_site)[0]["task_id"]
    session = page.context.cookies()
    leave_alone(page, 300)
    page.wait_for_timeout(1000)
    expect(page.locator("#idle")).to_be_hidden()
    expect(page.locator("#asked")).to_be_visible()
    leave_alone(page, 400)
    expect(page.locator("#greeting")).to_be_visible()
    page.context.clear_cookies()
    page.context.add_cookies(session)  # type: ignore[arg-type]
    left = page.request.get(f"{model_site.url}/api/v1/tasks/{task}").json()
    assert left["status"] == "stopped", "nobody is there to read it"


def test_a_reading_is_stopped_by_touch_and_what_there_is_can_be_taken_home(
    model_site: Site, open_page: OpenPage, pace: Pace
) -> None:
    pace(tokens_per_second=30.0)
    page = screen(model_site, open_page)
    go_to(page, "asking")
    page.tap("[data-question]:visible")
    expect(page.locator("#reading .part[data-state=finished]").first).to_be_visible(timeout=60_000)
    page.tap("#stop")
    expect(page.locator("#reading")).to_have_attribute("data-status", "stopped")
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#reading .part[data-state=missing]").last).to_be_visible()
    expect(page.locator("#afterwards [data-take-home]")).to_be_visible()


def test_danger_to_life_shows_help_lines_and_no_fortune_for_three_minutes(
    kiosk_site: Site, open_page: OpenPage
) -> None:
    page = screen(kiosk_site, open_page)
    go_to(page, "asking")
    page.fill("#question", "I want to kill myself")
    page.tap("#send")
    expect(page.locator("#caring")).to_be_visible()
    assert page.locator("#help-lines .contact").count() >= 3
    expect(page.locator("#plain-slip .verse")).to_be_visible()
    assert page.locator(".fortune, .commentary").count() == 0
    expect(page.locator("[data-take-home]:visible")).to_have_count(0)
    size = page.locator("#help-lines .contact").first.evaluate("(line) => parseFloat(getComputedStyle(line).fontSize)")
    assert size >= 28
    leave_alone(page, 160)
    page.wait_for_timeout(1000)
    expect(page.locator("#idle")).to_be_hidden()
    expect(page.locator("#caring")).to_be_visible()
    leave_alone(page, 15)
    expect(page.locator("#idle")).to_be_visible()
    leave_alone(page, 15)
    expect(page.locator("#greeting")).to_be_visible()


def test_help_lines_are_shown_where_no_event_comes(kiosk_site: Site, open_page: OpenPage) -> None:
    page = screen(kiosk_site, open_page)
    page.route("**/events*", lambda route: route.fulfill(status=503, json={}))
    go_to(page, "asking")
    page.fill("#question", "I want to kill myself")
    page.tap("#send")
    expect(page.locator("#help-lines .contact").first).to_be_visible()
    expect(page.locator("#plain-slip .verse")).to_be_visible()
    expect(page.locator("#reading")).to_be_hidden()


def test_an_older_browser_starts_anew_too(kiosk_site: Site, open_page: OpenPage) -> None:
    page = screen(kiosk_site, open_page)
    page.evaluate("() => delete AbortSignal.timeout")
    before = session_of(page)
    go_to(page, "looking")
    page.tap("#finish")
    expect(page.locator("#greeting")).to_be_visible()
    assert session_of(page) != before


def test_a_failed_touch_is_told_and_can_be_repeated(kiosk_site: Site, open_page: OpenPage) -> None:
    page = screen(kiosk_site, open_page)
    page.tap("[data-go=drawing]")
    page.context.set_offline(True)
    page.tap("#draw")
    expect(page.locator("#draw-says")).to_have_text("The draw did not succeed. Please try again.")
    page.context.set_offline(False)
    page.tap("#draw")
    page.tap("#see")
    page.tap("#looking [data-go=asking]")
    page.context.set_offline(True)
    page.tap("[data-question]:visible")
    expect(page.locator("#ask-says")).to_have_text("That did not work. Please try again.")
    page.context.set_offline(False)
    page.tap("[data-question]:visible")
    expect(page.locator("#afterwards")).to_be_visible(timeout=30_000)
    assert len(own_tasks(page, kiosk_site)) == 1


def test_without_scripts_a_sentence_leads_to_the_ordinary_pages(kiosk_site: Site, open_page: OpenPage) -> None:
    page = open_page(kiosk_site, "/kiosk/yuelao", java_script_enabled=False)
    expect(page.locator("main")).to_be_hidden()
    page.click(".plain a")
    expect(page).to_have_url(re.compile("/temples/yuelao$"))

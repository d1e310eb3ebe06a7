"""The whole way with a form and a page that refreshes, no script running."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from browser.visiting import OpenPage, Pace, Site, ask, shown_sections

REFRESH = "noscript meta[http-equiv=refresh], meta[http-equiv=refresh]"


def wait_by_refreshing(page: Page) -> None:
    """The page refreshes itself every five seconds, and leaves off at the end."""
    expect(page.locator("#task[data-status=completed]")).to_be_visible(timeout=30_000)


def test_ask_watch_answer_erase(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(tokens=400, tokens_per_second=100.0, first_token_ms=200.0)
    page = open_page(model_site, java_script_enabled=False)
    ask(page, "Will it be well?")
    expect(page.locator(".verse")).to_be_visible()
    expect(page.locator(REFRESH)).to_have_count(1)
    wait_by_refreshing(page)
    expect(page.locator(REFRESH)).to_have_count(0)
    assert page.locator(".part[data-state=finished]").count() == 7
    page.check("input[name=score][value='1']")
    page.fill("#comment", "thank you")
    page.click("#feedback button")
    expect(page.locator("#feedback-said")).to_have_text("Thank you, it is noted.")
    page.click("#erase summary")
    page.click("#erase button")
    page.wait_for_url("**/history?erased=1")


def test_stop(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(tokens=400, tokens_per_second=20.0)
    page = open_page(model_site, java_script_enabled=False)
    ask(page, "Shall I stop?")
    page.click("#stop button")
    expect(page.locator("#task")).to_have_attribute("data-status", "stopped")
    assert page.locator(".part[data-state=missing]").count() > 0


def test_a_fault_keeps_what_was_entered(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/ask?collection=yuelao", java_script_enabled=False)
    page.fill("#lot", "101")
    page.fill("#question", "\n\nWhat now?")
    page.click("#ask button[type=submit]")
    expect(page.locator("#problem")).to_contain_text("lots 1 to 100")
    assert page.input_value("#lot") == "101"
    assert page.input_value("#question") == "\n\nWhat now?"


def test_with_scripts_the_page_does_not_refresh_itself(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(tokens=400, tokens_per_second=20.0)
    page = open_page(model_site)
    ask(page, "Stay?")
    assert page.evaluate("document.querySelectorAll('meta[http-equiv=refresh]').length") == 0
    assert shown_sections(page) == {}

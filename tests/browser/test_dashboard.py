"""The dashboard in a browser, over real readings of the running program: figures, filters, live, looks."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.test_looks import _CONTRASTS, _SMALL_TARGETS
from browser.visiting import OpenPage, Site, ask, faults, wait_for_end
from jieqian.testing.ollama_server import MODELS
from jieqian.testing.wire_process import wire_server

TOKEN = "a-token-for-browsers-1"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\"'&" + "long" * 30 + ":7b"


@pytest.fixture(scope="module")
def watched(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Readings by a model whose server calls it by a name that is not meant well."""
    with wire_server("ollama") as process:
        body = json.dumps({HOSTILE: MODELS["qwen2.5:7b"]}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{process.url}/_models", data=body), timeout=10).close()
        settings = {"llm_provider": "ollama", "llm_base_url": process.url, "llm_model": HOSTILE}
        settings |= {"admin_token": TOKEN, "measure_models": "false", "collections": "yuelao"}
        site = Site(tmp_path_factory.mktemp("dashboard") / "data", **settings)
        site.start()
        try:
            yield site
        finally:
            site.end()


def read(open_page: OpenPage, site: Site, *questions: str) -> None:
    """Ask these and wait for the answers."""
    for question in questions:
        page = open_page(site)
        ask(page, question)
        wait_for_end(page)


def sign_in(page: Page) -> None:
    page.fill("#token", TOKEN)
    page.click("main button[type=submit]")
    page.wait_for_selector("#board")


def figures_of(page: Page, site: Site, what: str) -> dict[str, Any]:
    """What the API says to the operator."""
    address = f"{site.url}/api/v1/admin/metrics/{what}"
    answer = page.request.get(address, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.ok, answer.text()
    found: dict[str, Any] = json.loads(answer.text())
    return found


def looked_at(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    width = page.evaluate("innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_SMALL_TARGETS) == []
    assert [what for ratio, what in page.evaluate(_CONTRASTS) if ratio < 4.5] == []
    assert faults(page) == []
    ids = page.eval_on_selector_all("[id]", "(all) => all.map((element) => element.id)")
    assert len(ids) == len(set(ids))
    named = "(all) => all.flatMap((each) => (each.getAttribute('aria-labelledby') ?? '').split(' ')).filter(Boolean)"
    assert set(page.eval_on_selector_all("[aria-labelledby]", named)) <= set(ids)


def test_figures_of_real_readings_come_in_while_it_is_watched(watched: Site, open_page: OpenPage) -> None:
    page = open_page(watched, "/admin?span=1h", viewport={"width": 1280, "height": 700})
    expect(page.locator("#board")).to_have_count(0)
    sign_in(page)
    assert page.url.endswith("/admin?span=1h")
    tasks = page.locator("#figure-tasks .value")
    expect(tasks).to_have_text("0")
    expect(page.locator(".verdict")).to_contain_text("No reading ended")
    page.click("#filters > summary")
    page.focus("#model")
    page.evaluate("scrollTo(0, 120)")
    read(open_page, watched, "Will it go well?", "Shall I move house?")
    expect(tasks).to_have_text("2", timeout=120_000)
    assert page.evaluate("[document.activeElement.id, document.getElementById('filters').open, scrollY]") == [
        "model",
        True,
        120,
    ]
    expect(page.locator("[data-live=histogram] svg")).to_be_visible(timeout=60_000)
    page.click("#histogram-figures > summary")
    page.click("#slow-2 > summary")
    read(open_page, watched, "Will it go well?")  # the same words: from the cache
    expect(tasks).to_have_text("3", timeout=120_000)
    assert page.evaluate("document.activeElement.id") == "slow-2-title"
    assert page.evaluate("['histogram-figures', 'slow-1', 'slow-2'].map((id) => document.getElementById(id).open)") == [
        True,
        True,
        True,
    ]
    expect(page.locator("table.parts")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("main img").count() == 0
    assert page.locator("body").inner_text().count("Will it go well") == 0
    assert page.locator(".picture script, .picture [style], .picture [href]").count() == 0


def test_the_page_and_the_api_say_the_same(watched: Site, open_page: OpenPage) -> None:
    page = open_page(watched, "/admin?span=1h")
    sign_in(page)
    page.click("#pause")
    summary = figures_of(page, watched, "summary")["summary"]
    assert summary["tasks"] == int(page.inner_text("#figure-tasks .value")) > 0
    assert f"{summary['cache_exact']} same words" in page.inner_text("#figure-cache_rate")


def test_filters_and_refresh_need_no_script(watched: Site, open_page: OpenPage) -> None:
    page = open_page(watched, "/admin", java_script_enabled=False)
    sign_in(page)
    expect(page.locator("#pause")).to_be_hidden()
    before = page.inner_text("#figure-tasks .value")
    page.click("#filters > summary")
    page.select_option("#model", HOSTILE)
    page.click(".filters button")
    expect(page.locator("#model")).to_have_value(HOSTILE)
    assert 0 < int(page.inner_text("#figure-tasks .value")) <= int(before)
    page.click("#refresh")
    expect(page.locator("#model")).to_have_value(HOSTILE)
    page.fill("#until", "2001-01-01T00:00")
    page.fill("#since", "2002-01-01T00:00")
    page.click(".filters button")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#until")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#board")).to_be_visible()
    page.goto(f"{watched.url}/admin?span=1h")
    expect(page.locator(".picture svg").first).to_be_visible()


@pytest.mark.parametrize(("locale", "scheme", "width"), [("en-US", "dark", 1280), ("zh-TW", "light", 320)])
def test_how_it_looks(watched: Site, open_page: OpenPage, locale: str, scheme: str, width: int) -> None:
    page = open_page(watched, "/admin", locale=locale, color_scheme=scheme, viewport={"width": width, "height": 700})
    sign_in(page)
    page.click("#pause")
    looked_at(page)
    page.goto(f"{watched.url}/admin?span=never&mode=instant&since=x")
    page.click("#pause")
    looked_at(page)


def test_a_service_that_is_gone_is_told_and_found_again(watched: Site, open_page: OpenPage) -> None:
    page = open_page(watched, "/admin")
    sign_in(page)
    watched.end(hard=True)
    state = page.locator("#live-state")
    expect(state).to_contain_text("does not answer", timeout=60_000)
    watched.start()
    expect(state).to_be_hidden(timeout=60_000)
    page.context.clear_cookies()
    expect(state).to_contain_text("sign in again", timeout=60_000)

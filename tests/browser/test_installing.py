"""As an application: what is kept for when there is no network, and word that a reading is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.visiting import OpenPage, Pace, Site, ask, wait_for_end

READY = "navigator.serviceWorker.ready.then((registration) => registration.scope)"
KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
  return found;
}"""


@pytest.fixture(params=["", "/oracle"])
def based(request: pytest.FixtureRequest, open_page: OpenPage, tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """The program, at the root and under a base path; and that path."""
    site = Site(tmp_path / "data", llm_provider="commentary", base_path=request.param)
    site.start()
    try:
        yield site, request.param
    finally:
        site.end()


def test_without_a_network_a_page_says_so_and_no_reading_was_kept(based: tuple[Site, str], open_page: OpenPage) -> None:
    site, base = based
    page = open_page(site, f"{base}/ask")
    assert page.evaluate(READY) == f"{site.url}{base}/"
    task_id = ask(page, "Kept nowhere?")
    wait_for_end(page)
    page.goto(f"{site.url}{base}/history")
    page.context.set_offline(True)
    for path in (f"/readings/{task_id}", "/history", "/"):
        page.goto(f"{site.url}{base}{path}")
        expect(page.locator("h1")).to_have_text("There is no network")
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none", "it has its style"
    kept = page.evaluate(KEPT)
    assert kept
    assert {path for path in kept if not path.startswith(f"{base}/static/")} == {f"{base}/offline"}
    page.context.set_offline(False)
    page.goto(f"{site.url}{base}/readings/{task_id}")
    expect(page.locator("#asked")).to_have_text("Kept nowhere?")


def test_it_can_be_installed(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    page.evaluate(READY)
    told = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert told["url"] == f"{site.url}/manifest.webmanifest"
    assert told["errors"] == []


NOTES_INSTEAD_OF_NOTIFYING = """
  window.told = [];
  const tell = (title, options) => window.told.push({title, ...options});
  window.Notification = class { constructor(...given) { tell(...given); }
    static permission = "default"; static async requestPermission() { return (this.permission = "granted"); } };
  ServiceWorkerRegistration.prototype.showNotification = async (...given) => tell(...given);
  Object.defineProperty(document, "visibilityState", { get: () => (window.behind ? "hidden" : "visible") });
"""


def asking(site: Site, open_page: OpenPage, pace: Pace) -> Page:
    pace(tokens=400, tokens_per_second=100.0, first_token_ms=1000.0)
    page = open_page(site)
    page.context.add_init_script(NOTES_INSTEAD_OF_NOTIFYING)
    page.reload()
    ask(page, "A secret question?")
    return page


@pytest.mark.parametrize(("behind", "count"), [(True, 1), (False, 0)])
def test_who_wishes_is_told_once_if_they_look_elsewhere(
    model_site: Site, open_page: OpenPage, pace: Pace, behind: bool, count: int
) -> None:
    page = asking(model_site, open_page, pace)
    assert page.evaluate("Notification.permission") == "default", "nothing is asked unasked"
    page.click("#notify")
    expect(page.locator("#notify-said")).to_contain_text("told when it is done")
    expect(page.locator("#notify")).to_be_hidden()
    page.evaluate("(behind) => { window.behind = behind; }", behind)
    wait_for_end(page)
    page.wait_for_timeout(300)
    told = page.evaluate("window.told")
    assert len(told) == count
    for notification in told:
        assert notification["title"] == "Your reading is done"
        assert notification["data"] == page.url
        assert "secret" not in str(notification)


def test_who_does_not_wish_is_not_told(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    page = asking(model_site, open_page, pace)
    page.evaluate("() => { window.behind = true; }")
    wait_for_end(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.told") == []
    expect(page.locator("#notify")).to_be_hidden()

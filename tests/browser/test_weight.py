"""What comes over the line: text is small, streams are whole, scripts come in one round."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Response, expect

from browser.visiting import OpenPage, Site, ask, wait_for_end


def answers_to(page: Page, url: str) -> list[Response]:
    """Load it with nothing kept; every answer that came."""
    found: list[Response] = []
    page.on("response", lambda answer: found.append(answer))
    page.goto(url)
    page.wait_for_load_state("load")
    return found


@pytest.mark.parametrize("path", ["/", "/ask", "/temples/yuelao", "/temples/yuelao/lots/7", "/history"])
def test_pages_styles_and_scripts_come_compressed(site: Site, open_page: OpenPage, path: str) -> None:
    page = open_page(site, "/healthz")
    found = answers_to(page, site.url + path)
    texts = [answer for answer in found if answer.request.resource_type in ("document", "stylesheet")]
    assert len(texts) >= 3
    assert {answer.header_value("content-encoding") for answer in texts} == {"gzip"}


def test_no_stream_is_compressed(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    task_id = ask(page, "Drop by drop?")
    wait_for_end(page)
    coding, text = page.evaluate(  # again, as a reading may end before the page that shows it opens the stream
        """async (url) => {
          const answer = await fetch(url);
          return [answer.headers.get("content-encoding"), await answer.text()];
        }""",
        f"/api/v1/tasks/{task_id}/events",
    )
    assert coding is None
    assert "event: completed" in text


@pytest.mark.parametrize("path", ["/ask", "/temples/yuelao", "/temples/yuelao/lots/7", "a reading"])
def test_every_script_is_named_by_the_page_itself(site: Site, open_page: OpenPage, path: str) -> None:
    page = open_page(site)
    if path == "a reading":
        path = f"/readings/{ask(page, 'In one round?')}"
        wait_for_end(page)
    found = answers_to(page, site.url + path)
    named = page.evaluate(
        "() => [...document.querySelectorAll('script, link[rel=modulepreload]')].map((it) => it.src || it.href)"
    )
    assert len(named) == len(set(named))
    assert set(named) == {answer.url for answer in found if answer.request.resource_type == "script"}
    expect(page.locator("main")).to_be_visible()

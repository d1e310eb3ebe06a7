"""The widget on a page of another site, which has a strict policy of its own and whose visitors send no cookie here."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, Playwright, expect

from browser.test_reading_page import SLOW, half_way
from browser.visiting import Pace, Site, draw, faults, shown_sections, wait_for_end
from jieqian.sections.section import SECTIONS

_NAMED = '<script src="{service}/widget.js" data-collection="yuelao" async></script>'
_INTO = '<div id="here"></div><script src="{service}/widget.js" data-target="here" async></script>'
_PAGE = '<!doctype html><html lang="en"><title>A temple</title><h1>A temple</h1>{tags}<p>Below it.</p></html>'
#: The page around tells a height itself, as another of its frames might; returns when it has been heard.
_FORGED = """() => new Promise((heard) => {
  addEventListener("message", (event) => event.source === window && heard());
  postMessage({jieqian: "height", height: 9}, "*");
})"""
#: Third-party storage is let through, as by browsers that keep it apart for each site.
_KEEPS_APART = {"profile": {"cookie_controls_mode": 0}}


@dataclass
class Host:
    """Another site: `localhost`, where the service is `127.0.0.1`."""

    server: ThreadingHTTPServer
    service: str = ""
    tags: str = ""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}"

    def answer(self) -> tuple[str, bytes]:
        policy = f"default-src 'none'; script-src {self.service}; frame-src {self.service}"
        return policy, _PAGE.format(tags=self.tags.format(service=self.service)).encode()


@contextmanager
def other_site() -> Iterator[Host]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            policy, body = host.answer() if self.path == "/" else ("default-src 'none'", b"")
            self.send_response(200 if body else 204)
            self.send_header("Content-Security-Policy", policy)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = Host(server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def sites(model_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Host]]:
    """A site that may embed the service, and one that may not."""
    with other_site() as host, other_site() as stranger:
        settings = {"llm_provider": "ollama", "llm_base_url": model_url, "llm_model": "qwen2.5:7b"}
        settings |= {"measure_models": "false", "embed_origins": host.url}
        site = Site(tmp_path_factory.mktemp("widget") / "data", **settings)
        site.start()
        try:
            host.service = stranger.service = site.url
            yield host, stranger
        finally:
            site.end()


@dataclass
class Heard:
    """What a page asked for and said."""

    urls: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@contextmanager
def page_of(host: Host, tags: str, profile: BrowserContext) -> Iterator[tuple[Page, Heard]]:
    host.tags = tags
    page, heard = profile.new_page(), Heard()
    page.set_default_timeout(15_000)
    page.on("request", lambda request: heard.urls.append(request.url))
    page.on("console", lambda message: heard.said.append(message.text))
    page.on("pageerror", lambda error: heard.said.append(f"uncaught: {error}"))
    page.goto(host.url)
    yield page, heard
    page.close()


@pytest.fixture
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """Third-party cookies and storage are blocked in it, as in private windows."""
    context = browser.new_context(locale="en-US", reduced_motion="reduce")
    yield context
    context.close()


def frame_of(page: Page, number: int = 1) -> Frame:
    element = page.locator(f"iframe[name=jieqian-{number}]").element_handle()
    assert element is not None
    frame = element.content_frame()
    assert frame is not None
    frame.wait_for_selector("#place h1")
    return frame


def ask_in(frame: Frame, question: str) -> None:
    frame.fill("#number", "7")
    frame.click("#by-number button")
    frame.fill("#question", question)
    frame.click("#ask button[type=submit]")
    frame.wait_for_selector("#task")


def assert_whole(frame: Frame) -> None:
    assert list(shown_sections(frame)) == list(SECTIONS)
    assert all(mark.startswith("Written by the model") for mark in frame.locator(".part .source").all_inner_texts())


def test_the_whole_way_without_a_cookie(sites: tuple[Host, Host], profile: BrowserContext, pace: Pace) -> None:
    host, _ = sites
    pace(**SLOW)
    with page_of(host, _NAMED + _INTO, profile) as (page, heard):
        frame, chooser = frame_of(page), frame_of(page, 2)
        assert page.locator("#here > iframe").count() == 1
        assert (
            page.locator("iframe").evaluate_all("frames => frames.map((frame) => frame.title)")
            == ["Draw a lot and read it"] * 2
        )
        found = faults(frame) + faults(chooser)
        draw(frame)
        frame.click("#see")
        expect(frame.locator(".drawn .fell").first).to_be_visible()
        found += faults(frame)
        page.set_viewport_size({"width": 296, "height": 640})
        page.wait_for_function("document.querySelector('iframe').clientWidth <= 280")
        assert frame.evaluate("document.documentElement.scrollWidth") <= frame.evaluate("innerWidth")
        frame.click(".chip >> nth=0")
        asked = frame.input_value("#question")
        frame.press("#question", "Control+Enter")
        half_way(frame)
        expect(frame.locator("#stop")).to_be_visible()
        expect(frame.locator("#asked")).to_have_text(asked)
        found += faults(frame)
        wait_for_end(frame)
        assert_whole(frame)
        assert found + faults(frame) == []
        page.wait_for_function(
            "(wanted) => document.querySelector('iframe').height == wanted",
            arg=str(frame.evaluate("Math.ceil(document.body.getBoundingClientRect().height)")),
        )
        page.evaluate(_FORGED)
        heights = page.locator("iframe").evaluate_all("frames => frames.map((frame) => frame.height)")
        assert "9" not in heights
        chooser.click("a.temple >> nth=0")
        chooser.wait_for_selector("#ritual")
        assert profile.cookies() == []
        assert not any("/share" in url for url in heard.urls), "no link before it is wished for"
        with profile.expect_page() as opened:
            frame.press("#whole-reading", "Enter")  # the frame below still grows and moves what a pointer would aim at
        opened.value.wait_for_url("**/shared/*")
        expect(opened.value.locator(".part")).to_have_count(7)
        assert asked not in opened.value.inner_text("main")
        assert heard.said == []
        assert {url.split("/", 3)[2] for url in heard.urls} == {host.url[7:], host.service[7:]}


def test_a_page_that_may_not_embed_gets_a_link_and_the_console_says_why(
    sites: tuple[Host, Host], profile: BrowserContext
) -> None:
    _, stranger = sites
    with page_of(stranger, _NAMED, profile) as (page, heard):
        link = page.locator("a")
        expect(link).to_have_text("Draw and ask at Jieqian")
        expect(link).to_have_attribute("href", f"{stranger.service}/temples/yuelao?lang=en")
        assert page.locator("iframe").count() == 0
        assert len(heard.said) == 1
        assert "JIEQIAN_EMBED_ORIGINS" in heard.said[0]
        assert stranger.url in heard.said[0]
        assert not any("/embed" in url for url in heard.urls)
        page.evaluate("(url) => location.assign(url)", f"{stranger.service}/embed/yuelao")  # alone it is a page
        page.wait_for_selector("#ritual")


def test_a_frame_that_does_not_come_gives_its_place_to_the_link(
    sites: tuple[Host, Host], profile: BrowserContext
) -> None:
    host, _ = sites
    profile.clock.install()
    profile.route("**/embed/**", lambda route: route.abort())
    with page_of(host, _NAMED, profile) as (page, heard):
        page.wait_for_selector("iframe")
        page.clock.fast_forward(60_000)
        expect(page.locator("a")).to_have_text("Draw and ask at Jieqian")
        assert page.locator("iframe").count() == 0
        assert any("JIEQIAN_EMBED_ORIGINS" in told for told in heard.said)


def test_a_refresh_half_way_goes_on_where_the_browser_keeps_it(
    sites: tuple[Host, Host], playwright_of: Playwright, chromium: str, pace: Pace, tmp_path: Path
) -> None:
    host, _ = sites
    pace(**SLOW)
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(_KEEPS_APART), encoding="utf-8")
    context = playwright_of.chromium.launch_persistent_context(
        tmp_path, executable_path=chromium, args=["--no-sandbox", "--disable-gpu"], locale="en-US"
    )
    try:
        with page_of(host, _NAMED, context) as (page, heard):
            frame = frame_of(page)
            ask_in(frame, "Will the harvest be good this year?")
            half_way(frame)
            page.reload()
            frame = frame_of(page)
            expect(frame.locator("#asked")).to_have_text("Will the harvest be good this year?")
            wait_for_end(frame)
            assert_whole(frame)
            frame.click("#another")
            frame.wait_for_selector("#ritual")
            page.reload()
            frame_of(page).wait_for_selector("#ritual")
            assert (heard.said, context.cookies()) == ([], [])
    finally:
        context.close()


def test_another_temples_frame_does_not_show_the_reading_of_the_first(
    sites: tuple[Host, Host], playwright_of: Playwright, chromium: str, tmp_path: Path
) -> None:
    host, _ = sites
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(_KEEPS_APART), encoding="utf-8")
    context = playwright_of.chromium.launch_persistent_context(
        tmp_path, executable_path=chromium, args=["--no-sandbox", "--disable-gpu"], locale="en-US"
    )
    try:
        with page_of(host, _NAMED, context) as (page, heard):
            ask_in(frame_of(page), "Will the harvest be good this year?")
            host.tags = _NAMED.replace("yuelao", "guanyin")
            page.reload()
            frame = frame_of(page)
            assert frame.get_attribute("#ritual", "data-collection") == "guanyin"
            host.tags = _NAMED
            page.reload()
            expect(frame_of(page).locator("#asked")).to_have_text("Will the harvest be good this year?")
            host.tags = _INTO
            page.reload()
            frame = frame_of(page)
            frame.click("a.temple >> nth=0")
            frame.wait_for_selector("#ritual")
            ask_in(frame, "Will it rain?")
            page.reload()
            expect(frame_of(page).locator("#asked")).to_have_text("Will it rain?")
            assert heard.said == []
    finally:
        context.close()


def test_a_line_that_dies_in_the_frame_is_told_and_outlasted(
    sites: tuple[Host, Host], profile: BrowserContext, pace: Pace
) -> None:
    host, _ = sites
    with page_of(host, _NAMED, profile) as (page, heard):
        frame = frame_of(page)
        frame.fill("#number", "7")
        frame.click("#by-number button")
        frame.fill("#question", "Shall I go?")
        profile.set_offline(True)
        frame.click("#ask button[type=submit]")
        expect(frame.locator("#ask .problem:visible")).to_contain_text("There is no network")
        profile.set_offline(False)
        profile.route("**/static/**", lambda route: route.abort())  # what is needed for a reading is here by now
        frame.click("#ask button[type=submit]")
        wait_for_end(frame)
        assert_whole(frame)
        assert not [told for told in heard.said if not told.startswith("Failed to load resource")]


def test_danger_to_life_is_answered_with_help(sites: tuple[Host, Host], profile: BrowserContext) -> None:
    host, _ = sites
    with page_of(host, _NAMED, profile) as (page, _heard):
        frame = frame_of(page)
        ask_in(frame, "I want to kill myself")
        expect(frame.locator(".care .contact").first).to_be_visible()
        assert frame.locator(".part, .fortune, #whole-reading").count() == 0
        assert faults(frame) == []
        page.emulate_media(color_scheme="dark")
        assert faults(frame) == []


def test_what_goes_wrong_is_told_with_a_way_on(sites: tuple[Host, Host], profile: BrowserContext) -> None:
    host, _ = sites
    with page_of(host, _NAMED, profile) as (page, heard):
        frame = frame_of(page)
        frame.fill("#number", "101")
        frame.click("#by-number button")
        expect(frame.locator("#fault")).to_have_text("This collection has lots 1 to 100.")
        frame.fill("#number", "7")
        frame.click("#by-number button")
        frame.fill("#question", "a" * 2001)
        frame.click("#ask button[type=submit]")
        expect(frame.locator("#fault")).to_contain_text("longer than 2,000 characters")
        ended = {"code": "visit_ended", "detail": "The visit has ended."}
        page.route("**/api/v1/tasks", lambda route: route.fulfill(status=401, json=ended), times=1)
        frame.fill("#question", "Shall I go?")
        frame.click("#ask button[type=submit]")
        expect(frame.locator("#ended")).to_contain_text("begin again")
        expect(frame.locator("#fault")).to_be_hidden()
        assert faults(frame) == []
        frame.click("#begin-again")
        frame.wait_for_selector("#ritual")
        assert not [told for told in heard.said if not told.startswith("Failed to load resource")]

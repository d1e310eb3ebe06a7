"""A real browser against the real program, on loopback alone."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, sync_playwright

from browser.visiting import OpenPage, Pace, Site
from jieqian.testing.wire_process import wire_server

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(autouse=True)
def blocking_calls() -> None:
    """Nothing of ours runs in this process; Playwright's loop runs on its thread, and waiting for it is no fault."""


class Watch:
    """Collects what must not happen on any page."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def page(self, page: Page, site: Site) -> None:
        """Watch this page from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self._request(request, site))

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium reports every answer over 399 and every lost connection by itself; those are the tests' own.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request, site: Site) -> None:
        if not request.url.startswith((f"{site.url}/", "data:")):
            self.faults.append(f"left the origin: {request.url}")


@pytest.fixture(scope="package")
def chromium() -> str:
    """Where it is installed."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    return path


@pytest.fixture(scope="package")
def playwright_of() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright_of: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright_of.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
    yield browser
    browser.close()


def _running(site: Site) -> Iterator[Site]:
    site.start()
    try:
        yield site
    finally:
        site.end()


def _put_river(pack: Path) -> None:
    pack.mkdir(parents=True)
    names = {"zh-Hant": "春江靈籤", "en": "Spring River Lots"}
    about = {"id": "river", "names": names, "deity": names, "aliases": [], "size": 1}
    about |= {"edition": "Made for tests.", "source": "Zhang Ruoxu.", "licence": "Public domain."}
    (pack / "collection.json").write_text(json.dumps(about), encoding="utf-8")
    lot = {"number": 1, "lines": ["春江潮水連海平", "海上明月共潮生"], "fortune": None}
    (pack / "lots.jsonl").write_text(json.dumps(lot) + "\n", encoding="utf-8")


@pytest.fixture(scope="package")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Readings from the commentary; `river` is a collection that has none."""
    data_dir = tmp_path_factory.mktemp("commentary") / "data"
    _put_river(data_dir / "collections" / "river")
    yield from _running(Site(data_dir, llm_provider="commentary"))


@pytest.fixture(scope="package")
def kiosk_site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Readings from the commentary, on a service that phones reach by a name of its own."""
    folder = tmp_path_factory.mktemp("kiosk") / "data"
    yield from _running(Site(folder, llm_provider="commentary", public_url="https://lots.example.org"))


@pytest.fixture(scope="package")
def model_url(browser: Browser) -> Iterator[str]:
    """The stand-in model server, for as long as the tests of pages run."""
    with wire_server("ollama") as process:
        yield process.url


@pytest.fixture(scope="package")
def model_site(model_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Readings from the stand-in model, at the pace a test asks for."""
    settings = {"llm_provider": "ollama", "llm_base_url": model_url, "llm_model": "qwen2.5:7b"}
    settings |= {"cache_entries": "0", "measure_models": "false"}  # tests ask the same and count the calls
    yield from _running(Site(tmp_path_factory.mktemp("model") / "data", **settings))


@pytest.fixture
def pace(model_url: str) -> Iterator[Pace]:
    """Sets the stand-in's pace; it has none again afterwards."""

    def set_pace(*behaviours: dict[str, Any], **default: Any) -> None:
        quick = {"first_token_ms": 0.0, "tokens_per_second": 100_000.0, "tokens": None}
        document = {"reset": True, "next": list(behaviours), "default": {**quick, **default}}
        body = json.dumps(document).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{model_url}/_script", data=body), timeout=10):
            pass

    set_pace()
    yield set_pace
    set_pace()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    watch = Watch()
    profiles: list[BrowserContext] = []

    def open_one(site: Site, path: str = "/ask", *, profile: BrowserContext | None = None, **options: Any) -> Page:
        if profile is None:
            profile = browser.new_context(**{"locale": "en-US", **options})
            profiles.append(profile)
        page = profile.new_page()
        page.set_default_timeout(15_000)
        watch.page(page, site)
        page.goto(site.url + path)
        return page

    yield open_one
    for profile in profiles:
        profile.close()
    assert watch.faults == []

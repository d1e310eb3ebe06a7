"""A real browser against the real program, on loopback alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from jieqian.testing.wire_process import WireProcess, wire_server

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
_START_SECONDS = 60.0


class Site:
    """The program in a process of its own, on one port through every restart."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JIEQIAN_", "LLM_"))}
        self._environment = {
            **kept,
            "JIEQIAN_DATA_DIR": str(data_dir),
            "JIEQIAN_RATE_LIMIT_PER_MINUTE": "0",
            **{f"JIEQIAN_{name.upper()}": value for name, value in settings.items()},
        }
        self._folder = data_dir.parent
        self._log = data_dir.with_suffix(".log")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        command = [sys.executable, "-m", "jieqian", "serve", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self._environment, cwd=self._folder
            )
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        self.end()
        raise RuntimeError(f"the program did not start:\n{self._log.read_text(encoding='utf-8')[-2000:]}")

    def end(self, *, hard: bool = False) -> None:
        """End it: in order, or as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
            self._process.wait(20)
            self._process = None


class OpenPage(Protocol):
    """Opens a page in a fresh browser profile (or in the given one)."""

    def __call__(self, site: Site, path: str = "/", *, profile: BrowserContext | None = None, **options: Any) -> Page:
        """Any option of `Browser.new_context`."""
        ...


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
def browser() -> Iterator[Browser]:
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


def _running(site: Site) -> Iterator[Site]:
    site.start()
    try:
        yield site
    finally:
        site.end()


@pytest.fixture(scope="package")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Readings from the commentary."""
    yield from _running(Site(tmp_path_factory.mktemp("commentary") / "data", llm_provider="commentary"))


@pytest.fixture(scope="package")
def model(browser: Browser) -> Iterator[WireProcess]:
    """The stand-in model server, for as long as the tests of pages run."""
    with wire_server("ollama") as process:
        yield process


@pytest.fixture(scope="package")
def model_site(model: WireProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Readings from the stand-in model, at the pace a test asks for."""
    settings = {"llm_provider": "ollama", "llm_base_url": model.url, "llm_model": "qwen2.5:7b"}
    yield from _running(Site(tmp_path_factory.mktemp("model") / "data", **settings))


@pytest.fixture
def paced(model: WireProcess) -> Iterator[Callable[..., None]]:
    """Sets the stand-in's pace: `paced(tokens_per_second=40, …)`; without waits again afterwards."""
    yield lambda **behaviour: model.script(default={"first_token_ms": 50.0, **behaviour})
    model.script()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    watch = Watch()
    profiles: list[BrowserContext] = []

    def open_one(site: Site, path: str = "/", *, profile: BrowserContext | None = None, **options: Any) -> Page:
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


def ask(page: Page, question: str, *, lot: str = "1", collection: str = "yuelao") -> str:
    """Fill the form in and send it; gives the reading's id, its page open."""
    page.select_option("#collection", collection)
    page.fill("#lot", lot)
    page.fill("#question", question)
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/readings/*")
    return page.url.rsplit("/", 1)[1]


def task_of(page: Page, task_id: str) -> dict[str, Any]:
    """The task as the API tells it to this page's visitor."""
    origin = page.url.split("/readings")[0]
    found: dict[str, Any] = json.loads(page.request.get(f"{origin}/api/v1/tasks/{task_id}").text())
    return found


def shown_sections(page: Page) -> dict[str, str]:
    """The text of each finished section on the page."""
    shown: dict[str, str] = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('.part[data-state=finished]')]"
        ".map((part) => [part.dataset.section, part.querySelector('.text').textContent]))"
    )
    return shown


def wait_for_end(page: Page, status: str = "completed") -> None:
    """Until the page says so."""
    page.wait_for_selector(f"#task[data-status={status}]", timeout=60_000)

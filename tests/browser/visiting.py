"""What the tests of pages share: the running program, and what a visitor does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import BrowserContext, Frame, Page

_START_SECONDS = 60.0
#: What axe looks at: WCAG 2.2 AA, and what its makers advise besides.
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Site:
    """The program in a process of its own, on one port through every restart."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JIEQIAN_", "LLM_"))}
        self._environment = {
            **kept,
            "JIEQIAN_DATA_DIR": str(data_dir),
            "JIEQIAN_RATE_LIMIT_PER_MINUTE": "0",
            "JIEQIAN_EMBEDDER": "lexical",  # an index of all collections costs each start twenty seconds of a processor
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
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, cwd=self._folder)
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
    """Opens a page, if none is named the form by number, in a fresh browser profile (or in the given one)."""

    def __call__(
        self, site: Site, path: str = "/ask", *, profile: BrowserContext | None = None, **options: Any
    ) -> Page:
        """Any option of `Browser.new_context`."""
        ...


class Pace(Protocol):
    """Sets how the stand-in model answers from now on."""

    def __call__(self, *behaviours: dict[str, Any], **default: Any) -> None:
        """`behaviours` for the next requests, `default` for all others (fields of `Behaviour`)."""
        ...


def ask(page: Page, question: str, *, lot: str = "1", collection: str = "yuelao") -> str:
    """Fill the form by number in and send it; gives the reading's id, its page open."""
    page.select_option("#collection", collection)
    page.fill("#lot", lot)
    page.fill("#question", question)
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/readings/*")
    return page.url.rsplit("/", 1)[1]


def draw(page: Page | Frame) -> None:
    """Shake the tube of the temple whose page it is, until the lot is told."""
    page.click("#draw")
    page.wait_for_selector("#see:not([hidden])")


def kiosk_way(page: Page, number: str = "") -> Iterator[str]:
    """By touch through the kiosk's steps, each named when it is there; with a number drawn elsewhere or by a draw."""
    page.wait_for_selector("#kiosk:not([hidden])")
    yield "greeting"
    page.tap(f"[data-go={'entering' if number else 'drawing'}]")
    if number:
        for digit in number:
            page.tap(f"[data-digit='{digit}']")
        yield "entering"
        page.tap("#number-form [type=submit]")
    else:
        yield "drawing"
        page.tap("#draw")
        page.wait_for_selector("#see:not([hidden])")
        yield "drawn"
        page.tap("#see")
    page.wait_for_selector("#looking:not([hidden]) .slip")
    yield "looking"
    page.tap("#looking [data-go=asking]")
    page.wait_for_selector("#asking:not([hidden])")
    yield "asking"
    page.tap("[data-question]:visible")
    page.wait_for_selector("#afterwards:not([hidden])", timeout=60_000)
    yield "reading"
    page.tap("#reading [data-take-home]")
    page.wait_for_selector("#taking:not([hidden])")
    yield "taking"


def task_of(page: Page, task_id: str) -> dict[str, Any]:
    """The task as the API tells it to this page's visitor."""
    origin = page.url.split("/readings")[0]
    found: dict[str, Any] = json.loads(page.request.get(f"{origin}/api/v1/tasks/{task_id}").text())
    return found


def shown_sections(page: Page | Frame) -> dict[str, str]:
    """The text of each finished section on the page."""
    shown: dict[str, str] = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('.part[data-state=finished]')]"
        ".map((part) => [part.dataset.section, part.querySelector('.text').textContent]))"
    )
    return shown


def wait_for_end(page: Page | Frame, status: str = "completed") -> None:
    """Until the page says so."""
    page.wait_for_selector(f"#task[data-status={status}]", timeout=60_000)


def faults(page: Page | Frame) -> list[str]:
    """What axe finds wrong with the page as it is."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page, options=_RULES).response
    assert len(found["passes"]) > 10
    return [
        f"{page.url} {rule['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]

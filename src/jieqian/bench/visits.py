"""A visit to a page in a real browser, timed: cold and warm, unthrottled or as on a slow phone."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jieqian.errors import UsageError

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, CDPSession, Page

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
_PATIENCE_MS = 120_000.0
#: Run before a page's own scripts: when it was first painted, when each script had run, when asked, when first written.
_NOTES = """
  window.noted = { ran: {} };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      if (entry.name === "first-contentful-paint") window.noted.painted = entry.startTime;
  }).observe({ type: "paint", buffered: true });
  document.addEventListener("load", (event) => {
    if (event.target.tagName === "SCRIPT") window.noted.ran[event.target.src] = performance.now();
  }, true);
  document.addEventListener("submit", () => {
    sessionStorage.setItem("asked", performance.timeOrigin + performance.now());
  }, true);
  const look = () => {
    const now = () => performance.timeOrigin + performance.now() - Number(sessionStorage.getItem("asked"));
    if (!window.noted.lot && document.querySelector("#task .verse li")?.textContent) window.noted.lot = now();
    const part = [...document.querySelectorAll(".part .text")].some((text) => text.textContent);
    if (part) window.noted.section = now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""


@dataclass(frozen=True, slots=True)
class Profile:
    """A visitor's device and line; `cpu` 1 and no latency: as the machine is."""

    name: str
    cpu: int = 1
    latency_ms: float = 0.0
    down_bits: float = 0.0
    up_bits: float = 0.0


PLAIN = Profile("as it is")
#: Lighthouse's slow 4G, before two phones.
PHONE_4 = Profile("slow phone, 4x", 4, 150.0, 1_638_400.0, 768_000.0)
PHONE_6 = Profile("slower phone, 6x", 6, 150.0, 1_638_400.0, 768_000.0)


@dataclass(slots=True)
class Visit:
    """One page as it was loaded: times in ms from the navigation's start; bytes as they came over the line."""

    painted_ms: float
    usable_ms: float
    requests: int
    wire_bytes: int
    by_type: dict[str, int] = field(default_factory=dict)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """The machine's own browser. Raises `UsageError` where it or Playwright is missing."""
    if find_spec("playwright") is None:
        raise UsageError("Measuring pages needs Playwright: pip install 'jieqian[dev]'.")
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise UsageError(f"There is no browser: none of {', '.join(_BROWSERS)} is installed.")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def visitor(opened: Browser) -> AsyncIterator[BrowserContext]:
    """Somebody with nothing kept. Without a service worker: what it fetches, no profile slows."""
    context = await opened.new_context(
        locale="en-US", viewport={"width": 390, "height": 844}, has_touch=True, service_workers="block"
    )
    context.set_default_timeout(_PATIENCE_MS)
    await context.add_init_script(_NOTES)
    try:
        yield context
    finally:
        await context.close()


async def visit(context: BrowserContext, url: str, control: str, profile: Profile) -> Visit:
    """Load a page in a new tab. Usable: painted, its own scripts run, and `control` visible and taking a tap."""
    page = await context.new_page()
    session = await _slowed(context, page, profile)
    sizes: dict[str, float] = {}
    types: dict[str, str] = {}

    def answered(event: Mapping[str, Any]) -> None:
        types[event["requestId"]] = event["type"]

    def came(event: Mapping[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", came)
    await page.goto(url, wait_until="load")
    await page.wait_for_function("() => window.noted.painted !== undefined")
    await page.locator(control).first.wait_for(state="visible")
    await page.locator(control).first.tap(trial=True)
    noted = await page.evaluate("window.noted")
    own = [at for address, at in noted["ran"].items() if not address.endswith("/install.js")]
    by_type: dict[str, int] = {}
    for request, size in sizes.items():
        kind = types.get(request, "Other")
        by_type[kind] = by_type.get(kind, 0) + round(size)
    await page.close()
    return Visit(
        noted["painted"],
        max([noted["painted"], *own]),
        len(sizes),
        sum(by_type.values()),
        dict(sorted(by_type.items())),
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """From the press of the button: the lot shown, and the first text of a section, in ms."""

    lot_ms: float
    section_ms: float


async def ask(context: BrowserContext, url: str, lot: int, question: str, profile: Profile) -> Answered:
    """Ask by the form, as a visitor does, and look at the reading until its first text; then stop it."""
    page = await context.new_page()
    await page.goto(f"{url}/ask?collection=yuelao", wait_until="load")
    await page.fill("#lot", str(lot))
    await page.fill("#question", question)
    await _slowed(context, page, profile)
    await page.click("#ask button[type=submit]")
    await page.wait_for_url("**/readings/*", wait_until="commit")
    await page.wait_for_function("() => window.noted?.lot !== undefined && window.noted.section !== undefined")
    noted = await page.evaluate("window.noted")
    address = page.url.rsplit("/", 1)[1]
    await page.close()
    await context.request.post(f"{url}/api/v1/tasks/{address}/stop")
    return Answered(noted["lot"], noted["section"])


async def read_to_the_end(context: BrowserContext, url: str, lot: int) -> str:
    """Ask, and wait for the end; the reading's path."""
    page = await context.new_page()
    await page.goto(f"{url}/ask?collection=yuelao&lot={lot}&question=Will+it+go+well%3F")
    await page.click("#ask button[type=submit]")
    await page.wait_for_selector("#task[data-status=completed]", state="attached")
    path = page.url.removeprefix(url)
    await page.close()
    return path


async def _slowed(context: BrowserContext, page: Page, profile: Profile) -> CDPSession:
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    if profile.latency_ms:
        conditions = {
            "offline": False,
            "latency": profile.latency_ms,
            "downloadThroughput": profile.down_bits / 8,
            "uploadThroughput": profile.up_bits / 8,
        }
        await session.send("Network.emulateNetworkConditions", conditions)
    if profile.cpu > 1:
        await session.send("Emulation.setCPUThrottlingRate", {"rate": profile.cpu})
    return session

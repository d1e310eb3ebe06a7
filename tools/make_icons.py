"""Make the icons that the manifest names from icon.svg, with Chromium: PNG files for systems that take no SVG."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).parent.parent / "src" / "jieqian" / "web" / "static"
#: File, size in pixels, how much of it the icon takes: a mask may cut a fifth away at each side.
ICONS = (("icon-192.png", 192, 1.0), ("icon-512.png", 512, 1.0), ("icon-maskable.png", 512, 0.7))
_PAGE = "<body style='margin:0;display:grid;place-items:center;height:100vh;background:{ground}'>{svg}"


def main() -> int:
    """Write the files; 1 where no browser is installed."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium is installed", file=sys.stderr)
        return 1
    svg = (STATIC / "icon.svg").read_text(encoding="utf-8")
    ground = svg.partition('fill="')[2].partition('"')[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, size, share in ICONS:
            page = browser.new_page(viewport={"width": size, "height": size})
            sized = svg.replace("<svg ", f'<svg width="{size * share}" height="{size * share}" ', 1)
            page.set_content(_PAGE.format(ground=ground if share < 1 else "transparent", svg=sized))
            page.screenshot(path=STATIC / name, omit_background=share == 1)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

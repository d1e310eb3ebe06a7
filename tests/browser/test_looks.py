"""What can be measured of how a page looks: contrast, targets, width, print, motion."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.visiting import OpenPage, Site, ask, draw, wait_for_end

# WCAG 2.2: relative luminance and contrast of each visible run of text against the nearest painted ground.
_CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('.unseen, .skip')) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push([ratio, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
}"""
_SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary')]
  .filter((element) => element.checkVisibility() && !element.closest('.skip, .problem, .notice'))
  .map((element) => [element.closest('label') ?? element, element])
  .map(([area, element]) => [area.getBoundingClientRect(), element.outerHTML.slice(0, 80)])
  .filter(([box]) => box.height < 24 || box.width < 24)
  .map(([, what]) => what)"""


def pages_to_look_at(site: Site, open_page: OpenPage, **options: Any) -> list[Page]:
    choice = open_page(site, "/", **options)
    drawn = open_page(site, "/temples/guanyin", profile=choice.context)
    draw(drawn)
    drawn.click("#draw-proof summary")
    lot = open_page(site, profile=choice.context)
    lot.goto(f"{site.url}{drawn.get_attribute('#see', 'href')}")
    lot.click(".drawn summary")
    number = open_page(site, "/temples/yuelao/lots?number=101", profile=choice.context)
    lots = open_page(site, "/temples/yuelao/lots", profile=choice.context)
    gone = open_page(site, "/temples/yuelao/lots/101", profile=choice.context)
    parts = open_page(site, "/components", profile=choice.context)
    fault = open_page(site, **options)
    fault.fill("#lot", "101")
    fault.fill("#question", "Well?")
    fault.click("#ask button[type=submit]")
    expect(fault.locator("#problem")).to_be_visible()
    reading = open_page(site, **options)
    ask(reading, "Will it go well?")
    wait_for_end(reading)
    care = open_page(site, **options)
    ask(care, "I want to kill myself")
    history = open_page(site, "/history", profile=reading.context)
    return [choice, drawn, lot, number, lots, gone, parts, fault, reading, care, history]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(site: Site, open_page: OpenPage, scheme: str) -> None:
    for page in pages_to_look_at(site, open_page, color_scheme=scheme):
        contrasts = page.evaluate(_CONTRASTS)
        assert len(contrasts) > (8 if "/lots/101" in page.url else 10)  # the page of a lot that is not there is short
        assert [what for ratio, what in contrasts if ratio < 4.5] == []


@pytest.mark.parametrize("locale", ["zh-TW", "en-US", "ja-JP"])
def test_a_narrow_phone_shows_all_of_it_with_targets_to_hit(site: Site, open_page: OpenPage, locale: str) -> None:
    for page in pages_to_look_at(site, open_page, locale=locale, viewport={"width": 320, "height": 640}):
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert page.evaluate(_SMALL_TARGETS) == []
        page.set_viewport_size({"width": 390, "height": 844})
        page.evaluate("document.documentElement.style.fontSize = '200%'")  # as a visitor's settings may have it
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, page.url


def test_every_field_and_part_has_a_name(site: Site, open_page: OpenPage) -> None:
    for page in pages_to_look_at(site, open_page):
        nameless = page.evaluate(
            "() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
            ".filter((field) => !field.labels.length).map((field) => field.outerHTML)"
        )
        assert nameless == []
        doubled = page.evaluate(
            "() => [...document.querySelectorAll('[id]')].map((element) => element.id)"
            ".filter((id, place, all) => all.indexOf(id) !== place)"
        )
        assert doubled == []
        dangling = page.evaluate(
            "() => [...document.querySelectorAll('[aria-labelledby], [aria-describedby], label[for]')]"
            ".flatMap((element) => [element.getAttribute('aria-labelledby'), element.getAttribute('aria-describedby'),"
            " element.getAttribute('for')].filter(Boolean).join(' ').split(' '))"
            ".filter((id) => !document.getElementById(id))"
        )
        assert dangling == []
        assert page.locator("h1").count() == 1


def test_print_shows_the_reading_and_no_controls(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, color_scheme="dark")
    ask(page, "On paper?")
    wait_for_end(page)
    page.emulate_media(media="print")
    expect(page.locator(".part .text").first).to_be_visible()
    expect(page.locator(".verse")).to_be_visible()
    expect(page.locator("#asked")).to_be_visible()
    for control in (".top", "#after", "#erase"):
        expect(page.locator(control)).to_be_hidden()
    assert [what for ratio, what in page.evaluate(_CONTRASTS) if ratio < 4.5] == []


def test_nothing_moves_where_less_motion_is_asked_for(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, reduced_motion="reduce")
    ask(page, "Calm?")
    assert page.evaluate("document.getAnimations().length") == 0

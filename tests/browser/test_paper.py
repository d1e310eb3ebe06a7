"""A reading on paper: printed to PDF by the browser, and read back from it."""

from __future__ import annotations

import io
import unicodedata

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from browser.visiting import OpenPage, Site, ask, task_of, wait_for_end

#: Questions that bring a reading of each language.
QUESTIONS = {
    "zh-Hant": "我今年的感情會順利嗎？",
    "zh-Hans": "我今年的感情会顺利吗？",
    "en": "Will my marriage go well?",
    "ja": "今年の恋愛はうまくいきますか？",
}
#: Chromium names a glyph that serves two characters by either: a radical that looks the same (of a block that NFKC
#: leaves alone), a dot of another width.
_RADICALS = str.maketrans(
    "⺠⺟⻄⻅⻆⻉⻋⻑⻓⻔⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻨⻩⻬⻮⻰⻳・",
    "民母西见角贝车長长门青韦页风飞食马骨鬼鱼鸟麦黄齐齿龙龟·",
)


def printed(page: Page) -> str:
    """The PDF's text without blanks: where a line breaks is the paper's affair."""
    pdf = PdfReader(io.BytesIO(page.pdf(format="A4")))
    return plain("".join(sheet.extract_text() for sheet in pdf.pages))


def plain(text: str) -> str:
    """In one form of each character: full-width marks and radicals are written in more than one way."""
    return "".join(unicodedata.normalize("NFKC", text).translate(_RADICALS).split())


@pytest.mark.parametrize("language", QUESTIONS)
def test_lot_commentary_and_sections_are_on_the_paper(site: Site, open_page: OpenPage, language: str) -> None:
    page = open_page(site, locale=language)
    page.select_option("#language", language)
    task_id = ask(page, QUESTIONS[language])
    wait_for_end(page)
    task = task_of(page, task_id)
    assert task["language"] == language
    paper = printed(page)
    lot, note = task["lot"], task["lot"]["commentary"]
    assert len(task["sections"]) == 7
    wanted = [section["text"] for section in task["sections"].values()]
    wanted += [QUESTIONS[language], lot["title"], lot["fortune"]["label"], *lot["lines"]]
    wanted += [note["overall"], *note["gloss"], *note["topics"].values(), lot["allusion"]]
    missing = [text for text in wanted if text and plain(text) not in paper]
    assert missing == []
    controls = page.locator("button").all_inner_texts()
    assert [label for label in controls if label and plain(label) in paper] == []


def test_the_button_prints_and_what_was_folded_is_folded_again(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    ask(page, "On paper?")
    wait_for_end(page)
    page.evaluate("() => { window.print = () => { window.printed = true; }; }")
    page.click("#print")
    assert page.evaluate("window.printed")
    for event, folded in (("beforeprint", 0), ("afterprint", 3)):
        page.evaluate("(event) => window.dispatchEvent(new Event(event))", event)
        expect(page.locator(".lot details:not([open])")).to_have_count(folded)

"""The page that asks: draw, write, send, and be told what is wrong."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from browser.visiting import OpenPage, Site, ask, task_of, wait_for_end
from jieqian.lots.draw import verify


def test_it_says_first_who_writes_and_how_to_connect_a_better_model(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    expect(page.locator("#engine-says")).to_contain_text("No language model")
    assert page.evaluate(
        "document.querySelector('.engine').compareDocumentPosition(document.querySelector('#ask')) "
        "& Node.DOCUMENT_POSITION_FOLLOWING"
    )
    page.click(".engine summary")
    expect(page.locator(".engine code").first).to_contain_text("ollama pull")


def test_it_names_the_model_of_each_mode(model_site: Site, open_page: OpenPage) -> None:
    page = open_page(model_site)
    expect(page.locator("#engine-says")).to_contain_text("qwen2.5:7b")
    expect(page.locator("input[value=quality] + span")).to_contain_text("qwen2.5:7b")
    expect(page.locator("input[value=quality]")).to_be_checked()


def test_a_lot_drawn_here_comes_with_a_proof_that_holds(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    page.select_option("#collection", "yuelao")
    page.click("#draw")
    page.click("#drawn summary")
    proof = json.loads(page.locator("#drawn pre").inner_text())
    assert verify(proof, {"yuelao": 100}) == []
    assert verify({**proof, "lot": proof["lot"] % 100 + 1}, {"yuelao": 100}) != []
    assert page.input_value("#lot") == str(proof["lot"])
    expect(page.locator("#drawn-says")).to_contain_text(str(proof["lot"]))
    page.fill("#question", "Will it rain on our wedding?")
    page.click("#ask button[type=submit]")
    wait_for_end(page)
    assert task_of(page, page.url.rsplit("/", 1)[1])["lot"]["number"] == proof["lot"]


def test_another_number_typed_after_a_draw_is_asked_about_without_the_draw(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    page.click("#draw")
    page.wait_for_selector("#drawn pre", state="attached")
    drawn = int(page.input_value("#lot"))
    wanted = drawn % 100 + 1
    ask(page, "Another one?", lot=str(wanted), collection="guanyin")
    wait_for_end(page)
    assert task_of(page, page.url.rsplit("/", 1)[1])["lot"]["number"] == wanted


@pytest.mark.parametrize(
    ("lot", "question", "told", "invalid"),
    [
        ("101", "Will it go well?", "lots 1 to 100", "#lot"),
        ("seven-ish", "Will it go well?", "the lot's number", "#lot"),
        ("7", " \u3000\n ", "two characters are enough", "#question"),
        ("7", "長" * 2001, "longer than 2,000", "#question"),
    ],
)
def test_a_fault_is_told_and_what_was_entered_is_kept(
    site: Site, open_page: OpenPage, lot: str, question: str, told: str, invalid: str
) -> None:
    page = open_page(site)
    page.select_option("#collection", "yuelao")
    page.fill("#lot", lot)
    page.fill("#question", question)
    page.select_option("#language", "ja")
    page.check("input[value=fast]")
    page.click("#ask button[type=submit]")
    problem = page.locator("#problem")
    expect(problem).to_contain_text(told)
    expect(problem).to_be_focused()
    assert page.input_value("#collection") == "yuelao"
    assert page.input_value("#lot") == lot
    assert page.input_value("#question") == question
    assert page.input_value("#language") == "ja"
    expect(page.locator("input[value=fast]")).to_be_checked()
    expect(page.locator(invalid)).to_have_attribute("aria-invalid", "true")
    page.fill("#lot", "7")
    page.fill("#question", "好嗎")
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/readings/*")


def test_the_count_goes_by_characters_and_warns_over_the_limit(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    page.fill("#question", "姻緣𠮷👍")
    expect(page.locator("#question-count")).to_contain_text("4 of")
    page.fill("#question", "字" * 2001)
    expect(page.locator("#question-count")).to_have_class("count over")


def test_a_form_sent_twice_makes_one_task(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    form = {"submission": page.input_value("[name=submission]"), "collection": "yuelao", "lot": "3", "question": "好嗎"}
    first = page.request.post(f"{site.url}/readings", form=form, max_redirects=0)
    again = page.request.post(f"{site.url}/readings", form=form, max_redirects=0)
    other = page.request.post(f"{site.url}/readings", form={**form, "question": "不好嗎"}, max_redirects=0)
    assert [answer.status for answer in (first, again, other)] == [303, 303, 303]
    assert first.headers["location"] == again.headers["location"] != other.headers["location"]


def test_enter_and_input_methods_never_send(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    page.fill("#lot", "7")
    page.focus("#question")
    page.keyboard.type("first")
    page.keyboard.press("Enter")
    page.keyboard.type("second")
    assert page.input_value("#question") == "first\nsecond"
    for options in ({"isComposing": True}, {"keyCode": 229}):
        page.evaluate(
            "(options) => document.querySelector('#question').dispatchEvent(new KeyboardEvent('keydown',"
            " {key: 'Enter', ctrlKey: true, bubbles: true, cancelable: true, ...options}))",
            options,
        )
    page.wait_for_timeout(300)
    assert page.url == f"{site.url}/"
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/readings/*")


def test_the_keyboard_alone_is_enough(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".engine summary")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#collection")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.locator("#lot")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#draw")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_selector("#drawn summary")
    expect(page.locator("#draw")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#drawn summary")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("Is it time to move house?")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#ask button[type=submit]")).to_be_focused()
    page.keyboard.press("Enter")
    wait_for_end(page)
    for _ in range(60):
        if page.evaluate("document.activeElement.matches('#erase summary')"):
            break
        page.keyboard.press("Tab")
    expect(page.locator("#erase summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/history?erased=1")


def test_the_page_speaks_the_visitors_language_and_keeps_their_choice(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, locale="ja-JP")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.click(".languages [lang=zh-Hans]")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.goto(f"{site.url}/history")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    assert open_page(site, locale="fr-FR").get_attribute("html", "lang") == "zh-Hant"

"""The form that asks: write, send, and be told what is wrong."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.visiting import OpenPage, Site, ask, draw, task_of, wait_for_end


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


def test_another_number_typed_after_a_draw_is_asked_about_without_the_draw(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, "/temples/yuelao", reduced_motion="reduce")
    draw(page)
    page.click("#see")
    drawn = int(page.input_value("[name=lot]"))
    page.fill("#question", "長" * 2001)
    page.evaluate("document.querySelector('[name=place]').remove()")  # as a form of somebody's own would send it
    page.click("#ask button[type=submit]")
    expect(page.locator("#problem")).to_be_focused()
    assert page.input_value("#lot") == str(drawn)
    assert page.input_value("[name=draw_id]") != ""
    wanted = drawn % 100 + 1
    ask(page, "Another one?", lot=str(wanted))
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
    page = open_page(site, "/ask?collection=yuelao&lot=7")
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
    assert page.url == f"{site.url}/ask?collection=yuelao&lot=7"
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/readings/*")


def test_the_page_speaks_the_visitors_language_and_keeps_their_choice(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, locale="ja-JP")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.click(".languages [lang=zh-Hans]")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.goto(f"{site.url}/history")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    assert open_page(site, locale="fr-FR").get_attribute("html", "lang") == "zh-Hant"

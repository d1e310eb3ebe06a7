"""A reading on its page: as it comes, after a refresh, in a second tab, through a crash; stopped, erased, asked on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page, expect

from browser.visiting import OpenPage, Pace, Site, ask, shown_sections, task_of, wait_for_end
from jieqian.sections.section import SECTIONS

# Slow enough to be looked at half-way on a busy machine (ten seconds a reading), and one that never ends by itself.
SLOW = {"tokens": 400, "tokens_per_second": 40.0, "first_token_ms": 100.0}
ENDLESS = {**SLOW, "stall_after": 150}


def assert_whole(page: Page, source: str) -> None:
    """The page shows all seven sections exactly as the API has them, each marked with who wrote it."""
    task = task_of(page, page.url.rsplit("/", 1)[1].split("?")[0])
    assert list(task["sections"]) == list(SECTIONS)
    assert shown_sections(page) == {name: section["text"] for name, section in task["sections"].items()}
    marks = page.locator(".part .source").all_inner_texts()
    assert len(marks) == 7
    assert all(mark.startswith(source) for mark in marks)


def half_way(page: Page | Frame) -> None:
    page.wait_for_selector(".part[data-state=finished] ~ .part[data-state=writing]", timeout=60_000)


def test_a_reading_from_the_commentary(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    ask(page, "我今年的感情會順利嗎？")
    expect(page.locator(".verse li").first).to_have_text("關關雎鳩")
    expect(page.locator(".commentary")).to_contain_text("雎鳩")
    wait_for_end(page)
    assert_whole(page, "From the commentary")
    expect(page.locator("#queue")).to_be_empty()
    expect(page.locator("[data-stage=total] dd")).to_have_text(re.compile(r"^\d+\.\d s$"))
    page.reload()
    assert_whole(page, "From the commentary")


def test_a_lot_without_commentary_shows_its_verse_and_says_so(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    ask(page, "Shall I wait?", collection="river")
    expect(page.locator(".verse")).to_contain_text("春江潮水連海平")
    expect(page.locator(".lot .notice")).to_contain_text("no commentary yet")
    expect(page.locator(".verse")).to_have_attribute("lang", "zh-Hant")


def test_a_reading_streams_in_as_the_model_writes(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**SLOW)
    page = open_page(model_site)
    ask(page, "Will my new job go well this year?")
    page.evaluate(
        "() => { window.said = []; new MutationObserver(() => window.said.push("
        "document.querySelector('#announce').textContent)).observe("
        "document.querySelector('#announce'), {childList: true}); }"
    )
    writing = page.locator(".part[data-state=writing] .text")
    expect(writing.first).not_to_be_empty(timeout=30_000)
    first = writing.first.inner_text()
    page.wait_for_function("(seen) => document.querySelector('.part .text').textContent.length > seen", arg=len(first))
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#after")).to_be_hidden()
    wait_for_end(page)
    assert_whole(page, "Written by the model")
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#after")).to_be_visible()
    expect(page.locator("#announce")).to_have_text("Complete")
    said = page.evaluate("window.said")
    assert 1 < len(said) <= 15
    assert all(re.match("Now writing|Finished|Complete", sentence) for sentence in said)


def test_a_refresh_and_a_second_tab_show_it_whole(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**SLOW)
    page = open_page(model_site)
    task_id = ask(page, "事業會順利嗎？請看今年。")
    half_way(page)
    page.reload()
    half_way(page)
    second = open_page(model_site, f"/readings/{task_id}", profile=page.context)
    wait_for_end(page)
    wait_for_end(second)
    assert_whole(page, "Written by the model")
    assert_whole(second, "Written by the model")


def test_another_browser_does_not_see_it(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    task_id = ask(page, "Only for me?")
    stranger = open_page(site, f"/readings/{task_id}")
    expect(stranger.locator("h1")).to_have_text("That reading is not here")
    assert "Only for me?" not in stranger.content()


def test_a_crash_of_the_server_loses_nothing(open_page: OpenPage, pace: Pace, model_url: str, tmp_path: Path) -> None:
    pace(**SLOW)
    settings = {"llm_provider": "ollama", "llm_base_url": model_url, "llm_model": "qwen2.5:7b"}
    site = Site(tmp_path / "data", **settings)
    site.start()
    try:
        page = open_page(site)
        ask(page, "Will the harvest be good?")
        half_way(page)
        kept = shown_sections(page)
        site.end(hard=True)
        expect(page.locator("#trouble")).to_contain_text("nothing is lost")
        site.start()
        wait_for_end(page)
        expect(page.locator("#trouble")).to_be_hidden()
        assert_whole(page, "Written by the model")
        assert kept.items() <= shown_sections(page).items()
        page.close()
    finally:
        site.end()


def test_stop_keeps_what_is_finished(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**ENDLESS)
    page = open_page(model_site)
    task_id = ask(page, "Should I stop here?")
    half_way(page)
    page.click("#stop button")
    wait_for_end(page, "stopped")
    finished = shown_sections(page)
    assert 0 < len(finished) < 7
    assert finished == {name: part["text"] for name, part in task_of(page, task_id)["sections"].items()}
    expect(page.locator(".part[data-state=missing] .source").first).to_have_text("Not written")
    page.reload()
    assert shown_sections(page) == finished


def test_erasing_takes_it_from_every_tab(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**ENDLESS)
    page = open_page(model_site)
    task_id = ask(page, "A secret question")
    half_way(page)
    second = open_page(model_site, f"/readings/{task_id}", profile=page.context)
    page.click("#erase summary")
    page.click("#erase button")
    page.wait_for_url("**/history?erased=1")
    expect(page.locator("[role=status]")).to_have_text("It was erased.")
    expect(page.locator(".history")).to_have_count(0)
    expect(second.locator("#erased")).to_be_visible(timeout=15_000)
    assert "A secret question" not in second.inner_text("body")
    page.goto(f"{model_site.url}/readings/{task_id}")
    expect(page.locator("h1")).to_have_text("That reading is not here")


def test_a_follow_up_and_a_fresh_reading_are_new_tasks(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    first = ask(page, "Will I travel?")
    wait_for_end(page)
    page.fill("#next-question", "And with whom?")
    page.click("#follow-up button")
    page.wait_for_url(lambda url: "/readings/" in url and first not in url)
    wait_for_end(page)
    second = page.url.rsplit("/", 1)[1]
    assert task_of(page, second)["parent_id"] == first
    expect(page.locator("header .notice a")).to_have_attribute("href", f"/readings/{first}")
    page.click("text=Read it afresh")
    page.wait_for_url(lambda url: "/readings/" in url and second not in url)
    wait_for_end(page)
    third = task_of(page, page.url.rsplit("/", 1)[1])
    assert (third["question"], third["parent_id"]) == ("And with whom?", first)


def test_copy_and_feedback(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, permissions=["clipboard-read", "clipboard-write"])
    task_id = ask(page, "Will I pass?")
    wait_for_end(page)
    page.click("#copy")
    expect(page.locator("#copied")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "關關雎鳩" in copied
    assert "Will I pass?" in copied
    assert all(section["text"] in copied for section in task_of(page, task_id)["sections"].values())
    page.check("input[name=score][value='-1']")
    page.fill("#comment", "too short")
    with page.expect_response("**/feedback") as answered:
        page.click("#feedback button")
    assert answered.value.request.post_data_json == {"score": -1, "comment": "too short"}
    expect(page.locator("#feedback-said")).to_have_text("Thank you, it is noted.")


def test_history_lists_ones_own_by_pages(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    for number in range(23):
        body = {"collection": "yuelao", "lot": 1 + number, "question": f"Question {number}?"}
        assert page.request.post(f"{site.url}/api/v1/tasks", data=body).status == 202
    page.goto(f"{site.url}/history")
    assert page.locator(".history .excerpt").all_inner_texts() == [f"Question {n}?" for n in range(22, 2, -1)]
    page.click("a[rel=next]")
    assert page.locator(".history .excerpt").all_inner_texts() == [f"Question {n}?" for n in (2, 1, 0)]
    expect(page.locator("a[rel=next]")).to_have_count(0)
    page.click(".history a >> nth=0")
    expect(page.locator("#asked")).to_have_text("Question 2?")


def test_danger_to_life_is_answered_with_help_and_no_fortune(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    ask(page, "I want to kill myself")
    expect(page.locator(".care li").first).to_be_visible()
    expect(page.locator(".care .contact").first).not_to_be_empty()
    expect(page.locator(".part, .fortune, .commentary")).to_have_count(0)
    expect(page.locator(".care + p + .columns .verse")).to_be_visible()


@pytest.mark.parametrize("attack", ["<img src=x onerror=alert(1)>", "'\"></textarea><script>alert(1)</script>"])
def test_markup_in_a_question_stays_text(site: Site, open_page: OpenPage, attack: str) -> None:
    page = open_page(site)
    ask(page, f"{attack} 好嗎")
    wait_for_end(page)
    expect(page.locator("#asked")).to_have_text(f"{attack} 好嗎")
    page.goto(f"{site.url}/history")
    expect(page.locator(".excerpt").first).to_have_text(f"{attack} 好嗎")
    page.goto(f"{site.url}/ask")
    page.fill("#lot", "101")
    page.fill("#question", attack)
    page.click("#ask button[type=submit]")
    expect(page.locator("#problem")).to_be_visible()
    assert page.input_value("#question") == attack
    assert page.evaluate("document.scripts.length") == 2
    assert page.locator("img").count() == 0


def test_markup_from_a_model_stays_text(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    pace(text=json.dumps(dict.fromkeys(SECTIONS, attack * 20)), tokens_per_second=100.0)
    page = open_page(model_site)
    ask(page, "Is this safe?")
    page.evaluate(
        "() => { window.seen = ''; window.made = 0; new MutationObserver((changes) => { for (const change of changes)"
        " for (const node of change.addedNodes) node.nodeType === Node.TEXT_NODE ? window.seen += node.data :"
        " window.made += 1; }).observe(document.querySelector('.reading'), {childList: true, subtree: true}); }"
    )
    wait_for_end(page)
    assert "<img src=x" in page.evaluate("window.seen")
    assert page.evaluate("window.made") == 0
    assert page.evaluate("document.scripts.length") == 2

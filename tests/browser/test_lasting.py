"""Nothing is lost: the network away and back, a killed server, a closed tab, a locked phone, Back; and waiting."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, TimeoutError, expect

from browser.test_reading_page import ENDLESS, SLOW, assert_whole, half_way
from browser.visiting import OpenPage, Pace, Site, ask, shown_sections, task_of, wait_for_end
from browser.weak_line import WeakLine
from jieqian.api.callers import COOKIE
from jieqian.web.texts import LANGUAGE_NAMES, Texts

_PATIENCE = 60.0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_STALLED = {**SLOW, "stall_after": 150}  # two sections and some of the third; then nothing
_QUICK = {"tokens": 400, "tokens_per_second": 2000.0}
_NOTE_TEXTS = """() => {
  window.noted = [];
  new MutationObserver(() => {
    for (const part of document.querySelectorAll(".part")) {
      const text = part.querySelector(".text").textContent;
      if (part.dataset.state === "writing" && text) window.noted.push([part.dataset.section, text]);
    }
  }).observe(document.querySelector(".reading"), { childList: true, subtree: true, attributes: true });
}"""


@pytest.fixture
def line(model_site: Site) -> Iterator[WeakLine]:
    """A line to the program that a test can cut."""
    weak = WeakLine(model_site)
    yield weak
    weak.close()


@pytest.fixture
def own_site(model_url: str, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts a program of the test's own, with the stand-in model and these settings."""
    started: list[Site] = []

    def start(**settings: str) -> Site:
        model = {"llm_provider": "ollama", "llm_base_url": model_url, "llm_model": "qwen2.5:7b"}
        given = {"cache_entries": "0", "measure_models": "false", **model, **settings}
        started.append(Site(tmp_path / f"data{len(started)}", **given))
        started[-1].start()
        return started[-1]

    yield start
    for site in started:
        site.end()


def until(met: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    end = time.monotonic() + _PATIENCE
    while not met():
        assert time.monotonic() < end, f"not within {_PATIENCE:.0f} s: {what}"
        time.sleep(0.1)


def api_task(page: Page, site: Site, task_id: str) -> dict[str, Any]:
    """The task as the program has it, asked past any weak line."""
    found: dict[str, Any] = page.request.get(f"{site.url}/api/v1/tasks/{task_id}").json()
    return found


def until_written(page: Page, site: Site, task_id: str, more_than: int) -> None:
    """Until the program has finished more sections than that."""
    until(lambda: len(api_task(page, site, task_id)["sections"]) > more_than, "another section")


def until_ended(page: Page, site: Site, task_id: str) -> None:
    until(lambda: api_task(page, site, task_id)["status"] == "completed", "the reading's end")


def assert_each_text_grew(page: Page) -> None:
    """Whatever was shown of a section while it was written is the beginning of what it became."""
    whole = shown_sections(page)
    noted = page.evaluate("window.noted")
    assert noted
    for section, text in noted:
        assert whole[section].startswith(text), section


def shows_some_of_an_unfinished_section(page: Page) -> None:
    expect(page.locator(".part[data-state=finished] ~ .part[data-state=writing] .text")).not_to_be_empty(timeout=60_000)


def test_the_line_is_cut_mid_section_and_mended(
    model_site: Site, line: WeakLine, open_page: OpenPage, pace: Pace
) -> None:
    pace(**SLOW)
    page = open_page(line.site)
    task_id = ask(page, "Will the bridge hold?")
    page.evaluate(_NOTE_TEXTS)
    half_way(page)
    line.cut()
    expect(page.locator("#trouble")).to_contain_text("nothing is lost")
    kept = shown_sections(page)
    until_written(page, model_site, task_id, len(kept))
    assert shown_sections(page) == kept
    line.mend()
    wait_for_end(page)
    expect(page.locator("#trouble")).to_be_hidden()
    assert_whole(page, "Written by the model")
    assert_each_text_grew(page)


@pytest.mark.parametrize("status", [200, 404])
def test_a_network_that_answers_with_a_page_of_its_own_is_waited_out(
    line: WeakLine, open_page: OpenPage, pace: Pace, status: int
) -> None:
    pace(**SLOW)
    page = open_page(line.site)
    ask(page, "Will the guest house let me through?")
    half_way(page)
    answered: list[str] = []

    def own_page(route: Route) -> None:
        answered.append(route.request.url)
        # A stream of another type is a line in the console, whatever the page does with it.
        its_own = 503 if "/events" in route.request.url else status
        route.fulfill(status=its_own, content_type="text/html", body="<h1>Welcome, guest</h1>")

    page.route("**/api/v1/tasks/**", own_page)
    line.cut()
    line.mend()
    page.wait_for_timeout(9000)
    assert 2 <= len(answered) < 20, "asked again, with pauses"
    expect(page.locator("#trouble")).to_contain_text("nothing is lost")
    expect(page.locator("#erased")).to_be_hidden()
    page.unroute("**/api/v1/tasks/**")
    wait_for_end(page)
    assert_whole(page, "Written by the model")


def test_the_phone_has_no_network_for_a_while(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**SLOW)
    page = open_page(model_site)
    ask(page, "Will the tunnel end?")
    page.evaluate(_NOTE_TEXTS)
    half_way(page)
    page.context.set_offline(True)
    expect(page.locator("#trouble")).to_contain_text("nothing is lost")
    page.context.set_offline(False)
    wait_for_end(page)
    expect(page.locator("#trouble")).to_be_hidden()
    assert_whole(page, "Written by the model")
    assert_each_text_grew(page)


def test_a_section_written_again_while_the_line_was_cut_is_shown_as_it_is_now(
    own_site: Callable[..., Site], open_page: OpenPage, pace: Pace
) -> None:
    pace(**_STALLED)
    site = own_site(llm_silence_seconds="3")
    line = WeakLine(site)
    try:
        page = open_page(line.site)
        task_id = ask(page, "Once more?")
        shows_some_of_an_unfinished_section(page)
        pace(**_QUICK)
        kept = shown_sections(page)
        line.cut()
        until_ended(page, site, task_id)
        assert shown_sections(page) == kept
        line.mend()
        wait_for_end(page)
        assert_whole(page, "Written by the model")
        assert kept.items() <= shown_sections(page).items()
        page.close()
    finally:
        line.close()


def test_a_line_that_falls_silent_is_found_out(
    model_site: Site, line: WeakLine, open_page: OpenPage, pace: Pace
) -> None:
    pace(**SLOW)
    page = open_page(line.site)
    page.clock.install()
    task_id = ask(page, "Does anybody hear me?")
    half_way(page)
    line.fall_silent()
    until_ended(page, model_site, task_id)
    assert page.get_attribute("#task", "data-status") == "running"
    page.clock.fast_forward("02:00")
    for _ in range(6):  # the browser may use one silent line after another
        with suppress(TimeoutError):
            page.wait_for_selector("#task[data-status=completed]", timeout=20_000)
            break
        page.clock.fast_forward("00:30")
    wait_for_end(page)
    assert_whole(page, "Written by the model")


def test_a_server_killed_with_half_a_section_shown(
    own_site: Callable[..., Site], open_page: OpenPage, pace: Pace
) -> None:
    pace(**_STALLED)
    site = own_site()
    page = open_page(site)
    task_id = ask(page, "Will the lamp stay lit?")
    shows_some_of_an_unfinished_section(page)
    pace(**_QUICK)
    kept = shown_sections(page)
    half = page.locator(".part[data-state=writing] .text").first.inner_text()
    assert half
    site.end(hard=True)
    expect(page.locator("#trouble")).to_contain_text("nothing is lost")
    # What was on its way came too; what had been shown stays to be read.
    assert page.locator(".part[data-state=writing] .text").first.inner_text().startswith(half)
    site.start()
    wait_for_end(page)
    expect(page.locator("#trouble")).to_be_hidden()
    assert_whole(page, "Written by the model")
    assert kept.items() <= shown_sections(page).items()
    again = open_page(site, f"/readings/{task_id}", profile=page.context)
    assert shown_sections(again) == shown_sections(page)
    again.close()
    page.close()


def test_a_service_long_away_is_told_with_a_way_on(
    model_site: Site, line: WeakLine, open_page: OpenPage, pace: Pace
) -> None:
    pace(**SLOW)
    page = open_page(line.site)
    page.clock.install()
    task_id = ask(page, "Are you still there?")
    half_way(page)
    line.cut()
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text("nothing is lost")
    expect(page.locator("#again")).to_be_hidden()
    page.clock.fast_forward("00:40")
    expect(trouble).to_contain_text("has not answered for a while")
    page.click("#again")
    expect(trouble).to_contain_text("has not answered for a while")
    until_ended(page, model_site, task_id)
    line.mend()
    page.click("#again")
    wait_for_end(page)
    expect(trouble).to_be_hidden()
    expect(page.locator("#again")).to_be_hidden()
    assert_whole(page, "Written by the model")


def test_a_closed_tab_is_opened_again_from_the_history(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**SLOW)
    page = open_page(model_site)
    context = page.context
    task_id = ask(page, "Shall I come back later?")
    half_way(page)
    page.close()
    later = open_page(model_site, "/history", profile=context)
    expect(later.locator(".history li").first).to_contain_text("Being written")
    until_ended(later, model_site, task_id)
    later.click(".history a >> nth=0")
    assert_whole(later, "Written by the model")


def test_a_phone_that_was_locked_shows_what_came_meanwhile(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**SLOW)
    page = open_page(model_site)
    task_id = ask(page, "Will it be there when I wake?")
    page.evaluate(_NOTE_TEXTS)
    half_way(page)
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    until_ended(page, model_site, task_id)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    wait_for_end(page)
    assert_whole(page, "Written by the model")
    assert_each_text_grew(page)


@pytest.fixture
def remembering(browser: Browser) -> Iterator[Browser]:
    """A browser that keeps the page one leaves as it stands, as those of visitors do and Playwright's does not."""
    kept = browser.browser_type.launch(
        executable_path=next(filter(None, map(shutil.which, _BROWSERS))),
        args=["--no-sandbox", "--disable-gpu"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield kept
    kept.close()


@pytest.mark.parametrize("ended", [False, True])
def test_back_and_forward_to_a_running_reading(
    remembering: Browser, model_site: Site, open_page: OpenPage, pace: Pace, ended: bool
) -> None:
    pace(**SLOW)
    profile = remembering.new_context(locale="en-US")
    page = open_page(model_site, profile=profile)
    task_id = ask(page, "Shall I turn back?")
    half_way(page)
    page.click("header.top a[href='/history']")
    expect(page.locator(".history")).to_be_visible()
    if ended:
        until_ended(page, model_site, task_id)
    page.go_back(wait_until="commit")
    wait_for_end(page)
    assert_whole(page, "Written by the model")
    page.go_back(wait_until="commit")
    page.wait_for_selector("#ask")
    page.go_forward(wait_until="commit")
    wait_for_end(page)
    assert_whole(page, "Written by the model")
    profile.close()


def test_waiting_shows_place_and_estimate_as_they_change(
    own_site: Callable[..., Site], open_page: OpenPage, pace: Pace
) -> None:
    pace(**_QUICK)
    site = own_site(workers="1")
    first = open_page(site)
    ask(first, "How long does one take?")
    wait_for_end(first)
    pace(**ENDLESS)
    first.goto(f"{site.url}/ask")
    ask(first, "Who is first?")
    half_way(first)
    second = open_page(site)
    ask(second, "Who is second?")
    expect(second.locator("#status")).to_have_text("In the queue")
    third = open_page(site)
    ask(third, "Who is third?")
    place = third.locator("#queue")
    expect(place).to_contain_text(re.compile(r"1 before you\. It starts in about \d+ s\."))
    third.reload()
    expect(place).to_contain_text(re.compile(r"1 before you\. It starts in about \d+ s\."))
    second.click("#stop button")
    wait_for_end(second, "stopped")
    assert shown_sections(second) == {}
    expect(second.locator("#queue")).to_be_empty()
    expect(second.locator("#after")).to_be_visible()
    expect(place).to_contain_text("You are next.")
    pace(**_QUICK)
    first.click("#stop button")
    wait_for_end(third)
    expect(place).to_be_empty()
    assert_whole(third, "Written by the model")


def test_stop_in_one_tab_shows_in_the_other(model_site: Site, open_page: OpenPage, pace: Pace) -> None:
    pace(**ENDLESS)
    page = open_page(model_site)
    task_id = ask(page, "Which hand stops it?")
    half_way(page)
    other = open_page(model_site, f"/readings/{task_id}", profile=page.context)
    half_way(other)
    other.click("#stop button")
    for each in (page, other):
        wait_for_end(each, "stopped")
        expect(each.locator("#stop")).to_be_hidden()
        expect(each.locator("#after")).to_be_visible()
    assert shown_sections(page) == shown_sections(other)
    assert 0 < len(shown_sections(page)) < 7


def test_stop_while_the_line_is_cut_is_told_and_can_be_said_again(
    line: WeakLine, open_page: OpenPage, pace: Pace
) -> None:
    pace(**ENDLESS)
    page = open_page(line.site)
    ask(page, "Stop without a line?")
    half_way(page)
    line.cut()
    page.click("#stop button")
    expect(page.locator("#trouble")).to_contain_text("could not be stopped")
    line.mend()
    expect(page.locator("#trouble")).to_be_hidden()
    page.click("#stop button")
    wait_for_end(page, "stopped")


def test_too_many_questions_keep_the_question_and_say_when(own_site: Callable[..., Site], open_page: OpenPage) -> None:
    site = own_site(rate_limit_per_minute="1")
    page = open_page(site)
    ask(page, "The first?")
    page.goto(f"{site.url}/ask")
    page.fill("#lot", "8")
    page.fill("#question", "第二個問題？")
    with page.expect_response("**/readings") as answered:
        page.click("#ask button[type=submit]")
    assert answered.value.status == 429
    seconds = answered.value.headers["retry-after"]
    expect(page.locator("#problem")).to_contain_text(f"try again in about {seconds} seconds")
    assert page.input_value("#question") == "第二個問題？"
    assert page.input_value("#lot") == "8"
    expect(page.locator("#ask button[type=submit]")).to_be_enabled()


@pytest.mark.parametrize("forged", [False, True])
def test_a_session_lost_while_it_is_written(line: WeakLine, open_page: OpenPage, pace: Pace, forged: bool) -> None:
    pace(**SLOW)
    page = open_page(line.site)
    page.clock.install()
    ask(page, "Who was I?")
    half_way(page)
    line.cut()
    page.context.clear_cookies()
    if forged:
        page.context.add_cookies([{"name": COOKIE, "value": "someone.else", "url": line.site.url}])
    line.mend()
    gone = page.locator("#erased")
    expect(gone).to_contain_text("cookie")
    expect(gone.locator("a[href='/']")).to_be_visible()
    page.clock.fast_forward(30_000)  # nothing more is to be told of the line
    page.reload()
    expect(page.locator("h1")).to_have_text("That reading is not here")
    page.goto(f"{line.site.url}/ask")
    ask(page, "And who am I now?")
    wait_for_end(page)
    assert_whole(page, "Written by the model")


@pytest.mark.parametrize("language", list(LANGUAGE_NAMES))
def test_anothers_reading_is_told_kindly_in_each_language(site: Site, open_page: OpenPage, language: Any) -> None:
    page = open_page(site)
    task_id = ask(page, "Mine alone?")
    stranger = open_page(site, "/history", locale=language.value)
    answer = stranger.goto(f"{site.url}/readings/{task_id}")
    assert answer is not None
    assert answer.status == 404
    texts = Texts(language)
    expect(stranger.locator("html")).to_have_attribute("lang", language.value)
    expect(stranger.locator("h1")).to_have_text(texts("missing.title"))
    expect(stranger.locator("main")).to_contain_text(texts("missing.text"))
    assert "Mine alone?" not in stranger.content()
    stranger.click("main a[href='/']")
    expect(stranger.locator("main")).to_be_visible()
    assert stranger.url == f"{site.url}/"


@pytest.mark.parametrize("language", list(LANGUAGE_NAMES))
def test_a_question_a_character_too_long_on_a_lots_page(site: Site, open_page: OpenPage, language: Any) -> None:
    page = open_page(site, "/temples/yuelao/lots/5", locale=language.value)
    page.fill("#question", "籤" * 2001)
    page.click("#ask button[type=submit]")
    expect(page.locator("#problem")).to_contain_text(Texts(language)("error.question_too_long"))
    expect(page.locator(".verse").first).to_be_visible()
    assert page.input_value("#question") == "籤" * 2001
    page.fill("#question", "籤" * 2000)
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/readings/*")
    expect(page.locator("#asked")).to_have_text("籤" * 2000)


@pytest.mark.parametrize(
    ("collection", "lot", "told"),
    [("jiazi", "61", "lots 1 to 60"), ("nowhere", "3", "no such collection"), ("guanyin", "yuelao_1", "lot")],
)
def test_a_lot_of_another_temple_in_the_form(
    site: Site, open_page: OpenPage, collection: str, lot: str, told: str
) -> None:
    page = open_page(site, "/temples/yuelao/lots/5")
    page.fill("#question", "Whose lot is this?")
    page.evaluate(
        "([collection, lot]) => { document.querySelector('#ask [name=collection]').value = collection;"
        " document.querySelector('#ask [name=lot]').value = lot; }",
        [collection, lot],
    )
    page.click("#ask button[type=submit]")
    expect(page.locator("#problem")).to_contain_text(told)
    assert page.input_value("#question") == "Whose lot is this?"


def test_a_forged_session_is_a_stranger(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    task_id = ask(page, "Mine?")
    mine = next(cookie for cookie in page.context.cookies() if cookie["name"] == COOKIE)
    signed = mine["value"]
    session, _, signature = signed.rpartition(".")
    forged = f"{session}.{signature[::-1]}"
    stranger = open_page(site, "/history")
    stranger.context.clear_cookies()
    stranger.context.add_cookies([{"name": COOKIE, "value": forged, "url": site.url}])
    stranger.goto(f"{site.url}/readings/{task_id}")
    expect(stranger.locator("h1")).to_have_text("That reading is not here")
    stranger.goto(f"{site.url}/history")
    expect(stranger.locator(".history")).to_have_count(0)
    stranger.goto(f"{site.url}/ask")
    ask(stranger, "My own, then?")
    assert task_of(stranger, stranger.url.rsplit("/", 1)[1])["question"] == "My own, then?"


def test_back_does_not_show_what_was_erased(remembering: Browser, site: Site, open_page: OpenPage) -> None:
    profile = remembering.new_context(locale="en-US")
    page = open_page(site, profile=profile)
    task_id = ask(page, "A secret question")
    wait_for_end(page)
    page.click("#erase summary")
    page.click("#erase button")
    page.wait_for_url("**/history?erased=1")
    page.go_back(wait_until="commit")
    page.wait_for_url(f"**/readings/{task_id}", wait_until="commit")
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("A secret question")
    profile.close()

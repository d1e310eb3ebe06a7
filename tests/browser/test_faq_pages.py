"""The FAQ's pages in a browser: a review from end to end, how they look, and texts that would break out of them."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from browser.test_admin_pages import TOKEN, looked_at, sign_in
from browser.visiting import OpenPage, Site, faults

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script> \u202etxet\u2066 {{ 7*7 }} ‹name›'


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faq") / "data"


@pytest.fixture(scope="module")
def faq_site(browser: Browser, data_dir: Path) -> Iterator[Site]:
    site = Site(data_dir, llm_provider="commentary", admin_token=TOKEN, collections="guanyin,yuelao")
    site.start()
    try:
        yield site
    finally:
        site.end()


def put(data_dir: Path, *questions: str, answer: str = "Wait a month, then ask again.", language: str = "en") -> None:
    """Pending entries as the service makes them of readings."""
    columns = "id, collection, lot, category, language, question, answer, status, created_at"
    rows = [(str(uuid.uuid4()), language, question, answer, time.time()) for question in questions]
    with closing(sqlite3.connect(data_dir / "jieqian.db", timeout=30)) as database, database:
        database.executemany(
            f"insert into faq_entries ({columns}) values (?, 'yuelao', 7, 'love', ?, ?, ?, 'pending', ?)", rows
        )


def put_unanswered(data_dir: Path, *questions: str) -> None:
    rows = [(str(uuid.uuid4()), str(uuid.uuid4()), at + 1, text, time.time()) for at, text in enumerate(questions)]
    with closing(sqlite3.connect(data_dir / "jieqian.db", timeout=30)) as database, database:
        database.executemany(
            "insert into faq_unanswered values (?, ?, 'yuelao', ?, 'home', 'en', ?, 1, ?)",
            rows,
        )


def signed_in(site: Site, open_page: OpenPage, path: str, **options: object) -> Page:
    page = open_page(site, path, **options)
    sign_in(page)
    page.wait_for_selector(".sign-out")
    return page


def entry_of(page: Page, question: str) -> Locator:
    return page.locator(".entry").filter(has_text=question)


def test_a_review_from_end_to_end_without_scripts(faq_site: Site, data_dir: Path, open_page: OpenPage) -> None:
    put(
        data_dir,
        "Will the ferry sail on Sunday?",
        "Is honey good for a cough?",
        "silk or wool?",
    )
    put(data_dir, *(f"Shall I wait for the letter from the harbour office {'!' * at}" for at in range(3)))
    page = signed_in(faq_site, open_page, "/admin/faq", java_script_enabled=False)
    expect(page.locator("main nav a[aria-current=page]")).to_contain_text("Waiting")
    group = page.locator(".group").filter(has_text="letter")
    expect(group.locator(".together")).to_have_text("3 that ask nearly the same")
    group.locator(".entry").nth(1).get_by_role("button", name="Keep this one, reject 2 others").click()
    expect(page.get_by_role("status")).to_contain_text("2 entries rejected.")
    expect(page.locator(".group").filter(has_text="letter")).to_have_count(0)

    for thing in ("ferry", "honey"):
        entry_of(page, f"{thing}").get_by_role("checkbox").check()
    page.locator(".decide").last.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_contain_text("2 entries approved.")
    entry_of(page, "silk").get_by_role("button", name="Reject").click()
    expect(page.get_by_role("status")).to_contain_text("1 entry rejected.")

    page.get_by_role("link", name="Approved").click()
    entry_of(page, "ferry").get_by_role("link", name="Edit").click()
    expect(page.locator("h1 .state")).to_have_text("approved")
    page.fill("#answer", "Only if the flag is up.")
    page.get_by_role("button", name="Save; it stays approved").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    page.locator(".translate").filter(has_text="日本語").get_by_role("button", name="Propose").click()
    expect(page.get_by_role("status")).to_contain_text("No model is connected")
    page.fill("#question", "日曜に船は出ますか？")
    page.fill("#answer", "旗が上がっていれば。")
    page.get_by_role("button", name="Keep; review it later").click()
    expect(page.locator("h1 .state")).to_have_text("waiting")
    page.get_by_role("link", name="English").last.click()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator("h1 .state")).to_have_text("rejected")
    page.get_by_role("button", name="Back to waiting").click()
    expect(page.locator("h1 .state")).to_have_text("waiting")


def test_an_answer_is_written_to_a_question_that_has_none(faq_site: Site, data_dir: Path, open_page: OpenPage) -> None:
    put_unanswered(data_dir, "Will the roof of the old mill hold?", "Will the roof of the old mill hold??")
    page = signed_in(faq_site, open_page, "/admin/faq/unanswered")
    asked = entry_of(page, "old mill")
    expect(asked).to_contain_text("asked 2 times")
    expect(asked).to_contain_text("lots 1, 2")
    asked.get_by_role("link", name="Write an answer").click()
    page.fill("#lot", "101")
    page.fill("#answer", "Mend it before the rains.")
    page.get_by_role("button", name="Save and approve").click()
    expect(page.locator("#lot")).to_have_attribute("aria-invalid", "true")
    assert page.input_value("#answer") == "Mend it before the rains."
    page.fill("#lot", "2")
    page.get_by_role("button", name="Save and approve").click()
    expect(page.locator("h1 .state")).to_have_text("approved")
    page.goto(f"{faq_site.url}/admin/faq/unanswered")
    expect(entry_of(page, "old mill")).to_have_count(0)


def test_a_save_on_an_older_state_shows_both(faq_site: Site, data_dir: Path, open_page: OpenPage) -> None:
    put(data_dir, "Is the lantern bright enough?")
    page = signed_in(faq_site, open_page, "/admin/faq")
    entry_of(page, "lantern").get_by_role("link", name="Edit").click()
    other = open_page(faq_site, page.url.removeprefix(faq_site.url), profile=page.context)
    other.fill("#answer", "Trim the wick.")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(other.get_by_role("status")).to_have_text("Saved.")
    page.fill("#answer", "Add oil.")
    page.get_by_role("button", name="Save and approve").click()
    expect(page.get_by_role("alert")).to_contain_text("changed after you looked")
    expect(page.locator(".now")).to_contain_text("Trim the wick.")
    assert page.input_value("#answer") == "Add oil."
    page.get_by_role("button", name="Save and approve").click()
    expect(page.locator("h1 .state")).to_have_text("approved")


def test_texts_of_others_are_shown_as_text(faq_site: Site, data_dir: Path, open_page: OpenPage) -> None:
    put(data_dir, HOSTILE, answer=HOSTILE)
    put_unanswered(data_dir, HOSTILE)
    page = signed_in(faq_site, open_page, "/admin/faq")
    entry = entry_of(page, "onerror")
    expect(entry.locator("img, script")).to_have_count(0)
    expect(entry.locator(".text")).to_have_text(HOSTILE)
    expect(entry.locator(".text")).to_have_attribute("dir", "auto")
    entry.get_by_role("link", name="Edit").click()
    assert page.input_value("#question") == HOSTILE
    page.locator(".translate").filter(has_text="日本語").get_by_role("button", name="Write it myself").click()
    expect(page.locator(".card .text")).to_have_text(HOSTILE)
    page.goto(f"{faq_site.url}/admin/faq/unanswered")
    expect(entry_of(page, "onerror")).to_contain_text("{{ 7*7 }}")


@pytest.mark.parametrize(("locale", "scheme"), [("zh-TW", "dark"), ("en-US", "light")])
def test_how_they_look_on_a_narrow_phone(
    faq_site: Site, data_dir: Path, open_page: OpenPage, locale: str, scheme: str
) -> None:
    put(data_dir, f"Shall I plant the {locale} pear tree", f"Shall I plant the {locale} pear tree?")
    put_unanswered(data_dir, f"Whose is the {locale} dog at the gate?")
    page = signed_in(
        faq_site, open_page, "/admin/faq", locale=locale, color_scheme=scheme, viewport={"width": 320, "height": 640}
    )
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    looked_at(page)
    entry = entry_of(page, f"{locale} pear tree").first
    place = entry.get_by_role("link").last.get_attribute("href")
    for path in ("/admin/faq?status=approved&sort=hits", "/admin/faq/unanswered", "/admin/faq/new", place):
        page.goto(f"{faq_site.url}{path}")
        looked_at(page)
    page.fill("#question", "")
    page.locator("#mend button").first.click()
    expect(page.locator("#question")).to_have_attribute("aria-describedby", "question-hint question-fault")
    looked_at(page)
    assert faults(page) == []


def test_with_the_keyboard_alone(faq_site: Site, data_dir: Path, open_page: OpenPage) -> None:
    put(data_dir, "Will the kite find wind?")
    page = signed_in(faq_site, open_page, "/admin/faq")
    entry_of(page, "kite").get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    for _ in range(2):  # past the link to the lot
        page.keyboard.press("Tab")
    expect(entry_of(page, "kite").get_by_role("button", name="Approve")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 entry approved.")
    told = urllib.request.Request(
        f"{faq_site.url}/api/v1/admin/faq?status=approved", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(told, timeout=10) as answer:
        assert "Will the kite find wind?" in {each["question"] for each in json.load(answer)["entries"]}

"""Giving a reading away, in a real browser: by a link, as a picture."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.visiting import OpenPage, Site, ask, task_of, wait_for_end


def test_a_link_is_made_copied_seen_by_another_and_taken_back(site: Site, open_page: OpenPage) -> None:
    page = open_page(site, permissions=["clipboard-read", "clipboard-write"])
    task_id = ask(page, "For my sister's eyes?")
    wait_for_end(page)
    expect(page.locator("#share-link")).to_have_count(0)
    page.check("#share input[name=with_question]")
    page.click("#share button[type=submit]")
    page.wait_for_url("**#share")
    page.click("#share-copy")
    expect(page.locator("#share-said")).to_have_text("Copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{site.url}/shared/")
    other = open_page(site, link.removeprefix(site.url), locale="ja-JP")
    expect(other.locator("blockquote")).to_have_text("For my sister's eyes?")
    sections = [section["text"] for section in task_of(page, task_id)["sections"].values()]
    assert other.locator(".part .text").all_inner_texts() == sections
    expect(other.locator("main :is(form, button)")).to_have_count(0)
    page.click("#share form button")
    expect(page.locator("#share-link")).to_have_count(0)
    answer = other.reload()
    assert answer is not None
    assert answer.status == 404
    expect(other.locator("h1")).to_have_text("このリンクはもう使えません")


def test_the_api_makes_and_ends_links_too(site: Site, open_page: OpenPage) -> None:
    page = open_page(site)
    task_id = ask(page, "By the API?")
    wait_for_end(page)
    address = f"{site.url}/api/v1/tasks/{task_id}/share"
    for body, status in (({"with_question": "yes"}, 422), ({}, 200), ({}, 200)):
        made = page.request.post(address, data=body)
        assert made.status == status
    link = made.json()
    assert link.keys() == {"task_id", "url", "with_question", "expires_at"}
    other = open_page(site, link["url"])
    expect(other.locator(".part")).to_have_count(7)
    assert other.request.post(address, data={}).status == 404
    assert other.request.delete(address).status == 404
    assert [page.request.delete(address).status for _ in range(2)] == [204, 204]
    assert other.request.get(site.url + link["url"]).status == 404


@pytest.mark.parametrize("wished", [False, True])
def test_a_picture_is_shown_and_saved_as_png(site: Site, open_page: OpenPage, wished: bool) -> None:
    page = open_page(site)
    ask(page, "As a picture?")
    wait_for_end(page)
    expect(page.locator("#picture img")).to_have_count(0)
    page.click("#picture summary")
    if wished:
        page.check("#picture-question")
    question = "?question=1" if wished else ""
    shown = page.locator(f"#picture img[src$='picture.svg{question}']")
    expect(shown).to_be_visible()
    assert shown.evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [1080, 1350]
    with page.expect_download() as saved:
        page.click("#picture-save")
    expect(page.locator("#picture-said")).to_have_text("The picture was saved.")
    assert saved.value.suggested_filename == "yuelao-1.png"
    data = saved.value.path().read_bytes()
    assert data.startswith(b"\x89PNG")
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (1080, 1350)
    assert len(data) > 20_000, "there is something on it"

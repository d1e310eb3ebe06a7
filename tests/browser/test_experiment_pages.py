"""The pages of experiments in a browser: with differences to show, on a narrow phone, with scripts and without."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from browser.test_admin_pages import looked_at, sign_in
from browser.visiting import OpenPage, Site
from jieqian.tasks.database import migrate, sqlite_url
from jieqian.tasks.tables import experiments, tasks
from jieqian.testing.made_up_experiment import TWO, made_up_stream

TOKEN = "a-token-for-browsers-1"


def fill(data_dir: Path) -> None:
    """Two experiments: one whose new variant takes twice as long, one with nothing in it yet."""
    data_dir.mkdir(mode=0o700)
    url = sqlite_url(data_dir / "jieqian.db")
    migrate(url)
    variants = [one.as_dict() for one in TWO]
    rows = [
        {
            "id": f"task-{number}",
            "caller": one.caller,
            "status": one.status,
            "collection": one.collection,
            "lot": one.lot,
            "question": "?",
            "language": "en",
            "mode": "quality",
            "strategy": "auto",
            "fresh": False,
            "created_at": one.created_at,
            "ended_at": one.created_at,
            "total_time_ms": one.total_ms,
            "timings": {"cache_hit": "none", "degraded": one.degraded, "time_to_first_token_ms": one.first_token_ms},
            "sources": [],
            "experiment": "slower",
            "variant": one.variant,
        }
        for number, one in enumerate(islice(made_up_stream(Random(1), slower=math.log(2)), 500))
    ]
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        kept = {"variants": variants, "started_at": 0.0}
        connection.execute(sa.insert(experiments).values(name="slower", mode="quality", **kept))
        connection.execute(sa.insert(experiments).values(name="empty", mode="fast", **kept))
        connection.execute(sa.insert(tasks), rows)
    engine.dispose()


@pytest.fixture(scope="module")
def experiment_site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("experiments") / "data"
    fill(data_dir)
    site = Site(data_dir, llm_provider="commentary", admin_token=TOKEN)
    site.start()
    try:
        yield site
    finally:
        site.end()


def opened(site: Site, open_page: OpenPage, **how: object) -> Page:
    page = open_page(site, "/admin/experiments", **how)
    sign_in(page)
    page.wait_for_selector(".sign-out")
    return page


@pytest.mark.parametrize("scripts", [True, False])
def test_what_came_of_one_and_its_end(experiment_site: Site, open_page: OpenPage, scripts: bool) -> None:
    page = opened(experiment_site, open_page, java_script_enabled=scripts)
    page.fill("#name", "another")
    page.fill("[id='model.2']", '<b title="x">large</b>')
    page.click("#start button.main")
    expect(page.get_by_role("alert")).to_contain_text("No model writes readings now")
    assert page.input_value("[id='model.2']") == '<b title="x">large</b>'
    page.click("text=empty")
    expect(page.locator("#verdict")).to_contain_text("Too few")
    expect(page.locator("#comparisons tbody tr")).to_have_count(6)
    expect(page.locator("#comparisons tbody td:nth-child(4)").first).to_have_text("not known yet")
    page.click("text=All experiments")
    page.click("text=slower")
    expect(page.locator("#verdict")).to_contain_text("now is really better.")
    expect(page.locator("#comparisons tr.real").first).to_contain_text("yes: now is better")
    expect(page.locator("#comparisons svg.interval").first).to_be_visible()
    if scripts:
        return
    page.click("summary")
    page.click("#stop")
    expect(page.locator("h1 .state")).to_have_text("stopped")
    expect(page.locator("#stop")).to_have_count(0)


@pytest.mark.parametrize("locale", ["zh-TW", "en-US"])
def test_how_they_look_on_a_narrow_phone(experiment_site: Site, open_page: OpenPage, locale: str) -> None:
    dark = "dark" if locale == "zh-TW" else "light"
    page = opened(experiment_site, open_page, locale=locale, viewport={"width": 320, "height": 640}, color_scheme=dark)
    for path in ("", "/slower", "/empty"):
        page.goto(f"{experiment_site.url}/admin/experiments{path}")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        looked_at(page)

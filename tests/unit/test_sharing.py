"""What leaves with a reading: links, seen by whoever has them and by nobody else."""

from __future__ import annotations

import itertools
import json
import re
import time
from xml.etree import ElementTree

import pytest
from test_pages import LOTS, House, Visitor, asked, files_read  # noqa: F401

from jieqian.events.event import Completed
from jieqian.languages import Language
from jieqian.sections.section import Section, SectionName, SectionSource
from jieqian.tasks.task import Status
from jieqian.testing.sample_tasks import sample_task
from jieqian.web.assets import colours
from jieqian.web.picture import HEIGHT, WIDTH, picture_of, set_lines
from jieqian.web.reading_view import view_of

QUESTION = "會遇到對的人嗎？"
CONCLUSION = "放心往前走。把禮數守住，好的機會就留得住。"


async def reading(house: House, visitor: Visitor, *, text: str = CONCLUSION, ended: bool = True, **changes: str) -> str:
    """A reading with its conclusion written; gives its page's path."""
    place = (await visitor.post("/readings", asked(**{"lot": "1", **changes}))).headers["location"]
    task = await house.store.claim("token", time.time(), 30)
    assert task is not None
    section = Section(SectionName.CONCLUSION, text, SectionSource.MODEL, 1, 5)
    await house.store.finish_section(task.id, "token", section, {}, [])
    if ended:
        await house.store.end(task.id, "token", Status.COMPLETED, {}, [Completed({})])
    return place


async def link_to(visitor: Visitor, place: str, **fields: str) -> str:
    made = await visitor.post(f"{place}/share", fields)
    assert (made.status, made.headers["location"]) == (303, f"{place}#share")
    found = re.search(r'id="share-link" href="([^"]+)"', (await visitor.get(place)).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("fields", "shown"), [({}, False), ({"with_question": "true"}, True)])
async def test_a_link_shows_the_reading_and_the_question_only_if_wished(fields: dict[str, str], shown: bool) -> None:
    house = House()
    asker = Visitor(house)
    place = await reading(house, asker)
    assert "/shared/" not in (await asker.get(place)).text, "no link is made unasked"
    link = await link_to(asker, place, **fields)
    assert re.fullmatch(r"/shared/[A-Za-z0-9_-]{43}", link)
    page = await Visitor(house).get(link)
    assert page.status == 200
    assert CONCLUSION in page.text
    assert "關關雎鳩" in page.text
    assert (QUESTION in page.text) is shown
    assert place.rsplit("/", 1)[1] not in page.text, "the task's id is the asker's"
    assert "<form" not in page.text
    assert "noindex" in page.headers["x-robots-tag"]
    assert '<meta name="robots" content="noindex' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "set-cookie" not in page.headers


async def test_withdrawn_erased_or_made_up_a_link_is_a_kind_page() -> None:
    house = House()
    asker = Visitor(house)
    first, second = [await reading(house, asker) for _ in range(2)]
    links = [await link_to(asker, place) for place in (first, second)]
    assert (await asker.post(f"{first}/share/withdraw", {})).status == 303
    assert (await asker.post(f"{second}/erase", {})).status == 303
    for link in (*links, "/shared/x", "/shared/%F0%9F%98%80", f"/shared/{'A' * 43}", f"/shared/{'A' * 5000}"):
        page = await asker.get(link)
        assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "noindex" in page.headers["x-robots-tag"]
        assert CONCLUSION not in page.text
    assert CONCLUSION in (await asker.get(first)).text


async def test_nobody_else_makes_or_ends_a_link() -> None:
    house = House()
    asker, other = Visitor(house), Visitor(house)
    place = await reading(house, asker)
    link = await link_to(asker, place)
    for path in (f"{place}/share", f"{place}/share/withdraw", "/readings/none/share"):
        assert (await other.post(path, {})).status == 404
    assert (await other.get(place)).status == 404
    assert (await other.get(link)).status == 200


async def test_what_has_not_ended_or_is_help_lines_has_no_link() -> None:
    house = House()
    asker = Visitor(house)
    unended = await reading(house, asker, ended=False)
    care = (await asker.post("/readings", asked(question="I want to kill myself"))).headers["location"]
    for place in (unended, care):
        assert (await asker.post(f"{place}/share", {})).status == 303
        assert "/shared/" not in (await asker.get(place)).text


async def test_where_links_are_turned_off_none_is_offered_or_made() -> None:
    house = House(share_days=0)
    asker = Visitor(house)
    place = await reading(house, asker)
    assert (await asker.post(f"{place}/share", {})).status == 303
    page = await asker.get(place)
    assert 'id="share"' not in page.text
    assert f"{place}/share" not in page.text


async def test_markup_stays_text_on_a_shared_page() -> None:
    house = House()
    asker = Visitor(house)
    attack = "<script>alert(1)</script>'\""
    place = await reading(house, asker, text=attack, question=attack)
    page = await Visitor(house).get(await link_to(asker, place, with_question="true"))
    assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;&#39;&#34;") == 2
    assert "<script>alert" not in page.text


# -- the picture ------------------------------------------------------------------------------------------------------


def words_on(svg: str) -> str:
    root = ElementTree.fromstring(svg)
    return "".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))


async def test_the_picture_has_verse_seal_title_and_the_first_sentence() -> None:
    house = House()
    asker = Visitor(house)
    place = await reading(house, asker)
    picture = await asker.get(f"{place}/picture.svg")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert picture.headers["cache-control"] == "no-store"
    words = words_on(picture.text)
    for wanted in ("月老靈籤", "第一籤", "關關雎鳩在河之洲", "大吉", "放心往前走。"):
        assert wanted in words
    assert "把禮數守住" not in words
    assert QUESTION not in picture.text
    assert QUESTION in words_on((await asker.get(f"{place}/picture.svg?question=1")).text)


async def test_a_picture_and_the_manifest_have_the_pages_colours() -> None:
    house = House()
    asker = Visitor(house)
    picture = (await asker.get(f"{await reading(house, asker)}/picture.svg")).text
    used = set(re.findall(r"#[0-9a-f]{3,8}\b", picture))
    assert len(used) == 6
    assert used <= set(colours().values())
    told = json.loads((await asker.get("/manifest.webmanifest")).text)
    assert told["background_color"] == told["theme_color"] == colours()["paper"]


async def test_nothing_of_a_picture_can_run_or_be_fetched() -> None:
    house = House()
    asker = Visitor(house)
    attack = "]]><script>alert(1)</script><image href='https://x'/>&\u202e\x07"
    place = await reading(house, asker, text=attack, question=attack)
    picture = (await asker.get(f"{place}/picture.svg?question=1")).text
    kinds = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(picture).iter()}
    assert kinds == {"svg", "title", "rect", "g", "path", "text"}
    assert not re.search(r"<style|\sstyle=|\shref=|\son\w+=|<script", picture)
    assert "\u202e" not in picture


async def test_a_picture_is_the_askers_and_of_an_ended_reading() -> None:
    house = House()
    asker, other = Visitor(house), Visitor(house)
    place, unended = await reading(house, asker), await reading(house, asker, ended=False)
    care = (await asker.post("/readings", asked(question="I want to kill myself"))).headers["location"]
    assert (await other.get(f"{place}/picture.svg")).status == 404
    for path in (unended, care, "/readings/none"):
        assert (await asker.get(f"{path}/picture.svg")).status == 404


@pytest.mark.parametrize("collection", [collection.id for collection in LOTS.collections()])
def test_every_lot_fits_on_its_picture(collection: str) -> None:
    long = "Was wird aus uns allen werden, wenn das Jahr vorbei ist? " * 30
    for lot, language in itertools.product(LOTS.collection(collection).numbers(), (Language.EN, Language.JA)):
        task = sample_task(collection=collection, lot=lot, language=language, question=long)
        drawn = picture_of(view_of(task, LOTS), with_question=True)
        assert drawn["verse"]
        for run in (*drawn["head"], *drawn["verse"], *drawn["below"]):
            width = run.size * sum(1.0 if ord(character) > 0x2E7F else 0.5 for character in run.text)
            assert run.x - width / 2 >= 60, (lot, language, run)
            assert run.x + width / 2 <= WIDTH - 60, (lot, language, run)
            assert 60 < run.y < HEIGHT - 120, (lot, language, run)
        assert max(run.y for run in drawn["verse"]) < min(run.y - run.size for run in drawn["below"])
        if drawn["seal"]:
            assert drawn["seal"].x >= 60
            assert drawn["seal"].x + drawn["seal"].width <= min(run.x - run.size / 2 for run in drawn["verse"])


@pytest.mark.parametrize("words", ["字" * 2000, "a" * 2000, "　", "。", "a\nb\tc", "𠮷" * 99, "（" * 50])
def test_any_words_are_set_in_few_lines(words: str) -> None:
    lines = set_lines(words, 0, 38, 4)
    assert len(lines) <= 4
    assert all(line.text == line.text.strip() for line in lines)

"""The screen in a temple's hall without a browser: a phone's address, its code, the next visitor's turn."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
import segno
from starlette.requests import Request
from test_pages import LOTS, House, Visitor, files_read  # noqa: F401
from test_sharing import CONCLUSION, reading

from jieqian.api.addresses import is_for_this_machine_alone, origin_of
from jieqian.errors import UsageError
from jieqian.settings import Settings, load_settings
from jieqian.tasks.task import Status
from jieqian.web.qr import QUIET_ZONE, qr_code

PUBLIC = "https://lots.example.org"


class Hall(House):
    """The house with settings of a kiosk."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = Settings(_env_file=None, **settings)


def request_to(host: str | None, scheme: str = "http") -> Request:
    headers = [] if host is None else [(b"host", host.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "scheme": scheme})


def modules(svg: str) -> list[list[int]]:
    """The squares that the picture draws, as rows of 0 and 1 without the quiet zone."""
    size = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])  # type: ignore[index]
    found = [[0] * size for _ in range(size)]
    x, y = 0.0, 0.0
    drawn = re.findall(r' d="([^"]+)"', svg)[1]
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", drawn):
        if command == "h":
            for column in range(int(x), int(x) + int(first)):
                found[int(y)][column] = 1
            x += float(first)
        else:
            at = (0.0, 0.0) if command == "M" else (x, y)
            x, y = at[0] + float(first), at[1] + float(second)
    return [row[QUIET_ZONE:-QUIET_ZONE] for row in found[QUIET_ZONE:-QUIET_ZONE]]


def code_in(text: str) -> tuple[str, list[list[int]]]:
    """The address told in words, and what its code draws."""
    address = re.search(r'class="address hint">([^<]+)<', text)
    code = re.search(r"<svg.*?</svg>", text)
    assert address is not None
    assert code is not None
    return unescape(address[1]), modules(code[0])


def meant(address: str) -> list[list[int]]:
    return [list(row) for row in segno.make_qr(address, error="m").matrix]


# -- which address ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "scheme", "public", "origin"),
    [
        ("192.168.1.20:8000", "http", None, "http://192.168.1.20:8000"),
        ("lots.example.org", "https", None, "https://lots.example.org"),
        ("[fd00::5]:8000", "http", None, "http://[fd00::5]:8000"),
        ("127.0.0.1:8000", "http", PUBLIC, PUBLIC),
        ("a b", "http", None, "http://localhost"),
        ("[192.0.2.1]", "http", None, "http://localhost"),
        ("[::::]:80", "http", None, "http://localhost"),
        ("lots.example.org:99999", "http", None, "http://localhost"),
        ("evil.example/x?", "http", None, "http://localhost"),
        (None, "http", None, "http://localhost"),
    ],
)
def test_the_origin_is_the_public_one_or_the_requests_own(
    host: str | None, scheme: str, public: str | None, origin: str
) -> None:
    assert origin_of(request_to(host, scheme), public) == origin


@pytest.mark.parametrize(
    ("origin", "alone"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://localhost", True),
        ("http://LOCALHOST.:8000", True),
        ("http://lots.localhost", True),
        ("http://[::1]:8000", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://0.0.0.0:8000", True),
        ("http://[::]:8000", True),
        ("http://192.168.1.20:8000", False),
        ("http://[fd00::5]", False),
        ("http://localhost.example.org", False),
        ("http://kiosk.local:8000", False),
    ],
)
def test_what_no_phone_can_reach(origin: str, alone: bool) -> None:
    assert is_for_this_machine_alone(origin) is alone


@pytest.mark.parametrize(
    ("given", "base_path", "taken"),
    [
        ("https://lots.example.org", "", PUBLIC),
        (" HTTPS://Lots.Example.org/ ", "", PUBLIC),
        ("http://192.168.1.20:8000", "/jieqian", "http://192.168.1.20:8000"),
        ("https://lots.example.org/jieqian/", "/jieqian", PUBLIC),
        ("http://[fd00::5]:8000", "", "http://[fd00::5]:8000"),
    ],
)
def test_a_public_address_is_taken_without_its_base_path(given: str, base_path: str, taken: str) -> None:
    assert Settings(_env_file=None, base_path=base_path, public_url=given).public_url == taken


@pytest.mark.parametrize(
    "given",
    [
        *("lots.example.org", "ftp://lots.example.org", "https://", "https://a b", "https://u:p@host", "//host"),
        *("https://host?x=1", "https://host#x", "https://host:port", "https://host:8000000", "javascript:alert(1)"),
        *("http://[192.0.2.1]", "http://[::::]", "https://host:99999", "https://host:0"),
        *("https://廟.example", "https://host/other", "https://host/jieqian/x", "https://a\nb"),
    ],
)
def test_a_public_address_that_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("JIEQIAN_BASE_PATH", "/jieqian")
    monkeypatch.setenv("JIEQIAN_PUBLIC_URL", given)
    with pytest.raises(UsageError, match=r"^Settings: JIEQIAN_PUBLIC_URL: .* (write it as https|set BASE_PATH)"):
        load_settings()


@pytest.mark.parametrize("given", ["-1", "3601", "soon"])
def test_an_idle_time_has_its_bounds(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("JIEQIAN_KIOSK_IDLE_SECONDS", given)
    with pytest.raises(UsageError, match="JIEQIAN_KIOSK_IDLE_SECONDS"):
        load_settings()


# -- the code ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [f"{PUBLIC}/shared/{'A' * 43}", "http://192.168.1.20:8000/jieqian/temples/yuelao"])
def test_the_picture_draws_the_codes_squares_and_its_quiet_zone(address: str) -> None:
    svg = qr_code(address)
    assert modules(svg) == meant(address)
    assert f'viewBox="0 0 {len(meant(address)) + 8} ' in svg
    assert not re.search(r"style=|<style|<script", svg)


async def test_a_reading_is_taken_home_by_a_link_made_then(files_read: None) -> None:  # noqa: F811
    house = Hall(public_url=PUBLIC)
    visitor = Visitor(house)
    place = await reading(house, visitor)
    task_id = place.rsplit("/", 1)[1]
    assert "/shared/" not in (await visitor.get(place)).text
    taken = await visitor.post("/kiosk/yuelao/take", {"lot": "1", "task_id": task_id})
    address, drawn = code_in(taken.text)
    assert (taken.status, taken.headers["cache-control"]) == (200, "no-store")
    assert re.fullmatch(rf"{PUBLIC}/shared/[\w-]{{43}}", address)
    assert drawn == meant(address)
    assert CONCLUSION in (await Visitor(house).get(address.removeprefix(PUBLIC))).text
    assert f'href="{address}"' in (await visitor.get(place)).text, "the page of the reading tells the same link"
    again = await visitor.post("/kiosk/yuelao/take", {"lot": "1", "task_id": task_id})
    assert code_in(again.text)[0] == address


@pytest.mark.parametrize(
    ("settings", "root_path", "with_task", "expected"),
    [
        ({"public_url": PUBLIC}, "", False, f"{PUBLIC}/temples/yuelao/lots/1?lang=ja"),
        ({}, "/jieqian", False, "http://jieqian.test/jieqian/temples/yuelao/lots/1?lang=ja"),
        ({"share_days": 0}, "", True, "http://jieqian.test/temples/yuelao/lots/1?lang=ja"),
    ],
)
async def test_a_lot_alone_and_a_reading_where_no_links_are_made_lead_to_the_lot(
    settings: dict[str, Any], root_path: str, with_task: bool, expected: str
) -> None:
    house = Hall(**settings)
    visitor = Visitor(house, root_path)
    task_id = (await reading(house, visitor)).rsplit("/", 1)[1] if with_task else ""
    taken = await visitor.post("/kiosk/YueLao/take?lang=ja", {"lot": "第一籤", "task_id": task_id})
    address, drawn = code_in(taken.text)
    assert address == expected
    assert drawn == meant(expected)
    assert ("そのもののリンク" in taken.text) is with_task


async def test_no_code_and_no_link_where_no_phone_could_follow() -> None:
    house = Hall(public_url="http://localhost:8000")
    visitor = Visitor(house)
    place = await reading(house, visitor)
    taken = await visitor.post("/kiosk/yuelao/take", {"lot": "1", "task_id": place.rsplit("/", 1)[1]})
    assert "JIEQIAN_PUBLIC_URL" in taken.text
    assert "http://localhost:8000" in taken.text
    assert "<svg" not in taken.text
    assert "/shared/" not in (await visitor.get(place)).text


async def test_what_is_not_the_visitors_is_not_taken_home() -> None:
    house = Hall(public_url=PUBLIC)
    task_id = (await reading(house, Visitor(house))).rsplit("/", 1)[1]
    for fields, status in (({"lot": "1", "task_id": task_id}, 404), ({"lot": "101"}, 404), ({"lot": "x"}, 422)):
        taken = await Visitor(house).post("/kiosk/yuelao/take", fields)
        assert taken.status == status
        assert "<svg" not in taken.text
    assert (await Visitor(house).post("/kiosk/nowhere/take", {"lot": "1"})).status == 404


# -- the page and the next visitor's turn -----------------------------------------------------------------------------


async def test_the_next_visitor_has_a_session_of_their_own_and_nobody_writes_on() -> None:
    house = Hall()
    visitor = Visitor(house)
    place = await reading(house, visitor, ended=False)
    assert (await visitor.get(place)).status == 200
    answer = await visitor.post("/kiosk/yuelao/reset", {"task_id": place.rsplit("/", 1)[1]})
    assert answer.status == 204
    assert (await visitor.get(place)).status == 404
    task = await house.store.get(place.rsplit("/", 1)[1])
    assert task.status is Status.STOPPED


@pytest.mark.parametrize("fields", [{"task_id": "none"}, {}, b"\xff", b"&".join([b"a=b"] * 99)])
async def test_nothing_keeps_a_session_from_ending(fields: dict[str, str] | bytes) -> None:
    house = Hall()
    visitor = Visitor(house)
    place = await reading(house, visitor)
    assert (await visitor.post("/kiosk/gone-since/reset", fields)).status == 204
    assert (await visitor.get(place)).status == 404


async def test_a_stranger_cannot_stop_anothers_reading_by_it() -> None:
    house = Hall()
    visitor = Visitor(house)
    place = await reading(house, visitor, ended=False)
    assert (await Visitor(house).post("/kiosk/yuelao/reset", {"task_id": place.rsplit("/", 1)[1]})).status == 204
    assert 'data-status="running"' in (await visitor.get(place)).text


@pytest.mark.parametrize(
    ("query", "home", "english"),
    [
        ("", "/kiosk/yuelao", "?lang=en&amp;home="),
        ("?lang=ja", "/kiosk/yuelao?lang=ja", "?lang=en&amp;home=ja"),
        ("?lang=en&home=ja", "/kiosk/yuelao?lang=ja", "?lang=en&amp;home=ja"),
        ("?lang=en&home=", "/kiosk/yuelao", "?lang=en&amp;home="),
        ("?lang=en&home=%22%3E", "/kiosk/yuelao", "?lang=en&amp;home="),
    ],
)
async def test_the_screen_returns_to_the_language_it_was_opened_in(query: str, home: str, english: str) -> None:
    page = await Visitor(Hall()).get(f"/kiosk/Yue-Lao{query}")
    assert f'data-home="{home}"' in page.text
    assert f'href="{english}"' in page.text
    assert ("data-chosen" in page.text) is ("home" in query)
    assert page.headers["cache-control"] == "no-store"
    assert "jieqian_language" not in page.headers.get("set-cookie", ""), "the next visitor would have it"


@pytest.mark.parametrize(("seconds", "writing", "care"), [(90, 690, 180), (0, 0, 0), (300, 900, 300), (1, 601, 180)])
async def test_how_long_each_step_may_stand(seconds: int, writing: int, care: int) -> None:
    page = (await Visitor(Hall(kiosk_idle_seconds=seconds)).get("/kiosk/yuelao")).text
    assert f'data-idle="{seconds}" data-idle-writing="{writing}" data-idle-care="{care}"' in page


async def test_temples_to_choose_from_and_one_that_is_none() -> None:
    visitor = Visitor(Hall())
    page = await visitor.get("/kiosk")
    assert re.findall(r'href="(/kiosk/\w+)"', page.text) == [
        f"/kiosk/{name}" for name in ("guanyin", "jiazi", "guandi", "yuelao", "wongtaisin", "sensoji")
    ]
    gone = await visitor.get("/kiosk/nowhere")
    assert gone.status == 404
    assert gone.text.count('class="temple"') == len(LOTS.collections())


async def test_a_lots_part_of_the_page_and_a_number_that_is_none() -> None:
    house = Hall()
    visitor = Visitor(house)
    part = await visitor.get("/kiosk/yuelao/lot?number=%EF%BC%91&lang=zh-Hant")
    assert (part.status, part.headers["content-language"]) == (200, "zh-Hant")
    assert "關關雎鳩" in part.text
    assert "<html" not in part.text
    assert "<a " not in part.text
    assert house.warmed == ["yuelao/1"]
    for number, told in (("101", "1 to 100"), ("", "Give the lot"), ("%3Cb%3E", "Give the lot")):
        part = await visitor.get(f"/kiosk/yuelao/lot?number={number}&lang=en")
        assert part.status == 404
        assert told in part.text

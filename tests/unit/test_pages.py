"""The pages without a browser: words, forms, files, addresses."""

from __future__ import annotations

import json
import re
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from jieqian.api.callers import CallerMiddleware
from jieqian.checks.language import resolve_language
from jieqian.errors import (
    BodyTooLarge,
    InvalidQuestion,
    InvalidRequest,
    JieqianError,
    NothingToShare,
    QueueFull,
    RateLimited,
    RequestTimeout,
    StoreError,
    StoreUnwritable,
    UnknownTask,
)
from jieqian.languages import Language
from jieqian.llm.client import ModelInfo
from jieqian.llm.selection import Choice
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Lot
from jieqian.reading.accept import FrontDesk, ReadingRequest, accept_request, care_for
from jieqian.reading.engines import Engines
from jieqian.sections.strategy import Strategy, WritingOptions
from jieqian.settings import Settings
from jieqian.tasks.limits import RateLimit
from jieqian.tasks.store import Accepted
from jieqian.tasks.task import Mode, StrategyName, Task
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.web.assets import assets
from jieqian.web.forms import MOST_BYTES, ask_form, read_fields
from jieqian.web.lot_view import verse_language
from jieqian.web.pages import PagesHouse, mount_static, pages_router
from jieqian.web.reading_view import iso_time
from jieqian.web.rendering import load_pages, reach
from jieqian.web.texts import Texts, catalogue, page_language
from jieqian.worker.positions import Estimate

WEB = files("jieqian.web")
SOURCES = {
    entry.name: entry.read_text(encoding="utf-8")
    for folder in ("templates", "static")
    for entry in WEB.joinpath(folder).iterdir()
    if entry.name.endswith((".html", ".js"))
}


LOTS = LotLibrary()


@pytest.fixture(scope="module", autouse=True)
def files_read() -> None:
    """Read once, before any loop runs, what pages and a look at a question need."""
    load_pages()
    for question in ("好嗎", "I want to kill myself"):
        care_for(question, resolve_language(None, question))


class House:
    """What the pages need: real parts over a store in memory, and no model."""

    def __init__(self, *, max_queue: int = 512, per_minute: int = 0, share_days: int = 90) -> None:
        self.settings = Settings(share_days=share_days)
        self.lots = LOTS
        self.store = MemoryTaskStore()
        self.engines = Engines(self._choose, self._no_strategy, self._no_options)
        self.rate_limit = RateLimit(per_minute)
        self.warmed: list[str] = []
        self._desk = FrontDesk(
            store=self.store,
            lots=self.lots,
            estimate=Estimate(1, lambda: 0),
            max_queue=max_queue,
            rate_limit=self.rate_limit,
        )

    async def accept(
        self,
        asked: ReadingRequest,
        caller: str,
        idempotency_key: str | None = None,
        *,
        limited_as: Sequence[str] = (),
    ) -> Accepted:
        return await accept_request(asked, caller, self._desk, idempotency_key=idempotency_key, limited_as=limited_as)

    async def stop_task(self, task_id: str, caller: str) -> Task:
        return await self.store.stop(task_id, caller, time.time())

    def warm(self, caller: str, lot: Lot, language: Language) -> None:
        self.warmed.append(lot.id)

    async def _choose(self) -> Choice:
        return Choice(client=None, provider="commentary", model=None, fast_model=None, note="No model.")

    def _no_strategy(self, _model: ModelInfo, _asked: StrategyName) -> Strategy:
        raise NotImplementedError

    def _no_options(self, _model: ModelInfo, _mode: Mode) -> WritingOptions:
        raise NotImplementedError


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


class Visitor:
    """A browser that keeps its cookie, over the application itself."""

    def __init__(self, house: PagesHouse, root_path: str = "") -> None:
        app = FastAPI()
        app.include_router(pages_router(house))
        mount_static(app)
        self._app = CallerMiddleware(app, secret="secret", find_key=house.store.find_key)
        self._root_path = root_path
        self._cookie = ""

    async def get(self, target: str, **headers: str) -> Answer:
        return await self._call("GET", target, b"", headers)

    async def post(self, target: str, fields: Mapping[str, str] | bytes) -> Answer:
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        return await self._call("POST", target, body, {"content-type": "application/x-www-form-urlencoded"})

    async def _call(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        path, _, query = target.partition("?")
        sent = {"host": "jieqian.test", "cookie": self._cookie, **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
            "scheme": "http",
            "server": ("jieqian.test", 80),
            "root_path": self._root_path,
        }
        answer = Answer(0, {}, "")

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, object]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]  # type: ignore[assignment]
                pairs = [(name.decode(), value.decode()) for name, value in message["headers"]]  # type: ignore[attr-defined]
                answer.headers = dict(pairs)
                for name, value in pairs:
                    if name == "set-cookie" and value.startswith("jieqian_session"):
                        self._cookie = value.partition(";")[0]
            else:
                answer.text += message.get("body", b"").decode(errors="replace")  # type: ignore[attr-defined]

        await self._app(scope, receive, send)
        return answer


def asked(**changes: str) -> dict[str, str]:
    return {"collection": "yuelao", "lot": "7", "question": "會遇到對的人嗎？", "language": "auto", **changes}


def request(headers: Mapping[str, str] | None = None, query: str = "", body: bytes = b"") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "headers": raw, "query_string": query.encode(), "method": "GET"}, receive)


# -- words ------------------------------------------------------------------------------------------------------------


def test_every_text_is_there_in_all_four_languages_with_the_same_places_to_fill() -> None:
    for key, words in catalogue().items():
        assert set(words) == set(Language), key
        assert all(words[language].strip() for language in Language), key
        places = {
            frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name) for text in words.values()
        }
        assert len(places) == 1, key


@pytest.mark.parametrize(
    ("contact", "leads_to"),
    [
        ("1925", "tel:1925"),
        ("0120-783-556", "tel:0120783556"),
        ("988 (call or text)", "tel:988"),
        ("116 123", "tel:116123"),
        ("findahelpline.com", "https://findahelpline.com"),
        ("text HOME", None),
        ("javascript:alert(1)", None),
        ("//evil.example", None),
    ],
)
def test_a_help_line_can_be_pressed(contact: str, leads_to: str | None) -> None:
    assert reach(contact) == leads_to


def test_every_help_line_can_be_pressed() -> None:
    lines = json.loads(files("jieqian.checks").joinpath("help_lines.json").read_text(encoding="utf-8"))
    assert [line["contact"] for line in lines["lines"] if reach(line["contact"]) is None] == []


@pytest.mark.parametrize(
    "error", [StoreError, StoreUnwritable, RequestTimeout, NothingToShare, UnknownTask, RateLimited, QueueFull]
)
def test_what_may_befall_a_visitor_is_told_in_every_language(error: type[JieqianError]) -> None:
    told = [json.loads(Texts(language).for_faults())[error.code] for language in Language]
    assert len(set(told)) == len(Language)


def test_every_text_a_page_asks_for_exists_and_none_is_unused() -> None:
    wanted: set[str] = set()
    prefixes: set[str] = {"error."}
    for name, source in SOURCES.items():
        if name.endswith(".js"):
            wanted |= {f"live.{key}" for key in re.findall(r"\btext\(\"(\w+)\"", source)}
            prefixes |= {f"live.{start}" for start in re.findall(r"text\(`(\w+)\$", source)}
        else:
            wanted |= set(re.findall(r"\bt\([\"']([\w.]+)[\"'][,)]", source))
            prefixes |= set(re.findall(r"\bt(?:\.has)?\([\"']([\w.]+)[\"'] ~", source))
    wanted |= {"form.wait"}
    for entry in WEB.iterdir():  # what the dashboard's own code words
        if entry.name.startswith("dashboard"):
            source = entry.read_text(encoding="utf-8")
            wanted |= set(re.findall(r"[^f]\"(dashboard[\w]*\.[\w.]+)\"", source))
            prefixes |= set(re.findall(r"f\"(dashboard[\w]*\.[\w.]*){", source)) | {
                "dashboard_mode.",
                "dashboard_strategy.",
            }
    assert wanted - set(catalogue()) == set()
    unused = {key for key in set(catalogue()) - wanted if not key.startswith(tuple(prefixes))}
    assert unused == set()


def test_the_scripts_get_their_texts_and_no_others() -> None:
    live = json.loads(Texts(Language.JA).for_scripts())
    assert live["copied"] == "コピーしました。"
    assert len(live) == sum(key.startswith("live.") for key in catalogue())


@pytest.mark.parametrize(
    ("query", "cookie", "header", "expected"),
    [
        ("", "", "", Language.ZH_HANT),
        ("", "", "fr-FR, de", Language.ZH_HANT),
        ("", "", "fr, en-GB;q=0.8, ja;q=0.9", Language.JA),
        ("", "", "en;q=0, ja;q=x, zh-CN;q=0.1", Language.ZH_HANS),
        ("", "en", "ja", Language.EN),
        ("lang=zh-Hans", "en", "ja", Language.ZH_HANS),
        ("lang=tlh", "en", "ja", Language.EN),
        ("", '"><script>', "ja", Language.JA),
        ("", "", "x" * 50 + "," * 10_000 + "en", Language.ZH_HANT),
    ],
)
def test_the_page_language(query: str, cookie: str, header: str, expected: Language) -> None:
    headers = {"accept-language": header, "cookie": f"jieqian_language={cookie}"}
    assert page_language(request(headers, query)) is expected


def test_verse_and_times() -> None:
    assert verse_language(["關關雎鳩"]) == "zh-Hant"
    assert verse_language(["花のいろは"]) == "ja"
    assert iso_time(0) == "1970-01-01T00:00:00Z"


# -- nothing inline, nothing from outside -----------------------------------------------------------------------------


def test_no_template_holds_inline_code_or_style_or_an_address_outside() -> None:
    for name, source in SOURCES.items():
        if name.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|\|\s*safe", source), name
        else:
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", source), name
        assert not re.search(r"(?:src|href|action|from|url)\W{1,3}(?:https?:)?//", source), name


# -- forms ------------------------------------------------------------------------------------------------------------


async def test_fields_are_read_as_sent() -> None:
    body = urlencode({"question": "好嗎 & <b>\r\n", "empty": ""}).encode() + b"&question=second"
    assert await read_fields(request(body=body)) == {"question": "好嗎 & <b>\r\n", "empty": ""}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"question=" + b"a" * MOST_BYTES, BodyTooLarge),
        (b"question=%FF", InvalidQuestion),
        (b"question=%ED%A0%80", InvalidQuestion),
        (b"question=\xff", InvalidQuestion),
        (b"&".join(b"a%d=" % number for number in range(51)), InvalidRequest),
    ],
)
async def test_what_is_no_form_is_refused(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await read_fields(request(body=body))


def test_a_made_up_submission_is_replaced() -> None:
    assert ask_form({"submission": "abc-1"}).submission == "abc-1"
    assert len(ask_form({"submission": "no blanks\n"}).submission) == 36


# -- pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def visitor() -> Visitor:
    return Visitor(House())


async def test_asking_leads_to_the_reading(visitor: Visitor) -> None:
    form = await visitor.get("/")
    assert form.status == 200
    assert form.headers["cache-control"] == "no-store"
    sent = await visitor.post("/readings", asked())
    assert sent.status == 303
    page = await visitor.get(sent.headers["location"])
    assert page.status == 200
    assert "會遇到對的人嗎？" in page.text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page.text
    assert "會遇到對的人嗎？" in (await visitor.get("/history")).text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"question": "  "}, 422),
        ({"question": "\x00\u202e"}, 422),
        ({"question": "問" * 2001}, 413),
        ({"question": "問" * 33_000}, 413),
        ({"lot": "0"}, 404),
        ({"lot": "101"}, 404),
        ({"lot": "1e9"}, 404),
        ({"lot": "1.5"}, 422),
        ({"lot": "abc"}, 422),
        ({"lot": ""}, 422),
        ({"lot": "第一百零一籤"}, 404),
        ({"collection": "nowhere"}, 404),
        ({"language": "tlh"}, 422),
        ({"mode": "instant"}, 422),
        ({"parent_id": "no-such-task"}, 404),
        ({"draw_id": "no-such-draw"}, 404),
    ],
)
async def test_a_fault_has_its_status_and_keeps_the_question(
    visitor: Visitor, changes: dict[str, str], status: int
) -> None:
    entered = asked(**changes)
    page = await visitor.post("/readings", entered)
    assert page.status == status
    assert 'id="problem"' in page.text
    kept = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page.text, re.DOTALL)
    assert kept is not None
    assert kept[1] == entered["question"]
    if {"parent_id", "draw_id"} & set(changes):
        resent = await visitor.post("/readings", {**entered, "parent_id": "", "draw_id": ""})
        assert "no-such" not in page.text
        assert resent.status == 303


async def test_limits_are_told_in_words_with_a_wait() -> None:
    for house in (House(per_minute=1), House(max_queue=1)):
        visitor = Visitor(house)
        assert (await visitor.post("/readings", asked())).status == 303
        page = await visitor.post("/readings", asked(question="另一個問題"))
        assert page.status == 429
        assert int(page.headers["retry-after"]) > 0
        assert "另一個問題" in page.text


async def test_markup_is_escaped_everywhere(visitor: Visitor) -> None:
    attack = "<script>alert(1)</script>'\""
    sent = await visitor.post("/readings", asked(question=attack))
    for page in (
        await visitor.get(sent.headers["location"]),
        await visitor.get("/history"),
        await visitor.post(
            "/readings", asked(question=attack, lot='"><script>alert(2)', parent_id='"><script>alert(3)')
        ),
        await visitor.get("/?lot=%22%3E%3Cscript%3Ealert(4)"),
    ):
        assert "<script>alert" not in page.text


async def test_another_callers_reading_is_not_there(visitor: Visitor) -> None:
    house = House()
    mine, other = Visitor(house), Visitor(house)
    place = (await mine.post("/readings", asked())).headers["location"]
    for page in (
        await other.get(place),
        await other.post(f"{place}/stop", {}),
        await other.post(f"{place}/erase", {}),
        await other.post(f"{place}/feedback", {"score": "1"}),
        await mine.get("/readings/%F0%9F%98%80"),
    ):
        assert page.status == 404
        assert page.headers["content-type"].startswith("text/html")
    assert (await mine.get(place)).status == 200
    assert 'data-status="queued"' in (await mine.get(place)).text


async def test_stop_and_feedback_and_erase(visitor: Visitor) -> None:
    place = (await visitor.post("/readings", asked())).headers["location"]
    assert (await visitor.post(f"{place}/stop", {})).headers["location"] == place
    page = await visitor.get(place)
    assert 'data-status="stopped"' in page.text
    assert "http-equiv" not in page.text
    assert (await visitor.post(f"{place}/feedback", {"score": "2"})).status == 422
    assert (await visitor.post(f"{place}/feedback", {"score": "1", "comment": "x" * 2001})).status == 422
    assert (await visitor.post(f"{place}/feedback", {"score": "1"})).status == 303
    assert (await visitor.post(f"{place}/erase", {})).status == 303
    assert (await visitor.get(place)).status == 404


async def test_history_with_a_cursor_of_nonsense_is_the_first_page(visitor: Visitor) -> None:
    await visitor.post("/readings", asked())
    for before in ("", "x", "-1", "9" * 40, "٣"):
        page = await visitor.get(f"/history?{urlencode({'before': before})}")
        assert page.status == 200
        assert "會遇到對的人嗎？" in page.text


async def test_an_address_cannot_weigh_its_words_against_what_was_asked(visitor: Visitor) -> None:
    there = (await visitor.post("/readings", asked())).headers["location"]
    for page in (there, "/history"):
        shrunk = await visitor.get(f"{page}?lang=en", accept_encoding="gzip")
        assert shrunk.headers["content-encoding"] == "gzip"
        for name in ("question", "before", "draw"):
            whole = await visitor.get(f"{page}?{name}=ABCDEFGH", accept_encoding="gzip")
            assert "content-encoding" not in whole.headers
    lot = await visitor.get("/temples/yuelao/lots/7?question=ABCDEFGH", accept_encoding="gzip")
    assert lot.headers["content-encoding"] == "gzip"


async def test_everything_stays_under_the_base_path() -> None:
    visitor = Visitor(House(), root_path="/oracle")
    sent = await visitor.post("/oracle/readings", asked())
    assert sent.headers["location"].startswith("/oracle/readings/")
    for page in (await visitor.get("/oracle/"), await visitor.get(sent.headers["location"])):
        assert page.status == 200
        assert 'data-api="/oracle/api/v1"' in page.text
        addresses = re.findall(r"(?:href|src|action)=\"([^\"]*)\"", page.text)
        assert [address for address in addresses if not address.startswith(("/oracle", "?", "#"))] == []


# -- files ------------------------------------------------------------------------------------------------------------


async def test_files_are_kept_for_good_under_their_version_only(visitor: Visitor) -> None:
    version = assets().version
    found = await visitor.get(f"/static/{version}/page.css")
    assert found.status == 200
    assert found.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in found.headers["cache-control"]
    held = await visitor.get(f"/static/{version}/page.css", if_none_match=found.headers["etag"])
    assert (held.status, held.text) == (304, "")
    old = await visitor.get("/static/older/page.css")
    assert old.status == 200
    assert "no-cache" in old.headers["cache-control"]


@pytest.mark.parametrize("name", ["..%2Fpages.py", "../pages.py", "pages.py", "texts.py", "%00", ""])
async def test_nothing_else_is_served(visitor: Visitor, name: str) -> None:
    assert (await visitor.get(f"/static/{assets().version}/{name}")).status == 404


def test_scripts_import_only_each_other() -> None:
    for name, source in SOURCES.items():
        for imported in re.findall(r"^import .* from \"(.*)\";$", source, re.MULTILINE):
            assert imported.removeprefix("./") in assets().files, name

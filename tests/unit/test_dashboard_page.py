"""The dashboard without a browser: who may, what is asked, what is shown, and what if the figures cannot be read."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from html import unescape
from typing import cast
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio
from fastapi import FastAPI

from jieqian.errors import StoreError
from jieqian.experiments.experiment import Experiment, Variant
from jieqian.experiments.figures import TaskFigures
from jieqian.experiments.outcome import Outcome, outcome_of
from jieqian.experiments.running import Experiments
from jieqian.languages import Language
from jieqian.metrics.figures import DAY, HOUR, Breakdown, Dimension, Live, SlowTask, Span, Summary, Values, Which
from jieqian.metrics.marks import MARKS, Mark
from jieqian.tasks.task import Mode
from jieqian.testing.made_up_dashboard import VALUES, MadeUpDashboard
from jieqian.web.admin_door import AdminDoor
from jieqian.web.admin_pages import AdminHouse, admin_pages_router
from jieqian.web.clock import wall_clock
from jieqian.web.dashboard import dashboard_router
from jieqian.web.dashboard_filters import read_asked
from jieqian.web.dashboard_view import value_name
from jieqian.web.dashboard_words import count_text, range_text, rate_text, share_text, step_text, target_text, time_text
from jieqian.web.drawing import Drawer
from jieqian.web.experiment_pages import experiment_pages_router
from jieqian.web.faq_house import FaqHouse
from jieqian.web.faq_pages import faq_pages_router
from jieqian.web.pages import PagesHouse, mount_static, pages_router
from jieqian.web.rendering import load_pages
from jieqian.web.texts import Texts

TOKEN = "a-token-of-the-tests"
HOSTILE = '"><script>alert(1)</script>\x1b[31m' + "m" * 180
NOW = 1_790_000_000.0
#: In place of the process that draws: these tests look at words.
_DRAWS = (
    "import sys, json\nfor line in sys.stdin: print(json.dumps(['<svg></svg>' for _ in json.loads(line)]), flush=True)"
)


@pytest.fixture(scope="module", autouse=True)
def files_read() -> None:
    load_pages()


class Page:
    """A browser's view of an answer."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status, self.headers, self.text = status, headers, text

    def figure(self, key: str) -> str:
        """All that is said of one figure."""
        found = re.search(rf'id="figure-{re.escape(key)}".*?</div>', self.text, re.DOTALL)
        assert found is not None, key
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0].partition(">")[2])).replace("\xa0", " ").split())


class MadeUpTrials:
    """One experiment for each list of readings; one whose readings are None is never done with counting."""

    def __init__(self, **readings: list[TaskFigures] | None) -> None:
        self._readings = readings

    def running(self) -> list[Experiment]:
        variants = (Variant(name="now", share=50), Variant(name="new", share=50, model=HOSTILE))
        return [Experiment(name=name, mode=Mode.FAST, variants=variants, started_at=NOW) for name in self._readings]

    async def outcome(self, name: str) -> Outcome:
        found = self._readings[name]
        if found is None:
            await asyncio.Event().wait()
        one = next(one for one in self.running() if one.name == name)
        return outcome_of(one, found or [], NOW + 5 * HOUR)


def trial_readings(callers: int, *, slower: float) -> list[TaskFigures]:
    """Of each variant readings by so many callers; those of the second take `slower` times as long."""
    return [
        TaskFigures(
            caller=f"session:{variant}{number}",
            variant=variant,
            status="completed",
            created_at=NOW + number,
            collection="yuelao",
            lot=1,
            follows=False,
            cache_hit="none",
            degraded=False,
            total_ms=10_000 * (1 + number % 7) * times,
            first_token_ms=1_000 * times,
            model_error=None,
            score=None,
        )
        for variant, times in (("now", 1.0), ("new", slower))
        for number in range(callers)
    ]


class Visitor:
    def __init__(
        self,
        dashboard: MadeUpDashboard | None = None,
        *,
        root_path: str = "",
        token: str | None = TOKEN,
        library: str = "json",
        trials: MadeUpTrials | None = None,
    ) -> None:
        self.drawer = Drawer(command=(sys.executable, "-S", "-c", _DRAWS), library=library)
        door = AdminDoor("secret", token)
        self._app = FastAPI()
        self._app.include_router(pages_router(cast(PagesHouse, None)))
        self._app.include_router(
            dashboard_router(dashboard or MadeUpDashboard(), trials or MadeUpTrials(), door, self.drawer)
        )
        self._app.include_router(admin_pages_router(cast(AdminHouse, None), door))
        self._app.include_router(experiment_pages_router(cast(Experiments, None), door))
        self._app.include_router(faq_pages_router(cast(FaqHouse, None), door))
        mount_static(self._app)
        self._root_path = root_path
        self._cookie = ""

    async def get(self, query: str = "", path: str = "/admin") -> Page:
        return await self._call("GET", path, query)

    async def sign_in(self, token: str = TOKEN, **fields: str) -> Page:
        page = await self._call("POST", "/admin/sign-in", "", urlencode({"token": token, **fields}).encode())
        if cookie := re.match(r"jieqian_operator=[^;]+", page.headers.get("set-cookie", "")):
            self._cookie = cookie[0]
        return page

    async def _call(self, method: str, path: str, query: str, body: bytes = b"") -> Page:
        sent = {"host": "lots.test", "accept-language": "en", "cookie": self._cookie}
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": self._root_path + path,
            "root_path": self._root_path,
            "query_string": query.lstrip("?").encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("lots.test", 80),
            "state": {"limited_as": ("a",)},
        }
        answer: dict[str, object] = {"body": b""}

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, object]) -> None:
            answer.update({name: value for name, value in message.items() if name in ("status", "headers")})
            answer["body"] = cast(bytes, answer["body"]) + cast(bytes, message.get("body", b""))

        await self._app(scope, receive, send)  # type: ignore[arg-type]
        pairs = cast(list[tuple[bytes, bytes]], answer["headers"])
        headers = {name.decode(): value.decode() for name, value in pairs}
        return Page(cast(int, answer["status"]), headers, cast(bytes, answer["body"]).decode())


@pytest_asyncio.fixture
async def operator() -> AsyncIterator[Visitor]:
    visitor = Visitor()
    await visitor.sign_in()
    yield visitor
    await visitor.drawer.close()


# -- who may


async def test_nobody_sees_a_figure_without_signing_in() -> None:
    visitor = Visitor()
    for query in ("", "?span=7d", "?lang=ja"):
        page = await visitor.get(query)
        assert 'type="password"' in page.text
        assert 'id="board"' not in page.text
        assert "qwen" not in page.text
    assert not visitor.drawer.running
    closed = await Visitor(token=None).get()
    assert (closed.status, 'id="board"' in closed.text) == (403, False)


async def test_signing_in_leads_to_the_page_that_was_asked_for_and_never_elsewhere() -> None:
    visitor = Visitor()
    door = await visitor.get("?span=7d&model=qwen3%3A14b")
    found = re.search(r'name="to" value="([^"]*)"', door.text)
    assert found is not None
    assert (await visitor.sign_in(to=unescape(found[1]))).headers["location"] == "/admin?span=7d&model=qwen3%3A14b"
    assert (await visitor.sign_in(to="/admin/collections")).headers["location"] == "/admin/collections"
    elsewhere = (
        "https://evil.test/",
        "//evil.test/admin",
        "/\\evil.test",
        "/adminx",
        "/admin\r\nX: y",
        "/admin?" + "a" * 2000,
        "",
    )
    for to in elsewhere:
        assert (await visitor.sign_in(to=to)).headers["location"] == "/admin"
    wrong = await visitor.sign_in("not this", to="/admin?span=1h")
    assert 'value="/admin?span=1h"' in wrong.text
    under = Visitor(root_path="/oracle")
    assert 'name="to" value="/oracle/admin?span=1h"' in (await under.get("?span=1h")).text
    assert (await under.sign_in(to="/admin")).headers["location"] == "/oracle/admin"


async def test_the_links_are_the_same_on_every_page_and_say_where_one_is(operator: Visitor) -> None:
    under = Visitor(root_path="/oracle")
    await under.sign_in()
    for visitor, base in ((operator, ""), (under, "/oracle")):
        page = await visitor.get()
        links = re.findall(r'<a href="([^"?]+)"( aria-current="page")?>', page.text.partition("</nav>")[0])
        shown = [link for link in links if "/admin" in link[0]]
        ends = ("", "/collections", "/faq", "/experiments")
        assert shown == [(f"{base}/admin{end}", "" if end else ' aria-current="page"') for end in ends]
    await under.drawer.close()


# -- what is shown


async def test_every_figure_stands_beside_its_target_and_its_baseline(operator: Visitor) -> None:
    page = await operator.get()
    assert page.status == 200
    assert page.figure("total.mean") == "Average 12.2 s ✓ on target Target: 12–18 s Baseline: 37–40 s"
    assert page.figure("total.p95") == "P95 20.7 s ✓ on target Target: 22 s Baseline: 40 s"
    assert page.figure("first_event.p95") == "First event, P95 10 ms ✓ on target Target: under 5 s"
    assert page.figure("error_rate") == "Error rate 0.7 % ✓ on target Target: under 1 % Baseline: 0 %"
    assert page.figure("workers_active") == "Workers active 3 of 4"
    assert page.figure("lot_hits") == "Lot-cache hits 99 % 2,398 of 2,412"
    for key in ("total.mean", "total.p95", "overhead.mean", "stage.llm_generation", "cache_rate", "error_rate"):
        mark = MARKS[key]
        told = page.figure(key)
        assert mark.baseline is not None
        assert f"Baseline: {range_text(mark.baseline, mark.unit)}".replace("\xa0", " ") in told
    assert "All is well: all 9 figures" in page.text
    for part in (*VALUES.mode, *VALUES.model, "Slowest readings", "Most of the time goes to: Writing (model)"):
        assert part in page.text or part in ("fast", "quality")
    assert page.text.count('role="img"') == 11


def test_values_have_the_words_of_the_other_pages() -> None:
    t = Texts(Language.ZH_HANT)
    told = {
        (Dimension.LANGUAGE, "ja"): "日本語",
        (Dimension.STRATEGY, "retelling"): "轉述",
        (Dimension.MODEL, "ja"): "ja",
    }
    assert {which: value_name(t, *which) for which in told} == told
    assert value_name(t, Dimension.MODE, "quality") == t("mode.quality")


class Slow(MadeUpDashboard):
    async def summary(self, span: Span, which: Which) -> Summary:
        found = await super().summary(span, which)
        return replace(found, total=replace(found.total, mean=19_000.0), failed=found.tasks)

    async def live(self) -> Live:
        return replace(await super().live(), workers_error=1)


async def test_what_misses_its_target_is_said_in_words() -> None:
    visitor = Visitor(Slow())
    await visitor.sign_in()
    page = await visitor.get()
    assert "✗ off target" in page.figure("total.mean")
    assert "✗ off target" in page.figure("workers_error")
    assert "3 figures miss their target: Average · Error rate · Workers in error" in page.text
    await visitor.drawer.close()


async def test_before_the_first_reading_it_says_so() -> None:
    visitor = Visitor(MadeUpDashboard(empty=True, waiting=1200))
    await visitor.sign_in()
    page = await visitor.get()
    assert page.status == 200
    assert "No reading ended in this span." in page.text
    assert "1,200 ended readings are still to be counted" in page.text
    assert page.figure("total.mean") == "Average – Target: 12–18 s Baseline: 37–40 s"
    assert 'role="img"' not in page.text
    await visitor.drawer.close()


async def test_without_the_library_the_tables_serve_and_the_page_says_what_to_install() -> None:
    visitor = Visitor(library="no_such_library")
    await visitor.sign_in()
    page = await visitor.get()
    assert page.status == 200
    assert "pip install 'jieqian[dashboard]'" in page.text
    assert 'role="img"' not in page.text
    assert page.text.count("<table") == 12
    assert not visitor.drawer.running


class Hostile(MadeUpDashboard):
    async def values(self) -> Values:
        return Values(mode=(HOSTILE,), model=(HOSTILE,), collection=(HOSTILE,))

    async def breakdown(self, span: Span, which: Which, by: Dimension) -> Breakdown:
        found = await super().breakdown(span, which, by)
        return replace(found, parts=tuple(replace(part, value=HOSTILE) for part in found.parts))

    async def slowest(self, span: Span, which: Which, limit: int = 10) -> tuple[SlowTask, ...]:
        names = {"model": HOSTILE, "collection": HOSTILE, "language": HOSTILE, "strategy": HOSTILE}
        return tuple(replace(task, **names) for task in await super().slowest(span, which, limit))


async def test_no_name_breaks_out() -> None:
    visitor = Visitor(Hostile())
    await visitor.sign_in()
    page = await visitor.get("?" + urlencode({"model": HOSTILE, "span": HOSTILE, "since": HOSTILE}))
    assert page.status == 422
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    await visitor.drawer.close()


class Unreadable(MadeUpDashboard):
    async def series(self, span: Span, which: Which) -> object:  # type: ignore[override]
        raise StoreError


async def test_figures_that_cannot_be_read_are_told() -> None:
    visitor = Visitor(Unreadable())
    await visitor.sign_in()
    page = await visitor.get("?span=7d")
    assert page.status == 503
    assert 'role="alert"' in page.text
    assert 'id="board"' not in page.text
    await visitor.drawer.close()


# -- what is asked


async def test_a_bad_value_is_told_at_its_field_and_the_rest_is_shown(operator: Visitor) -> None:
    page = await operator.get("?span=1h&mode=instant&since=yesterday")
    assert page.status == 422
    assert 'aria-describedby="mode-fault"' in page.text
    assert 'aria-describedby="since-fault"' in page.text
    assert "No reading has “instant”: choose one" in page.text
    assert "“yesterday” is no time: write it as 2026-11-29T08:00" in page.text
    assert 'id="board"' in page.text
    assert re.search(r'aria-current="true">1 hour', page.text)


async def test_links_keep_what_was_asked(operator: Visitor) -> None:
    page = await operator.get("?span=1h&mode=fast&model=qwen3%3A14b")
    links = [unescape(link) for link in re.findall(r'href="(\?[^"]*)"', page.text)]
    weeks = [parse_qs(urlsplit(link).query) for link in links if "span=7d" in link]
    assert weeks == [{"span": ["7d"], "mode": ["fast"], "model": ["qwen3:14b"]}]
    japanese = [parse_qs(urlsplit(link).query) for link in links if "lang=ja" in link]
    assert japanese == [{"span": ["1h"], "mode": ["fast"], "model": ["qwen3:14b"], "lang": ["ja"]}]
    assert '<option value="qwen3:14b" selected>' in page.text


@pytest.mark.parametrize(
    ("given", "name", "seconds"),
    [({}, "24h", DAY), ({"span": "15m"}, "15m", 900), ({"span": "30d"}, "30d", 30 * DAY), ({"span": "1y"}, "24h", DAY)],
)
def test_spans(given: dict[str, str], name: str, seconds: int) -> None:
    asked = read_asked(given, VALUES, NOW)
    assert (asked.name, bool(asked.faults)) == (name, given.get("span") == "1y")
    assert asked.span.since <= NOW - seconds < asked.span.since + 60
    assert asked.span.until - 60 < NOW <= asked.span.until


def at(seconds: float) -> str:
    return wall_clock(seconds).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({"since": at(NOW - 7200), "until": at(NOW - 3600)}, NOW - 7200, NOW - 3600),
        ({"since": at(NOW - 7200), "span": "15m"}, NOW - 7200, NOW),
        ({"until": at(NOW - 7200), "span": "1h"}, NOW - 7200 - HOUR, NOW - 7200),
    ],
)
def test_a_beginning_and_an_end_are_on_this_machines_clock(given: dict[str, str], since: float, until: float) -> None:
    asked = read_asked(given, VALUES, NOW)
    assert (asked.name, asked.faults) == ("chosen", {})
    assert abs(asked.span.since - since) <= 60
    assert abs(asked.span.until - until) <= 60


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"since": at(NOW), "until": at(NOW - 3600)}, {"until": "dashboard.fault_order"}),
        ({"since": at(NOW), "until": at(NOW)}, {"until": "dashboard.fault_order"}),
        ({"since": "1990-01-01T00:00"}, {"since": "dashboard.fault_order"}),
        ({"until": "1990-01-01T00:00"}, {"until": "dashboard.fault_order"}),
        ({"until": "9999-12-31T23:59"}, {"until": "dashboard.fault_order"}),
        ({"since": "2001-02-01T00:00", "until": "2099-01-01T00:00"}, {"since": "dashboard.fault_order"}),
        ({"since": "0001-01-01T00:00"}, {"since": "dashboard.fault_time"}),
        ({"until": "13:00", "since": "9" * 500}, {"since": "dashboard.fault_time", "until": "dashboard.fault_time"}),
        ({"mode": "instant", "model": HOSTILE}, {"mode": "dashboard.fault_value", "model": "dashboard.fault_value"}),
    ],
)
def test_what_cannot_be_is_a_fault_and_the_usual_is_shown(given: dict[str, str], faults: dict[str, str]) -> None:
    asked = read_asked(given, VALUES, NOW)
    assert asked.faults == faults
    assert set(faults) <= set(asked.fields), "the page quotes what was sent"
    assert (asked.span.seconds // 60, asked.which) == (1441, Which())
    assert not set(faults) & set(parse_qs(asked.address().lstrip("?")))


# -- in words


def test_figures_in_words() -> None:
    told = [time_text(ms) for ms in (None, 0, 0.04, 9.96, 85.4, 999.4, 999.6, 3_440, 99_949, 134_000, 1e8)]
    spaced = "– 0.0_ms 0.0_ms 10.0_ms 85_ms 999_ms 1.0_s 3.4_s 99.9_s 134_s 1,667_min".replace("_", "\xa0").split(" ")
    assert told == spaced
    shares = [share_text(share) for share in (None, 0, 0.0002, 0.004, 0.1349, 1)]
    assert shares == "– 0_% <0.1_% 0.4_% 13_% 100_%".replace("_", "\xa0").split(" ")
    assert [rate_text(rate) for rate in (None, 1.04, 58.26)] == ["–", "1.04", "58.3"]
    assert [count_text(count) for count in (None, 0, 1_204_000)] == ["–", "0", "1,204,000"]
    steps = [step_text(seconds) for seconds in (60, 1200, 7200, 604_800)]
    assert steps == ["1\xa0min", "20\xa0min", "2\xa0h", "7\xa0d"]
    assert range_text((12_000, 18_000), "ms") == "12–18\xa0s"
    assert range_text((0.1, 0.2), "share") == "10–20\xa0%"
    assert target_text(Mark(unit="ms"), str) is None
    assert target_text(MARKS["error_rate"], lambda told: f"<{told}>") == "<1\xa0%>"


@pytest.mark.parametrize("language", list(Language))
async def test_every_language_has_every_word(operator: Visitor, language: Language) -> None:
    page = await operator.get(f"?lang={language.value}")
    assert page.status == 200
    assert f'<html lang="{language.value}">' in page.text


# -- experiments


async def test_running_experiments_say_when_a_difference_is_real_and_how_many_more_are_needed() -> None:
    trials = MadeUpTrials(
        clear=trial_readings(400, slower=2.0), alike=trial_readings(60, slower=1.0), few=trial_readings(1, slower=9.0)
    )
    visitor = Visitor(trials=trials)
    await visitor.sign_in()
    page = await visitor.get()
    told = dict(re.findall(r'experiments/(\w+)">.*?</p>(.*?)</li>', page.text, re.DOTALL))
    assert "+100.0 %" in told["clear"]
    assert re.search(r"\d more readings", told["alike"])
    assert re.search("too few", told["few"], re.IGNORECASE)
    assert HOSTILE not in page.text
    await visitor.drawer.close()


async def test_an_experiment_that_is_long_in_counting_holds_nothing_up() -> None:
    visitor = Visitor(trials=MadeUpTrials(long=None))
    await visitor.sign_in()
    assert "Its readings are being counted." in (await visitor.get()).text
    assert 'id="trials-title"' not in (await Visitor().get()).text
    await visitor.drawer.close()

"""The widget's visitors: their tokens and tickets, what those open, whose limits count, who may have the pages."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, Request
from itsdangerous import Signer
from starlette.responses import JSONResponse
from starlette.types import ASGIApp
from test_proxied import Answer, call

from jieqian.api.addresses import events_url
from jieqian.api.app import SecurityHeaders
from jieqian.api.callers import CallerMiddleware, caller_of, limited_as, visit_token
from jieqian.api.proxied import BasePath
from jieqian.api.visits import TICKET_SECONDS, VISIT_SECONDS, Visits
from jieqian.errors import RateLimited, VisitEnded
from jieqian.tasks.limits import RateLimit
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.web.assets import assets

HOME = "https://temple.example"


class Watch:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def visits(watch: Watch) -> Visits:
    return Visits("secret", watch)


def service(visits: Visits | None, *, base_path: str = "") -> ASGIApp:
    """Answers what the routes see of who asks."""
    app = FastAPI()

    @app.get("/embed/{temple}")
    async def frame(request: Request) -> JSONResponse:
        return JSONResponse({"caller": caller_of(request), "token": visit_token(request)})

    @app.get("/api/v1/tasks/{task_id}")
    async def task(request: Request, task_id: str) -> JSONResponse:
        told = {"caller": caller_of(request), "limited_as": limited_as(request)}
        return JSONResponse({**told, "events_url": events_url(request, task_id)})

    @app.get("/api/v1/tasks/{task_id}/events", name="task_events")
    async def events(request: Request, task_id: str) -> JSONResponse:
        return JSONResponse({"caller": caller_of(request)})

    @app.get("/widget.js")
    async def widget() -> JSONResponse:
        return JSONResponse("")

    inner = CallerMiddleware(app, secret="secret", find_key=MemoryTaskStore().find_key, visits=visits)
    framed = SecurityHeaders(inner, embed_origins=(HOME,) if visits else ())
    return BasePath(framed, base_path=base_path) if base_path else framed


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def begun(app: ASGIApp, **options: Any) -> dict[str, Any]:
    answer = await call(app, "/embed/yuelao", **options)
    assert (answer.status, answer.cookies) == (200, [])
    seen: dict[str, Any] = answer.json()
    return seen


def framing(answer: Answer) -> str:
    return answer.headers["content-security-policy"].rpartition("frame-ancestors ")[2]


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_stands_for_its_visitor_until_it_is_late(visits: Visits, watch: Watch) -> None:
    caller, token = visits.begin()
    assert caller.startswith("embed:")
    watch.now += VISIT_SECONDS
    assert visits.caller_of(token) == caller
    watch.now += 1
    with pytest.raises(VisitEnded):
        visits.caller_of(token)


def test_a_ticket_opens_one_stream_of_one_visitor_for_a_while(visits: Visits, watch: Watch) -> None:
    caller, _ = visits.begin()
    ticket = visits.ticket(caller, "one")
    assert visits.caller_of_ticket(ticket, "one") == caller
    with pytest.raises(VisitEnded):
        visits.caller_of_ticket(ticket, "other")
    watch.now += TICKET_SECONDS + 1
    with pytest.raises(VisitEnded):
        visits.caller_of_ticket(ticket, "one")


def test_nothing_that_was_signed_for_another_use_or_by_another_serves(visits: Visits, watch: Watch) -> None:
    caller, token = visits.begin()
    ticket = visits.ticket(caller, "one")
    session = Signer("secret", salt="jieqian.session").sign("visit").decode()
    foreign = Visits("another", watch)
    false = [f"visit.{ticket}", f"visit.{session}", foreign.begin()[1], token[:-1], f"{token}x", "visit.", "visit.\xff"]
    for written in false:
        with pytest.raises(VisitEnded):
            visits.caller_of(written)
    for written in (token, token.removeprefix("visit."), session, foreign.ticket(caller, "one"), "", "\udcff"):
        with pytest.raises(VisitEnded):
            visits.caller_of_ticket(written, "one")
    assert visits.caller_of("jq_an-api-key") is None


# -- who asks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["", "/lots"])
async def test_a_frames_page_begins_a_visit_without_a_cookie_and_the_token_is_it(visits: Visits, base: str) -> None:
    app = service(visits, base_path=base)
    own = await call(app, "/api/v1/tasks/one")
    first = await begun(app, headers={"Cookie": own.cookies[0].partition(";")[0]})
    assert first["caller"].startswith("embed:")
    answer = await call(app, "/api/v1/tasks/one", bearer(first["token"]))
    assert (answer.json()["caller"], answer.cookies) == (first["caller"], [])
    again = await begun(app, headers=bearer(first["token"]))
    assert again == {"caller": first["caller"], "token": ""}
    assert (await begun(app))["caller"] != first["caller"]


async def test_the_address_of_its_events_opens_them_and_no_other_tasks(visits: Visits, watch: Watch) -> None:
    app = service(visits)
    first = await begun(app)
    told = (await call(app, "/api/v1/tasks/one", bearer(first["token"]))).json()["events_url"]
    assert (await call(app, told)).json() == {"caller": first["caller"]}
    for false in (told.replace("/one/", "/two/"), f"{told}x"):
        answer = await call(app, false)
        assert (answer.status, answer.json()["code"], answer.cookies) == (401, "visit_ended", [])
    elsewhere = await call(app, told.replace("/events", ""))
    assert elsewhere.json()["caller"].startswith("session:"), "a ticket counts for events alone"
    watch.now += TICKET_SECONDS + 1
    assert (await call(app, told)).status == 401
    plain = (await call(app, "/api/v1/tasks/one")).json()["events_url"]
    assert plain == "/api/v1/tasks/one/events"


@pytest.mark.parametrize("token", ["visit.made-up", "visit."])
async def test_a_false_token_is_refused(visits: Visits, token: str) -> None:
    for path in ("/api/v1/tasks/one", "/embed/yuelao"):
        answer = await call(service(visits), path, bearer(token))
        assert (answer.status, answer.json()["code"]) == (401, "visit_ended")


async def test_where_nobody_may_embed_a_token_is_nobodys(visits: Visits) -> None:
    _, token = visits.begin()
    answer = await call(service(None), "/api/v1/tasks/one", bearer(token))
    assert (answer.status, answer.json()["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("client", ["192.0.2.4", "127.0.0.1"])
async def test_many_tokens_of_one_address_do_not_escape_its_limit(visits: Visits, client: str) -> None:
    app = service(visits)
    limit = RateLimit(2)
    tried = 0
    for _ in range(40):
        token = (await begun(app, client=client))["token"]
        seen = (await call(app, "/api/v1/tasks/one", bearer(token), client=client)).json()
        try:
            limit.take(*seen["limited_as"])
        except RateLimited:
            break
        tried += 1
    assert tried == (2 if client == "192.0.2.4" else 16), "of an address that may be a proxy's: all together"


# -- in whose frames ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["", "/lots"])
async def test_only_the_widgets_pages_may_be_framed_and_by_those_named(visits: Visits, base: str) -> None:
    app = service(visits, base_path=base)
    for path in ("/embed", "/embed/yuelao", "/embed/no/such/page"):
        assert framing(await call(app, base + path)) == HOME
    for path in ("/", "/widget.js", "/embedded", "/api/v1/tasks/one", "/shared/embed/", "/static/embed/x"):
        assert framing(await call(app, base + path)) == "'none'"
    assert framing(await call(service(None), "/embed")) == "'none'"


def test_the_script_is_small() -> None:
    assert len(assets().files["widget.js"].content) < 3_500, "words and origins come to it: 4 kB in all"

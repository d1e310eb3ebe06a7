"""The path a proxy puts the service under, and what is believed of whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message

from jieqian.api.addresses import path_for
from jieqian.api.callers import CallerMiddleware, limited_as
from jieqian.api.proxied import BasePath, TrustedProxies, is_this_machine, network_of
from jieqian.testing.memory_store import MemoryTaskStore

PROXY = "10.0.0.9"


def echoing() -> FastAPI:
    """Answers what the routes see of a request."""
    app = FastAPI()

    @app.get("/seen/{item}")
    async def seen(request: Request, item: str) -> JSONResponse:
        return JSONResponse(
            {
                "item": item,
                "own": path_for(request, "seen", item=item),
                "scheme": request.url.scheme,
                "client": request.client.host if request.client else None,
                "limited_as": " ".join(limited_as(request)),
            }
        )

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse("ok")

    @app.get("/")
    async def home(request: Request) -> JSONResponse:
        return JSONResponse(path_for(request, "home"))

    return app


def service(*, base_path: str = "", proxies: tuple[str, ...] = ()) -> ASGIApp:
    app = CallerMiddleware(
        echoing(), secret="secret", find_key=MemoryTaskStore().find_key, askers_addresses=bool(proxies)
    )
    based = BasePath(app, base_path=base_path) if base_path else app
    return TrustedProxies(based, proxies=proxies) if proxies else based


class Answer:
    def __init__(self) -> None:
        self.status = 0
        self.cookies: list[str] = []
        self.headers: dict[str, str] = {}
        self.body = b""

    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: ASGIApp, path: str, headers: Mapping[str, str] | None = None, *, client: str = PROXY, method: str = "GET"
) -> Answer:
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            answer.cookies = [value.decode() for name, value in message["headers"] if name == b"set-cookie"]
        else:
            answer.body += message.get("body", b"")

    path, _, query = path.partition("?")
    raw = [(name.lower().encode(), value.encode()) for name, value in {"Host": "lots.test", **(headers or {})}.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": raw,
        "scheme": "http",
        "client": (client, 4000),
        "server": ("127.0.0.1", 8000),
        "root_path": "",
    }
    await app(scope, receive, send)
    return answer


# -- the base path -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/jieqian", "/a/b"])
async def test_the_path_may_be_taken_off_or_left(base: str) -> None:
    for path in (f"{base}/seen/7", "/seen/7"):
        answer = await call(service(base_path=base), path)
        assert (answer.status, answer.json()["own"]) == (200, f"{base}/seen/7")
        assert f"; Path={base};" in answer.cookies[0]
    for path in (base, f"{base}/", "/"):
        assert (await call(service(base_path=base), path)).json() == f"{base}/"


async def test_a_path_that_only_begins_alike_is_another() -> None:
    assert (await call(service(base_path="/jieqian"), "/jieqianer/seen/7")).status == 404
    assert (await call(service(base_path="/jieqian"), "/other/seen/7")).status == 404


async def test_health_sets_no_cookie_under_a_path_either() -> None:
    for path in ("/jieqian/healthz", "/healthz"):
        answer = await call(service(base_path="/jieqian"), path)
        assert (answer.status, answer.cookies) == (200, [])


async def test_without_a_path_the_cookie_is_for_the_whole_host() -> None:
    answer = await call(service(), "/seen/7")
    assert answer.json()["own"] == "/seen/7"
    assert "; Path=/;" in answer.cookies[0]


async def test_the_cookie_of_another_service_on_the_host_is_no_hindrance() -> None:
    ours = (await call(service(), "/seen/7")).cookies[0].partition(";")[0]
    foreign = "jieqian_session=someone.else"
    for cookies in (f"{ours}; {foreign}", f"{foreign}; {ours}", f'a b="\x7f; {ours}; {{"x": 1}}'):
        assert (await call(service(), "/seen/7", {"Cookie": cookies})).cookies == []
    assert len((await call(service(), "/seen/7", {"Cookie": foreign})).cookies) == 1


# -- who asks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [PROXY, "10.0.0.0/8", "192.0.2.1,10.0.0.9"])
async def test_a_trusted_proxy_tells_who_asks_and_by_which_scheme(named: str) -> None:
    app = service(proxies=tuple(named.split(",")))
    answer = await call(app, "/seen/7", {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"})
    assert {**answer.json(), "item": "7"} == {
        "item": "7",
        "own": "/seen/7",
        "scheme": "https",
        "client": "198.51.100.7",
        "limited_as": "address:198.51.100.7",
    }
    assert answer.cookies[0].endswith("; Secure")


@pytest.mark.parametrize("client", ["10.0.0.8", "::1", "::ffff:10.0.0.8"])
async def test_nobody_else_is_believed(client: str) -> None:
    forged = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    answer = await call(service(proxies=(PROXY,)), "/seen/7", forged, client=client)
    assert (answer.json()["scheme"], answer.json()["limited_as"]) == ("http", f"address:{network_of(client)}")
    assert not answer.cookies[0].endswith("; Secure")


async def test_what_the_asker_wrote_before_the_proxy_is_not_believed() -> None:
    forged = {"X-Forwarded-For": f"127.0.0.1, 203.0.113.5, 198.51.100.7, {PROXY}"}
    answer = await call(service(proxies=(PROXY,)), "/seen/7", forged)
    assert answer.json()["limited_as"] == "address:198.51.100.7"


async def test_a_proxy_seen_by_a_socket_for_both_kinds_of_address_is_known() -> None:
    answer = await call(
        service(proxies=(PROXY,)), "/seen/7", {"X-Forwarded-For": "198.51.100.7"}, client=f"::ffff:{PROXY}"
    )
    assert answer.json()["client"] == "198.51.100.7"


@pytest.mark.parametrize("told", ["unknown", "_hidden", "", "not an address", "[::1", "unix:"])
async def test_an_address_that_is_none_harms_nobody(told: str) -> None:
    answer = await call(service(proxies=(PROXY,)), "/seen/7", {"X-Forwarded-For": told})
    assert answer.status == 200
    assert answer.json()["limited_as"].startswith("address:")


async def test_without_named_proxies_nothing_is_believed_and_this_machine_is_not_counted_together() -> None:
    forged = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    for client, limited in (
        ("127.0.0.1", "session:"),
        ("::ffff:127.0.0.1", "session:"),
        ("192.0.2.4", "address:192.0.2.4"),
    ):
        answer = await call(service(), "/seen/7", forged, client=client)
        assert answer.json()["limited_as"].startswith(limited)
        assert answer.json()["scheme"] == "http"


async def test_a_known_proxy_makes_this_machine_count_too() -> None:
    answer = await call(service(proxies=("127.0.0.1",)), "/seen/7", client="127.0.0.1")
    assert answer.json()["limited_as"] == "address:127.0.0.1"


@pytest.mark.parametrize(
    ("headers", "advice"),
    [({}, False), ({"X-Forwarded-For": "198.51.100.7"}, True), ({"X-Forwarded-Host": "lots.test"}, True)],
)
async def test_a_proxy_that_names_another_host_is_told_of(headers: dict[str, str], advice: bool) -> None:
    headers = {"Origin": "https://lots.test", **headers, "Host": "127.0.0.1:8000"}
    answer = await call(service(proxies=(PROXY,)), "/seen/7", headers, method="POST")
    assert answer.status == 403
    assert (b"Host header" in answer.body) is advice


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_which_addresses_are_this_machine(host: str, here: bool) -> None:
    assert is_this_machine(host) is here


async def test_the_first_of_several_proxies_tells_the_scheme() -> None:
    for told in ("https, http", "HTTPS", " https ,http"):
        answer = await call(service(proxies=(PROXY,)), "/seen/7", {"X-Forwarded-Proto": told})
        assert answer.json()["scheme"] == "https"
        assert answer.cookies[0].endswith("; Secure")


async def test_a_session_is_counted_with_its_address_too() -> None:
    first = await call(service(), "/seen/7", client="192.0.2.4")
    cookie = {"Cookie": first.cookies[0].partition(";")[0]}
    again = await call(service(), "/seen/7", cookie, client="192.0.2.4")
    own, shared = again.json()["limited_as"].split()
    assert own.startswith("session:")
    assert shared == "shared:192.0.2.4"


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.4", "192.0.2.4"),
        ("::ffff:192.0.2.4", "192.0.2.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_stands_for_who_has_it(host: str, network: str) -> None:
    assert network_of(host) == network


async def test_no_cache_may_keep_what_is_a_callers() -> None:
    answer = await call(service(), "/seen/7")
    assert answer.headers["cache-control"] == "no-store"

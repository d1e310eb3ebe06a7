"""Behind nginx and Caddy, with the example files as they stand in `deploy/`: at a root with TLS, and under a path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest
from program import ModelServer, Program, parse_events
from proxies import Proxy, Visitor, caddy, nginx

from jieqian.testing.wire_process import wire_server

#: Pieces of its answer after which the stand-in model says no more: a few hundred bytes of frames, far below a buffer.
PIECES = 30
PER_MINUTE = 12
_SOURCES = count(2)
EXAMPLES = [
    pytest.param((nginx, "nginx.conf", ""), id="nginx"),
    pytest.param((nginx, "nginx-path.conf", "/jieqian"), id="nginx-path"),
    pytest.param((caddy, "Caddyfile", ""), id="caddy"),
    pytest.param((caddy, "Caddyfile-path", "/jieqian"), id="caddy-path"),
]

Programs = Callable[[str], Program]
ACCEPT = "gzip, deflate, br, zstd"


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with wire_server("ollama") as wire:
        yield ModelServer(wire)


@pytest.fixture(scope="module")
def programs(model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """The program under a base path, started once for each."""
    running: dict[str, Program] = {}

    def program_under(base: str) -> Program:
        if base not in running:
            settings = {"llm_provider": "ollama", "llm_base_url": model.url, "llm_model": "qwen2.5:7b"}
            settings |= {"cache_entries": "0", "measure_models": "false"}  # the same is asked again and again
            settings |= {"rate_limit_per_minute": str(PER_MINUTE), "trusted_proxies": "127.0.0.1"}
            folder = tmp_path_factory.mktemp("proxied")
            running[base] = Program(folder / "data", base_path=base, **settings).start()
        return running[base]

    yield program_under
    for program in running.values():
        program.kill()


@pytest.fixture(scope="module", params=EXAMPLES)
def proxy(
    request: pytest.FixtureRequest, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    start, example, base = request.param
    with start(tmp_path_factory.mktemp("proxy"), example, base, programs(base).port) as running:
        yield running


@pytest.fixture
def visitor(proxy: Proxy) -> Visitor:
    visitor = Visitor(proxy.port, proxy.origin, proxy.base)
    assert visitor.call("GET", "/").status == 200
    return visitor


def ended(visitor: Visitor, task_id: str) -> None:
    """Read to the end, so that the task's model calls are not among another test's."""
    assert list(visitor.events(task_id))[-1].type == "completed"


def test_frames_arrive_while_the_model_still_writes(
    proxy: Proxy, visitor: Visitor, model: ModelServer, programs: Programs
) -> None:
    """The model stops in the middle and is let go only when every frame is through: nothing waits in a buffer."""
    model.script({"stall_after": PIECES, "first_token_ms": 0, "tokens_per_second": 200})
    direct = Visitor(programs(proxy.base).port, "http://localhost", proxy.base)
    direct.cookie = visitor.cookie
    task_id = visitor.ask(fresh=True)
    written = ""
    with visitor.open_events(task_id, **{"Accept-Encoding": ACCEPT}) as response:
        assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert response.getheader("content-encoding") is None
        events = parse_events(response)
        arrived = []
        while not (arrived and arrived[-1].type == "section_delta" and len(written) > 10):
            arrived.append(next(events))
            written += arrived[-1].data["text"] if arrived[-1].type == "section_delta" else ""
        assert [seen["finished"] for seen in model.seen()] == [False]
        last = direct.call("GET", f"/api/v1/tasks/{task_id}").json()["last_event_id"]
        while arrived[-1].id is None or arrived[-1].id < last:  # what is in the log is through, to the last byte
            arrived.append(next(events))
        assert [seen["finished"] for seen in model.seen()] == [False]
        assert visitor.call("POST", f"/api/v1/tasks/{task_id}/stop").json()["status"] == "stopped"
        arrived += events
    assert arrived[-1].type == "stopped"
    ids = [event.id for event in arrived if event.id is not None]
    assert ids == list(range(1, len(ids) + 1))


def test_a_dropped_stream_goes_on_where_it_was(visitor: Visitor, model: ModelServer) -> None:
    model.script(default={"tokens": 200, "tokens_per_second": 400})
    task_id = visitor.ask(fresh=True)
    head = list(islice(visitor.events(task_id), 8))
    seen = max(event.id for event in head if event.id is not None)
    tail = [event for event in visitor.events(task_id, seen) if event.id is not None]
    with visitor.open_events(task_id, **{"Accept-Encoding": ACCEPT}) as response:
        assert response.getheader("content-encoding") is None
        whole = [event for event in parse_events(response) if event.id is not None]
    assert [event for event in head if event.id is not None] + tail == whole
    assert whole[-1].type == "completed"
    assert (
        visitor.call("GET", f"/api/v1/tasks/{task_id}/events", headers={"Last-Event-ID": str(whole[-1].id)}).status
        == 204
    )


def test_every_address_on_a_page_leads_through_the_proxy(proxy: Proxy, visitor: Visitor) -> None:
    page = "".join(
        visitor.call("GET", path, headers={"Accept-Encoding": "identity"}).body.decode()
        for path in ("/", "/temples/yuelao", "/temples/yuelao/lots/7")
    )
    found = set(re.findall(r'(?:href|src|action|data-api)="(/[^"?#]*)', page))
    assert {
        f"{proxy.base}/",
        f"{proxy.base}/history",
        f"{proxy.base}/readings",
        f"{proxy.base}/api/v1",
        f"{proxy.base}/temples/yuelao/draw",
    } <= found
    assert len(found) >= 6
    for path in found:
        assert path.startswith(f"{proxy.base}/"), path
        if "/static/" in path or path.endswith("/history"):
            assert visitor.call("GET", path).status == 200
    assert visitor.call("GET", "/openapi.json").json().get("servers") == ([{"url": proxy.base}] if proxy.base else None)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert visitor.call("GET", path).status == 200


def test_a_form_is_taken_from_the_services_own_page_alone(proxy: Proxy, visitor: Visitor, model: ModelServer) -> None:
    model.script()
    form = {"collection": "yuelao", "lot": "3", "question": "Will she write back?", "language": "en"}
    taken = visitor.call("POST", "/readings", form=form, headers={"Origin": proxy.origin})
    assert taken.status == 303, taken.body
    assert taken.headers["location"].startswith(f"{proxy.base}/readings/")
    assert visitor.call("GET", taken.headers["location"]).status == 200
    ended(visitor, taken.headers["location"].rpartition("/")[2])
    foreign = visitor.call("POST", "/readings", form=form, headers={"Origin": "https://evil.example"})
    assert (foreign.status, foreign.json()["code"]) == (403, "cross_site_request")
    answer = visitor.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 2, "question": "ab"})
    assert answer.headers["location"] == f"{proxy.base}/api/v1/tasks/{answer.json()['task_id']}"
    assert answer.json()["events_url"] == answer.headers["location"] + "/events"
    assert visitor.call("GET", answer.headers["location"]).json()["events_url"] == answer.json()["events_url"]
    ended(visitor, answer.json()["task_id"])


def test_a_file_of_lots_passes_that_is_far_larger_than_a_question_may_be(visitor: Visitor) -> None:
    """The service itself answers, that only the operator may send one; nginx would answer by a page of its own."""
    lots = {"note": "籤" * 1_000_000}
    answer = visitor.call("POST", "/api/v1/admin/collections?filename=lots.json", lots)
    assert (answer.status, answer.json()["code"]) == (403, "operator_only")


def test_the_cookie_is_for_this_path_and_for_tls_alone(proxy: Proxy) -> None:
    stranger = Visitor(proxy.port, proxy.origin, proxy.base)
    cookie = stranger.call("GET", "/api/v1/modes").headers["set-cookie"]
    assert f"Path={proxy.base or '/'};" in cookie
    assert ("; Secure" in cookie) is proxy.secure
    forged = Visitor(proxy.port, proxy.origin, proxy.base)
    proto = {"X-Forwarded-Proto": "http" if proxy.secure else "https"}
    assert ("; Secure" in forged.call("GET", "/api/v1/modes", headers=proto).headers["set-cookie"]) is proxy.secure


def test_a_page_is_compressed_anyhow_and_json_where_the_example_says_so(proxy: Proxy, visitor: Visitor) -> None:
    page = visitor.call("GET", "/", headers={"Accept-Encoding": ACCEPT})
    assert page.headers.get("content-encoding") in ("gzip", "zstd")
    listed = visitor.call("GET", "/api/v1/collections", headers={"Accept-Encoding": ACCEPT})
    assert (listed.headers.get("content-encoding") in ("gzip", "zstd")) is (proxy.base == "")


def test_the_limit_counts_the_askers_address_which_nobody_can_forge(proxy: Proxy, model: ModelServer) -> None:
    model.script()
    asked = {"collection": "yuelao", "lot": 1, "question": "Will it go well?", "language": "en"}
    #: Each proxy's asker has an address of their own, so that one test does not use up another's minute.
    source = f"127.0.7.{next(_SOURCES)}"
    begun = []
    for place in range(5 * PER_MINUTE):  # the limit fills up again by and by: far more than could be let through
        new = Visitor(proxy.port, proxy.origin, proxy.base, source=source)
        answer = new.call("POST", "/api/v1/tasks", asked, headers={"X-Forwarded-For": f"198.51.100.{place}"})
        if answer.status != 202:
            break
        begun.append((new, answer.json()["task_id"]))
    assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
    assert len(begun) >= PER_MINUTE
    other = Visitor(proxy.port, proxy.origin, proxy.base, source="127.0.8.1")
    for visitor, task_id in [*begun, (other, other.ask())]:
        ended(visitor, task_id)


def test_who_is_no_trusted_proxy_is_not_believed(programs: Programs) -> None:
    program = programs("")
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1"}
    direct = Visitor(program.port, f"http://127.0.0.1:{program.port}", source="127.0.9.1")
    assert "; Secure" not in direct.call("GET", "/api/v1/modes", headers=forged).headers["set-cookie"]
    proxied = Visitor(program.port, f"http://127.0.0.1:{program.port}")
    assert "; Secure" in proxied.call("GET", "/api/v1/modes", headers=forged).headers["set-cookie"]

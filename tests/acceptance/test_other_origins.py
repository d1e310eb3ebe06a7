"""Pages of other sites: those named in CORS_ORIGINS may ask and listen, all others may not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from program import Program, parse_events
from proxies import Visitor

OURS = "https://app.example.org"
THEIRS = "https://evil.example"
ASKED = {"collection": "yuelao", "lot": 1, "question": "Will it go well?", "language": "en"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("origins")
    running = Program(folder / "data", llm_provider="commentary", cors_origins=f"{OURS}, http://localhost:3000")
    yield running.start()
    running.kill()


@pytest.fixture
def client(program: Program) -> Visitor:
    return Visitor(program.port, f"http://127.0.0.1:{program.port}")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_named_site_is_told_that_it_may(client: Visitor, method: str) -> None:
    wanted = "authorization, content-type, idempotency-key, last-event-id"
    asked = {"Origin": OURS, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}
    answer = client.call("OPTIONS", "/api/v1/tasks", headers=asked)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == OURS
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert method in answer.headers["access-control-allow-methods"]
    assert "origin" in answer.headers["vary"].lower()
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", [THEIRS, "null", f"{OURS}.evil.example", "http://app.example.org"])
def test_another_site_may_not(client: Visitor, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = client.call("OPTIONS", "/api/v1/tasks", headers=asked)
    assert answer.status == 400
    assert "access-control-allow-origin" not in answer.headers
    answer = client.call("GET", "/api/v1/collections", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    answer = client.call("POST", "/api/v1/tasks", ASKED, headers={"Origin": origin})
    assert (answer.status, answer.json()["code"]) == (403, "cross_site_request")


def test_a_named_site_asks_and_listens_with_the_visitors_cookie(client: Visitor) -> None:
    answer = client.call("POST", "/api/v1/tasks", ASKED, headers={"Origin": OURS})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, OURS)
    assert "Location" in answer.headers["access-control-expose-headers"]
    with client.open_events(answer.json()["task_id"], Origin=OURS) as response:
        assert response.getheader("access-control-allow-origin") == OURS
        assert response.getheader("access-control-allow-credentials") == "true"
        assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert list(parse_events(response))[-1].type == "completed"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/tasks/none", 404),
        ("GET", "/api/v1/tasks/none/events", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/api/v1/tasks", 405),
        ("POST", "/api/v1/tasks", 422),
        ("GET", "/api/v1/admin/service", 403),
    ],
)
def test_a_problem_can_be_read_by_the_site_that_asked(client: Visitor, method: str, path: str, status: int) -> None:
    answer = client.call(method, path, [] if method == "POST" else None, headers={"Origin": OURS})
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.headers["access-control-allow-origin"] == OURS


def test_a_refusal_before_the_routes_can_be_read_too(client: Visitor) -> None:
    refused = client.call("GET", "/api/v1/tasks", headers={"Origin": OURS, "Authorization": "Bearer nobody"})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, OURS)
    large = client.call("GET", "/api/v1/tasks", headers={"Origin": OURS, "X-Much": "x" * 70_000})
    assert (large.status, large.json()["code"]) == (431, "headers_too_large")

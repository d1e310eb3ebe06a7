"""The widget's calls as its frame makes them: by a token and a ticket, never by a cookie."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from program import Answer, Client, Program

TEMPLE = "https://temple.example"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("widget")
    running = Program(folder / "data", llm_provider="commentary", embed_origins=TEMPLE, base_path="/lots")
    yield running.start()
    running.kill()


def frame(program: Program) -> tuple[Client, Answer]:
    """A visitor of the widget, and the page it begins with."""
    answer = Client(program.base).call("GET", "/lots/embed/yuelao", headers={"Cookie": "jieqian_language=ja"})
    token = re.search(r'data-token="(visit\.[^"]+)"', answer.body.decode())
    assert token is not None
    return Client(f"{program.base}/lots", token[1]), answer


def test_a_visitor_reads_by_token_and_listens_by_ticket(program: Program) -> None:
    visitor, page = frame(program)
    assert "set-cookie" not in page.headers
    assert page.headers["content-language"] == "zh-Hant", "the cookie of the service's own pages is not read"
    assert page.headers["content-security-policy"].endswith(f"frame-ancestors {TEMPLE}")
    addresses = re.findall(r'(?:href|src|action|data-lots|data-readings|data-api)="(/[^"]*)"', page.body.decode())
    assert len(addresses) > 8
    assert all(address.startswith("/lots/") for address in addresses)
    answer = visitor.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 7, "question": "Well?"})
    assert (answer.status, answer.headers.get("set-cookie")) == (202, None)
    task_id, events_url = answer.json()["task_id"], answer.json()["events_url"]
    assert events_url.startswith(f"/lots/api/v1/tasks/{task_id}/events?ticket=")
    query = f"?{events_url.partition('?')[2]}"
    listener = Client(f"{program.base}")
    assert [event.type for event in listener.events(task_id, query=query)][-1] == "completed"
    assert listener.call("GET", events_url.replace(task_id, "another")).json()["code"] == "visit_ended"
    own = visitor.call("GET", f"/embed/readings/{task_id}")
    assert (own.status, own.headers.get("set-cookie")) == (200, None)
    assert "ticket=" not in program.log.read_text()


def test_another_visitor_sees_nothing_of_it(program: Program) -> None:
    visitor, _ = frame(program)
    task_id = visitor.ask(question="Only mine?")
    other, _ = frame(program)
    for client in (other, Client(f"{program.base}/lots")):
        assert client.call("GET", f"/api/v1/tasks/{task_id}").status == 404
        assert client.call("GET", f"/embed/readings/{task_id}").status == 404
        assert client.call("DELETE", f"/api/v1/tasks/{task_id}").status == 404
        assert client.call("GET", "/api/v1/tasks").json()["tasks"] == []
    assert [task["task_id"] for task in visitor.call("GET", "/api/v1/tasks").json()["tasks"]] == [task_id]


def test_the_script_is_for_everybody_and_kept_briefly(program: Program) -> None:
    visitor = Client(f"{program.base}/lots")
    script = visitor.call("GET", "/widget.js")
    assert (script.status, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert script.headers["cache-control"] == "public, max-age=300"
    assert "set-cookie" not in script.headers
    assert TEMPLE.encode() in script.body
    assert len(script.body) < 4096
    held = visitor.call("GET", "/widget.js", headers={"If-None-Match": script.headers["etag"]})
    assert (held.status, held.body) == (304, b"")


def test_until_somebody_may_embed_there_is_only_the_script(tmp_path_factory: pytest.TempPathFactory) -> None:
    program = Program(tmp_path_factory.mktemp("off") / "data", llm_provider="commentary").start()
    try:
        visitor = program.client()
        assert visitor.call("GET", "/widget.js").status == 200
        for path in ("/embed", "/embed/yuelao", "/embed/yuelao/lots/7", "/embed/readings/one"):
            answer = visitor.call("GET", path)
            assert answer.status == 404
            assert answer.headers["content-security-policy"].endswith("frame-ancestors 'none'")
    finally:
        program.kill()

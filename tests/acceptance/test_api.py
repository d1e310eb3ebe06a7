"""The API's answers to callers good and bad."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from program import Client, Program

from jieqian.lots.draw import verify

Start = Callable[..., Program]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("api")
    running = Program(folder / "data", llm_provider="commentary", rate_limit_per_minute="0").start()
    yield running
    running.kill()


@pytest.fixture
def client(program: Program) -> Client:
    return program.client()


GOOD = {"collection": "yuelao", "lot": 1, "question": "會順利嗎？"}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"question": ""}, 422, "invalid_question"),
        ({"question": "   \n\t　"}, 422, "invalid_question"),
        ({"question": "\u0000\u202e\u200b"}, 422, "invalid_question"),
        ({"question": None}, 422, "invalid_question"),
        ({"question": 7}, 422, "invalid_question"),
        ({"question": "x" * 2001}, 413, "question_too_long"),
        ({"question": "問" * 33_000}, 413, "question_too_long"),
        ({"question": "問" * 100_000}, 413, "question_too_long"),
        ({"collection": "nowhere"}, 404, "unknown_collection"),
        ({"collection": ""}, 404, "unknown_collection"),
        ({"lot": 0}, 404, "unknown_lot"),
        ({"lot": -1}, 404, "unknown_lot"),
        ({"lot": 101}, 404, "unknown_lot"),
        ({"lot": 1e9}, 404, "unknown_lot"),
        ({"lot": "第一百零一籤"}, 404, "unknown_lot"),
        ({"lot": 1.5}, 422, "invalid_lot"),
        ({"lot": "abc"}, 422, "invalid_lot"),
        ({"lot": ""}, 422, "invalid_lot"),
        ({"lot": None}, 422, "invalid_lot"),
        ({"lot": True}, 422, "invalid_lot"),
        ({"lot": [1]}, 422, "invalid_lot"),
        ({"language": "tlh"}, 422, "unsupported_language"),
        ({"mode": "slow"}, 422, "unknown_mode"),
        ({"strategy": "random"}, 422, "unknown_strategy"),
        ({"parent_id": "no-such-task"}, 404, "unknown_parent"),
        ({"draw_id": "no-such-draw"}, 404, "unknown_draw"),
        ({"fresh": "yes"}, 422, "invalid_request"),
    ],
)
def test_a_wrong_request_gets_a_problem_document(
    client: Client, change: dict[str, Any], status: int, code: str
) -> None:
    answer = client.call("POST", "/api/v1/tasks", {**GOOD, **change})
    problem = answer.json()
    assert (answer.status, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"].endswith(".")
    assert isinstance(problem["retryable"], bool)
    assert client.call("GET", "/api/v1/tasks").json()["tasks"] == []


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b'{"lot": NaN}', 400, "malformed_json"),
        (b"[" * 100_000, 400, "malformed_json"),
        (b"[]", 422, "invalid_request"),
        (b'"text"', 422, "invalid_request"),
        (b'{"collection": "yuelao", "lot": 1, "question": "a\\ud800b"}', 422, "invalid_question"),
        (b'{"collection": "yuelao", "lot": 1}', 422, "invalid_question"),
        (b'{"collection": "yuelao", "question": "ab"}', 422, "invalid_lot"),
        (b"x" * 1_100_000, 413, "body_too_large"),
    ],
)
def test_a_broken_body_gets_a_problem_document(client: Client, raw: bytes, status: int, code: str) -> None:
    answer = client.call("POST", "/api/v1/tasks", raw=raw)
    assert (answer.status, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "asked",
    [
        {"collection": "YueLao", "lot": "7"},
        {"collection": "月老", "lot": "７"},
        {"collection": "yue-lao", "lot": "第七籤"},
        {"lot": "YueLao_7"},
        {"collection": "yuelao", "lot": "YueLao_7"},
    ],
)
def test_aliases_and_number_forms_reach_the_same_lot(client: Client, asked: dict[str, Any]) -> None:
    answer = client.call("POST", "/api/v1/tasks", {"question": "會順利嗎？", **asked})
    assert answer.status == 202
    assert answer.headers["location"] == f"/api/v1/tasks/{answer.json()['task_id']}"
    assert client.task(answer.json()["task_id"])["lot"]["id"] == "yuelao/7"


def test_a_question_is_kept_without_what_cannot_be_seen(client: Client) -> None:
    task_id = client.ask(question="a\u0000b \u202eevil\u202c \u001b[31mred\u001b[0m <b>hi</b>", language="en")
    assert client.task(task_id)["question"] == "ab evil red <b>hi</b>"


def test_another_callers_task_is_unknown_in_every_way(client: Client, program: Program) -> None:
    task_id = client.ask(question="會順利嗎？")
    stranger = program.client()
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("DELETE", "")):
        answer = stranger.call(method, f"/api/v1/tasks/{task_id}{path}")
        assert (answer.status, answer.json()["code"]) == (404, "unknown_task")
    feedback = stranger.call("POST", f"/api/v1/tasks/{task_id}/feedback", {"score": 1})
    assert feedback.status == 404
    assert stranger.call("POST", "/api/v1/tasks", {**GOOD, "parent_id": task_id}).status == 404


def test_an_idempotency_key_makes_one_task_however_often_it_is_sent(client: Client) -> None:
    client.call("GET", "/api/v1/collections")  # the session comes with the first answer
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda _: client.call("POST", "/api/v1/tasks", GOOD, headers={"Idempotency-Key": "one"}), range(8)
            )
        )
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json()["task_id"] for answer in answers}) == 1
    other = client.call("POST", "/api/v1/tasks", {**GOOD, "lot": 2}, headers={"Idempotency-Key": "one"})
    assert (other.status, other.json()["code"]) == (422, "idempotency_mismatch")
    assert len(client.call("GET", "/api/v1/tasks").json()["tasks"]) == 1


def test_the_session_cookie_comes_with_the_first_answer_and_health_sets_none(program: Program) -> None:
    first = program.client().call("GET", "/api/v1/collections")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=Lax" in first.headers["set-cookie"]
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = program.client().call("GET", path)
        assert answer.status == 200
        assert "set-cookie" not in answer.headers
    forged = program.client()
    forged.cookie = "jieqian_session=someone.forged"
    assert "set-cookie" in forged.call("GET", "/api/v1/collections").headers


def test_a_page_of_another_site_cannot_act_for_a_visitor(client: Client) -> None:
    answer = client.call("POST", "/api/v1/tasks", GOOD, headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.json()["code"]) == (403, "cross_site_request")


def test_an_api_key_is_a_caller_of_its_own_until_it_is_revoked(program: Program) -> None:
    def keys(*arguments: str) -> str:
        command = [sys.executable, "-m", "jieqian", "keys", *arguments]
        return subprocess.run(command, env=program.environment(), capture_output=True, text=True, check=True).stdout

    made = keys("create", "temple app").split()
    key, key_id = made[0], made[made.index("id:") + 1]
    assert "set-cookie" not in program.client(key).call("GET", "/api/v1/collections").headers
    task_id = program.client(key).ask(question="會順利嗎？")
    assert program.client().call("GET", f"/api/v1/tasks/{task_id}").status == 404
    assert key not in (program.data_dir / "jieqian.db").read_bytes().decode("latin-1")
    assert "temple app" in keys("list")
    keys("revoke", key_id)
    answer = program.client(key).call("GET", f"/api/v1/tasks/{task_id}")
    assert (answer.status, answer.json()["code"]) == (401, "invalid_api_key")


def test_a_draw_can_be_proved_and_is_revealed_once(client: Client, program: Program, tmp_path: Path) -> None:
    begun = client.call("POST", "/api/v1/draws", {"collection": "月老"})
    assert begun.status == 201
    path = f"/api/v1/draws/{begun.json()['draw_id']}/reveal"
    early = client.call("POST", "/api/v1/tasks", {**GOOD, "draw_id": begun.json()["draw_id"]})
    assert early.json()["code"] == "draw_mismatch"
    revealed = client.call("POST", path, {"client_seed": "我的種子"}).json()
    assert verify({**revealed, "commitment": begun.json()["commitment"]}) == []
    assert verify({**revealed, "lot": revealed["number"] % 100 + 1}) != []
    for document, status in ((revealed, 0), ({**revealed, "client_seed": "another"}, 1)):
        (tmp_path / "draw.json").write_text(json.dumps(document))
        command = [sys.executable, "-m", "jieqian", "draw", "--verify", str(tmp_path / "draw.json")]
        checked = subprocess.run(command, env=program.environment(), capture_output=True, text=True, check=False)
        assert checked.returncode == status
        assert checked.stderr.count("\n") == status
    again = client.call("POST", path, {"client_seed": "another"})
    assert (again.status, again.json()["code"]) == (409, "draw_already_revealed")
    drawn = {**GOOD, "lot": revealed["number"], "draw_id": revealed["draw_id"]}
    assert client.call("POST", "/api/v1/tasks", drawn).status == 202


def test_danger_to_life_gets_help_lines_and_no_fortune(client: Client) -> None:
    task_id = client.ask(question="我不想活了，想結束自己的生命")
    events = list(client.events(task_id))
    types = [event.type for event in events]
    assert types.index("care") > types.index("lot")
    assert types[-1] == "completed"
    assert "section_started" not in types
    reading = events[-1].data
    assert reading["sections"] == {}
    assert reading["care"]["message"]
    assert all({"name", "contact", "country", "checked_on"} <= set(line) for line in reading["care"]["help_lines"])
    assert client.task(task_id)["status"] == "completed"
    timings = client.task(task_id)["timings"]
    assert timings["total_time_ms"] == timings["other_ms"] > 0
    follow_up = client.ask(question="那明天呢？", parent_id=task_id)
    assert [event.type for event in client.events(follow_up)][-2:] == ["care", "completed"]


def test_a_repeated_request_is_answered_also_after_its_parent_was_erased(client: Client) -> None:
    parent = client.ask(question="會順利嗎？")
    body = {**GOOD, "parent_id": parent}
    key = {"Idempotency-Key": "follow-up"}
    first = client.call("POST", "/api/v1/tasks", body, headers=key).json()
    client.call("DELETE", f"/api/v1/tasks/{parent}")
    assert client.call("POST", "/api/v1/tasks", body, headers=key).json()["task_id"] == first["task_id"]


@pytest.mark.parametrize("field", ["collection", "parent_id", "draw_id", "mode", "language"])
def test_half_a_character_in_any_field_is_refused(client: Client, field: str) -> None:
    raw = json.dumps({**GOOD, field: "x"}).replace('"x"', '"\\ud800"').encode()
    answer = client.call("POST", "/api/v1/tasks", raw=raw)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")


def test_feedback_is_kept_and_bad_feedback_is_refused(client: Client) -> None:
    task_id = client.ask(question="會順利嗎？")
    path = f"/api/v1/tasks/{task_id}/feedback"
    assert client.call("POST", path, {"score": 1, "comment": "謝謝"}).status == 200
    assert client.call("POST", path, {"score": -1}).status == 200
    assert client.call("POST", path, {"score": 2}).status == 422


def test_collections_and_lots_are_shown(client: Client) -> None:
    found = {item["id"]: item for item in client.call("GET", "/api/v1/collections").json()}
    assert found["yuelao"]["lots"] == 100
    assert {"names", "deity", "aliases", "edition", "source", "licence"} <= set(found["guanyin"])
    lot = client.call("GET", "/api/v1/collections/%E6%9C%88%E8%80%81/lots/%E7%AC%AC%E4%B8%83%E7%B1%A4?language=en")
    assert lot.json()["id"] == "yuelao/7"
    assert lot.json()["commentary"]["language"] == "en"
    assert len(lot.json()["commentary"]["gloss"]) == len(lot.json()["lines"])
    assert client.call("GET", "/api/v1/collections/yuelao/lots/101").status == 404
    assert client.call("GET", "/api/v1/collections/yuelao/lots/abc").status == 422


def test_too_many_requests_are_told_when_to_come_back(start: Start) -> None:
    client = start(llm_provider="commentary", rate_limit_per_minute="3").client()
    client.call("GET", "/api/v1/collections")
    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(lambda _: client.call("POST", "/api/v1/tasks", GOOD).status, range(4)))
    assert sorted(statuses) == [202, 202, 202, 429]
    refused = client.call("POST", "/api/v1/tasks", GOOD, headers={"Idempotency-Key": "a fresh key is no way round"})
    assert (refused.status, refused.json()["retryable"]) == (429, True)
    assert int(refused.headers["retry-after"]) >= 1
    assert client.ask(question="我不想活了"), "a person in danger is answered however often they ask"


def test_a_repeated_idempotency_key_is_answered_beyond_the_limit(start: Start) -> None:
    client = start(llm_provider="commentary", rate_limit_per_minute="1").client()
    answers = [client.call("POST", "/api/v1/tasks", GOOD, headers={"Idempotency-Key": "one"}) for _ in range(3)]
    assert len({answer.json()["task_id"] for answer in answers}) == 1


def test_metrics_and_logs_never_hold_a_question(start: Start, tmp_path: Path) -> None:
    program = start(llm_provider="commentary", log_format="json")
    client = program.client()
    task_id = client.ask(question="秘密的問題zebra")
    list(client.events(task_id))
    metrics = client.call("GET", "/metrics").body.decode()
    assert "jieqian_workers" in metrics
    assert "jieqian_stage_seconds_bucket" in metrics
    program.stop()
    log = program.log.read_text()
    assert "zebra" not in log + metrics
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    stages = [line["stage"] for line in lines if line.get("action") == "stage" and line["task_id"] == task_id]
    assert {"queue", "poem", "retrieval"} <= set(stages)
    ended = next(line for line in lines if line.get("action") == "task_ended")
    assert ended["total_time_ms"] > 0


def test_the_openapi_document_describes_every_call(client: Client) -> None:
    paths = client.call("GET", "/openapi.json").json()["paths"]
    assert "/api/v1/tasks/{task_id}/events" in paths
    assert "requestBody" in paths["/api/v1/tasks"]["post"]

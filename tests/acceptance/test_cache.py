"""Kept answers and shared generations, over the real program: nobody gets another's, and the model is asked once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from lasting import Watcher, check_whole
from program import Client, ModelServer, Program, wait_until

Start = Callable[..., Program]
QUESTION = "她還會回信給我嗎？"


@pytest.fixture
def program(start: Start, ollama: ModelServer) -> Program:
    ollama.script()
    return start(llm_base_url=ollama.url, cache_entries="100")


def read(client: Client, **body: Any) -> dict[str, Any]:
    """Ask, wait for the end, and check that the log is whole; the completed task."""
    watcher = Watcher(client, client.ask(**{"question": QUESTION, **body}))
    watcher.join()
    check_whole(watcher)
    return client.task(watcher.task_id)


def texts(task: dict[str, Any]) -> dict[str, str]:
    return {name: section["text"] for name, section in task["reading"]["sections"].items()}


def test_the_same_words_are_answered_at_once_and_the_model_is_asked_once(program: Program, ollama: ModelServer) -> None:
    first = read(program.client())
    other = program.client()
    answer = other.call("POST", "/api/v1/tasks", {"collection": "月老", "lot": "１", "question": f"  {QUESTION}\n"})
    assert (answer.status, answer.json()["status"]) == (202, "completed")
    again = other.task(answer.json()["task_id"])
    watcher = Watcher(other, again["task_id"])
    watcher.join()
    check_whole(watcher)
    assert len(ollama.seen()) == 1
    assert texts(again) == texts(first)
    assert again["sources"] == first["sources"]
    timings = again["timings"]
    assert (timings["cache_hit"], timings["attempts"], timings["degraded"]) == ("exact", 0, False)
    assert (timings["sections_from_model"], timings["llm_model"]) == (7, first["timings"]["llm_model"])
    assert again["reading"]["cache"] == {"hit": "exact", "similarity": None, "created_at": timings["cache_created_at"]}
    assert first["reading"]["cache"] == {"hit": "none", "similarity": None, "created_at": None}
    stages = ("queue_wait", "poem_lookup", "rag_retrieval", "llm_generation", "validation", "other")
    assert sum(timings[f"{stage}_ms"] for stage in stages) == pytest.approx(timings["total_time_ms"], abs=0.11)
    assert watcher.events[-1].data["timings"] == {**timings, "faq_ms": None}
    assert other.call("GET", f"/api/v1/tasks/{first['task_id']}").status == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"lot": 2},
        {"question": "他還會回信給我嗎？"},
        {"language": "en"},
        {"mode": "fast"},
        {"strategy": "parallel"},
        {"collection": "guanyin"},
    ],
)
def test_what_differs_in_one_part_is_asked_anew(program: Program, ollama: ModelServer, changed: dict[str, Any]) -> None:
    client = program.client()
    read(client)
    asked = len(ollama.seen())
    task = read(client, **changed)
    assert task["timings"]["cache_hit"] == "none"
    assert len(ollama.seen()) > asked


def test_a_follow_up_is_another_question(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    first = read(client)
    follow = read(client, parent_id=first["task_id"])
    assert follow["timings"]["cache_hit"] == "none"
    assert read(client, parent_id=first["task_id"])["timings"]["cache_hit"] == "exact"
    assert len(ollama.seen()) == 2


def test_read_afresh_asks_again_and_the_new_answer_is_kept(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    read(client)
    afresh = read(client, fresh=True)
    assert afresh["timings"]["cache_hit"] == "none"
    assert len(ollama.seen()) == 2
    later = read(client)
    assert later["timings"]["cache_hit"] == "exact"
    assert later["timings"]["cache_created_at"] > afresh["created_at"]


def test_erasing_takes_the_answer_it_made_and_leaves_the_copies(program: Program, ollama: ModelServer) -> None:
    maker, other = program.client(), program.client()
    made, copied = read(maker), read(other)
    assert maker.call("DELETE", f"/api/v1/tasks/{made['task_id']}").status == 204
    assert texts(other.task(copied["task_id"])) == texts(copied)
    assert read(other)["timings"]["cache_hit"] == "none"
    assert len(ollama.seen()) == 2
    assert read(maker)["timings"]["cache_hit"] == "exact", "what was written since is kept again"


def test_it_outlives_a_crash(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    first = read(client)
    program.kill()
    program.start()
    assert texts(read(client)) == texts(first)
    assert len(ollama.seen()) == 1


def test_what_is_not_wholly_the_models_is_not_kept(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    for fault in ({"status": 503, "times": 3}, {"ignore_schema": True, "times": 3}, {"cut_after": 40, "times": 3}):
        ollama.script(fault)
        assert read(client)["timings"]["degraded"] is True
        ollama.script()
        whole = read(client, fresh=True)
        assert (whole["timings"]["cache_hit"], whole["timings"]["degraded"]) == ("none", False)
        client.call("DELETE", f"/api/v1/tasks/{whole['task_id']}")


def test_ten_ask_one_stops_one_erases_the_worker_dies_and_eight_get_it(start: Start, ollama: ModelServer) -> None:
    # The first model call halts within the second section, so that whoever follows it stands in the one or the other.
    paced = {"tokens": 300, "tokens_per_second": 120, "first_token_ms": 100}
    ollama.script({**paced, "stall_after": 105}, default=paced)
    program = start(llm_base_url=ollama.url, cache_entries="100", workers="2")
    clients = [program.client() for _ in range(10)]
    watchers = [Watcher(client, client.ask(question=QUESTION)) for client in clients]
    wait_until(lambda: all(any(event.type == "section_started" for event in watcher.events) for watcher in watchers))
    assert len(ollama.seen()) == 1, "two places, ten askers, one generation"
    assert clients[0].call("POST", f"/api/v1/tasks/{watchers[0].task_id}/stop").status == 200
    assert clients[1].call("DELETE", f"/api/v1/tasks/{watchers[1].task_id}").status == 204
    wait_until(lambda: any(event.type == "section_finished" for event in watchers[2].events))
    program.kill()
    program.start()
    for watcher in watchers[2:]:
        watcher.join()
        check_whole(watcher)
        assert not watcher.events[-1].data["timings"]["degraded"]
    assert watchers[0].events[-1].type == "stopped"
    assert len(ollama.seen()) <= 3, "one before the crash; after it one for each state the eight were left in"


def test_what_two_deliveries_wrote_is_kept_for_nobody(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"tokens": 300, "tokens_per_second": 200, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url, cache_entries="100")
    client = program.client()
    watcher = Watcher(client, client.ask(question=QUESTION))
    wait_until(lambda: any(event.type == "section_finished" for event in watcher.events))
    program.kill()
    program.start()
    watcher.join()
    check_whole(watcher)
    assert watcher.events[-1].data["timings"]["sections_from_model"] == 7
    assert [read(client)["timings"]["cache_hit"] for _ in range(2)] == ["none", "exact"]


def test_the_last_who_stops_ends_the_generation(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"tokens": 300, "tokens_per_second": 20, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url, cache_entries="100")
    clients = [program.client() for _ in range(3)]
    tasks = [client.ask(question=QUESTION) for client in clients]
    both = list(zip(clients, tasks, strict=True))
    for client, task in both:  # each of them is being told: one that only runs may not have joined yet
        assert any(event.type == "section_delta" for event in client.events(task))
    for client, task in both:
        assert not ollama.seen()[0]["client_left"]
        client.call("POST", f"/api/v1/tasks/{task}/stop")
    wait_until(lambda: ollama.seen()[0]["client_left"])
    assert len(ollama.seen()) == 1


def test_the_operator_counts_and_clears(program: Program, ollama: ModelServer) -> None:
    operator = program.client(json.loads((program.data_dir / "server.json").read_text(encoding="utf-8"))["token"])
    client = program.client()
    read(client)
    read(client)
    stats = operator.call("GET", "/api/v1/admin/cache").json()
    assert (stats["entries"], stats["hits"], stats["most"]) == (1, 1, 100)
    assert client.call("GET", "/api/v1/admin/cache").status == 403
    assert operator.call("DELETE", "/api/v1/admin/cache?collection=guanyin").json() == {"cleared": 0}
    assert operator.call("DELETE", "/api/v1/admin/cache?collection=%E6%9C%88%E8%80%81&lot=1").json() == {"cleared": 1}
    assert read(client)["timings"]["cache_hit"] == "none"


def test_without_entries_nothing_is_kept(start: Start, ollama: ModelServer) -> None:
    ollama.script()
    client = start(llm_base_url=ollama.url, cache_entries="0").client()
    assert [read(client)["timings"]["cache_hit"] for _ in range(2)] == ["none", "none"]


def test_a_lot_that_is_opened_is_read_by_the_model_before_it_is_asked_about(start: Start, ollama: ModelServer) -> None:
    ollama.script()
    program = start(llm_base_url=ollama.url)
    client = program.client()
    assert client.call("GET", "/api/v1/collections/yuelao/lots/7?language=en").status == 200
    wait_until(lambda: len(ollama.seen()) == 1)
    warmed = ollama.seen()[0]["body"]
    assert warmed["options"]["num_predict"] == 1
    client.call("GET", "/api/v1/collections/yuelao/lots/7?language=en")
    read(client, lot=7, language="en", question="Will she write back?")
    asked = ollama.seen()[1]["body"]
    assert asked["messages"][0] == warmed["messages"][0], "the prefix, to the byte; and warmed once"
    assert asked["options"]["num_ctx"] == warmed["options"]["num_ctx"], "another window would load the model anew"
    assert len(ollama.seen()) == 2


def test_warming_is_ended_by_whoever_asks_and_bounded_for_a_caller(start: Start, ollama: ModelServer) -> None:
    ollama.script({"first_token_ms": 60_000})
    program = start(llm_base_url=ollama.url)
    client = program.client()
    client.call("GET", "/api/v1/collections/yuelao/lots/7?language=en")
    wait_until(lambda: len(ollama.seen()) == 1)
    read(client, lot=8)
    assert ollama.seen()[0]["client_left"], "the server is the asker's"
    ollama.script()
    for lot in range(20, 40):
        client.call("GET", f"/api/v1/collections/yuelao/lots/{lot}?language=en")
        wait_until(lambda: all(entry["ended"] for entry in ollama.seen()))
    assert 1 <= len(ollama.seen()) <= 6


def test_readings_are_written_while_nobody_asks_and_serve_whoever_does(
    program: Program, ollama: ModelServer, tmp_path: Path
) -> None:
    questions = tmp_path / "questions"
    questions.write_text(f"{QUESTION}\n今年適合換工作嗎？\n", encoding="utf-8")
    run = Commands(program.data_dir.parent, {})
    arguments = ("--collection", "yuelao", "--lots", "1-2", "--language", "zh-Hant", "--questions", str(questions))
    first = run("cache", "warm", *arguments, "--json", JIEQIAN_DATA_DIR=str(program.data_dir))
    assert json.loads(first.stdout) == {"known": 0, "written": 4, "not_kept": 0, "left": 0}, first.stderr
    again = run("cache", "warm", *arguments, "--json", JIEQIAN_DATA_DIR=str(program.data_dir))
    assert json.loads(again.stdout) == {"known": 4, "written": 0, "not_kept": 0, "left": 0}
    assert len(ollama.seen()) == 4
    stats = run("cache", "stats", "--json", JIEQIAN_DATA_DIR=str(program.data_dir))
    assert json.loads(stats.stdout)["hits"] == 0, "what is known is not asked for"
    client = program.client()
    answer = client.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 2, "question": QUESTION})
    assert answer.json()["status"] == "completed"
    assert len(client.call("GET", "/api/v1/tasks").json()["tasks"]) == 1, "the others are in nobody's history"


def test_whoever_asks_goes_before_what_is_written_for_later(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"first_token_ms": 300, "tokens_per_second": 100, "tokens": 300})
    program = start(llm_base_url=ollama.url, cache_entries="100", workers="1", rate_limit_per_minute="1")
    operator = program.client(json.loads((program.data_dir / "server.json").read_text(encoding="utf-8"))["token"])
    run = Commands(program.data_dir.parent, {})
    filling = ("cache", "warm", "--collection", "yuelao", "--lots", "1", "--language", "en", "--most", "1", "--json")
    with ThreadPoolExecutor() as beside:
        filled = beside.submit(run, *filling, JIEQIAN_DATA_DIR=str(program.data_dir))
        wait_until(lambda: len(ollama.seen()) == 1, 30)
        second = operator.call("POST", "/api/v1/admin/cache/warm", {"collection": "guanyin", "lots": [1]})
        assert json.loads(second.body)["error"]["code"] == "already_filling"
        read(program.client(), lot=2)
        assert json.loads(filled.result(60).stdout)["written"] == 1
    order = [QUESTION in json.dumps(call["body"], ensure_ascii=False) for call in ollama.seen()]
    assert order == [False, True, False], "the reading for later was given up for it, and written afterwards"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--lots", "x"), "write numbers and ranges"),
        (("--until", "25:00"), "write a time of day"),
        (("--questions", "nowhere"), "cannot be read"),
        (("--collection", "atlantis"), "collection"),
        (("--language", "fr"), "language is not offered"),
        (("--mode", "slow"), "mode: quality or fast"),
    ],
)
def test_wrong_wishes_are_told_in_one_line(program: Program, arguments: tuple[str, ...], told: str) -> None:
    answer = Commands(program.data_dir.parent, {})("cache", "warm", *arguments, JIEQIAN_DATA_DIR=str(program.data_dir))
    assert answer.returncode != 0
    assert told in answer.stderr
    assert answer.stderr.strip().count("\n") == 0

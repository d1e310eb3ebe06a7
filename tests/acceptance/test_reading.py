"""A reading from the question to the last event, through the real program and a model server in another process."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from program import Client, ModelServer, Program, Received, wait_until

from jieqian.reading.reading import TIMING_KEYS
from jieqian.sections.section import SECTIONS

Start = Callable[..., Program]
STAGES = ("queue_wait_ms", "poem_lookup_ms", "rag_retrieval_ms", "llm_generation_ms", "validation_ms", "other_ms")


@pytest.fixture
def client(start: Start, ollama: ModelServer) -> Client:
    ollama.script()
    return start(llm_base_url=ollama.url).client()


def shown_texts(events: Sequence[Received]) -> dict[str, str]:
    """What stands on a reader's screen, by the contract's rules."""
    texts: dict[str, str] = {}
    for event in events:
        if event.type == "section_delta":
            texts[event.data["section"]] = texts.get(event.data["section"], "") + event.data["text"]
        elif event.type == "section_reset":
            texts[event.data["section"]] = ""
    return texts


def finished_texts(events: Sequence[Received]) -> dict[str, str]:
    return {event.data["section"]: event.data["text"] for event in events if event.type == "section_finished"}


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("zh-Hant", "她還會回信給我嗎？"),
        ("zh-Hans", "她还会回信给我吗？"),
        ("en", "Will she write back?"),
        ("ja", "返事は来ますか？"),
    ],
)
def test_seven_sections_come_from_the_model_in_the_questions_language(
    client: Client, language: str, question: str
) -> None:
    task_id = client.ask(question=question)
    events = list(client.events(task_id))
    types = [event.type for event in events]
    assert types[0] == "queued"
    assert types[-1] == "completed"
    assert types.index("lot") < types.index("section_started")
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert shown_texts(events) == finished_texts(events)
    reading = events[-1].data
    assert list(reading["sections"]) == [name.value for name in SECTIONS]
    assert {section["source"] for section in reading["sections"].values()} == {"model"}
    assert reading["language"] == language
    assert reading["lot"]["lines"] == ["關關雎鳩", "在河之洲", "窈窕淑女", "君子好逑"]
    assert client.task(task_id)["reading"] == reading


def test_stages_come_in_order_and_their_times_add_up(client: Client) -> None:
    events = list(client.events(client.ask(question="會順利嗎？")))
    stages = [(event.data["stage"], event.data["state"]) for event in events if event.type == "stage"]
    expected = ["queue", "poem", "retrieval", "generation", "validation"]
    assert stages == [(stage, state) for stage in expected for state in ("started", "finished")]
    timings = events[-1].data["timings"]
    assert set(TIMING_KEYS) <= set(timings)
    assert sum(timings[stage] for stage in STAGES) == pytest.approx(timings["total_time_ms"], abs=0.2)
    assert timings["attempts"] == 1
    assert timings["sections_from_model"] == 7
    assert timings["degraded"] is False
    assert timings["llm_provider"] == "ollama"
    assert timings["completion_tokens"] > 0


def test_an_ended_task_replays_whole_and_ends_with_204(client: Client) -> None:
    task_id = client.ask(question="會順利嗎？")
    events = list(client.events(task_id))
    assert list(client.events(task_id)) == events
    last = events[-1].id
    assert last is not None
    for asked in ({"last_event_id": last}, {"query": f"?after={last}"}):
        with client.open_events(task_id, **asked) as response:
            assert response.status == 204
    assert list(client.events(task_id, 5)) == events[5:]
    assert list(client.events(task_id, query="?after=5")) == events[5:]
    assert list(client.events(task_id, 7, "?after=5")) == events[7:], "the header wins"
    assert list(client.events(task_id, "garbage", "?after=5")) == events[5:], "garbage counts as absent"


@pytest.mark.parametrize("garbage", ["abc", "-3", "99999", "1.5", "", "%D9%A3", "9" * 400])
def test_an_event_id_that_is_garbage_or_not_given_yet_counts_as_absent(client: Client, garbage: str) -> None:
    task_id = client.ask(question="會順利嗎？")
    whole = list(client.events(task_id))
    assert list(client.events(task_id, garbage)) == whole
    assert list(client.events(task_id, query=f"?after={garbage}")) == whole


def test_the_stream_says_how_it_is_to_be_treated(client: Client) -> None:
    task_id = client.ask(question="會順利嗎？")
    with client.open_events(task_id) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in response.headers
        assert response.readline() == b"retry: 2000\n"


def test_a_client_that_leaves_cancels_nothing_and_misses_nothing(client: Client, ollama: ModelServer) -> None:
    ollama.script({"tokens_per_second": 400, "first_token_ms": 50})
    task_id = client.ask(question="會順利嗎？")
    first: list[Received] = []
    with contextlib.closing(client.events(task_id)) as events:
        while not first or first[-1].type != "section_delta":
            first.append(next(events))
    time.sleep(0.3)
    rest = list(client.events(task_id, first[-1].id))
    assert [event.id for event in first + rest] == list(range(1, len(first) + len(rest) + 1))
    assert rest[-1].type == "completed"
    assert shown_texts(first + rest) == finished_texts(rest)


def test_stop_keeps_finished_sections_and_ends_the_models_work(client: Client, ollama: ModelServer) -> None:
    ollama.script({"tokens_per_second": 200, "first_token_ms": 0})
    task_id = client.ask(question="會順利嗎？")
    events = client.events(task_id)
    for event in events:
        if event.type == "section_finished":
            break
    answer = client.call("POST", f"/api/v1/tasks/{task_id}/stop")
    assert answer.status == 200
    assert answer.json()["status"] == "stopped"
    last = list(events)[-1]
    assert last.type == "stopped"
    assert "line_by_line" in last.data["sections"]
    wait_until(lambda: ollama.seen()[-1]["ended"] is not None)
    assert ollama.seen()[-1]["client_left"] is True
    kept = client.task(task_id)
    assert kept["sections"] == last.data["sections"]
    assert sum(kept["timings"][stage] for stage in STAGES) == pytest.approx(kept["timings"]["total_time_ms"], abs=0.2)
    metrics = client.call("GET", "/metrics").body.decode()
    assert re.search(r'jieqian_tasks_total{[^}]*status="stopped"[^}]*} 1.0', metrics)
    again = client.call("POST", f"/api/v1/tasks/{task_id}/stop").json()
    assert again["status"] == "stopped"
    assert again["last_event_id"] == kept["last_event_id"], "an ended task is unchanged"


def test_erase_ends_open_streams_and_leaves_nothing(client: Client, ollama: ModelServer) -> None:
    ollama.script({"tokens_per_second": 50, "first_token_ms": 0})
    task_id = client.ask(question="會順利嗎？")
    events = client.events(task_id)
    next(event for event in events if event.type == "section_delta")
    assert client.call("DELETE", f"/api/v1/tasks/{task_id}").status == 204
    assert all(event.type != "completed" for event in events)
    assert client.call("GET", f"/api/v1/tasks/{task_id}").status == 404
    assert client.call("DELETE", f"/api/v1/tasks/{task_id}").status == 404
    assert client.call("GET", "/api/v1/tasks").json()["tasks"] == []


def test_a_follow_up_hands_the_earlier_conclusion_to_the_model(client: Client, ollama: ModelServer) -> None:
    parent = client.ask(question="會順利嗎？")
    conclusion = list(client.events(parent))[-1].data["sections"]["conclusion"]["text"]
    child = client.ask(question="那我該怎麼開口？", parent_id=parent)
    assert list(client.events(child))[-1].type == "completed"
    told = "\n".join(message["content"] for message in ollama.seen()[-1]["body"]["messages"])
    assert conclusion in told
    assert "會順利嗎？" in told


def test_two_askers_of_one_lot_share_a_byte_identical_prefix(client: Client, ollama: ModelServer) -> None:
    for question in ("會順利嗎？", "她還會回信給我嗎？"):
        list(client.events(client.ask(question=question)))
    first, second = (seen["body"]["messages"] for seen in ollama.seen()[-2:])
    assert first[0] == second[0]
    assert "關關雎鳩" in first[0]["content"]
    assert first[-1] != second[-1]


def test_waiting_askers_are_told_their_place(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"tokens_per_second": 60, "first_token_ms": 0})
    client = start(llm_base_url=ollama.url, workers="1", max_queue="2").client()
    running = client.ask(question="第一個問題")
    wait_until(lambda: client.task(running)["status"] == "running")
    ahead = client.ask(question="第二個問題")
    last = client.ask(question="第三個問題")
    queued = next(iter(client.events(last)))
    assert queued.data["position"] == 2
    full = client.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 1, "question": "第四個問題"})
    assert full.status == 429
    assert full.json()["code"] == "queue_full"
    assert int(full.headers["retry-after"]) > 0
    client.call("POST", f"/api/v1/tasks/{ahead}/stop")
    assert client.task(ahead)["status"] == "stopped"
    update = next(event for event in client.events(last) if event.type == "queued" and event.id is None)
    assert update.data["position"] == 1
    for task_id in (running, last):
        client.call("POST", f"/api/v1/tasks/{task_id}/stop")


def test_history_is_paged_newest_first(client: Client) -> None:
    asked = [client.ask(question=f"第{place}個問題") for place in range(5)]
    first = client.call("GET", "/api/v1/tasks?limit=3").json()
    second = client.call("GET", f"/api/v1/tasks?limit=3&cursor={first['next_cursor']}").json()
    assert [task["task_id"] for task in first["tasks"] + second["tasks"]] == asked[::-1]
    assert second["next_cursor"] is None


def test_no_two_ids_skip_within_a_reading(client: Client) -> None:
    ids = [event.id or 0 for event in client.events(client.ask(question="會順利嗎？"))]
    assert all(after - before == 1 for before, after in pairwise(ids))

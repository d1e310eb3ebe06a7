"""`kill -9`, restart, resume; an orderly stop; two owners of one data folder."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
import subprocess
import sys
from collections.abc import Callable

from program import ModelServer, Program, Received, wait_until
from test_reading import finished_texts, shown_texts

Start = Callable[..., Program]


def test_killed_in_the_middle_every_client_resumes_and_finished_sections_stay(
    start: Start, ollama: ModelServer
) -> None:
    ollama.script({"tokens_per_second": 150, "first_token_ms": 0}, {"tokens_per_second": 3000, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url)
    client = program.client()
    task_id = client.ask(question="她還會回信給我嗎？")
    before: list[Received] = []
    with contextlib.suppress(http.client.HTTPException, OSError):
        for event in client.events(task_id):
            before.append(event)
            finished = sum(seen.type == "section_finished" for seen in before)
            if finished == 2 and event.type == "section_delta":
                program.kill()
    assert before[-1].type != "completed"
    program.start()
    after = list(client.events(task_id, before[-1].id))
    events = before + after
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert after[-1].type == "completed"
    assert shown_texts(events) == finished_texts(events)
    first_two = list(finished_texts(before))
    assert not set(first_two) & set(finished_texts(after)), "finished sections are not made again"
    asked_again = list(ollama.seen()[-1]["body"]["format"]["properties"])
    assert not set(first_two) & set(asked_again)
    timings = after[-1].data["timings"]
    assert timings["attempts"] == 1, "a crash is no attempt"
    assert timings["sections_from_model"] == 7


def test_tasks_that_waited_when_it_was_killed_are_answered_after_the_restart(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"tokens_per_second": 100, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url, workers="1")
    client = program.client()
    tasks = [client.ask(question=f"第{place}個問題") for place in range(4)]
    program.kill()
    ollama.script()
    program.start()
    for task_id in tasks:
        assert list(client.events(task_id))[-1].type == "completed"


def test_an_orderly_stop_ends_streams_and_gives_the_task_back(start: Start, ollama: ModelServer) -> None:
    ollama.script({"tokens_per_second": 60, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url)
    client = program.client()
    task_id = client.ask(question="會順利嗎？")
    events = client.events(task_id)
    seen = [next(events)]
    while seen[-1].type != "section_delta":
        seen.append(next(events))
    assert program.stop() == 0
    with contextlib.suppress(http.client.HTTPException, OSError):
        seen += events
    assert seen[-1].type != "completed"
    program.start()
    seen += client.events(task_id, seen[-1].id)
    assert [event.id for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].type == "completed"
    assert shown_texts(seen) == finished_texts(seen), "what was shown and not finished is taken back"
    queue = [event.data["state"] for event in seen if event.type == "stage" and event.data["stage"] == "queue"]
    assert queue == ["started", "finished"]
    assert "Traceback" not in program.log.read_text()


def test_sessions_outlive_a_restart_and_the_secret_is_private(start: Start) -> None:
    program = start(llm_provider="commentary")
    client = program.client()
    task_id = client.ask(question="會順利嗎？")
    wait_until(lambda: client.task(task_id)["status"] == "completed")
    program.stop()
    assert (program.data_dir / "secret_key").stat().st_mode & 0o777 == 0o600
    program.start()
    assert client.task(task_id)["status"] == "completed"


def test_one_owner_of_a_data_folder_and_one_of_a_port(start: Start) -> None:
    program = start(llm_provider="commentary")
    for arguments, said in (
        (["serve", "--port", "0"], "Another jieqian process"),
        (["serve", "--port", str(program.port)], "in use"),
    ):
        second = subprocess.run(
            [sys.executable, "-m", "jieqian", *arguments],
            env=program.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert said in second.stderr
        assert "Traceback" not in second.stderr


def test_workers_alone_need_postgresql(start: Start, tmp_path: object) -> None:
    program = Program(tmp_path / "unused")  # type: ignore[operator]
    second = subprocess.run(
        [sys.executable, "-m", "jieqian", "worker"],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert "PostgreSQL" in second.stderr


def test_a_task_whose_row_cannot_be_read_fails_and_stands_in_nobodys_way(start: Start) -> None:
    program = start(llm_provider="commentary", workers="1")
    client = program.client()
    client.ask(question="會順利嗎？")
    program.stop()
    with contextlib.closing(sqlite3.connect(program.data_dir / "jieqian.db")) as database, database:
        database.execute("update tasks set status = 'queued', ended_at = null, lease_token = null, language = 'tlh'")
    program.start()
    assert list(client.events(client.ask(question="還有別人在等")))[-1].type == "completed"
    assert client.call("GET", "/readyz").status == 200
    assert len(client.call("GET", "/api/v1/tasks").json()["tasks"]) == 1

"""Many readings at once: none fails, and nothing blocks the event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from program import Client, ModelServer, Program

from jieqian.logs import LOOP_BLOCKED

Start = Callable[..., Program]
ASKERS = 30


def test_thirty_askers_at_once_get_whole_readings_and_the_loop_is_never_blocked(
    start: Start, ollama: ModelServer
) -> None:
    ollama.script(default={"first_token_ms": 20, "tokens_per_second": 500})
    program = start(llm_base_url=ollama.url, workers="16", loop_watch_ms="500")

    def ask(place: int) -> tuple[str, int]:
        client = program.client()
        language = ("zh-Hant", "zh-Hans", "en", "ja")[place % 4]
        task_id = client.ask(question="這件事會順利嗎？" * (place + 1), lot=place + 1, language=language)
        last = list(client.events(task_id))[-1]
        return last.type, last.data["timings"]["sections_from_model"]

    with ThreadPoolExecutor(ASKERS) as threads:
        assert set(threads.map(ask, range(ASKERS))) == {("completed", 7)}
    assert LOOP_BLOCKED not in program.log.read_text()


def test_a_thousand_who_leave_at_once_leave_nothing_behind(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"first_token_ms": 20, "tokens_per_second": 20})
    program = start(llm_base_url=ollama.url)
    client = program.client()
    task_id = client.ask(question="會順利嗎？")

    def open_streams() -> int:
        text = Client(program.base).call("GET", "/metrics").body.decode()
        return int(float(text.split('jieqian_event_streams{state="open"} ')[1].split()[0]))

    def look_in(_: int) -> None:
        with client.open_events(task_id) as response:
            assert response.readline() == b"retry: 2000\n"

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(look_in, range(1000)))
    end = time.monotonic() + 20
    while open_streams():
        assert time.monotonic() < end, "streams stay open after their readers left"
        time.sleep(0.1)
    client.call("POST", f"/api/v1/tasks/{task_id}/stop")

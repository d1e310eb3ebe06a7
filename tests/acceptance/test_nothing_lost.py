"""`kill -9` at random moments, again and again: no accepted task is lost, nothing finished is made again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from besieging import WORKERS, Engine, besiege, check_nothing_was_lost
from lasting import Watcher, check_whole, what_is_left
from program import ModelServer, Program, wait_until

Start = Callable[..., Program]
Say = Callable[[str], None]
STAND_IN = Engine("stand-in", 6, "第{}個問題：她還會回信給我嗎？", "section_delta", {}, never_fails=True)


@pytest.mark.timeout(420)
def test_killed_again_and_again_nothing_accepted_is_lost(start: Start, ollama: ModelServer, say: Say) -> None:
    ollama.script(default={"tokens": 300, "tokens_per_second": 250, "first_token_ms": 60})
    program = start(llm_base_url=ollama.url, workers=str(WORKERS))
    aims = ["accept"] * 3 + ["queue"] * 2 + ["retrieval"] * 2 + ["commit"] * 2 + ["start-up"] * 3
    aims += ["in a section"] * 3 + ["between sections"] * 2
    check_nothing_was_lost(besiege(program, STAND_IN, aims, say))


@pytest.mark.timeout(240)
def test_five_crashes_then_commentary_for_what_is_missing(start: Start, ollama: ModelServer) -> None:
    stuck = {"hang": False, "stall_after": 150, "first_token_ms": 0, "tokens_per_second": 10_000}
    ollama.script(stuck, default={"hang": True})
    program = start(llm_base_url=ollama.url)
    client = program.client()
    watcher = Watcher(client, client.ask(question="她還會回信給我嗎？"))
    wait_until(lambda: any(event.type == "section_finished" for event in watcher.events))
    deliveries = 0
    for calls, end in enumerate(("kill", "kill", "stop", "kill", "kill", "kill"), start=1):
        wait_until(lambda calls=calls: len(ollama.seen()) == calls)
        (program.kill if end == "kill" else program.stop)()
        deliveries += end == "kill"  # an orderly stop is no crash
        left = what_is_left(program.data_dir)[watcher.task_id]
        assert (left.deliveries, left.attempts) == (deliveries, 0)
        program.start()
    watcher.join()
    check_whole(watcher)
    reading = watcher.events[-1].data
    finished = [event.data["section"] for event in watcher.events if event.type == "section_finished"]
    sources = [reading["sections"][name]["source"] for name in finished]
    assert 0 < sources.count("model") < 7
    assert sources == sorted(sources, reverse=True), "what was finished before the crashes stays the model's"
    timings = reading["timings"]
    assert (timings["attempts"], timings["degraded"], timings["sections_from_model"]) == (
        0,
        True,
        sources.count("model"),
    )
    assert len(ollama.seen()) == 6, "the sixth delivery asks no model"
    assert what_is_left(program.data_dir)[watcher.task_id].deliveries == 6

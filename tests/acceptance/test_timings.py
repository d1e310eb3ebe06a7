"""Every way a task can end: its timings are whole, add up, and are the same in answer, log, metrics and trace."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from collector import collecting
from program import Client, ModelServer, Program, wait_until
from prometheus_client.parser import text_string_to_metric_families
from test_near_questions import ASKED, IN_OTHER_WORDS
from test_retrieval import write_few

from jieqian.sections.section import SECTIONS

Start = Callable[..., Program]
STAGES = ("queue_wait_ms", "poem_lookup_ms", "rag_retrieval_ms", "llm_generation_ms", "validation_ms", "other_ms")
#: The contract's section 4. A key whose types hold `None` may have nothing to tell.
NOTHING, NUMBER = type(None), (int, float)
KEYS: dict[str, tuple[type, ...]] = {
    "task_id": (str,),
    **dict.fromkeys((*STAGES, "total_time_ms", "time_to_first_event_ms"), NUMBER),
    **dict.fromkeys(("faq_ms", "time_to_first_token_ms", "tokens_per_second"), (*NUMBER, NOTHING)),
    "section_ms": (dict,),
    "attempts": (int,),
    **dict.fromkeys(("prompt_tokens", "completion_tokens"), (int, NOTHING)),
    "cache_hit": (str,),
    "sections_from_model": (int,),
    "degraded": (bool,),
    **dict.fromkeys(("llm_provider", "llm_model"), (str, NOTHING)),
    "llm_stream_enabled": (bool, NOTHING),
    **dict.fromkeys(("mode", "strategy", "language", "collection"), (str,)),
    "lot": (int,),
}
#: How each ended: status, cache_hit, degraded, attempts, sections from a model.
ENDS = {
    "written": ("completed", "none", False, 1, 7),
    "kept answer": ("completed", "exact", False, 0, 7),
    "in other words": ("completed", "semantic", False, 0, 7),
    "danger to life": ("completed", "none", False, 0, 0),
    "commentary stands in": ("completed", "none", True, 1, 0),
    "answered while it waited": ("completed", "exact", False, 0, 7),
    "stopped in the queue": ("stopped", "none", False, 0, 0),
    "stopped at work": ("stopped", "none", False, 0, 0),
    "its lot was withdrawn": ("failed", "none", False, 0, 0),
    "killed and resumed": ("completed", "none", False, 1, 7),
}


def assert_whole(timings: Mapping[str, Any], how: str) -> None:
    for key, types in KEYS.items():
        assert key in timings, (how, key)
        kind = type(timings[key])
        assert kind in types, (how, key, timings[key])
    assert min(timings[stage] for stage in STAGES) >= 0, how
    assert sum(timings[stage] for stage in STAGES) == pytest.approx(timings["total_time_ms"], abs=0.2), how
    assert set(timings["section_ms"]) <= {name.value for name in SECTIONS}, how
    assert timings["cache_hit"] in ("none", "exact", "semantic"), how


def ended(client: Client, **body: Any) -> str:
    task_id = client.ask(**body)
    list(client.events(task_id))
    return task_id


def killed_and_resumed(program: Program, client: Client, ollama: ModelServer) -> str:
    ollama.script({"tokens_per_second": 150, "first_token_ms": 0}, {})
    task_id = client.ask(question="會順利嗎？", lot=7)
    with contextlib.suppress(http.client.HTTPException, OSError):
        for event in client.events(task_id):
            if event.type == "section_finished":
                program.kill()
    program.start()
    list(client.events(task_id))
    return task_id


def other_ends(program: Program, client: Client, other: Client, ollama: ModelServer) -> dict[str, str]:
    """A task of each other kind, by how it ended; there is one worker. `other` asks one that waits for an answer."""
    ollama.script({}, {"status": 400}, {"hang": True}, {})
    tasks = {
        "written": ended(client, question=ASKED),
        "kept answer": ended(client, question=ASKED),
        "in other words": ended(client, question=IN_OTHER_WORDS),
        "danger to life": ended(client, question="我不想活了"),
        "commentary stands in": ended(client, question="答案會來嗎？", lot=2),
    }
    running = tasks["stopped at work"] = client.ask(question="會順利嗎？", lot=3)
    wait_until(lambda: len(ollama.seen()) == 3)
    client.ask(question="他會來嗎？", lot=4)
    tasks["answered while it waited"] = other.ask(question="他會來嗎？", lot=4)
    tasks["stopped in the queue"] = client.ask(question="會順利嗎？", lot=5)
    last = tasks["its lot was withdrawn"] = client.ask(question="會順利嗎？", lot=6, collection="few")
    client.call("POST", f"/api/v1/tasks/{tasks['stopped in the queue']}/stop")
    shutil.rmtree(program.data_dir / "collections" / "few")
    wait_until(lambda: client.call("GET", "/api/v1/collections/few/lots/1").status == 404)
    client.call("POST", f"/api/v1/tasks/{running}/stop")
    list(client.events(last))
    return tasks


def counted(program: Program) -> Counter[tuple[str, str, bool]]:
    """What `/metrics` counted, by status, cache_hit and degraded."""
    found: Counter[tuple[str, str, bool]] = Counter()
    for family in text_string_to_metric_families(program.client().call("GET", "/metrics").body.decode()):
        for sample in family.samples:
            if sample.name == "jieqian_tasks_total":
                told = sample.labels
                found[told["status"], told["cache_hit"], told["degraded"] == "true"] += int(sample.value)
    return found


def test_however_a_task_ends_its_timings_are_whole(start: Start, ollama: ModelServer, tmp_path: Path) -> None:
    write_few(tmp_path / "data" / "collections" / "few")
    settings = {"cache_entries": "100", "collections": "few,yuelao", "workers": "1", "log_format": "json"}
    with collecting() as collector:
        around = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        program = start(llm_base_url=ollama.url, around=around, **settings)
        client, other = program.client(), program.client()
        crashed = killed_and_resumed(program, client, ollama)
        tasks = {"killed and resumed": crashed, **other_ends(program, client, other, ollama)}
        assert set(tasks) == set(ENDS)
        metrics = counted(program)
        told = {how: (other if how == "answered while it waited" else client).task(id_) for how, id_ in tasks.items()}
        assert program.stop() == 0
    lines = [json.loads(line) for line in program.log.read_text().splitlines() if line.startswith("{")]
    logged = [line for line in lines if line.get("action") == "task_ended"]
    for how, task in told.items():
        timings = task["timings"]
        assert_whole(timings, how)
        keys = ("cache_hit", "degraded", "attempts", "sections_from_model")
        assert (task["status"], *(timings[key] for key in keys)) == ENDS[how], how
        (line,) = [line for line in logged if line["task_id"] == task["task_id"]]
        assert line["status"] == task["status"], how
        assert {key: line[key] for key in KEYS} == {**{key: timings[key] for key in KEYS}, "faq_ms": None}, how
        if (task.get("reading") or {}).get("timings"):
            assert task["reading"]["timings"] == {**timings, "faq_ms": None}, how
        (root,) = [span for span in collector.of(task["task_id"]) if span.name == "reading"]
        assert (root.attributes["jieqian.status"], root.failed) == (task["status"], task["status"] == "failed")
        assert root.ms == pytest.approx(timings["total_time_ms"], abs=0.01)
    deliveries = [span.attributes["jieqian.delivery"] for span in collector.of(crashed) if span.name == "queue"]
    assert deliveries[-1] == 2
    expected = Counter((line["status"], line["cache_hit"], line["degraded"]) for line in logged)
    assert metrics == expected, "each counted once, and no other"

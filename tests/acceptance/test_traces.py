"""Traces of real readings, by a collector of our own that decodes what the program sends it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from collector import Collector, Span, below, collecting
from program import Client, ModelServer, Program, wait_until

from jieqian.sections.section import SECTIONS
from jieqian.tasks.timings import ADDING_UP, STAGE_KEYS

Start = Callable[..., Program]
QUESTION = "秘密的問題會順利嗎？"
CLIENT, INTERNAL = 3, 1
#: The clock of the spans and the clock of the timings are read one after the other.
JITTER_NS = 2_000_000
#: An environment without the SDK: FastAPI brings the API alone.
BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "opentelemetry.sdk":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, collector: Collector, ollama: ModelServer) -> Iterator[Program]:
    usual = {"cache_entries": "100", "measure_models": "false", "collections": "guanyin,yuelao"}
    running = Program(tmp_path_factory.mktemp("traces") / "data", llm_base_url=ollama.url, **usual)
    # FastAPI would send spans of its own, with addresses and their queries, if it were let.
    running.around.update(SOON, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, FASTAPI_OTEL_AUTO_CONFIGURE="true")
    running.start()
    yield running
    running.kill()


def read(client: Client, **body: Any) -> dict[str, Any]:
    """The task, once its reading has ended."""
    task_id = client.ask(**{"question": QUESTION, "fresh": True, **body})
    list(client.events(task_id))
    return dict(client.task(task_id))


def the(spans: Sequence[Span], name: str) -> Span:
    (one,) = [span for span in spans if span.name == name]
    return one


def names(spans: Sequence[Span]) -> list[str]:
    return [span.name for span in spans]


def chats(spans: Sequence[Span]) -> list[Span]:
    return [span for span in spans if span.attributes.get("gen_ai.operation.name") == "chat"]


def assert_one_tree(spans: Sequence[Span]) -> Span:
    """Every span but the root stands below another of the trace, within its time; answers the root."""
    by_id = {span.id: span for span in spans}
    root = the(spans, "reading")
    assert len(by_id) == len(spans)
    assert root.parent == ""
    for span in spans:
        if span is not root:
            parent = by_id[span.parent]
            assert span.start <= span.end
            assert parent.start - JITTER_NS <= span.start
            assert span.end <= parent.end + JITTER_NS or span.name in ("accept", "retrieval yuelao")
    return root


def assert_adds_up(spans: Sequence[Span], timings: Mapping[str, Any]) -> None:
    """The stages' spans, each less those of another stage within it, are the timings."""
    named = {stage.value: key for stage, key in STAGE_KEYS.items()}
    spent = dict.fromkeys(named, 0.0)
    for span in spans:
        if span.name in named:
            within = sum(one.ms for one in below(spans, span) if one.name in named)
            spent[span.name] += span.ms - within
    for stage, key in named.items():
        allowed = 2.0 * len(spans)  # what is done between the reading of the two clocks
        assert spent[stage] == pytest.approx(timings[key], abs=allowed), stage
    root = the(spans, "reading")
    assert root.ms == pytest.approx(timings["total_time_ms"], abs=0.01)
    assert sum(root.attributes[f"jieqian.{key}"] for key in ADDING_UP) == pytest.approx(root.ms, abs=0.2)


def test_one_call_after_another(program: Program, collector: Collector, ollama: ModelServer) -> None:
    ollama.script()
    task = read(program.client(), strategy="sequential")
    spans = collector.whole(task["task_id"])
    root = assert_one_tree(spans)
    assert_adds_up(spans, task["timings"])
    expected = ["accept", "queue", "retrieval yuelao", "poem", "retrieval", "generation"]
    assert sorted(names(below(spans, root))) == sorted(expected)
    generation = the(spans, "generation")
    assert names(below(spans, generation)).count("validation") == 7
    (chat,) = chats(spans)
    assert (chat.parent, chat.kind, chat.failed) == (generation.id, CLIENT, False)
    model, sent = task["timings"]["llm_model"], ollama.seen()[-1]["body"]
    assert chat.name == f"chat {model}"
    told = chat.attributes
    assert told.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama",
        "gen_ai.request.model": model,
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": sent["options"]["num_predict"],
        "gen_ai.request.temperature": sent["options"]["temperature"],
        "gen_ai.output.type": "json",
        "gen_ai.response.model": model,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": task["timings"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": task["timings"]["completion_tokens"],
        "server.address": "127.0.0.1",
        "server.port": int(ollama.url.rsplit(":", 1)[1]),
        "jieqian.context_tokens": sent["options"]["num_ctx"],
        "jieqian.sections": [name.value for name in SECTIONS],
    }
    search = the(spans, "retrieval yuelao").attributes
    assert search["jieqian.passages"] == len(task["reading"]["sources"])
    assert (search["gen_ai.operation.name"], search["gen_ai.data_source.id"]) == ("retrieval", "yuelao")
    for key in ("collection", "lot", "language", "mode", "strategy", "cache_hit", "attempts", "degraded"):
        assert root.attributes[f"jieqian.{key}"] == task["timings"][key], key


def test_side_by_side_each_call_tells_its_section(program: Program, collector: Collector, ollama: ModelServer) -> None:
    ollama.script()
    task = read(program.client(), strategy="parallel", mode="quality")
    spans = collector.whole(task["task_id"])
    assert_one_tree(spans)
    assert_adds_up(spans, task["timings"])
    generation = the(spans, "generation")
    assert {chat.parent for chat in chats(spans)} == {generation.id}
    assert [section for chat in chats(spans) for section in chat.attributes["jieqian.sections"]] == [
        name.value for name in SECTIONS
    ]
    used = [chat.attributes["gen_ai.usage.output_tokens"] for chat in chats(spans)]
    assert sum(used) == task["timings"]["completion_tokens"]


def test_a_retry_is_a_generation_more(program: Program, collector: Collector, ollama: ModelServer) -> None:
    ollama.script({"language": "en"})
    task = read(program.client(), strategy="sequential")
    spans = collector.whole(task["task_id"])
    root = assert_one_tree(spans)
    assert_adds_up(spans, task["timings"])
    tries = [span.attributes["jieqian.attempt"] for span in below(spans, root) if span.name == "generation"]
    assert (tries, root.attributes["jieqian.attempts"]) == ([1, 2], 2)
    assert len({chat.parent for chat in chats(spans)}) == 2


def test_a_degraded_reading_tells_the_kind_of_fault_and_not_its_words(
    program: Program, collector: Collector, ollama: ModelServer
) -> None:
    ollama.script({"status": 400, "error": "the word that nobody should hear"})
    task = read(program.client(), strategy="sequential")
    spans = collector.whole(task["task_id"])
    root = assert_one_tree(spans)
    (chat,) = chats(spans)
    assert (chat.failed, chat.attributes["error.type"]) == (True, "model_refused")
    assert chat.attributes["gen_ai.response.finish_reasons"] == ["error"]
    assert (root.failed, root.attributes["jieqian.degraded"]) == (False, True)
    assert root.attributes["jieqian.model_error"] == "model_refused"


def test_a_stopped_reading_and_answers_without_a_worker_have_a_root_too(
    program: Program, collector: Collector, ollama: ModelServer
) -> None:
    ollama.script({}, {"hang": True})
    client = program.client()
    kept = read(client, question="今年會順利嗎？", fresh=False)
    again = read(client, question="今年會順利嗎？", fresh=False)
    care = read(client, question="我不想活了")
    stopped = client.ask(question=QUESTION, fresh=True)
    wait_until(lambda: len(ollama.seen()) == 2)
    client.call("POST", f"/api/v1/tasks/{stopped}/stop")
    assert the(collector.whole(kept["task_id"]), "reading").attributes["jieqian.cache_hit"] == "none"
    for task, hit in ((again, "exact"), (care, "none")):
        spans = collector.whole(task["task_id"])
        assert sorted(names(spans)) == ["accept", "reading"]
        assert assert_one_tree(spans).attributes["jieqian.cache_hit"] == hit
    root = the(collector.whole(stopped), "reading")
    assert root.attributes["jieqian.status"] == "stopped"
    wait_until(lambda: "generation" in names(collector.of(stopped)))
    (chat,) = chats(collector.of(stopped))
    assert (chat.failed, chat.attributes["gen_ai.response.finish_reasons"]) == (False, ["error"])


@pytest.mark.parametrize("header", ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "nonsense" * 50])
def test_a_callers_trace_is_linked_and_never_joined(
    program: Program, collector: Collector, ollama: ModelServer, header: str
) -> None:
    ollama.script()
    client = program.client()
    body = {"collection": "yuelao", "lot": 1, "question": QUESTION}
    answer = client.call("POST", "/api/v1/tasks", body, headers={"traceparent": header, "tracestate": "a=secret"})
    spans = collector.whole(answer.json()["task_id"])
    linked = ["0af7651916cd43dd8448eb211c80319c"] if header.startswith("00-") else []
    assert the(spans, "accept").links == linked
    assert b"secret" not in b"".join(collector.bodies)
    assert "nonsense" not in str(spans)


def test_nothing_of_the_question_or_the_answers_was_sent(program: Program, collector: Collector) -> None:
    assert {span.scope for span in collector.spans} == {"jieqian"}
    sent = b"".join(collector.bodies)
    assert sent, "the tests before this one sent theirs"
    for secret in (QUESTION, "問題會順利", "關關雎鳩", "the word that nobody", "我不想活了", "jieqian_session"):
        assert secret.encode() not in sent, secret
    told = {key for span in collector.spans for key in span.attributes}
    assert not {key for key in told if key.endswith(("messages", "instructions", "query.text", "documents"))}


def test_a_collector_that_is_down_costs_one_line_and_no_reading(start: Start, ollama: ModelServer) -> None:
    ollama.script()
    with collecting() as gone:
        port = int(gone.url.rsplit(":", 1)[1])
    program = start(
        llm_base_url=ollama.url,
        log_format="json",
        otlp_endpoint=gone.url,
        around={
            **SOON,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        },
    )
    client = program.client()

    def told(action: str) -> int:
        return program.log.read_text().count(f'"action": "{action}"')

    for _ in range(3):
        assert read(client)["timings"]["degraded"] is False
    wait_until(lambda: told("traces_not_taken"))
    with collecting(port) as back:
        back.status = 500
        read(client)
        wait_until(lambda: back.tries)
        back.status = 200
        wait_until(lambda: read(client) and back.bodies)
        wait_until(lambda: told("traces_taken"))
        back.status = 500
        last = read(client)
    assert program.stop() == 0
    assert told("traces_not_taken") <= 2
    assert told("traces_taken") == 1
    log = program.log.read_text()
    assert "Traceback" not in log
    assert "opentelemetry" not in log.replace("opentelemetry.io", "")
    assert last["timings"]["sections_from_model"] == 7


def test_an_orderly_stop_sends_what_waits_but_is_held_up_by_no_collector(start: Start, ollama: ModelServer) -> None:
    ollama.script()
    late = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_SERVICE_NAME": "temple"}
    with collecting() as collector:
        where = {"llm_base_url": ollama.url, "otlp_traces_endpoint": f"{collector.url}/v1/traces"}
        program = start(**where, around=late, log_format="json")
        task = read(program.client())
        assert not collector.bodies
        assert program.stop() == 0
        assert_one_tree(collector.of(task["task_id"]))
        assert b"temple" in collector.bodies[0]
        collector.stalls = threading.Event()
        program.start()
        read(program.client())
        assert program.stop() == 0
        assert program.log.read_text().count('"action": "traces_lost"') == 1


def test_without_the_packages_the_start_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(BARE, encoding="utf-8")
    program = Program(tmp_path / "data", otlp_endpoint="http://127.0.0.1:4318")
    environment = program.environment()
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "bare"), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "jieqian", "serve", "--port", "0"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "pip install 'jieqian[otel]'" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data" / "jieqian.db").exists()

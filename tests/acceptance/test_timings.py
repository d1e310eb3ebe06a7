"""Every way a task can end: its timings are whole, add up, and are the same in answer, log, metrics and trace."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from collector import Span, collecting
from program import Client, ModelServer, Program, wait_until
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from test_near_questions import ASKED, IN_OTHER_WORDS
from test_retrieval import write_few

from jieqian.sections.section import SECTIONS

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


@dataclass(frozen=True)
class Story:
    """What is known of the ten tasks, by how they ended, when the program has stopped."""

    tasks: Mapping[str, Any]
    logged: Sequence[Mapping[str, Any]]
    page: str
    spans: Mapping[str, Sequence[Span]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, ollama: ModelServer) -> Story:
    data = tmp_path_factory.mktemp("timings") / "data"
    write_few(data / "collections" / "few")
    settings = {"cache_entries": "100", "collections": "few,yuelao", "workers": "1", "measure_models": "false"}
    program = Program(data, llm_base_url=ollama.url, log_format="json", **settings)
    with collecting() as collector:
        program.around.update(OTEL_BSP_SCHEDULE_DELAY="50", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        try:
            program.start()
            client, other = program.client(), program.client()
            crashed = killed_and_resumed(program, client, ollama)
            ids = {"killed and resumed": crashed, **other_ends(program, client, other, ollama)}
            page = client.call("GET", "/metrics").body.decode()
            tasks = {
                how: (other if how == "answered while it waited" else client).task(id_) for how, id_ in ids.items()
            }
            assert program.stop() == 0
        finally:
            program.kill()
        spans = {how: collector.of(id_) for how, id_ in ids.items()}
    lines = [json.loads(line) for line in program.log.read_text().splitlines() if line.startswith("{")]
    return Story(tasks, [line for line in lines if line.get("action") == "task_ended"], page, spans)


def samples(page: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


@pytest.mark.parametrize("how", ENDS)
def test_however_a_task_ends_its_timings_are_whole(story: Story, how: str) -> None:
    task = story.tasks[how]
    timings = task["timings"]
    assert_whole(timings, how)
    keys = ("cache_hit", "degraded", "attempts", "sections_from_model")
    assert (task["status"], *(timings[key] for key in keys)) == ENDS[how]
    (line,) = [line for line in story.logged if line["task_id"] == task["task_id"]]
    assert line["status"] == task["status"]
    assert {key: line[key] for key in KEYS} == {**{key: timings[key] for key in KEYS}, "faq_ms": None}
    if task["reading"]:
        assert task["reading"]["timings"] == {**timings, "faq_ms": None}
    (root,) = [span for span in story.spans[how] if span.name == "reading"]
    assert (root.attributes["jieqian.status"], root.failed) == (task["status"], task["status"] == "failed")
    assert root.ms == pytest.approx(timings["total_time_ms"], abs=0.01)


def test_the_metrics_count_each_task_once(story: Story) -> None:
    found: Counter[tuple[str, str, str]] = Counter()
    for sample in samples(story.page):
        if sample.name == "jieqian_tasks_total":
            found[sample.labels["status"], sample.labels["cache_hit"], sample.labels["degraded"]] += int(sample.value)
    assert found == Counter((line["status"], line["cache_hit"], str(line["degraded"]).lower()) for line in story.logged)


def test_what_was_killed_goes_on_in_the_same_trace(story: Story) -> None:
    spans = story.spans["killed and resumed"]
    deliveries = [span.attributes["jieqian.delivery"] for span in spans if span.name == "queue"]
    assert deliveries[-1] == 2
    assert len({span.trace for span in spans}) == 1


ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
SELECTOR = re.compile(r"(jieqian_\w+)(?:\{([^}]*)\})?")


def queries() -> list[str]:
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    return shown + [each["definition"] for each in VARIABLES.values() if each["type"] == "query"]


@pytest.mark.parametrize("query", queries())
def test_the_dashboard_asks_for_what_there_is(story: Story, query: str) -> None:
    labels: dict[str, set[str]] = {}
    for sample in samples(story.page):
        labels.setdefault(sample.name, set()).update(sample.labels)
    asked = SELECTOR.findall(query)
    assert asked
    for name, selector in asked:
        assert name in labels, name
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= labels[name], (name, selector)
    together = set.intersection(*(labels[name] for name, _ in asked))
    for by in re.findall(r"\bby \(([^)]*)\)", query):
        assert {label.strip() for label in by.split(",")} <= together, by
    if query.startswith("label_values"):
        assert re.search(r", (\w+)\)", query)[1] in together  # type: ignore[index]
    assert set(re.findall(r"\$(\w+)", query)) <= {*VARIABLES, "__rate_interval", "__range"}


def test_the_docs_name_every_metric_and_no_other(story: Story) -> None:
    told = (ROOT / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")
    table = {name for line in told.splitlines() if line.startswith("| `jieqian_") for name in SELECTOR.findall(line)}
    shown = re.findall(r"^# TYPE (jieqian_\w+) ", story.page, re.MULTILINE)
    assert {name for name, _ in table} == set(shown)


def test_the_dashboard_can_be_imported() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert VARIABLES["ds"]["type"] == "datasource"
    sources = [panel["datasource"] for panel in panels if panel["type"] != "row"]
    sources += [target["datasource"] for panel in panels for target in panel.get("targets", ())]
    assert {source["uid"] for source in sources} == {"${ds}"}
    filled: list[tuple[int, int]] = []
    for at in (panel["gridPos"] for panel in panels):
        filled += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(set(filled)) == len(filled), "no panel lies on another"
    assert max(x for x, _ in filled) < 24
    looks = [panel["fieldConfig"]["defaults"] for panel in panels if panel["type"] != "row"]
    steps = {step["value"] for look in looks if "thresholds" in look for step in look["thresholds"]["steps"]}
    assert {1, 2, 5, 18, 22, 40, 0.01} <= steps, "the targets, and where the older system stood"

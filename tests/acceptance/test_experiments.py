"""Experiments over the real program: who gets which variant, what stays theirs, and what is told of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from program import Client, ModelServer, Program, wait_until

from jieqian.testing.ollama_server import MODELS

TOKEN = "a-token-for-tests-0123"
SMALL, LARGE = "qwen2.5:7b", "qwen3:8b"
VARIANTS = [{"name": "now", "share": 50}, {"name": "large", "share": 50, "model": LARGE}]
EXPERIMENTS = "/api/v1/admin/experiments"


@pytest.fixture
def program(start: Callable[..., Program], ollama: ModelServer) -> Iterator[Program]:
    ollama.script()
    settings = {"llm_base_url": ollama.url, "llm_model": SMALL, "cache_entries": "100", "admin_token": TOKEN}
    yield start(**settings, rate_limit_per_minute="0")
    ollama.models(MODELS)


def begin(program: Program, name: str = "larger", **more: Any) -> Client:
    operator = program.client(TOKEN)
    answer = operator.call("POST", EXPERIMENTS, {"name": name, "variants": VARIANTS, **more})
    assert answer.status == 201, answer.body
    return operator


def read(client: Client, **body: Any) -> dict[str, Any]:
    task_id = client.ask(**{"question": "她還會回信給我嗎？", **body})
    for _ in client.events(task_id):
        pass
    return client.task(task_id)


def variant_of(task: dict[str, Any]) -> str | None:
    return task["timings"]["variant"]


def shown(operator: Client, name: str = "larger") -> dict[str, Any]:
    answer = operator.call("GET", f"{EXPERIMENTS}/{name}")
    assert answer.status == 200, answer.body
    return answer.json()


def callers_of_each(program: Program, *names: str) -> dict[str, Client]:
    """A new caller in each of these variants."""
    found: dict[str, Client] = {}
    for number in range(60):
        client = program.client()
        found.setdefault(str(variant_of(read(client, question=f"第{number}位來問，事情會順利嗎？"))), client)
        if set(names) <= set(found):
            return found
    raise AssertionError(f"only {list(found)} came in sixty")


def test_callers_keep_their_variant_and_the_figures_are_those_counted_by_hand(
    program: Program, ollama: ModelServer, tmp_path: Path
) -> None:
    operator = begin(program)
    clients = [program.client() for _ in range(24)]
    tasks = [read(client, lot=at + 1, question=f"第{at}位來問，該換工作嗎？") for at, client in enumerate(clients)]
    first = [variant_of(task) for task in tasks]
    assert 2 <= first.count("now") <= 22
    for task in tasks:
        assert task["timings"]["experiment"] == "larger"
        assert task["timings"]["llm_model"] == (LARGE if variant_of(task) == "large" else SMALL)
    assert Counter(seen["body"]["model"] for seen in ollama.seen()) == Counter(
        task["timings"]["llm_model"] for task in tasks
    )

    program.kill()
    program.start()
    again = [read(client, lot=at + 1, question=f"第{at}位再問，家人會平安嗎？") for at, client in enumerate(clients)]
    assert [variant_of(task) for task in again] == first

    named = read(clients[0], strategy="sequential")
    assert (named["timings"]["experiment"], variant_of(named), named["timings"]["llm_model"]) == (None, None, SMALL)
    assert variant_of(read(clients[0], mode="fast")) is None
    assert variant_of(read(operator)) is None

    for client, task in zip(clients[:6], tasks[:6], strict=True):
        path = f"/api/v1/tasks/{task['task_id']}/feedback"
        assert client.call("POST", path, {"score": 1 if variant_of(task) == "now" else -1}).status == 200
    copied = read(clients[3], lot=4, question="第3位來問，該換工作嗎？")
    assert copied["timings"]["cache_hit"] == "exact"

    outcome = shown(operator)
    counted = {one["name"]: one for one in outcome["outcome"]}
    for name in ("now", "large"):
        mine = [task for task in [*tasks, *again] if variant_of(task) == name]
        copies = int(variant_of(copied) == name)
        told = counted[name]
        assert (told["callers"], told["readings"]) == (first.count(name), len(mine) + copies)
        assert told["cache_hits"] == copies
        total = told["measures"]["total"]
        assert total["readings"] == len(mine)
        by_caller = [
            [math.log(task["timings"]["total_time_ms"]) for task in both]
            for both in zip(tasks, again, strict=True)
            if variant_of(both[0]) == name
        ]
        typical = math.exp(math.fsum(math.fsum(both) / 2 for both in by_caller) / len(by_caller))
        assert total["value"] == pytest.approx(typical, rel=1e-3)
        assert told["measures"]["liked"]["readings"] == first[:6].count(name)
        assert told["measures"]["liked"]["value"] in (None, float(name == "now"))
        assert (told["measures"]["degraded"]["value"], told["measures"]["failed"]["value"]) == (0, 0)
        assert told["measures"]["asked_again"]["readings"] == 0, "none has had its half hour"
    assert outcome["shares_held"]
    assert not any(one["real"] for one in outcome["comparisons"])
    assert "readings of 24 callers" in outcome["summary"]

    commands = Commands(tmp_path, {})
    listed = commands("experiments", "show", "larger")
    assert listed.returncode == 0, listed.stderr
    assert outcome["summary"] in listed.stdout
    stopped = commands("experiments", "stop", "larger")
    assert (stopped.returncode, stopped.stdout) == (0, "stopped: larger\n")
    assert variant_of(read(clients[0], question="之後再問？")) is None
    assert shown(operator)["state"] == "stopped"


def test_variants_never_serve_each_others_answers(program: Program, ollama: ModelServer) -> None:
    begin(program)
    callers = callers_of_each(program, "now", "large")
    asked = len(ollama.seen())
    written = {name: read(client, lot=9) for name, client in callers.items()}
    assert {task["timings"]["cache_hit"] for task in written.values()} == {"none"}
    assert [seen["body"]["model"] for seen in ollama.seen()[asked:]] == [
        written[name]["timings"]["llm_model"] for name in callers
    ]
    for name, client in callers.items():
        copy = read(client, lot=9)["timings"]
        assert (copy["cache_hit"], copy["llm_model"]) == ("exact", written[name]["timings"]["llm_model"])


def test_a_reading_cut_by_a_crash_keeps_its_variant_though_the_experiment_ended(
    program: Program, ollama: ModelServer
) -> None:
    operator = begin(program)
    client = callers_of_each(program, "large")["large"]
    ollama.script({"hang": True})
    task_id = client.ask(question="卡住的那一題？")
    wait_until(lambda: ollama.seen())
    assert operator.call("POST", f"{EXPERIMENTS}/larger/stop").json()["state"] == "stopped"
    program.kill()
    ollama.script()
    program.start()
    for _ in client.events(task_id):
        pass
    timings = client.task(task_id)["timings"]
    assert (timings["variant"], timings["llm_model"], timings["degraded"]) == ("large", LARGE, False)


def test_a_variant_whose_model_is_gone_gives_commentary_and_that_counts_against_it(
    program: Program, ollama: ModelServer
) -> None:
    operator = begin(program)
    callers = callers_of_each(program, "now", "large")
    ollama.models({name: facts for name, facts in MODELS.items() if name != LARGE})
    operator.call("POST", "/api/v1/admin/models/look")
    after = {name: read(client, lot=11)["timings"] for name, client in callers.items()}
    assert (after["large"]["degraded"], after["large"]["model_error"]) == (True, "model_not_found")
    assert (after["now"]["degraded"], after["now"]["model_error"]) == (False, None)
    told = {one["name"]: one for one in shown(operator)["outcome"]}
    assert told["large"]["model_errors"] == {"model_not_found": 1}
    assert told["large"]["measures"]["degraded"]["value"] > 0
    assert told["now"]["measures"]["degraded"]["value"] == 0


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 40, "model": LARGE}]}, 422, "make 90"),
        ({"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50, "model": SMALL}]}, 422, "all the same"),
        ({"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50, "model": "qwen3:9b"}]}, 422, LARGE),
        ({"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50, "strategy": "fastest"}]}, 422, "fastest"),
        ({"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50, "template": "v9"}]}, 422, "are v1"),
        ({"variants": [{"name": "a", "share": 50}, {"name": "a", "share": 50, "model": LARGE}]}, 422, "twice"),
        ({"variants": [{"name": "a", "share": 100}]}, 422, "2 to 6"),
        ({"variants": [{"name": "a", "share": "half"}]}, 422, "variants"),
        ({"mode": "slow"}, 422, "quality"),
        ({"name": "Two Words"}, 422, "name: 1 to 40"),
        ({}, 409, "Another experiment"),
        ({"mode": "fast", "name": "larger"}, 409, "another name"),
    ],
)
def test_what_is_no_experiment_is_refused_with_what_to_do(
    shared_program: Program, body: dict[str, Any], status: int, told: str
) -> None:
    operator = shared_program.client(TOKEN)
    answer = operator.call("POST", EXPERIMENTS, {"name": "other", "variants": VARIANTS, **body})
    assert (answer.status, told in answer.json()["detail"]) == (status, True), answer.body
    assert [one["name"] for one in operator.call("GET", EXPERIMENTS).json()["experiments"]] == ["larger"]


@pytest.fixture(scope="module")
def shared_program(tmp_path_factory: pytest.TempPathFactory, ollama: ModelServer) -> Iterator[Program]:
    """One with an experiment that runs."""
    settings = {"llm_base_url": ollama.url, "llm_model": SMALL, "admin_token": TOKEN, "collections": "guanyin,yuelao"}
    program = Program(tmp_path_factory.mktemp("experiments") / "data", measure_models="false", **settings).start()
    begin(program)
    yield program
    program.kill()


def test_only_the_operator_starts_and_sees_them(shared_program: Program) -> None:
    stranger = shared_program.client()
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/larger"), ("POST", "/larger/stop")):
        assert stranger.call(method, f"{EXPERIMENTS}{path}", {} if method == "POST" else None).status == 403
    operator = shared_program.client(TOKEN)
    assert operator.call("GET", f"{EXPERIMENTS}/none").json()["code"] == "unknown_experiment"
    assert shown(operator)["state"] == "running"

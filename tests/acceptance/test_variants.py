"""Experiments over the real program: who gets which variant, what stays theirs, and what is told of it."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin_visitor import TOKEN, Visitor
from commands import Commands
from program import Client, ModelServer, Program, wait_until

from jieqian.prompt import versions
from jieqian.testing.ollama_server import MODELS

SMALL, LARGE = "qwen2.5:7b", "qwen3:8b"
VARIANTS = [{"name": "now", "share": 50}, {"name": "large", "share": 50, "model": LARGE}]
BRIEF = "Be as brief as you can."
EXPERIMENTS = "/api/v1/admin/experiments"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, ollama: ModelServer) -> Iterator[Program]:
    """One for all tests: each starts experiments of its own, and stops them."""
    settings = {"llm_base_url": ollama.url, "llm_model": SMALL, "admin_token": TOKEN, "collections": "guanyin,yuelao"}
    kept = {"cache_entries": "100", "measure_models": "false", "rate_limit_per_minute": "0"}
    program = Program(tmp_path_factory.mktemp("experiments") / "data", **settings, **kept)
    own = program.data_dir / "templates" / "brief"
    shutil.copytree(Path(versions.__file__).parent / "templates" / versions.TEMPLATE_VERSION, own)
    for file in own.glob("*.prefix.txt"):
        file.write_text(f"{BRIEF}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    yield program.start()
    program.kill()


@pytest.fixture(autouse=True)
def no_experiment_is_left(program: Program, ollama: ModelServer) -> Iterator[None]:
    ollama.script()
    yield
    ollama.models(MODELS)
    operator = program.client(TOKEN)
    for one in operator.call("GET", EXPERIMENTS).json()["experiments"]:
        operator.call("POST", f"{EXPERIMENTS}/{one['name']}/stop")


def begin(program: Program, name: str, **more: Any) -> Client:
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


def shown(operator: Client, name: str) -> dict[str, Any]:
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
    program: Program, ollama: ModelServer
) -> None:
    operator = begin(program, "larger")
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

    outcome = shown(operator, "larger")
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

    commands = Commands(program.data_dir.parent, {})
    listed = commands("experiments", "show", "larger")
    assert listed.returncode == 0, listed.stderr
    assert outcome["summary"] in listed.stdout
    stopped = commands("experiments", "stop", "larger")
    assert (stopped.returncode, stopped.stdout) == (0, "stopped: larger\n")
    assert variant_of(read(clients[0], question="之後再問？")) is None
    assert shown(operator, "larger")["state"] == "stopped"


def test_variants_never_serve_each_others_answers(program: Program, ollama: ModelServer) -> None:
    begin(program, "apart")
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
    operator = begin(program, "cut")
    client = callers_of_each(program, "large")["large"]
    ollama.script({"hang": True})
    task_id = client.ask(question="卡住的那一題？")
    wait_until(lambda: ollama.seen())
    assert operator.call("POST", f"{EXPERIMENTS}/cut/stop").json()["state"] == "stopped"
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
    operator = begin(program, "gone")
    callers = callers_of_each(program, "now", "large")
    ollama.models({name: facts for name, facts in MODELS.items() if name != LARGE})
    operator.call("POST", "/api/v1/admin/models/look")
    after = {name: read(client, lot=11)["timings"] for name, client in callers.items()}
    assert (after["large"]["degraded"], after["large"]["model_error"]) == (True, "model_not_found")
    assert (after["now"]["degraded"], after["now"]["model_error"]) == (False, None)
    told = {one["name"]: one for one in shown(operator, "gone")["outcome"]}
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
        ({"mode": "fast", "name": "first"}, 409, "another name"),
    ],
)
def test_what_is_no_experiment_is_refused_with_what_to_do(
    program: Program, body: dict[str, Any], status: int, told: str
) -> None:
    operator = program.client(TOKEN)
    if status == 409:
        operator.call("POST", EXPERIMENTS, {"name": "first", "variants": VARIANTS})
    before = operator.call("GET", EXPERIMENTS).json()["experiments"]
    answer = operator.call("POST", EXPERIMENTS, {"name": "other", "variants": VARIANTS, **body})
    assert (answer.status, told in answer.json()["detail"]) == (status, True), answer.body
    assert operator.call("GET", EXPERIMENTS).json()["experiments"] == before


def test_only_the_operator_starts_and_sees_them(program: Program) -> None:
    operator = begin(program, "mine")
    stranger = program.client()
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/mine"), ("POST", "/mine/stop")):
        assert stranger.call(method, f"{EXPERIMENTS}{path}", {} if method == "POST" else None).status == 403
    assert operator.call("GET", f"{EXPERIMENTS}/none").json()["code"] == "unknown_experiment"
    assert shown(operator, "mine")["state"] == "running"


def test_own_templates_and_a_strategy_make_a_variant(program: Program, ollama: ModelServer) -> None:
    variants = [{"name": "now", "share": 50}, {"name": "brief", "share": 50, "template": "brief"}]
    begin(program, "wording", variants=variants)
    begin(
        program, "calls", mode="fast", variants=[*VARIANTS[:1], {"name": "side", "share": 50, "strategy": "parallel"}]
    )
    callers = callers_of_each(program, "now", "brief")
    for name, client in callers.items():
        asked = len(ollama.seen())
        assert variant_of(read(client, lot=12)) == name
        assert ollama.seen()[asked]["body"]["messages"][0]["content"].startswith(BRIEF) is (name == "brief")
    ways = {}
    for number in range(30):
        timings = read(program.client(), lot=13, mode="fast", question=f"第{number}位來問，該開店嗎？")["timings"]
        ways[timings["variant"]] = timings["strategy"]
        if len(ways) == 2:
            break
    assert ways == {"now": "sequential", "side": "parallel"}


def test_the_cache_is_filled_for_every_variant(program: Program, ollama: ModelServer) -> None:
    begin(program, "filled")
    question, told = "明年會順利嗎？", Commands(program.data_dir.parent, {})
    asked = program.data_dir.parent / "questions.txt"
    asked.write_text(f"{question}\n", encoding="utf-8")
    what = ("--collection", "yuelao", "--lots", "20", "--language", "zh-Hant", "--questions", str(asked), "--json")
    first = told("cache", "warm", *what)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["written"] == 2
    assert json.loads(told("cache", "warm", *what).stdout)["known"] == 2
    for name, client in callers_of_each(program, "now", "large").items():
        timings = read(client, lot=20, question=question)["timings"]
        assert (timings["cache_hit"], timings["variant"]) == ("exact", name)
    outcome = shown(program.client(TOKEN), "filled")["outcome"]
    assert sum(one["cache_hits"] for one in outcome) == 2
    assert sum(one["readings"] for one in outcome) == sum(one["callers"] for one in outcome) + 2, "the filling is none"


def test_the_pages_start_show_and_stop_one(program: Program, ollama: ModelServer) -> None:
    visitor = Visitor(program.base)
    for path in ("/admin/experiments", "/admin/experiments/paged"):
        assert b'name="token"' in visitor.get(path).body, "the door"
    visitor.sign_in()
    page = visitor.get("/admin/experiments")
    assert page.status == 200
    fields = {"name": "paged", "mode": "quality", "name.1": "now", "share.1": "50", "name.2": "new", "share.2": "50"}
    hostile = '<script>alert("1")</script>'
    refused = visitor.send("/admin/experiments", **fields, **{"model.2": hostile})
    assert refused.status == 422
    assert hostile.encode() not in refused.body
    assert b"&lt;script&gt;alert(" in refused.body, "what was written is still there"
    assert visitor.send("/admin/experiments", form="another", **fields, **{"model.2": LARGE}).status == 403
    foreign = {"origin": "https://elsewhere.test"}
    assert visitor.send("/admin/experiments", headers=foreign, **fields, **{"model.2": LARGE}).status == 403
    visitor.get("/admin/experiments")
    started = visitor.send("/admin/experiments", **fields, **{"model.2": LARGE})
    assert (started.status, started.headers["location"]) == (303, "/admin/experiments/paged")
    shown_page = visitor.get("/admin/experiments/paged").body.decode()
    assert "running" in shown_page
    assert LARGE in shown_page
    assert visitor.send("/admin/experiments/paged/stop").status == 303
    assert "stopped" in visitor.get("/admin/experiments/paged").body.decode()
    missing = visitor.get("/admin/experiments/%3Cb%3E")
    assert (missing.status, b"<h1>Not there</h1>" in missing.body) == (404, True)

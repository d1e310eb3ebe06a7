"""Near questions, over the real program: an asker's own reading serves their other words, marked, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from program import Client, ModelServer, Program
from test_cache import read, texts

Start = Callable[..., Program]
ASKED = "今年適合換工作嗎？"
IN_OTHER_WORDS = "請問我今年適不適合跳槽呢"
NEAR_MISSES = ("明年適合換工作嗎？", "今年不適合換工作嗎？", "我先生今年適合換工作嗎？", "今年適合換房子嗎？")


@pytest.fixture
def program(start: Start, ollama: ModelServer) -> Program:
    ollama.script()
    return start(llm_base_url=ollama.url, cache_entries="100")


def hit(client: Client, question: str, **body: Any) -> str:
    return str(read(client, question=question, **body)["timings"]["cache_hit"])


def test_other_words_of_the_same_sense_are_served_and_marked(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    first = read(client, question=ASKED)
    again = read(client, question=IN_OTHER_WORDS)
    assert len(ollama.seen()) == 1
    assert texts(again) == texts(first)
    assert again["reading"]["question"] == IN_OTHER_WORDS
    cache = again["reading"]["cache"]
    assert (cache["hit"], cache["task_id"]) == ("semantic", first["task_id"])
    assert cache["created_at"] == again["timings"]["cache_created_at"] >= first["created_at"]
    assert 0 < cache["similarity"] < 1
    assert again["cache"] == cache
    assert (again["timings"]["attempts"], again["timings"]["degraded"]) == (0, False)
    operator = program.client(json.loads((program.data_dir / "server.json").read_text(encoding="utf-8"))["token"])
    assert operator.call("GET", "/api/v1/admin/cache").json()["entries"] == 1, "a copy is not kept under other words"


def test_it_serves_however_often_it_is_asked_in_other_words(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    first = read(client, question=ASKED)
    for words in (
        IN_OTHER_WORDS,
        "今年我適合換工作嗎",
        "請問今年適不適合跳槽",
        "我今年到底適合跳槽嗎",
        "我今年適合轉工嗎",
    ):
        assert read(client, question=words)["cache"]["task_id"] == first["task_id"]
    assert len(ollama.seen()) == 1


@pytest.mark.parametrize("near_miss", NEAR_MISSES)
def test_a_near_miss_is_asked_anew(program: Program, near_miss: str) -> None:
    client = program.client()
    read(client, question=ASKED)
    assert hit(client, near_miss) == "none"


@pytest.mark.parametrize("changed", [{"lot": 2}, {"mode": "fast"}, {"language": "en"}, {"strategy": "parallel"}])
def test_of_another_lot_or_made_otherwise_it_is_another_question(program: Program, changed: dict[str, Any]) -> None:
    client = program.client()
    read(client, question=ASKED)
    assert hit(client, IN_OTHER_WORDS, **changed) == "none"


def test_it_is_nobody_elses_and_no_integrators(program: Program, ollama: ModelServer) -> None:
    client, other = program.client(), program.client()
    read(client, question=ASKED)
    assert hit(other, IN_OTHER_WORDS) == "none"
    assert hit(other, ASKED) == "exact", "the very words are shared"
    assert hit(other, "請問今年適合跳槽嗎") == "semantic", "and are the other's own reading since"
    operator = program.client(json.loads((program.data_dir / "server.json").read_text(encoding="utf-8"))["token"])
    key = operator.call("POST", "/api/v1/admin/keys", {"name": "a site"}).json()["key"]
    site = program.client(key)
    read(site, question=ASKED)
    assert hit(site, "請問我今年適合跳槽嗎") == "none", "many people may stand behind one key"


def test_read_afresh_asks_the_model(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    read(client, question=ASKED)
    assert hit(client, IN_OTHER_WORDS, fresh=True) == "none"
    assert len(ollama.seen()) == 2
    assert hit(client, IN_OTHER_WORDS) == "exact"


def test_what_was_erased_serves_no_more_and_the_copy_stays(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    first = read(client, question=ASKED)
    copy = read(client, question=IN_OTHER_WORDS)
    assert client.call("DELETE", f"/api/v1/tasks/{first['task_id']}").status == 204
    assert texts(client.task(copy["task_id"])) == texts(copy)
    assert ASKED not in json.dumps(client.task(copy["task_id"]), ensure_ascii=False), "its words went with it"
    assert hit(client, "請問今年適合跳槽嗎") == "none"
    assert len(ollama.seen()) == 2


def test_a_follow_up_has_its_own(program: Program) -> None:
    client = program.client()
    first = read(client, question=ASKED)
    assert hit(client, IN_OTHER_WORDS, parent_id=first["task_id"]) == "none"
    assert hit(client, "請問我今年適合跳槽嗎", parent_id=first["task_id"]) == "semantic"


def test_danger_to_life_is_never_answered_by_a_reading(program: Program) -> None:
    client = program.client()
    read(client, question=ASKED)
    client.ask(question="我不想活了，想自殺")
    again = client.task(client.ask(question="請問，我不想活了，想自殺"))
    assert again["reading"]["care"]
    assert again["timings"]["cache_hit"] == "none"


def test_a_section_of_commentary_makes_it_serve_nobody(program: Program, ollama: ModelServer) -> None:
    client = program.client()
    ollama.script({"ignore_schema": True, "times": 3})
    assert read(client, question=ASKED)["timings"]["degraded"] is True
    ollama.script()
    assert hit(client, IN_OTHER_WORDS) == "none"


def test_it_can_be_turned_off_and_outlives_a_restart(start: Start, ollama: ModelServer) -> None:
    ollama.script()
    program = start(llm_base_url=ollama.url, cache_entries="100")
    client = program.client()
    read(client, question=ASKED)
    program.kill()
    program.start()
    assert hit(client, IN_OTHER_WORDS) == "semantic"
    off = start("off", llm_base_url=ollama.url, cache_entries="100", near_answers="false").client()
    assert [hit(off, ASKED), hit(off, IN_OTHER_WORDS)] == ["none", "none"]


@pytest.mark.parametrize(
    ("language", "told"),
    [("zh-Hant", "用別的話問過"), ("zh-Hans", "用别的话问过"), ("en", "in other words"), ("ja", "別の言葉で")],
)
def test_the_page_says_so_and_offers_to_read_it_afresh(program: Program, language: str, told: str) -> None:
    client = program.client()
    first = read(client, question=ASKED)
    copy = read(client, question=IN_OTHER_WORDS)
    pages = {}
    for task in (first, copy):
        answer = client.call("GET", f"/readings/{task['task_id']}", headers={"Accept-Language": language})
        pages[task["task_id"]] = answer.body.decode()
    page = pages[copy["task_id"]]
    assert told in page
    assert f"/readings/{first['task_id']}" in page
    assert 'name="fresh" value="true"' in page
    assert told not in pages[first["task_id"]]

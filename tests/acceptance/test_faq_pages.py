"""The FAQ's pages and calls over the real program: what is withdrawn is gone, many at once, translations, gaps."""

from __future__ import annotations

import json
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from typing import Any

import pytest
from admin_visitor import TOKEN, Visitor, fields_of
from program import Client, ModelServer, Program, wait_until

ENTRIES = "/api/v1/admin/faq"
#: By language: an entry's question and answer, and what another asker asks of another lot.
PARROT = {
    "zh-Hant": ("養的綠色鸚鵡飛走了，牠還會回來嗎？", "把籠子打開，牠會回來的。", "綠色的鸚鵡飛走了，會回來嗎？"),
    "zh-Hans": ("养的蓝色鹦鹉飞走了，它还会回来吗？", "把窗户打开，它会回来的。", "蓝色的鹦鹉飞走了，会回来吗？"),
    "en": ("My green parrot flew away, will it come back?", "Leave the cage open.", "Will my green parrot come back?"),
    "ja": (
        "緑のインコが逃げました。戻ってきますか？",
        "鳥かごを開けておきましょう。",
        "緑のインコは戻りますか？",
    ),
}


@pytest.fixture(scope="module")
def program(ollama: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = {"llm_base_url": ollama.url, "cache_entries": "200", "measure_models": "false", "admin_token": TOKEN}
    settings |= {"collections": "guanyin,yuelao", "rate_limit_per_minute": "0"}
    service = Program(tmp_path_factory.mktemp("faq") / "data", **settings)
    try:
        yield service.start()
    finally:
        service.kill()


@pytest.fixture
def operator(program: Program, ollama: ModelServer) -> Client:
    ollama.script()
    return program.client(TOKEN)


@pytest.fixture
def visitor(program: Program) -> Visitor:
    one = Visitor(program.base)
    one.sign_in()
    return one


def write(operator: Client, language: str, question: str, answer: str, **more: Any) -> dict[str, Any]:
    body = {"collection": "yuelao", "lot": 1, "language": language, "question": question, "answer": answer, **more}
    told = operator.call("POST", ENTRIES, body)
    assert told.status == 201, told.body
    entry: dict[str, Any] = told.json()
    return entry


def read(client: Client, question: str, language: str, **body: Any) -> dict[str, Any]:
    """Ask of lot 2 and wait for the end; the task."""
    task_id = client.ask(question=question, lot=2, language=language, **body)
    list(client.events(task_id))
    task: dict[str, Any] = client.task(task_id)
    assert task["status"] == "completed", task
    return task


def cites(task: dict[str, Any], entry: dict[str, Any]) -> bool:
    return f"faq/{entry['id']}" in {source["id"] for source in task["sources"]}


def hit(task: dict[str, Any]) -> str:
    return str(task["timings"]["cache_hit"])


def put(program: Program, number: int, question: str) -> list[str]:
    """Pending entries of an earlier time, as a busy temple has them."""
    ids = [str(uuid.uuid4()) for _ in range(number)]
    columns = "id, collection, lot, category, language, question, answer, status, created_at"
    with closing(sqlite3.connect(program.data_dir / "jieqian.db", timeout=30)) as database, database:
        database.executemany(
            f"insert into faq_entries ({columns}) values (?, 'guanyin', ?, 'lost', 'en', ?, 'Wait.', 'pending', ?)",
            [(place, at % 100 + 1, f"{question} {at}", time.time() - 1000 + at) for at, place in enumerate(ids)],
        )
    return ids


def rows_of(page: bytes) -> dict[str, str]:
    """The rows a form of the list sends."""
    return {name: unescape(value) for name, value in re.findall(r'name="(row\.[^"]+)" value="([^"]*)"', page.decode())}


def test_what_is_withdrawn_is_cited_by_nobody_and_no_kept_answer_tells_it(program: Program, operator: Client) -> None:
    entries = {tag: write(operator, tag, *texts[:2], approved=True) for tag, texts in PARROT.items()}
    askers = {tag: program.client() for tag in PARROT}
    for tag, (_, _, question) in PARROT.items():
        wait_until(lambda: cites(read(askers[tag], question, tag, fresh=True), entries[tag]))  # noqa: B023
        wait_until(lambda: hit(read(askers[tag], question, tag)) == "exact")  # noqa: B023
        again = read(program.client(), question, tag)
        assert (hit(again), cites(again, entries[tag])) == ("exact", True)
    near = "請問" + PARROT["zh-Hant"][2]
    reused = read(askers["zh-Hant"], near, "zh-Hant")
    assert (hit(reused), cites(reused, entries["zh-Hant"])) == ("semantic", True)

    for entry in entries.values():
        assert operator.call("POST", f"{ENTRIES}/{entry['id']}/reject", {"mark": entry["mark"]}).status == 200
    for tag, (_, _, question) in PARROT.items():
        for asker in (program.client(), askers[tag]):
            told = read(asker, question, tag)
            assert not any(cites(told, entry) for entry in entries.values())
    assert not cites(read(askers["zh-Hant"], near, "zh-Hant"), entries["zh-Hant"])
    with closing(sqlite3.connect(program.data_dir / "jieqian.db", timeout=30)) as database:
        kept = " ".join(row[0] for row in database.execute("select document from answers"))
    assert not any(entry["id"] in kept for entry in entries.values())

    shown = operator.call("GET", f"{ENTRIES}/{entries['zh-Hant']['id']}").json()
    assert shown["uses"]["total"] >= 4
    assert sum(day["hits"] for day in shown["days"]) == shown["uses"]["total"]


def test_a_question_without_an_entry_is_told_answered_and_erased(program: Program, operator: Client) -> None:
    asker = program.client()
    masked = "我叫‹name›，祖母留下的玉鐲子掉在田裡找得回來嗎？"
    tasks = [read(asker, masked.replace("‹name›", name), "zh-Hant") for name in ("王小明", "林志豪")]

    def groups() -> list[dict[str, Any]]:
        told = operator.call("GET", f"{ENTRIES}/unanswered?language=zh-Hant").json()["questions"]
        return [each for each in told if "玉鐲子" in each["question"]]

    wait_until(lambda: [each["count"] for each in groups()] == [2])
    (group,) = groups()
    assert (group["question"], group["lots"], group["category"]) == (masked, [2], "lost")
    assert asker.call("DELETE", f"/api/v1/tasks/{tasks[0]['task_id']}").status == 204
    assert [each["count"] for each in groups()] == [1]
    write(operator, "zh-Hant", masked, "往東邊的水溝找找看。", unanswered=groups()[0]["ids"], category="lost")
    assert groups() == []
    read(asker, "我不想活了，想結束生命", "zh-Hant")
    told = operator.call("GET", f"{ENTRIES}/unanswered?limit=1000").json()["questions"]
    assert not any("不想活" in each["question"] for each in told)
    database = b"".join(path.read_bytes() for path in program.data_dir.glob("jieqian.db*"))
    assert "王小明".encode() not in database


def test_five_hundred_at_once_without_a_script(program: Program, operator: Client, visitor: Visitor) -> None:
    ids = put(program, 500, "Where did the fisherman leave his net, number")
    page = visitor.get("/admin/faq?size=500&collection=guanyin&topic=lost")
    rows = rows_of(page.body)
    assert set(rows) == {f"row.{place}" for place in ids}
    mended = operator.call("PATCH", f"{ENTRIES}/{ids[7]}", {"answer": "Look under the boat."})
    assert mended.status == 200
    done = visitor.send("/admin/faq?size=500&collection=guanyin&topic=lost", act="reject", all="1", **rows)
    assert done.status == 303
    there = done.headers["location"]
    assert "did=499&left=1" in there
    told = visitor.get(there).body.decode()
    assert "499 entries rejected." in told
    assert "1 was left as it is" in told
    assert set(rows_of(told.encode())) == {f"row.{ids[7]}"}
    waiting = operator.call("GET", f"{ENTRIES}?collection=guanyin").json()
    assert [(entry["id"], entry["answer"]) for entry in waiting["entries"]] == [(ids[7], "Look under the boat.")]
    nothing = visitor.send("/admin/faq", act="approve", **rows_of(told.encode()))
    assert "did=0" in nothing.headers["location"], "nothing was ticked"
    assert b"Nothing was ticked" in visitor.get(nothing.headers["location"]).body


def test_one_of_a_group_is_kept(program: Program, operator: Client, visitor: Visitor) -> None:
    ids = put(program, 3, "Will the miller's daughter ever find the golden key to the old attic")
    page = visitor.get("/admin/faq").body
    assert b"3 that ask nearly the same" in page
    grouped = operator.call("GET", f"{ENTRIES}/groups").json()["groups"]
    assert ids in [[entry["id"] for entry in group] for group in grouped]
    done = visitor.send("/admin/faq", act=f"keep.{ids[1]}", **rows_of(page))
    assert f"#e-{ids[1]}" in done.headers["location"]
    status = {place: operator.call("GET", f"{ENTRIES}/{place}").json()["status"] for place in ids}
    assert status == {ids[0]: "rejected", ids[1]: "pending", ids[2]: "rejected"}


def test_a_translation_is_a_proposal_that_a_reviewer_keeps(
    operator: Client, visitor: Visitor, ollama: ModelServer
) -> None:
    entry = write(operator, "en", "Should ‹name› sell the boat?", "Not before the spring tide.", category="wealth")
    good = {"question": "‹name›は船を売るべきでしょうか？", "answer": "春の大潮まで待ちましょう。"}
    ollama.script({"text": f"Here it is:\n```json\n{json.dumps(good, ensure_ascii=False)}\n```"})
    form = visitor.send(f"/admin/faq/{entry['id']}/translate", language="ja", how="model")
    assert form.status == 200
    fields = fields_of(form)
    assert (fields["question"], fields["answer"], fields["translated_from"]) == (*good.values(), entry["id"])
    assert len(operator.call("GET", f"{ENTRIES}/{entry['id']}").json()["translations"]) == 0, "nothing is kept yet"
    kept = visitor.send("/admin/faq/new", **{**fields, "form": visitor.form, "act": "pending"})
    assert kept.status == 303
    (told,) = operator.call("GET", f"{ENTRIES}/{entry['id']}").json()["translations"]
    assert (told["language"], told["status"]) == ("ja", "pending")
    again = visitor.send("/admin/faq/new", **{**fields, "form": visitor.form, "act": "approve"})
    assert (again.status, b"changed after you looked" in again.body) == (409, True)

    lost = json.dumps({"question": "卖船好吗？", "answer": "等到春天的大潮再说。"}, ensure_ascii=False)
    ollama.script({"text": lost, "times": 2})
    proposed = operator.call("POST", f"{ENTRIES}/{entry['id']}/translate", {"language": "zh-Hans"}).json()
    assert proposed == {"question": "", "answer": "", "by": None, "reason": "unusable"}, "its mark was lost"
    chinese = write(operator, "zh-Hant", "該把漁船賣掉嗎？", "等春天的大潮再說。")
    script = operator.call("POST", f"{ENTRIES}/{chinese['id']}/translate", {"language": "zh-Hans"}).json()
    assert (script["question"], script["by"]) == ("该把渔船卖掉吗？", "opencc")


def test_the_second_of_two_reviewers_is_told(operator: Client, visitor: Visitor) -> None:
    entry = write(operator, "en", "Is the well deep enough?", "Dig on.")
    fields = fields_of(visitor.get(f"/admin/faq/{entry['id']}"))
    assert operator.call("PATCH", f"{ENTRIES}/{entry['id']}", {"answer": "Dig no more."}).status == 200
    late = visitor.send(
        f"/admin/faq/{entry['id']}", **{**fields, "form": visitor.form, "answer": "Dig twice.", "act": "approve"}
    )
    assert late.status == 409
    assert b"Dig no more." in late.body, "what stands there now"
    assert fields_of(late)["answer"] == "Dig twice.", "nothing typed is lost"
    assert operator.call("GET", f"{ENTRIES}/{entry['id']}").json()["status"] == "pending"
    stale = operator.call("POST", f"{ENTRIES}/{entry['id']}/approve", {"mark": entry["mark"]})
    assert (stale.status, stale.json()["code"]) == (409, "changed_meanwhile")
    good = visitor.send(f"/admin/faq/{entry['id']}", **{**fields_of(late), "form": visitor.form, "act": "approve"})
    assert good.status == 303
    assert operator.call("GET", f"{ENTRIES}/{entry['id']}").json()["answer"] == "Dig twice."
    empty = visitor.send(f"/admin/faq/{entry['id']}", answer=" ", question="Is it?", category="home", act="save")
    assert (empty.status, b'id="answer-fault"' in empty.body) == (422, True)


def test_only_who_is_signed_in_gets_anything(program: Program, operator: Client, visitor: Visitor) -> None:
    entry = write(operator, "en", "Is the bridge safe?", "Walk, do not ride.")
    stranger = Visitor(program.base)
    for path in ("", "/unanswered", "/new", f"/{entry['id']}"):
        answer = stranger.get(f"/admin/faq{path}")
        assert (answer.status, b"bridge" in answer.body) == (403, False)
    act = {f"row.{entry['id']}": f"{entry['mark']}.1", "act": f"approve.{entry['id']}"}
    for path in ("", "/unanswered", "/new", f"/{entry['id']}", f"/{entry['id']}/translate"):
        assert stranger.send(f"/admin/faq{path}", **act).status == 403
        assert visitor.send(f"/admin/faq{path}", form="0" * 64, **act).status == 403
        foreign = {"origin": "https://elsewhere.example"}
        assert visitor.send(f"/admin/faq{path}", headers=foreign, **act).status == 403
    assert operator.call("GET", f"{ENTRIES}/{entry['id']}").json()["status"] == "pending"
    assert visitor.get("/admin/faq/0123abcd").status == 404
    asker = program.client()
    for method, path in (("POST", ""), ("POST", "/decide"), ("GET", "/unanswered"), ("GET", "/groups")):
        assert asker.call(method, f"{ENTRIES}{path}", {} if method == "POST" else None).status in (401, 403)


def test_the_calls_say_what_is_wrong(operator: Client) -> None:
    entry = write(operator, "en", "Is the kiln hot?", "Yes.")
    body = {"collection": "yuelao", "lot": 1, "language": "en", "question": "q?", "answer": "a"}
    cases: list[tuple[str, str, Any, int, str]] = [
        ("POST", "", {**body, "lot": 101}, 404, "unknown_lot"),
        ("POST", "", {**body, "collection": "nowhere"}, 404, "unknown_collection"),
        ("POST", "", {**body, "language": "auto"}, 422, "invalid_request"),
        ("POST", "", {**body, "question": "x" * 301}, 422, "invalid_request"),
        ("POST", "", {**body, "category": "luck"}, 422, "invalid_request"),
        ("POST", "", {"language": "en", "question": "q?", "answer": "a"}, 422, "invalid_request"),
        ("POST", "/decide", {"decision": "burn", "entries": []}, 422, "invalid_request"),
        ("POST", f"/{entry['id']}/translate", {"language": "en"}, 422, "invalid_request"),
        ("GET", "?category=luck", None, 422, "invalid_request"),
        ("GET", "?unused_days=0", None, 422, "invalid_request"),
    ]
    for method, path, sent, status, code in cases:
        answer = operator.call(method, f"{ENTRIES}{path}", sent)
        assert (answer.status, answer.json()["code"]) == (status, code), (method, path, sent, answer.body)
    told = operator.call("POST", f"{ENTRIES}/decide", {"decision": "approve", "entries": [{"id": entry["id"]}]})
    assert told.json() == {"done": [entry["id"]], "left": {}}
    unused = operator.call("GET", f"{ENTRIES}?status=approved&unused_days=90&sort=uses&limit=1000").json()
    assert entry["id"] in {each["id"] for each in unused["entries"]}
    assert operator.call("POST", f"{ENTRIES}/{entry['id']}/take-back").json()["reviewed_at"] is None

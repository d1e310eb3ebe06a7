"""A question, a name and a token that must not be found in any log line, metric or trace, whatever goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from collector import Collector, collecting
from program import Client, ModelServer, Program

Start = Callable[..., Program]
#: What nobody but the asker may read: Chinese, and Latin letters. Parts of it are looked for too.
ASKED = "阿彌珍珠會不會嫁給趙無極"
LATIN = "Zebulon Quillfeather"
NAME = "Wilhelmina-Oddfellow"
PARTS = ("阿彌珍珠", "趙無極", "嫁給", "Zebulon", "Quillfeather", "Wilhelmina", "Oddfellow")
QUESTION = f"{ASKED}？ {LATIN} wants to know"


def spelled(text: str) -> set[str]:
    """The ways in which it may be written down by mistake."""
    raw = text.encode()
    return {text, text.lower(), text.upper(), json.dumps(text)[1:-1], quote(text), repr(raw)[2:-1], raw.hex()}


def echoes(question: str) -> Iterator[dict[str, Any]]:
    """Faults of a model server that says the request again, in as many ways as servers do."""
    body = {"messages": [{"role": "user", "content": f"Question: {question}"}]}
    yield {"status": 500, "error": f"cannot take the prompt {question!r}, sorry"}
    yield {"status": 500, "error": f"bad request: {json.dumps(body)}"}  # escaped, in a text
    yield {"status": 500, "error": f"invalid value: {body!a}"}
    yield {"status": 400, "error": json.dumps({"detail": [{"msg": "too long", "input": body}]}, ensure_ascii=False)}
    yield {"status": 400, "error": f"in {quote(question)} and {question.upper()}"}
    yield {"error_after": 30, "error": f"llama runner: {question[:9]}"}
    yield {"error_after": 30, "error": f"at token '{question[2:6]}' of {question[-14:]}"}
    yield {"raw": f'{{"message": {{"content": "{question}'}
    yield {"text": f"I will not answer {question}"}
    yield {"malformed": True, "text": json.dumps({"line_by_line": question, "conclusion": f"{question}。"})}
    yield {"thinking": f"The user asks {question}.", "text": "{}"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


def key_of(program: Program) -> str:
    command = [sys.executable, "-m", "jieqian", "keys", "create", NAME]
    made = subprocess.run(command, env=program.environment(), capture_output=True, text=True, check=True)
    return next(word for word in made.stdout.split() if len(word) > 30)


def ask_in_every_way(program: Program, ollama: ModelServer, key: str, faults: Sequence[Mapping[str, Any]]) -> None:
    """Readings that go well and ill, the page's form, a follow-up, feedback, a link, wrong requests."""
    client, named = program.client(), program.client(key)
    for place, fault in enumerate(faults):
        ollama.script(fault)
        strategy = "parallel" if place % 4 == 3 else "sequential"
        read(named if place % 2 else client, strategy=strategy, fresh=True)
    ollama.script()
    first = read(client)
    read(client)  # the kept answer
    read(client, parent_id=first, question=f"{LATIN}?")
    client.call("POST", f"/api/v1/tasks/{first}/feedback", {"score": 1, "comment": QUESTION})
    client.call("POST", f"/api/v1/tasks/{first}/share", {"question": True})
    client.call("POST", "/api/v1/tasks", {"collection": QUESTION, "lot": LATIN, "question": QUESTION, "mode": LATIN})
    client.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 1, "question": [QUESTION], "model": LATIN})
    client.call("POST", "/api/v1/tasks", raw=f'{{"question": "{QUESTION}'.encode())
    body = {"collection": "yuelao", "lot": 1, "question": QUESTION}
    told = {
        "Idempotency-Key": LATIN,
        "traceparent": LATIN,
        "tracestate": f"a={LATIN}",
        "baggage": f"q={quote(QUESTION)}",
    }
    client.call(
        "POST", "/api/v1/tasks", body, headers={**told, "User-Agent": LATIN, "Referer": f"http://a/{quote(LATIN)}"}
    )
    client.call("GET", f"/ask?{urlencode({'question': QUESTION})}")
    client.call("GET", f"/{quote(QUESTION)}/{quote(LATIN)}")
    client.call("GET", f"/readings/{quote(QUESTION)}?q={quote(QUESTION)}")
    client.call("DELETE", f"/api/v1/tasks/{first}")


def read(client: Client, **body: Any) -> str:
    task_id = client.ask(**{"question": QUESTION, **body})
    list(client.events(task_id))
    return task_id


@pytest.mark.parametrize(("log_format", "share"), [("text", slice(0, None, 2)), ("json", slice(1, None, 2))])
def test_what_was_asked_and_by_whom_is_told_to_nobody(
    start: Start, ollama: ModelServer, collector: Collector, log_format: str, share: slice
) -> None:
    around = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    settings = {"cache_entries": "100", "rate_limit_per_minute": "0", "collections": "yuelao"}
    program = start(llm_base_url=ollama.url, log_format=log_format, around=around, **settings)
    key = key_of(program)
    faults = list(echoes(QUESTION))[share]
    ask_in_every_way(program, ollama, key, faults)
    metrics = program.client().call("GET", "/metrics").body.decode()
    assert program.stop() == 0
    log = program.log.read_text()
    assert log.count("task_ended") >= len(faults)
    assert "model_refused" in log
    assert collector.bodies
    sent = b"".join(collector.bodies)
    for part in (*PARTS, key, "jieqian_session"):
        for spelling in spelled(part):
            assert spelling not in log, next(line for line in log.splitlines() if spelling in line)
            assert spelling not in metrics
            assert spelling.encode() not in sent

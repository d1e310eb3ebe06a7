"""Ollama's client against a server in another process that speaks Ollama's native API."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jieqian.errors import (
    FirstTokenTimeout,
    ModelBusy,
    ModelCutOff,
    ModelError,
    ModelNotFound,
    ModelRefused,
    ModelStalled,
    ModelUnreachable,
    PromptTooLong,
    UsageError,
)
from jieqian.llm.client import Finished, Message, ModelChunk, ModelRequest, TextDelta, ThinkingDelta
from jieqian.llm.ollama import OllamaClient
from jieqian.testing.wire_process import WireProcess, wire_server

SCHEMA = {
    "type": "object",
    "properties": {"conclusion": {"type": "string"}, "challenges": {"type": "string"}},
    "required": ["conclusion", "challenges"],
}
REQUEST = ModelRequest(
    model="qwen2.5:7b",
    messages=(Message("system", "You interpret lots."), Message("user", "Will the move go well?")),
    max_tokens=500,
    context_tokens=4096,
    first_token_seconds=5.0,
    between_tokens_seconds=5.0,
)


@pytest.fixture(scope="module")
def process() -> Iterator[WireProcess]:
    with wire_server("ollama") as running:
        yield running


@pytest.fixture
async def server(process: WireProcess) -> WireProcess:
    await process.script()
    return process


@pytest.fixture
async def client(server: WireProcess) -> Any:
    made = OllamaClient(server.url)
    yield made
    await made.close()


async def chunks_of(client: OllamaClient, request: ModelRequest = REQUEST) -> list[ModelChunk]:
    return [chunk async for chunk in client.stream(request)]


def text_of(chunks: list[ModelChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


def thinking_of(chunks: list[ModelChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, ThinkingDelta))


async def test_an_answer_ends_with_exactly_one_finished(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "All is well with you.", "prompt_tokens": 77})
    chunks = await chunks_of(client)
    assert text_of(chunks) == "All is well with you."
    assert chunks[-1] == Finished("stop", prompt_tokens=77, completion_tokens=5)
    assert sum(isinstance(chunk, Finished) for chunk in chunks) == 1


async def test_what_is_sent(client: OllamaClient, server: WireProcess) -> None:
    request = replace(REQUEST, schema=SCHEMA, temperature=0.3, repeat_penalty=1.1, stop=("END",), thinking=False)
    await chunks_of(client, request)
    [seen] = await server.seen()
    assert seen["body"] == {
        "model": "qwen2.5:7b",
        "messages": [
            {"role": "system", "content": "You interpret lots."},
            {"role": "user", "content": "Will the move go well?"},
        ],
        "stream": True,
        "keep_alive": "30m",
        "truncate": False,
        "shift": False,
        "think": False,
        "format": SCHEMA,
        "options": {
            "num_ctx": 4096,
            "num_predict": 500,
            "temperature": 0.3,
            "repeat_penalty": 1.1,
            "stop": ["END"],
        },
    }


async def test_what_is_not_asked_for_is_not_sent(client: OllamaClient, server: WireProcess) -> None:
    await chunks_of(client)
    [seen] = await server.seen()
    assert set(seen["body"]) == {"model", "messages", "stream", "keep_alive", "truncate", "shift", "options"}
    assert set(seen["body"]["options"]) == {"num_ctx", "num_predict", "temperature"}
    assert "authorization" not in seen["headers"]


async def test_an_api_key_is_sent_and_never_told(server: WireProcess) -> None:
    client = OllamaClient(server.url, "sk-secret")
    await server.script({"status": 403, "error": "bad key sk-secret"})
    with pytest.raises(ModelRefused) as refused:
        await chunks_of(client)
    await client.close()
    assert (await server.seen())[0]["headers"]["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in refused.value.detail


async def test_the_schema_is_followed_in_its_order(client: OllamaClient) -> None:
    answer = json.loads(text_of(await chunks_of(client, replace(REQUEST, schema=SCHEMA))))
    assert list(answer) == ["conclusion", "challenges"]


async def test_thinking_is_never_text(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "Yes.", "thinking": "Let me see now."})
    chunks = await chunks_of(client, replace(REQUEST, model="qwen3:8b", thinking=True))
    assert (text_of(chunks), thinking_of(chunks)) == ("Yes.", "Let me see now.")


async def test_thinking_inside_the_content_is_told_apart(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "Yes.", "thinking": "Let me see.", "thinking_in_content": True})
    chunks = await chunks_of(client)
    assert (text_of(chunks), thinking_of(chunks)) == ("Yes.", "Let me see.")


async def test_an_answer_cut_by_num_predict_is_told_as_length(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "one two six ten far now"})
    chunks = await chunks_of(client, replace(REQUEST, max_tokens=3))
    assert text_of(chunks) == "one two six"
    assert chunks[-1] == Finished("length", prompt_tokens=chunks[-1].prompt_tokens, completion_tokens=3)  # type: ignore[union-attr]


async def test_every_byte_offset_of_a_cut_gives_the_same_text(client: OllamaClient, server: WireProcess) -> None:
    text = "月🌙é籤"
    line = len(
        '{"model":"qwen2.5:7b","created_at":"2026-11-22T12:00:00.000000Z","message":{"role":"assistant","content":""}}'
    )
    offsets = range(1, 2 * line + 60)
    await server.script(*({"text": text, "tokens": 2, "split_at": offset} for offset in offsets))
    for offset in offsets:
        chunks = await chunks_of(client)
        assert (text_of(chunks), isinstance(chunks[-1], Finished)) == (text, True), offset


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_small_chunks_give_whole_characters(client: OllamaClient, server: WireProcess, size: int) -> None:
    await server.script({"text": "君子好逑🌙，月老牽線。", "chunk_bytes": size})
    assert text_of(await chunks_of(client)) == "君子好逑🌙，月老牽線。"


async def test_a_surrogate_pair_in_two_lines_is_joined(client: OllamaClient, server: WireProcess) -> None:
    lines = [
        '{"message":{"content":"a\\ud83c"},"done":false}',
        '{"message":{"content":"\\udf19b"},"done":false}',
        '{"message":{"content":"\\ud83c"},"done":false}',
        '{"message":{"content":""},"done":true,"done_reason":"stop"}',
    ]
    await server.script({"raw": "\n".join(lines)})
    chunks = await chunks_of(client)
    assert text_of(chunks) == "a🌙b\ufffd"
    assert chunks[-1] == Finished("stop")


async def test_empty_lines_and_windows_line_ends_are_passed_over(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"raw": '\r\n{"message":{"content":"ok"}}\r\n\r\n{"done":true}\r\n'})
    assert text_of(await chunks_of(client)) == "ok"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ({"status": 429, "error": "slow down"}, ModelBusy),
        ({"status": 503, "error": "server busy, please try again"}, ModelBusy),
        ({"status": 500, "error": "llama runner process has terminated"}, ModelError),
        ({"status": 400, "error": "invalid format"}, ModelRefused),
        ({"status": 401, "error": "unauthorized"}, ModelRefused),
        ({"status": 400, "error": "the input length exceeds the context length"}, PromptTooLong),
        ({"error_after": 2}, ModelError),
        ({"error_after": 2, "error": "the prompt is longer than the context length"}, PromptTooLong),
        ({"error_after": 2, "error": "server busy, please try again"}, ModelBusy),
        ({"cut_after": 2}, ModelCutOff),
        ({"end_early": True}, ModelCutOff),
        ({"raw": ""}, ModelCutOff),
        ({"raw": '{"message":{"content":"half'}, ModelCutOff),
        ({"raw": "[1]\n"}, ModelCutOff),
    ],
)
async def test_each_fault_has_its_kind(
    client: OllamaClient, server: WireProcess, behaviour: dict[str, Any], kind: type[ModelError]
) -> None:
    await server.script({"text": "one two six ten", **behaviour})
    with pytest.raises(ModelError) as raised:
        await chunks_of(client)
    assert type(raised.value) is kind
    assert raised.value.retryable is (kind not in (ModelRefused, PromptTooLong))


async def test_what_came_before_an_error_is_given(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "one two six ten", "error_after": 2})
    told: list[ModelChunk] = []

    async def read() -> None:
        async for chunk in client.stream(REQUEST):
            told.append(chunk)

    with pytest.raises(ModelError):
        await read()
    assert text_of(told) == "one two"


async def test_what_came_before_the_connection_broke_is_given_to_a_reader_that_was_busy(
    client: OllamaClient, server: WireProcess
) -> None:
    pace = {"first_token_ms": 0, "tokens_per_second": 50}
    await server.script({"text": "one two six ten", "cut_after": 3, **pace})
    told: list[ModelChunk] = []

    async def read() -> None:
        async for chunk in client.stream(REQUEST):
            told.append(chunk)
            if len(told) == 1:
                await server.seen_ended(1)  # the rest comes, and the break after it
                await asyncio.sleep(0.1)

    with pytest.raises(ModelCutOff):
        await read()
    assert text_of(told) == "one two six"


async def test_a_busy_server_tells_when_to_come_back(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"status": 503, "retry_after": 7, "times": 2})
    for _ in range(2):
        with pytest.raises(ModelBusy) as busy:
            await chunks_of(client)
        assert busy.value.extra == {"retry_after_seconds": 7}
    assert text_of(await chunks_of(client))


async def test_an_error_is_one_short_clean_line_without_the_question(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"status": 400, "error": "bad \x1b[31mthing\nfor: Will the move go well? " + "x" * 5000})
    with pytest.raises(ModelRefused) as refused:
        await chunks_of(client)
    told = refused.value.detail
    assert told.isprintable()
    assert len(told) < 300
    assert "Will the move" not in told
    assert "bad" in told


async def test_a_missing_model_names_the_nearest_and_the_command(client: OllamaClient) -> None:
    for asking in (chunks_of(client, replace(REQUEST, model="qwen2.5:14b")), client.describe("qwen2.5:14b")):
        with pytest.raises(ModelNotFound) as missing:
            await asking
        assert "qwen2.5:7b" in missing.value.detail
        assert "`ollama pull qwen2.5:14b`" in missing.value.detail
        assert missing.value.extra == {"nearest": "qwen2.5:7b", "command": "ollama pull qwen2.5:14b"}


async def test_nothing_listening_is_unreachable() -> None:
    client = OllamaClient("http://127.0.0.1:9")
    with pytest.raises(ModelUnreachable, match=r"127\.0\.0\.1:9"):
        await chunks_of(client)
    with pytest.raises(ModelUnreachable):
        await client.models()
    await client.close()


async def test_an_unknown_host_is_unreachable() -> None:
    client = OllamaClient("http://no-such-host.invalid:11434")
    with pytest.raises(ModelUnreachable, match="no-such-host"):
        await chunks_of(client)
    await client.close()


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "::::"])
def test_a_base_url_that_is_none_is_said_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="LLM_BASE_URL"):
        OllamaClient(url)


async def test_a_server_that_hangs_gives_no_first_token(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"hang": True})
    with pytest.raises(FirstTokenTimeout, match=r"0\.2 s"):
        await chunks_of(client, replace(REQUEST, first_token_seconds=0.2, between_tokens_seconds=60.0))
    [seen] = await server.seen_ended()
    assert seen["client_left"]


async def test_a_slow_load_is_waited_for_though_tokens_may_not_take_as_long(
    client: OllamaClient, server: WireProcess
) -> None:
    await server.script({"text": "one two", "load_ms": 600})
    request = replace(REQUEST, first_token_seconds=20.0, between_tokens_seconds=0.3)
    assert text_of(await chunks_of(client, request)) == "one two"


async def test_a_stall_between_two_tokens_is_told(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "one two six", "stall_after": 1})
    with pytest.raises(ModelStalled, match=r"0\.2 s"):
        await chunks_of(client, replace(REQUEST, first_token_seconds=60.0, between_tokens_seconds=0.2))
    [seen] = await server.seen_ended()
    assert (seen["client_left"], seen["sent"]) == (True, 1)


async def test_a_slow_reader_is_no_stall(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "one two six ten"})
    told = []
    async for chunk in client.stream(replace(REQUEST, between_tokens_seconds=0.15)):
        await asyncio.sleep(0.2)
        told.append(chunk)
    assert text_of(told) == "one two six ten"


async def test_closing_the_stream_ends_generation(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "ten " * 2000, "tokens_per_second": 100})
    stream = client.stream(REQUEST)
    async for _ in stream:
        break
    await stream.aclose()
    closed = time.monotonic()
    [seen] = await server.seen_ended()
    assert (seen["client_left"], seen["finished"]) == (True, False)
    # Within about a token of 10 ms; the wide margin is for a busy machine, and is a fiftieth of the whole answer.
    assert seen["sent"] < 50
    assert seen["ended"] - closed < 1.0


async def test_cancelling_the_reader_ends_generation(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"hang": True})
    task = asyncio.create_task(chunks_of(client))
    await server.seen_arrived()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [seen] = await server.seen_ended()
    assert seen["client_left"]


async def test_a_prompt_that_cannot_fit_makes_no_call(client: OllamaClient, server: WireProcess) -> None:
    long = replace(REQUEST, messages=(Message("user", "籤詩的意思" * 2000),), context_tokens=2048)
    with pytest.raises(PromptTooLong, match="2048"):
        await chunks_of(client, long)
    assert await server.seen() == []


async def test_a_prompt_the_server_refuses_is_too_long(client: OllamaClient) -> None:
    prompt = "The birds call on the water and wait. " * 60
    with pytest.raises(PromptTooLong):
        await chunks_of(client, replace(REQUEST, messages=(Message("user", prompt),), context_tokens=400))


async def test_a_prompt_cut_in_silence_is_an_error_with_its_numbers(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "well", "knows_truncate": False})
    prompt = " ".join(f"Line {number} of the verse speaks of water." for number in range(80))
    with pytest.raises(PromptTooLong, match=r"202 tokens.*400") as cut:
        await chunks_of(client, replace(REQUEST, messages=(Message("user", prompt),), context_tokens=400))
    assert cut.value.extra["prompt_tokens"] == 202


@pytest.mark.parametrize("told", [0, None])
async def test_a_missing_prompt_count_proves_nothing(
    client: OllamaClient, server: WireProcess, told: int | None
) -> None:
    await server.script({"text": "well", "prompt_tokens": told})
    prompt = " ".join(f"Line {number} of the verse speaks of water." for number in range(80))
    chunks = await chunks_of(client, replace(REQUEST, messages=(Message("user", prompt),)))
    assert isinstance(chunks[-1], Finished)
    assert (chunks[-1].prompt_tokens is None) is (told == 0)


async def test_models_lists_those_that_chat(client: OllamaClient) -> None:
    models = {info.name: info for info in await client.models()}
    assert "nomic-embed-text:latest" not in models
    assert models["qwen2.5:7b"].parameters == pytest.approx(7.6e9)
    assert len(models["qwen2.5:7b"].digest or "") == 64
    assert models["gpt-oss:120b-cloud"].schema is False


async def test_describe_joins_what_server_and_profile_know(client: OllamaClient) -> None:
    plain, levels = await client.describe("qwen3:8b"), await client.describe("gpt-oss:20b")
    assert (plain.context_tokens, plain.thinking, plain.thinking_off) == (40960, (True, False), False)
    assert (levels.context_tokens, levels.thinking, levels.thinking_off) == (131072, ("low", "medium", "high"), "low")
    assert (await client.describe("nomic-embed-text")).chat is False


@pytest.mark.parametrize(
    ("model", "thinking", "follows"),
    [
        ("gemma4:12b", False, False),
        ("gemma4:12b", True, True),
        ("qwen3:8b", False, True),
        ("gpt-oss:120b-cloud", "low", False),
    ],
)
async def test_the_stand_in_drops_the_schema_where_ollama_does(
    client: OllamaClient, model: str, thinking: str | bool, follows: bool
) -> None:
    text = text_of(await chunks_of(client, replace(REQUEST, model=model, thinking=thinking, schema=SCHEMA)))
    assert text.startswith("{") is follows


async def test_the_stand_ins_gpt_oss_thinks_whatever_it_is_told(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "Yes.", "thinking": "Hm.", "times": 2})
    loud = await chunks_of(client, replace(REQUEST, model="gpt-oss:20b", thinking=False))
    silent = await chunks_of(client, replace(REQUEST, model="qwen3:8b", thinking=False))
    assert (thinking_of(loud), thinking_of(silent)) == ("Hm.", "")


async def test_a_level_of_thinking_for_a_model_without_is_refused(client: OllamaClient) -> None:
    with pytest.raises(ModelRefused, match="does not support thinking"):
        await chunks_of(client, replace(REQUEST, thinking="low"))


@pytest.fixture(scope="module")
def other_kind() -> Iterator[WireProcess]:
    with wire_server("openai") as running:
        yield running


async def test_what_is_no_ollama_is_told(other_kind: WireProcess) -> None:
    client = OllamaClient(other_kind.url)
    with pytest.raises(ModelRefused, match="LLM_BASE_URL"):
        await client.models()
    with pytest.raises(ModelRefused, match="LLM_BASE_URL"):
        await chunks_of(client)
    await client.close()


async def test_streams_run_side_by_side(client: OllamaClient, server: WireProcess) -> None:
    await server.script({"text": "one two six", "first_token_ms": 100, "times": 8})
    answers = await asyncio.gather(*(chunks_of(client) for _ in range(8)))
    assert [text_of(chunks) for chunks in answers] == ["one two six"] * 8
    seen = await server.seen()
    assert max(entry["arrived"] for entry in seen) < min(entry["ended"] for entry in seen)


def test_a_client_outlives_the_loop_it_was_first_used_in(server: WireProcess) -> None:
    client = OllamaClient(server.url)

    async def ask_and_close() -> str:
        text = text_of(await chunks_of(client))
        await client.close()
        return text

    assert asyncio.run(ask_and_close())
    assert asyncio.run(ask_and_close())

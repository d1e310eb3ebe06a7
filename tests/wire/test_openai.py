"""The OpenAI client against a server in another process that speaks chat completions, as vLLM or as llama.cpp."""

import asyncio
import json
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
)
from jieqian.llm.client import Finished, Message, ModelChunk, ModelRequest, TextDelta, ThinkingDelta
from jieqian.llm.openai import OpenAIClient, versioned
from jieqian.testing.wire_process import WireProcess, wire_server

MODEL = "Qwen/Qwen2.5-7B-Instruct"
VLLM = {"flavour": "vllm", "models": [MODEL, "openai/gpt-oss-20b"], "meta": True}
SCHEMA = {
    "type": "object",
    "properties": {"conclusion": {"type": "string"}, "challenges": {"type": "string"}},
    "required": ["conclusion", "challenges"],
    "additionalProperties": False,
}
REQUEST = ModelRequest(
    model=MODEL,
    messages=(Message("system", "You interpret lots."), Message("user", "Will the move go well?")),
    max_tokens=500,
    context_tokens=4096,
    first_token_seconds=5.0,
    between_tokens_seconds=5.0,
)


@pytest.fixture(scope="module")
def process() -> Iterator[WireProcess]:
    with wire_server("openai") as running:
        yield running


@pytest.fixture
async def server(process: WireProcess) -> WireProcess:
    await process.script()
    await process.models(VLLM)
    return process


@pytest.fixture
async def client(server: WireProcess) -> Any:
    made = OpenAIClient(server.url)
    yield made
    await made.close()


async def chunks_of(client: OpenAIClient, request: ModelRequest = REQUEST) -> list[ModelChunk]:
    return [chunk async for chunk in client.stream(request)]


def text_of(chunks: list[ModelChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


def thinking_of(chunks: list[ModelChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, ThinkingDelta))


async def test_an_answer_ends_with_exactly_one_finished(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"text": "All is well with you.", "prompt_tokens": 77})
    chunks = await chunks_of(client)
    assert text_of(chunks) == "All is well with you."
    assert chunks[-1] == Finished("stop", prompt_tokens=77, completion_tokens=5)
    assert sum(isinstance(chunk, Finished) for chunk in chunks) == 1


async def test_what_is_sent(client: OpenAIClient, server: WireProcess) -> None:
    request = replace(REQUEST, schema=SCHEMA, temperature=0.3, repeat_penalty=1.1, stop=tuple("ABCDE"), thinking=False)
    await chunks_of(client, request)
    [seen] = await server.seen()
    assert seen["path"] == "/v1/chat/completions"
    assert seen["body"] == {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You interpret lots."},
            {"role": "user", "content": "Will the move go well?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 500,
        "temperature": 0.3,
        "stop": ["A", "B", "C", "D"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "reading", "strict": True, "schema": SCHEMA},
        },
        "repetition_penalty": 1.1,
        "chat_template_kwargs": {"enable_thinking": False},
    }


async def test_what_is_not_asked_for_is_not_sent(client: OpenAIClient, server: WireProcess) -> None:
    await chunks_of(client)
    [seen] = await server.seen()
    assert set(seen["body"]) == {"model", "messages", "stream", "stream_options", "max_tokens", "temperature"}


@pytest.mark.parametrize(
    ("flavour", "fields"),
    [
        ("vllm", {"repetition_penalty"}),
        ("sglang", {"repetition_penalty"}),
        ("llamacpp", {"repeat_penalty"}),
        ("organization_owner", {"repeat_penalty"}),
        ("openai", set()),
    ],
)
async def test_the_penalty_is_sent_only_where_it_is_known(
    client: OpenAIClient, server: WireProcess, flavour: str, fields: set[str]
) -> None:
    await server.models({"flavour": flavour})
    await chunks_of(client, replace(REQUEST, repeat_penalty=1.1))
    [seen] = await server.seen()
    assert set(seen["body"]) & {"repeat_penalty", "repetition_penalty"} == fields


async def test_a_level_of_thinking_is_sent_as_effort(client: OpenAIClient, server: WireProcess) -> None:
    await chunks_of(client, replace(REQUEST, model="openai/gpt-oss-20b", thinking="low"))
    body = (await server.seen())[0]["body"]
    assert body["reasoning_effort"] == "low"
    assert "chat_template_kwargs" not in body


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("localhost:8000", "http://localhost:8000/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("http://h:1", "http://h:1/v1"),
        ("http://h/openai", "http://h/openai/v1"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai"),
        ("https://h/api/v3", "https://h/api/v3"),
        ("http://h/v1/chat/completions", "http://h/v1"),
    ],
)
def test_base_urls_with_and_without_a_version(given: str, wanted: str) -> None:
    assert versioned(given) == wanted


async def test_a_base_url_with_v1_reaches_the_same_place(server: WireProcess) -> None:
    client = OpenAIClient(f"{server.url}/v1", "sk-secret")
    await chunks_of(client)
    await client.close()
    assert (await server.seen())[0]["path"] == "/v1/chat/completions"
    assert (await server.seen())[0]["headers"]["authorization"] == "Bearer sk-secret"


async def test_the_schema_is_followed_in_its_order(client: OpenAIClient) -> None:
    answer = json.loads(text_of(await chunks_of(client, replace(REQUEST, schema=SCHEMA))))
    assert list(answer) == ["conclusion", "challenges"]


async def test_a_refused_schema_is_left_out_at_once_and_for_good(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"refuse": ["response_format"], "times": 3})
    request = replace(REQUEST, schema=SCHEMA)
    assert text_of(await chunks_of(client, request))
    assert text_of(await chunks_of(client, request))
    bodies = [seen["body"] for seen in await server.seen()]
    assert ["response_format" in body for body in bodies] == [True, False, False]


async def test_each_unknown_field_is_dropped_once(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"refuse": ["response_format", "stream_options", "max_tokens", "temperature"], "times": 9})
    assert text_of(await chunks_of(client, replace(REQUEST, schema=SCHEMA)))
    bodies = [seen["body"] for seen in await server.seen()]
    assert len(bodies) == 5
    assert set(bodies[-1]) == {"model", "messages", "stream", "max_completion_tokens"}
    assert bodies[-1]["max_completion_tokens"] == 500


async def test_a_refusal_of_something_else_is_not_asked_again(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"status": 400, "error": "messages[0] is malformed", "times": 5})
    with pytest.raises(ModelRefused):
        await chunks_of(client, replace(REQUEST, schema=SCHEMA))
    assert len(await server.seen()) == 1


async def test_a_window_named_beside_max_tokens_is_no_refused_field(client: OpenAIClient, server: WireProcess) -> None:
    said = "This model's maximum context length is 2048 tokens, and you asked for max_tokens 500."
    await server.script({"status": 400, "error": said, "times": 5})
    with pytest.raises(PromptTooLong):
        await chunks_of(client)
    assert len(await server.seen()) == 1


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_never_text(client: OpenAIClient, server: WireProcess, field: str) -> None:
    await server.script({"text": "Yes.", "thinking": "Let me see now.", "reasoning_field": field})
    chunks = await chunks_of(client)
    assert (text_of(chunks), thinking_of(chunks)) == ("Yes.", "Let me see now.")


async def test_thinking_inside_the_content_is_told_apart(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"text": "Yes.", "thinking": "Let me see.", "thinking_in_content": True})
    chunks = await chunks_of(client)
    assert (text_of(chunks), thinking_of(chunks)) == ("Yes.", "Let me see.")


async def test_an_answer_cut_by_max_tokens_is_told_as_length(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"text": "one two six ten far now"})
    chunks = await chunks_of(client, replace(REQUEST, max_tokens=3))
    assert text_of(chunks) == "one two six"
    assert isinstance(chunks[-1], Finished)
    assert (chunks[-1].reason, chunks[-1].completion_tokens) == ("length", 3)


async def test_every_byte_offset_of_a_cut_gives_the_same_text(client: OpenAIClient, server: WireProcess) -> None:
    text = "月🌙é籤"
    await server.script(*({"text": text, "tokens": 2, "split_at": offset} for offset in range(1, 700)))
    for offset in range(1, 700):
        chunks = await chunks_of(client)
        assert (text_of(chunks), isinstance(chunks[-1], Finished)) == (text, True), offset


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_small_chunks_and_crlf_give_whole_characters(
    client: OpenAIClient, server: WireProcess, size: int
) -> None:
    await server.script({"text": "君子好逑🌙，月老牽線。", "chunk_bytes": size, "crlf": True, "comments": True})
    assert text_of(await chunks_of(client)) == "君子好逑🌙，月老牽線。"


@pytest.mark.parametrize(
    "behaviour",
    [
        {"usage": False},
        {"done": False},
        {"usage": False, "done": False},
        {"finish_reason": "none"},
        {"finish_reason": "eos"},
        {"comments": True},
    ],
)
async def test_ends_as_servers_variously_write_them(
    client: OpenAIClient, server: WireProcess, behaviour: dict[str, Any]
) -> None:
    await server.script({"text": "one two", **behaviour})
    chunks = await chunks_of(client)
    assert text_of(chunks) == "one two"
    assert isinstance(chunks[-1], Finished)
    assert chunks[-1].reason == "stop"
    assert (chunks[-1].completion_tokens is None) is (behaviour.get("usage") is False)


async def test_data_in_several_lines_is_one_event(client: OpenAIClient, server: WireProcess) -> None:
    events = (
        'event: message\ndata: {"choices":[{"delta":\ndata: {"content":"ok"}}]}\n\n'
        'id: 4\nretry: 9\ndata:{"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    await server.script({"raw": events})
    assert await chunks_of(client) == [TextDelta("ok"), Finished("stop")]


async def test_llama_cpps_timings_stand_in_for_usage(client: OpenAIClient, server: WireProcess) -> None:
    await server.models({"flavour": "llamacpp"})
    await server.script({"text": "one two", "usage": False, "prompt_tokens": 40})
    assert (await chunks_of(client))[-1] == Finished("stop", prompt_tokens=40, completion_tokens=2)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ({"status": 429}, ModelBusy),
        ({"status": 503}, ModelBusy),
        ({"status": 502, "error": "<html><h1>Bad gateway</h1></html>"}, ModelError),
        ({"status": 422, "error": "no such field"}, ModelRefused),
        ({"status": 401, "error": "no key"}, ModelRefused),
        ({"status": 307, "error": "moved"}, ModelRefused),
        ({"error_after": 2}, ModelError),
        ({"cut_after": 2}, ModelCutOff),
        ({"end_early": True}, ModelCutOff),
        ({"finish_reason": "content_filter"}, ModelRefused),
        ({"finish_reason": "abort"}, ModelCutOff),
        ({"raw": 'data: {"choices":[{"delta":{"content":"half'}, ModelCutOff),
        ({"raw": 'data: {"error":{"message":"exceeds the available context size","code":400}}\n\n'}, PromptTooLong),
        ({"raw": 'error: {"code":503,"message":"Loading model"}\n\n'}, ModelBusy),
        ({"raw": 'event: error\ndata: {"message":"boom"}\n\n'}, ModelError),
        ({"raw": 'data: {"object":"error","message":"boom","code":500}\n\n'}, ModelError),
    ],
)
async def test_each_fault_has_its_kind(
    client: OpenAIClient, server: WireProcess, behaviour: dict[str, Any], kind: type[ModelError]
) -> None:
    await server.script({"text": "one two six ten", **behaviour})
    with pytest.raises(ModelError) as raised:
        await chunks_of(client)
    assert type(raised.value) is kind
    assert raised.value.detail.isprintable()


async def test_a_missing_model_names_the_nearest(client: OpenAIClient) -> None:
    wanted = "Qwen/Qwen2.5-14B-Instruct"
    for asking in (chunks_of(client, replace(REQUEST, model=wanted)), client.describe(wanted)):
        with pytest.raises(ModelNotFound, match="Set LLM_MODEL") as missing:
            await asking
        assert missing.value.extra["nearest"] == MODEL


async def test_nothing_listening_is_unreachable() -> None:
    client = OpenAIClient("http://127.0.0.1:9")
    with pytest.raises(ModelUnreachable):
        await chunks_of(client)
    await client.close()


async def test_a_server_that_hangs_gives_no_first_token(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"hang": True})
    with pytest.raises(FirstTokenTimeout):
        await chunks_of(client, replace(REQUEST, first_token_seconds=0.2))
    assert (await server.seen_ended())[0]["client_left"]


async def test_a_role_without_text_is_no_first_token(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"text": "one", "stall_after": 0})
    with pytest.raises(FirstTokenTimeout):
        await chunks_of(client, replace(REQUEST, first_token_seconds=0.3))


async def test_a_stall_between_two_tokens_is_told(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"text": "one two six", "stall_after": 1})
    with pytest.raises(ModelStalled):
        await chunks_of(client, replace(REQUEST, between_tokens_seconds=0.2))
    assert (await server.seen_ended())[0]["client_left"]


async def test_closing_the_stream_ends_generation(client: OpenAIClient, server: WireProcess) -> None:
    await server.script({"text": "ten " * 2000, "tokens_per_second": 100})
    stream = client.stream(REQUEST)
    async for _ in stream:
        break
    await stream.aclose()
    [seen] = await server.seen_ended()
    assert (seen["client_left"], seen["finished"]) == (True, False)
    assert seen["sent"] < 50


async def test_a_prompt_cut_in_silence_is_an_error(client: OpenAIClient, server: WireProcess) -> None:
    prompt = " ".join(f"Line {number} of the verse speaks of water." for number in range(80))
    await server.script({"prompt_tokens": 100})
    with pytest.raises(PromptTooLong, match="100 tokens"):
        await chunks_of(client, replace(REQUEST, messages=(Message("user", prompt),)))


async def test_the_window_is_read_from_each_kind_of_server(client: OpenAIClient, server: WireProcess) -> None:
    assert (await client.describe(MODEL)).context_tokens == 8192
    await server.models({"flavour": "llamacpp"})
    assert (await client.describe(MODEL)).context_tokens == 8192
    assert (await client.describe(MODEL)).parameters == pytest.approx(1.5e9)
    await server.models({"flavour": "llamacpp", "meta": False})
    assert (await client.describe(MODEL)).context_tokens == 4096
    await server.models({"flavour": "someone"})
    assert (await client.describe("openai/gpt-oss-20b")).context_tokens == 131072


async def test_models_are_listed_by_name(client: OpenAIClient) -> None:
    assert [info.name for info in await client.models()] == [MODEL, "openai/gpt-oss-20b"]


async def test_a_connection_lost_before_the_first_byte_is_tried_once_more_only_where_that_is_the_rule() -> None:
    accepted = 0

    async def drop(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(drop, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    for again, wanted in ((False, 1), (True, 2)):
        accepted = 0
        client = OpenAIClient(url, again_if_lost=again)
        with pytest.raises(ModelUnreachable):
            await chunks_of(client)
        await client.close()
        assert accepted == wanted
    listener.close()
    await listener.wait_closed()

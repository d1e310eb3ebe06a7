import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from jsonschema import Draft202012Validator
from sample_lots import YUELAO, sample_lot

from jieqian.errors import ModelCutOff, ModelStalled
from jieqian.languages import Language
from jieqian.llm.client import Finished, ModelChunk, ModelInfo, ModelRequest, TextDelta, ThinkingDelta
from jieqian.prompt.builder import build_prompt
from jieqian.sections.ordering import ASKED_LENGTHS, instruction_of, messages_of, schema_of
from jieqian.sections.rambling import RamblingWatch
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.sequential import Sequential
from jieqian.sections.strategy import (
    CallEnded,
    Draft,
    DraftEnded,
    DraftText,
    ModelSpoke,
    WritingOptions,
    WritingOrder,
)

ANSWER = {name.value: f"{name.value} 的內容。" for name in SECTIONS} | {"line_by_line": ["一", "二", "三", "四"]}


class ScriptedClient:
    """A model server that says what it was given; a None in the script never ends, an error is raised."""

    provider = "scripted"
    base_url = None

    def __init__(self, script: Sequence[ModelChunk | Exception | None]) -> None:
        self.script = script
        self.requests: list[ModelRequest] = []
        self.closed = 0

    async def models(self) -> list[ModelInfo]:
        return []

    async def describe(self, model: str) -> ModelInfo:
        return ModelInfo(name=model)

    async def close(self) -> None:
        return None

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        self.requests.append(request)
        try:
            for chunk in self.script:
                if chunk is None:
                    await asyncio.Event().wait()
                elif isinstance(chunk, Exception):
                    raise chunk
                else:
                    yield chunk
        finally:
            self.closed += 1


def order_for(
    client: ScriptedClient,
    *wanted: SectionName,
    language: Language = Language.ZH_HANT,
    question: str = "他會回來嗎？",
    schema: bool = True,
    complaints: dict[SectionName, str] | None = None,
    written: dict[SectionName, str] | None = None,
) -> WritingOrder:
    prompt = build_prompt(
        lot=sample_lot(), collection=YUELAO, language=language, passages=(), question=question, parent=None
    )
    return WritingOrder(
        client=client,
        model=ModelInfo(name="m", schema=schema),
        prompt=prompt,
        wanted=wanted or SECTIONS,
        options=WritingOptions(context_tokens=4096, max_tokens=900, temperature=0.5, thinking="low"),
        complaints=complaints or {},
        written=written or {},
    )


async def drafts_of(client: ScriptedClient, *wanted: SectionName) -> list[Draft]:
    return [draft async for draft in Sequential().write(order_for(client, *wanted))]


def pieces(text: str, size: int = 3) -> list[ModelChunk]:
    return [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]


def ended(drafts: Sequence[Draft]) -> list[SectionName]:
    return [draft.section for draft in drafts if isinstance(draft, DraftEnded)]


async def test_one_call_gives_all_sections_in_order() -> None:
    client = ScriptedClient([*pieces(json.dumps(ANSWER, ensure_ascii=False)), Finished("stop", 10, 20)])
    drafts = await drafts_of(client)
    assert ended(drafts) == list(SECTIONS)
    assert drafts[0] == ModelSpoke()
    assert drafts[-1] == CallEnded(Finished("stop", 10, 20))
    assert sum(isinstance(draft, ModelSpoke) for draft in drafts) == 1
    assert len(client.requests) == client.closed == 1


async def test_the_request_holds_the_prefix_alone_and_the_options() -> None:
    client = ScriptedClient([Finished("stop")])
    order = order_for(client)
    assert [draft async for draft in Sequential().write(order)] == [CallEnded(Finished("stop"))]
    (request,) = client.requests
    assert request.messages[0].role == "system"
    assert request.messages[0].content == order.prompt.prefix
    assert request.messages[1].content.startswith(order.prompt.question)
    assert (request.max_tokens, request.context_tokens, request.temperature, request.thinking) == (
        900,
        4096,
        0.5,
        "low",
    )
    assert request.schema == schema_of(SECTIONS, order.prompt.lot)


async def test_no_schema_is_sent_to_a_server_that_takes_none() -> None:
    client = ScriptedClient([Finished("stop")])
    _ = [draft async for draft in Sequential().write(order_for(client, schema=False))]
    assert client.requests[0].schema is None


async def test_thinking_counts_as_the_first_token_and_is_never_text() -> None:
    client = ScriptedClient(
        [ThinkingDelta('{"conclusion": "想"}'), TextDelta('{"conclusion": "好。"}'), Finished("stop")]
    )
    drafts = await drafts_of(client)
    assert drafts[0] == ModelSpoke()
    assert [draft.text for draft in drafts if isinstance(draft, DraftText)] == ["好。"]


async def test_an_answer_cut_at_its_length_leaves_the_open_section_without_an_end() -> None:
    client = ScriptedClient([TextDelta('{"overall_development": "好。", "challenges": "還'), Finished("length")])
    drafts = await drafts_of(client)
    assert ended(drafts) == [SectionName.OVERALL_DEVELOPMENT]
    assert drafts[-1] == CallEnded(Finished("length"))


async def test_an_error_comes_after_the_drafts_so_far_and_closes_the_stream() -> None:
    client = ScriptedClient([TextDelta('{"overall_development": "好。", "challenges": "還'), ModelStalled()])
    drafts: list[Draft] = []

    async def read() -> None:
        async for draft in Sequential().write(order_for(client)):
            drafts.append(draft)

    with pytest.raises(ModelStalled):
        await read()
    assert ended(drafts) == [SectionName.OVERALL_DEVELOPMENT]
    assert client.closed == 1


async def test_a_stream_that_ends_without_saying_so_was_cut_off() -> None:
    with pytest.raises(ModelCutOff):
        await drafts_of(ScriptedClient([TextDelta('{"conclusion": "好')]))


async def test_cancelling_closes_the_stream() -> None:
    client = ScriptedClient([TextDelta('{"conclusion": "好'), None])

    writing = asyncio.Event()

    async def read() -> None:
        async for draft in Sequential().write(order_for(client)):
            if isinstance(draft, DraftText):
                writing.set()

    reading = asyncio.create_task(read())
    await writing.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert client.closed == 1


async def test_a_model_that_rambles_on_after_the_reading_is_not_listened_to() -> None:
    client = ScriptedClient([TextDelta('{"conclusion": "好。"}'), *pieces("more words " * 100), None])
    drafts = await drafts_of(client, SectionName.CONCLUSION)
    assert ended(drafts) == [SectionName.CONCLUSION]
    assert isinstance(drafts[-1], CallEnded)
    assert client.closed == 1


@pytest.mark.parametrize("endless", ["\n", " \n", "一樣的話，", "\\n"])
async def test_endless_blanks_and_endless_words_are_cut_off(endless: str) -> None:
    client = ScriptedClient([TextDelta('{"conclusion": "好。'), *pieces(endless * 900, 20), None])
    with pytest.raises(ModelCutOff):
        await drafts_of(client, SectionName.CONCLUSION)
    assert client.closed == 1


def test_ordinary_prose_is_no_rambling() -> None:
    watch = RamblingWatch()
    assert all(watch.feed(f"第{number}句話說的是第{number * 7}件事。") is None for number in range(300))


def test_the_schema_is_strict_and_in_order() -> None:
    schema = schema_of((SectionName.LINE_BY_LINE, SectionName.CONCLUSION), sample_lot())
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    assert list(schema["properties"]) == ["line_by_line", "conclusion"]
    assert check.is_valid({"line_by_line": ["一", "二", "三", "四"], "conclusion": "好"})
    assert not check.is_valid({"line_by_line": ["一", "二", "三"], "conclusion": "好"})
    assert not check.is_valid({"line_by_line": ["一", "二", "三", "四"]})
    assert not check.is_valid({"line_by_line": ["一", "二", "三", "四"], "conclusion": "好", "more": "x"})


@pytest.mark.parametrize("language", list(Language))
def test_the_instruction_names_every_wanted_section_and_the_lengths(language: Language) -> None:
    text = instruction_of(order_for(ScriptedClient([]), language=language))
    for name in SECTIONS:
        assert f'"{name.value}"' in text
    for length in ASKED_LENGTHS[language]:
        assert str(length) in text
    assert "{" not in text


def test_only_the_missing_sections_are_asked_for_with_the_reason() -> None:
    order = order_for(
        ScriptedClient([]),
        SectionName.CONCLUSION,
        complaints={SectionName.CONCLUSION: "請用繁體中文。", SectionName.CHALLENGES: "不相干"},
        written={SectionName.CHALLENGES: "已經寫好的難處。"},
    )
    text = instruction_of(order)
    assert '"conclusion"' in text
    assert "請用繁體中文。" in text
    assert "已經寫好的難處。" in text
    assert "不相干" not in text
    assert '"overall_development"' not in text


def test_counsel_is_given_on_the_topic_of_the_question_only() -> None:
    text = messages_of(order_for(ScriptedClient([]), question="該不該換工作？"))[1].content
    assert "關於work的提醒" in text
    assert "關於love的提醒" not in text
    everything = messages_of(order_for(ScriptedClient([]), question="今年如何？"))[1].content
    assert everything.count("的提醒：先聽") == 7

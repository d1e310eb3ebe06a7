"""Sections side by side: the first one's call goes first, each knows its share, and a call that fails costs its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from test_sequential import order_for

from jieqian.errors import ModelBusy, ModelCutOff, ModelRefused
from jieqian.llm.client import Finished, ModelChunk, ModelInfo, ModelRequest, TextDelta
from jieqian.sections.parallel import Parallel
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.strategy import CallEnded, Draft, DraftEnded, ModelSpoke, WritingOrder

LINES = ["先聽對方說。", "再說自己的心意。", "不必急著上岸。", "把話說清楚就好。"]


class Sided:
    """A model that answers each section by its name; `gate` holds back what is told after a call's first piece."""

    provider = "scripted"
    base_url = None

    def __init__(self, faults: dict[SectionName, Exception] | None = None) -> None:
        self.faults = faults or {}
        self.requests: list[ModelRequest] = []
        self.open = self.most_open = self.closed = 0
        self.gate: dict[SectionName, asyncio.Event] = {}

    async def models(self) -> list[ModelInfo]:
        return []

    async def describe(self, model: str) -> ModelInfo:
        return ModelInfo(name=model)

    async def close(self) -> None:
        return None

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        self.requests.append(request)
        section = asked_of(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if section in self.faults:
                raise self.faults[section]
            count = len(request.schema["properties"][section]) and request.schema["properties"][section].get("minItems")
            value = LINES[:1] * count if section is SectionName.LINE_BY_LINE else f"{section} 說的是這件事。"
            text = json.dumps({section: value}, ensure_ascii=False)
            for at in range(0, len(text), 5):
                yield TextDelta(text[at : at + 5])
                await asyncio.sleep(0)
                if at and section in self.gate:
                    await self.gate[section].wait()
            yield Finished("stop", 10, 20)
        finally:
            self.open -= 1
            self.closed += 1


def asked_of(request: ModelRequest) -> SectionName:
    (name,) = request.schema["properties"]
    return SectionName(name)


async def drafts_of(order: WritingOrder, at_once: int = 7) -> list[Draft]:
    return [draft async for draft in Parallel(at_once).write(order)]


def ended(drafts: list[Draft]) -> set[SectionName]:
    return {draft.section for draft in drafts if isinstance(draft, DraftEnded)}


async def noted(writing: AsyncIterator[Draft], drafts: list[Draft]) -> AsyncIterator[Draft]:
    """Keep what comes, also where it ends with an error."""
    async for draft in writing:
        drafts.append(draft)
        yield draft


async def test_each_section_has_a_call_of_its_own_over_one_prefix():
    client = Sided()
    drafts = await drafts_of(order_for(client))
    assert ended(drafts) == set(SECTIONS)
    assert asked_of(client.requests[0]) is SectionName.LINE_BY_LINE
    assert {asked_of(request) for request in client.requests} == set(SECTIONS)
    prefixes = {request.messages[0].content for request in client.requests}
    beginnings = {request.messages[1].content.partition("整篇解籤分成七個部分")[0] for request in client.requests}
    assert len(prefixes) == len(beginnings) == 1, "what the server has read once is the same for all, to the byte"
    assert sum(isinstance(draft, ModelSpoke) for draft in drafts) == 1
    assert sum(isinstance(draft, CallEnded) for draft in drafts) == 7
    assert client.open == 0


async def test_each_knows_its_share_and_the_others():
    client = Sided()
    await drafts_of(order_for(client))
    asked = {asked_of(request): request.messages[1].content for request in client.requests}
    challenges = asked[SectionName.CHALLENGES].partition("整篇解籤分成七個部分")[2]
    assert "點出一個難處" in challenges.partition("請解這支籤")[2]
    assert "提出兩三件馬上能做的事" in challenges.partition("請解這支籤")[0]
    assert "點出一個難處" not in challenges.partition("請解這支籤")[0]


async def test_the_others_begin_when_the_first_speaks_and_do_not_wait_for_it():
    client = Sided()
    client.gate[SectionName.LINE_BY_LINE] = asyncio.Event()
    drafts: list[Draft] = []

    async def read() -> None:
        async for draft in Parallel().write(order_for(client)):
            drafts.append(draft)

    reading = asyncio.create_task(read())
    async with asyncio.timeout(10):
        while len(ended(drafts)) < 6:  # noqa: ASYNC110  drafts have no event of their own
            await asyncio.sleep(0)
    assert isinstance(drafts[0], ModelSpoke)
    assert SectionName.LINE_BY_LINE not in ended(drafts)
    client.gate[SectionName.LINE_BY_LINE].set()
    await reading
    assert ended(drafts) == set(SECTIONS)


async def test_no_more_calls_at_a_time_than_the_server_has_slots():
    client = Sided()
    assert ended(await drafts_of(order_for(client), at_once=3)) == set(SECTIONS)
    assert client.most_open <= 3


async def test_a_call_that_fails_costs_its_own_section():
    client = Sided({SectionName.CHALLENGES: ModelCutOff()})
    drafts: list[Draft] = []
    writing = Parallel().write(order_for(client))
    with pytest.raises(ModelCutOff):
        drafts.extend([draft async for draft in noted(writing, drafts)])
    assert ended(drafts) == set(SECTIONS) - {SectionName.CHALLENGES}


async def test_where_the_first_is_refused_the_others_are_not_asked():
    client = Sided({SectionName.LINE_BY_LINE: ModelBusy()})
    with pytest.raises(ModelBusy):
        await drafts_of(order_for(client))
    assert len(client.requests) == 1


async def test_what_is_no_use_to_try_again_is_told_first():
    faults = {SectionName.CHALLENGES: ModelCutOff(), SectionName.CONCLUSION: ModelRefused()}
    with pytest.raises(ModelRefused):
        await drafts_of(order_for(Sided(faults)))


async def test_a_fault_of_ours_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        await drafts_of(order_for(Sided({SectionName.CHALLENGES: ZeroDivisionError()})))


async def test_who_leaves_ends_every_call():
    client = Sided()
    client.gate = {name: asyncio.Event() for name in SECTIONS}
    reading = asyncio.create_task(drafts_of(order_for(client)))
    async with asyncio.timeout(10):
        while client.open < 7:  # noqa: ASYNC110  the stand-in tells of no event
            await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert (client.open, client.closed) == (0, 7)


async def test_a_second_attempt_asks_for_what_is_missing_and_shows_what_is_written():
    client = Sided()
    written = {name: f"寫好的{name}。" for name in SECTIONS if name is not SectionName.CONCLUSION}
    order = order_for(client, SectionName.CONCLUSION, written=written)
    assert ended(await drafts_of(order)) == {SectionName.CONCLUSION}
    asked = client.requests[0].messages[1].content
    assert "寫好的challenges。" in asked
    assert "整篇解籤分成七個部分" not in asked, "nobody else is writing"

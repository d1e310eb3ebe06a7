"""Which server is used, over looks that find other things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from jieqian.errors import ModelRefused
from jieqian.llm.client import ModelChunk, ModelInfo, ModelRequest
from jieqian.llm.selection import Choice
from jieqian.reading.engines import Engines
from jieqian.sections.sequential import Sequential
from jieqian.sections.strategy import WritingOptions
from jieqian.tasks.task import Mode, StrategyName


@dataclass(eq=False)
class Server:
    """A model server that is only named and closed."""

    provider: str
    base_url: str | None
    closed: bool = False

    async def models(self) -> list[ModelInfo]:
        return []

    async def describe(self, model: str) -> ModelInfo:
        return ModelInfo(name=model)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        raise NotImplementedError
        yield

    async def close(self) -> None:
        self.closed = True


def chosen(server: Server | None, model: str | None = "m") -> Choice:
    info = ModelInfo(name=model) if model else None
    return Choice(server, server.provider if server else "commentary", info, info, "note")


async def engines_that_see(*looks: Choice) -> Engines:
    found = iter(looks)

    async def choose() -> Choice:
        return next(found)

    engines = Engines(choose, lambda *_: Sequential(), lambda *_: WritingOptions(context_tokens=4096, max_tokens=512))
    for _ in looks:
        await engines.look()
    return engines


def model_of(engines: Engines) -> str | None:
    engine = engines.engine(Mode.QUALITY, StrategyName.AUTO)
    return engine.model.name if engine else None


async def test_one_late_answer_changes_nothing_and_closes_nobody():
    ollama, embedded = Server("ollama", "http://a"), Server("llamacpp", None)
    engines = await engines_that_see(chosen(ollama), chosen(embedded, "tiny"))
    assert (engines.provider, model_of(engines)) == ("ollama", "m")
    assert not ollama.closed


async def test_a_server_gone_for_two_looks_gives_way():
    ollama, embedded = Server("ollama", "http://a"), Server("llamacpp", None)
    engines = await engines_that_see(chosen(ollama), chosen(embedded, "tiny"), chosen(Server("llamacpp", None), "tiny"))
    assert (engines.provider, model_of(engines)) == ("llamacpp", "tiny")
    assert not ollama.closed, "a reading may still hold it"
    await engines.close()
    assert ollama.closed
    assert embedded.closed


async def test_a_model_missing_once_is_no_loss():
    server = Server("openai", "http://a")
    engines = await engines_that_see(chosen(server), chosen(Server("openai", "http://a"), None))
    assert model_of(engines) == "m"


async def test_a_better_server_is_taken_up_at_once():
    engines = await engines_that_see(chosen(Server("llamacpp", None), "tiny"), chosen(Server("ollama", "http://a")))
    assert model_of(engines) == "m"
    engines = await engines_that_see(chosen(None, None), chosen(Server("ollama", "http://a")))
    assert model_of(engines) == "m"


async def test_a_second_client_of_the_same_server_is_closed():
    first, second = Server("ollama", "http://a"), Server("ollama", "http://a")
    engines = await engines_that_see(chosen(first), chosen(second, "newer"))
    assert model_of(engines) == "newer"
    assert (first.closed, second.closed) == (False, True)


class Embedded(Server):
    """A model that has to be loaded."""

    def __init__(self) -> None:
        super().__init__("llamacpp", None)
        self.loads = 0

    async def start(self) -> None:
        self.loads += 1
        raise ModelRefused("the file is cut short")


async def test_an_embedded_model_is_loaded_once_and_its_failure_ends_nothing():
    embedded = Embedded()
    engines = await engines_that_see(chosen(embedded), chosen(embedded))
    await asyncio.sleep(0)
    assert embedded.loads == 1
    await engines.close()
    assert embedded.closed

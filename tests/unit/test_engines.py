"""Which server is used, over looks that find other things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from jieqian.errors import ModelBusy, ModelNotFound, ModelRefused
from jieqian.llm.client import ModelChunk, ModelInfo, ModelRequest
from jieqian.llm.selection import Choice
from jieqian.reading.engines import Engine, Engines
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
        return ModelInfo(name=model, chat=not model.startswith("embed"))

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


class Gguf(Server):
    """An embedded model that takes its turn in memory: `alive` names those loaded now."""

    def __init__(self, name: str, alive: list[str]) -> None:
        super().__init__("llamacpp", f"file:///{name}.gguf")
        self.name, self.alive, self.loaded = name, alive, False

    async def check(self) -> None:
        if self.name == "huge":
            raise ModelRefused("The model huge is too large for the memory.")

    async def start(self) -> None:
        if not self.loaded:
            self.alive.append(self.name)
        self.loaded = True

    async def close(self) -> None:
        await super().close()
        if self.loaded:
            self.alive.remove(self.name)
        self.loaded = False


class House:
    """Engines whose next look finds what a test says, and the models they have in memory."""

    def __init__(self) -> None:
        self.alive: list[str] = []
        self.made: list[Gguf] = []
        self.next = chosen(None, None)
        self.engines = Engines(
            self.choose,
            lambda *_: Sequential(),
            lambda *_: WritingOptions(context_tokens=4096, max_tokens=512),
            named=self.named,
        )

    async def choose(self) -> Choice:
        return self.next

    async def named(self, model: str) -> Choice:
        if model in ("a", "b", "c", "huge"):
            return self.embedded(model)
        raise ModelNotFound(f"There is no model {model}.")

    def embedded(self, name: str) -> Choice:
        self.made.append(Gguf(name, self.alive))
        return replace(chosen(self.made[-1], name), model=ModelInfo(name=name, digest=name))

    async def finds(self, found: Choice | str) -> None:
        self.next = self.embedded(found) if isinstance(found, str) else found
        await self.engines.look()
        await self.settled()

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    def now(self) -> Engine:
        engine = self.engines.engine(Mode.QUALITY, StrategyName.AUTO)
        assert engine is not None
        return engine

    async def tried(self, model: str) -> Engine:
        engine = await self.engines.trial(model, Mode.QUALITY, StrategyName.AUTO)
        assert engine is not None
        await self.settled()
        return engine


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    yield made
    await made.engines.close()
    assert made.alive == []
    assert all(client.closed for client in made.made)


async def test_one_embedded_model_gives_way_to_another(house: House):
    await house.finds("a")
    assert house.alive == ["a"]
    await house.finds("b")
    assert (model_of(house.engines), house.alive) == ("b", ["b"])


async def test_a_model_in_use_ends_with_its_last_reading_and_the_next_waits_for_it(house: House):
    await house.finds("a")
    first = house.now()
    with house.engines.held(first), house.engines.held(first):
        await house.finds("b")
        waiting = asyncio.create_task(house.engines.room_for(house.now().client))
        await house.settled()
        assert (model_of(house.engines), house.alive) == ("b", ["a"]), "one at a time"
        assert not waiting.done()
    await house.settled()
    assert house.alive == ["b"]
    assert waiting.done()


async def test_two_that_leave_do_not_wait_for_each_other(house: House):
    await house.finds("a")
    with house.engines.held(house.now()):
        await house.finds("b")
        second = house.now()
        with house.engines.held(second):
            await house.finds("c")
            held_back = asyncio.create_task(house.engines.room_for(second.client))
            await house.settled()
            assert not held_back.done()
    await asyncio.wait_for(held_back, 5)
    await house.settled()
    assert house.alive == ["c"]


async def test_back_to_the_first_before_it_has_left(house: House):
    await house.finds("a")
    with house.engines.held(house.now()):
        await house.finds("b")
        await house.finds("a")
    await house.settled()
    assert (model_of(house.engines), house.alive) == ("a", ["a"])


async def test_the_same_model_seen_again_stays_loaded(house: House):
    await house.finds("a")
    kept = house.now().client
    await house.finds("a")
    assert house.now().client is kept
    assert house.alive == ["a"]
    assert house.made[1].closed


async def test_a_file_that_was_replaced_is_loaded_anew(house: House):
    await house.finds("a")
    replaced = house.embedded("a")
    await house.finds(replace(replaced, model=ModelInfo(name="a", digest="other")))
    assert house.now().client is replaced.client
    assert house.made[0].closed


async def test_a_server_that_comes_frees_the_memory(house: House):
    await house.finds("a")
    await house.finds(chosen(Server("ollama", "http://a")))
    assert (model_of(house.engines), house.alive) == ("m", [])


async def test_what_the_operator_named_is_taken_up_at_once(house: House):
    await house.finds(chosen(Server("ollama", "http://a")))
    await house.finds(replace(house.embedded("a"), named=False))
    assert model_of(house.engines) == "m"
    await house.finds(chosen(Server("ollama", "http://a")))
    await house.finds(replace(house.embedded("a"), named=True))
    assert (model_of(house.engines), house.alive) == ("a", ["a"])
    await house.finds(replace(chosen(None, None), named=True))
    assert (model_of(house.engines), house.alive) == (None, [])


async def test_a_trial_stays_beside_the_model_in_use_until_another_is_tried(house: House):
    await house.finds("a")
    engine = await house.tried("b")
    with house.engines.held(engine):
        await engine.client.start()  # type: ignore[attr-defined]
        assert sorted(house.alive) == ["a", "b"]
        other = await house.tried("c")
        waiting = asyncio.create_task(house.engines.room_for(other.client))
        await house.settled()
        assert not waiting.done()
        await house.finds("a")
    await waiting
    assert house.alive == ["a"]
    assert model_of(house.engines) == "a"


async def test_trying_the_model_in_use_is_that_model(house: House):
    await house.finds("a")
    assert (await house.tried("a")).client is house.now().client
    assert [await house.engines.is_in_use(name) for name in ("a", "b", "commentary")] == [True, False, False]
    assert house.alive == ["a"]


async def test_a_trial_of_the_commentary_is_none(house: House):
    await house.finds("a")
    assert await house.engines.trial("commentary", Mode.QUALITY, StrategyName.AUTO) is None
    await house.engines.check_named("commentary")


async def test_a_trial_on_a_server_is_another_of_its_models(house: House):
    await house.finds(chosen(Server("ollama", "http://a")))
    engine = await house.tried("qwen3:8b")
    assert (engine.client.provider, engine.model.name) == ("ollama", "qwen3:8b")
    assert model_of(house.engines) == "m"


async def test_an_unknown_or_too_large_model_is_refused_beforehand_and_leaves_nothing(house: House):
    await house.finds("a")
    with pytest.raises(ModelNotFound):
        await house.engines.check_named("nothing")
    with pytest.raises(ModelRefused, match="too large"):
        await house.engines.check_named("huge")
    await house.engines.check_named("b")
    assert [client.name for client in house.made if not client.closed] == ["a"]


class Shelved(Server):
    """A server with some models, which may be busy."""

    installed: tuple[str, ...] = ("m", "large")
    busy = False

    async def describe(self, model: str) -> ModelInfo:
        if self.busy:
            raise ModelBusy
        if model not in self.installed:
            raise ModelNotFound
        return ModelInfo(name=model, digest=f"weights of {model}")


async def test_a_model_besides_the_modes_own_is_known_as_long_as_the_server_has_it():
    server = Shelved("ollama", "http://a")
    engines = await engines_that_see(*[chosen(server)] * 4)

    def large() -> str | None:
        engine = engines.engine(Mode.QUALITY, StrategyName.AUTO, "large")
        return engine.model.digest if engine else None

    assert large() is None, "nobody asked about it yet"
    await engines.learn({"large", "none"})
    assert large() == "weights of large"
    assert {model.name for _, model, _ in engines.in_use()} == {"m", "large"}
    server.busy = True
    await engines.learn({"large"})
    assert large() == "weights of large", "what was known stands while the server is busy"
    server.busy, server.installed = False, ("m",)
    await engines.learn({"large"})
    assert large() is None
    own = engines.engine(Mode.QUALITY, StrategyName.AUTO, "m")
    assert own is not None, "the mode's own model may be named too"
    await engines.learn(())
    assert model_of(engines) == "m"


async def test_a_model_that_does_not_chat_is_refused_by_name():
    engines = await engines_that_see(chosen(Server("ollama", "http://a")))
    assert await engines.check_named("other") == "ollama"
    with pytest.raises(ModelRefused, match="does not chat"):
        await engines.check_named("embed")
    with pytest.raises(ModelRefused, match="does not chat"):
        await engines.trial("embed", Mode.QUALITY, StrategyName.AUTO)

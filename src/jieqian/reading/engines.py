"""Which model answers in which mode, how it is asked, and whether it can be reached; looked at again every 30 s."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from jieqian.errors import ModelError, ModelNotFound, ModelRefused
from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.llm.selection import Choice
from jieqian.reading.standings import standings
from jieqian.sections.strategy import Strategy, WritingOptions
from jieqian.tasks.task import Mode, StrategyName

logger = logging.getLogger(__name__)

#: How often the servers are looked at again, in seconds.
LOOK_SECONDS = 30.0
#: How long a model that was tried for a task stays loaded after it, in seconds.
TRIAL_SECONDS = 600.0
_Kind = tuple[str, str | None, bool]
_Place = tuple[str, str | None, str | None]
EMBEDDED = "llamacpp"
COMMENTARY = "commentary"


@runtime_checkable
class Startable(Protocol):
    """A client whose model has to be loaded by us."""

    async def start(self) -> None:
        """Load it; a second call waits for the first. Raises `ModelError`."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A client that can tell beforehand whether its model can be loaded."""

    async def check(self) -> None:
        """Raise `ModelRefused` where it cannot."""
        ...

    async def close(self) -> None:
        """See `ModelClient`."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """A model, and the way it is asked."""

    client: ModelClient
    model: ModelInfo
    strategy: Strategy
    options: WritingOptions


@dataclass(slots=True)
class _Leaving:
    """An embedded model that is no longer wanted; its process ends when no reading holds it."""

    gone: asyncio.Event
    ending: asyncio.Task[None] | None = None


class Engines:
    """The engines on offer; `choose` finds a server and its models, `named` an embedded model by its name.

    Embedded models take memory, so at most two stay: the one in use and one that is tried for a task. One that leaves
    ends with the last reading that holds it, and those that came after it are loaded only then.
    """

    def __init__(
        self,
        choose: Callable[[], Awaitable[Choice]],
        strategies: Callable[[ModelClient, ModelInfo, Mode, StrategyName], Strategy],
        options: Callable[[ModelInfo, Mode], WritingOptions],
        named: Callable[[str], Awaitable[Choice]] | None = None,
    ) -> None:
        self._named = named
        self._choose = choose
        self._strategies = strategies
        self._options = options
        self._choice = Choice(client=None, provider="commentary", model=None, fast_model=None, note="Not looked yet.")
        self._clients: dict[_Place, ModelClient] = {}
        self._came: dict[ModelClient, int] = {}
        self._comings = 0
        self._held: Counter[ModelClient] = Counter()
        self._leaving: dict[ModelClient, _Leaving] = {}
        self._tried: ModelClient | None = None
        self._tried_at = 0.0
        self._loading: dict[Startable, asyncio.Task[None]] = {}
        self._seen_before: _Kind | None = None
        self._besides: frozenset[str] = frozenset()
        self._learnt: dict[str, ModelInfo] = {}
        self._looking: asyncio.Task[None] | None = None
        self._one_look = asyncio.Lock()

    async def start(self) -> None:
        """Look once, then keep looking."""
        await self.look()
        self._looking = asyncio.create_task(self._keep_looking(), name="engines")

    async def close(self) -> None:
        """Stop looking and close the clients."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for loading in self._loading.values():
            loading.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        endings = [leaving.ending for leaving in self._leaving.values() if leaving.ending is not None]
        for client in [*self._clients.values(), *self._leaving]:
            await client.close()
        await asyncio.gather(*endings, return_exceptions=True)

    async def look(self) -> None:
        """Ask again which server and which models there are.

        Another server than the one in use is taken up at once only where that is no server at all or the embedded
        model, or where the operator named what to use; else when two looks agree: a busy server that answers late is
        no reason to change. Servers' clients are closed at the end alone, for a reading may hold one.
        """
        async with self._one_look:
            await self._look()

    async def _look(self) -> None:
        found = await self._known(await self._choose())
        if self._tried is not None and time.monotonic() - self._tried_at > TRIAL_SECONDS:
            self._tried = None
        if self._kind(found) != self._kind(self._choice) and self._choice.model is not None and not found.named:
            agreed, self._seen_before = self._seen_before == self._kind(found), self._kind(found)
            if self._choice.provider != EMBEDDED and not agreed:
                logger.warning("model server changed or lost", extra={"action": "engine_doubted", "note": found.note})
                self._let_go()
                return
        self._seen_before = None
        if (found.provider, found.model) != (self._choice.provider, self._choice.model):
            name = found.model.name if found.model else None
            logger.info("engine", extra={"action": "engine", "provider": found.provider, "model": name})
        self._choice = found
        self._let_go()
        if found.model is not None:
            self._load(found.client)
        await self._describe_those_besides()

    def _load(self, client: ModelClient | None) -> None:
        """Let a model that lives beside us be loaded now, not when the first asker waits for it."""
        if isinstance(client, Startable) and client not in self._loading:
            self._loading[client] = asyncio.create_task(self._start(client), name="load-model")

    async def _start(self, client: Startable) -> None:
        try:
            await self.room_for(client)
            await client.start()
        except ModelError as error:
            logger.warning("model not loaded: %s", error, extra={"action": "load_failed"})

    async def _known(self, found: Choice) -> Choice:
        """The choice with the client this process already has for that server, if it has one."""
        if found.client is None:
            return found
        place = _place(found)
        held = self._clients.setdefault(place, found.client)
        if held is not found.client:
            await found.client.close()
        elif held not in self._came:
            self._comings += 1
            self._came[held] = self._comings
        return replace(found, client=held)

    # -- models besides the modes' own ----------------------------------------------------------------------------

    async def learn(self, models: Collection[str]) -> None:
        """From now on `engine` knows these models too, if the server in use has them."""
        self._besides = frozenset(models)
        async with self._one_look:
            await self._describe_those_besides()

    async def _describe_those_besides(self) -> None:
        self._learnt = {name: info for name, info in self._learnt.items() if name in self._besides}
        client = self._choice.client
        if client is None or self._choice.provider == EMBEDDED:
            return
        for name in sorted(self._besides):
            try:
                self._learnt[name] = await client.describe(name)
            except ModelNotFound:
                self._learnt.pop(name, None)
            except ModelError as error:  # what was known of it stands: the server may be busy
                logger.warning("cannot ask about a model: %s", error, extra={"action": "describe_failed"})

    # -- embedded models come and go ------------------------------------------------------------------------------

    @contextmanager
    def held(self, engine: Engine) -> Iterator[None]:
        """While the block runs, the engine's model is not taken away."""
        self._held[engine.client] += 1
        try:
            yield
        finally:
            self._held[engine.client] -= 1
            if engine.client is self._tried:
                self._tried_at = time.monotonic()
            self._end_if_free(engine.client)

    async def room_for(self, client: object) -> None:
        """Wait until the embedded models that came before this one and are no longer wanted have left the memory.

        Only those before it: two models that leave must not wait for each other.
        """
        own = self._came.get(client, 0)  # type: ignore[call-overload]
        while before := [leaving for other, leaving in self._leaving.items() if self._came.get(other, 0) < own]:
            await before[0].gone.wait()

    def _let_go(self) -> None:
        """Let every embedded model leave that is neither in use nor tried."""
        for place, client in list(self._clients.items()):
            if client.provider == EMBEDDED and client not in (self._choice.client, self._tried):
                del self._clients[place]
                self._leaving[client] = _Leaving(asyncio.Event())
                self._end_if_free(client)

    def _end_if_free(self, client: ModelClient) -> None:
        leaving = self._leaving.get(client)
        if not self._held[client]:
            del self._held[client]
            if leaving is not None and leaving.ending is None:
                leaving.ending = asyncio.create_task(self._end(client, leaving), name="end-model")

    async def _end(self, client: ModelClient, leaving: _Leaving) -> None:
        try:
            loading = self._loading.pop(client, None) if isinstance(client, Startable) else None
            if loading is not None:
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)
            await client.close()
        finally:
            self._leaving.pop(client, None)
            self._came.pop(client, None)
            leaving.gone.set()

    # -- a model asked for by name --------------------------------------------------------------------------------

    async def trial(self, model: str, mode: Mode, strategy: StrategyName) -> Engine | None:
        """The engine of a model asked for by name, as `check_named` knows them; None: the commentary was asked for.

        An embedded one stays loaded until another is tried, or for `TRIAL_SECONDS`. Raises `ModelError`.
        """
        found = await self._find(model)
        if found is None:
            return None
        known = await self._known(found)
        client, info = known.client, known.model
        assert client is not None
        assert info is not None
        if client.provider == EMBEDDED and client is not self._choice.client:
            self._tried, self._tried_at = client, time.monotonic()
            self._let_go()
        return Engine(client, info, self._strategies(client, info, mode, strategy), self._options(info, mode))

    async def check_named(self, model: str) -> str:
        """Raise `ModelRefused` or `ModelNotFound` where `trial` would; a server that does not answer now may later.

        Answers whose it is, as `provider` tells.
        """
        found = await self._find(model)
        if found is not None and found.client is not None and found.client not in self._clients.values():
            await found.client.close()
        return COMMENTARY if found is None else found.provider

    async def is_in_use(self, model: str) -> bool:
        """Whether that name, however it is written, means the embedded model in use. Raises as `check_named`."""
        found, here = await self._find(model), self._choice
        if found is None or here.client is None or found.client is None:
            return False
        if found.client not in self._clients.values():
            await found.client.close()
        return found.provider == here.provider == EMBEDDED and _place(found) == _place(here)

    async def _find(self, model: str) -> Choice | None:
        """A choice with client and model: of the server in use, or embedded. None: the commentary."""
        here = self._choice
        if model == COMMENTARY:
            return None
        if here.model is not None and model == here.model.name:
            return here
        server = here.client if here.provider != EMBEDDED else None
        try:
            if self._named is None:
                raise ModelNotFound
            embedded = await self._named(model)
        except ModelNotFound:
            if server is None or model.endswith(".gguf"):
                raise
            described = await server.describe(model)
            if not described.chat:
                raise ModelRefused(f"{described.name} makes embeddings and does not chat. Name another.") from None
            return replace(here, model=described)
        if _place(embedded) not in self._clients and isinstance(embedded.client, Checkable):
            await _checked(embedded.client)
        return embedded

    @staticmethod
    def _kind(choice: Choice) -> _Kind:
        return choice.provider, choice.client.base_url if choice.client else None, choice.model is not None

    def engine(self, mode: Mode, strategy: StrategyName, named: str | None = None) -> Engine | None:
        """What answers in this mode; None: no model, commentary speaks. `named`: with that model, if it is known."""
        model = self._model(mode) if named is None else self._known_model(named)
        if self._choice.client is None or model is None:
            return None
        client = self._choice.client
        return Engine(client, model, self._strategies(client, model, mode, strategy), self._options(model, mode))

    def in_use(self) -> Iterator[tuple[ModelClient, ModelInfo, int]]:
        """The models readings are written with, each with its window in tokens."""
        for mode in Mode:
            for named in (None, *sorted(self._learnt)):
                if (engine := self.engine(mode, StrategyName.SEQUENTIAL, named)) is not None:
                    yield engine.client, engine.model, engine.options.context_tokens

    def own_model(self, mode: Mode) -> tuple[str, bool] | None:
        """The name of the mode's model, and whether it only retells; None where commentary speaks."""
        model = self._model(mode)
        return None if model is None or self._choice.client is None else (model.name, model.tiny)

    @property
    def provider(self) -> str:
        """Who writes: `ollama`, `openai`, `llamacpp` or `commentary`."""
        return self._choice.provider

    @property
    def named(self) -> bool:
        """Whether `jieqian model use` named what writes, and no setting won over it."""
        return self._choice.named

    @property
    def note(self) -> str:
        """One sentence for people: who writes the readings, or why no model does."""
        return self._choice.note

    def describe(self, mode: Mode) -> Mapping[str, Any]:
        """`{"mode", "provider", "model", "strategy", "reachable", "tiny", "languages", "note"}`, for `GET /modes`."""
        engine = self.engine(mode, StrategyName.AUTO)
        return {
            "mode": mode.value,
            "provider": self.provider,
            "model": engine.model.name if engine else None,
            "strategy": engine.strategy.name if engine else "commentary",
            "reachable": engine is not None,
            "tiny": bool(engine and engine.model.tiny),
            "languages": sorted(language.value for language in engine.model.languages) if engine else [],
            "note": self.note,
        }

    async def standings(self) -> list[dict[str, Any]]:
        """How the model servers of the modes stand now (`reading/standings.py`); loads nothing."""
        return await standings(self._choice, self._options)

    def _known_model(self, name: str) -> ModelInfo | None:
        own = (self._choice.model, self._choice.fast_model)
        return next((model for model in own if model is not None and model.name == name), self._learnt.get(name))

    def _model(self, mode: Mode) -> ModelInfo | None:
        return (self._choice.fast_model or self._choice.model) if mode is Mode.FAST else self._choice.model

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:
                logger.exception("cannot look for models", extra={"action": "look_failed"})


def _place(choice: Choice) -> _Place:
    """What tells one client from another. An embedded model is also told by its weights: its file may be replaced."""
    assert choice.client is not None
    digest = choice.model.digest if choice.provider == EMBEDDED and choice.model is not None else None
    return choice.provider, choice.client.base_url, digest


async def _checked(client: Checkable) -> None:
    """Raise `ModelRefused` where it cannot be loaded; the client is then closed."""
    try:
        await client.check()
    except ModelRefused:
        await client.close()
        raise

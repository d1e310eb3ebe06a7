"""Which model answers in which mode, how it is asked, and whether it can be reached; looked at again every 30 s."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from jieqian.errors import ModelError
from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.llm.selection import Choice
from jieqian.sections.strategy import Strategy, WritingOptions
from jieqian.tasks.task import Mode, StrategyName

logger = logging.getLogger(__name__)

#: How often the servers are looked at again, in seconds.
LOOK_SECONDS = 30.0
_Kind = tuple[str, str | None, bool]
EMBEDDED = "llamacpp"


@runtime_checkable
class Startable(Protocol):
    """A client whose model has to be loaded by us."""

    async def start(self) -> None:
        """Load it; a second call waits for the first. Raises `ModelError`."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """A model, and the way it is asked."""

    client: ModelClient
    model: ModelInfo
    strategy: Strategy
    options: WritingOptions


class Engines:
    """The engines on offer; `choose` finds a server and its models."""

    def __init__(
        self,
        choose: Callable[[], Awaitable[Choice]],
        strategies: Callable[[ModelInfo, StrategyName], Strategy],
        options: Callable[[ModelInfo, Mode], WritingOptions],
    ) -> None:
        self._choose = choose
        self._strategies = strategies
        self._options = options
        self._choice = Choice(client=None, provider="commentary", model=None, fast_model=None, note="Not looked yet.")
        self._clients: dict[tuple[str, str | None], ModelClient] = {}
        self._loading: dict[Startable, asyncio.Task[None]] = {}
        self._seen_before: _Kind | None = None
        self._looking: asyncio.Task[None] | None = None

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
        for client in self._clients.values():
            await client.close()

    async def look(self) -> None:
        """Ask again which server and which models there are.

        Another server than the one in use is taken up at once only where that is no server at all or the embedded
        model; else when two looks agree: a busy server that answers late is no reason to change. Clients are closed
        at the end alone, for a reading may hold one.
        """
        found = await self._known(await self._choose())
        if self._kind(found) != self._kind(self._choice) and self._choice.model is not None:
            agreed, self._seen_before = self._seen_before == self._kind(found), self._kind(found)
            if self._choice.provider != EMBEDDED and not agreed:
                logger.warning("model server changed or lost", extra={"action": "engine_doubted", "note": found.note})
                return
        self._seen_before = None
        if (found.provider, found.model) != (self._choice.provider, self._choice.model):
            name = found.model.name if found.model else None
            logger.info("engine", extra={"action": "engine", "provider": found.provider, "model": name})
        self._choice = found
        self._load(found.client)

    def _load(self, client: ModelClient | None) -> None:
        """Let a model that lives beside us be loaded now, not when the first asker waits for it."""
        if isinstance(client, Startable) and client not in self._loading:
            self._loading[client] = asyncio.create_task(_start(client), name="load-model")

    async def _known(self, found: Choice) -> Choice:
        """The choice with the client this process already has for that server, if it has one."""
        if found.client is None:
            return found
        held = self._clients.setdefault((found.client.provider, found.client.base_url), found.client)
        if held is not found.client:
            await found.client.close()
        return replace(found, client=held)

    @staticmethod
    def _kind(choice: Choice) -> _Kind:
        return choice.provider, choice.client.base_url if choice.client else None, choice.model is not None

    def engine(self, mode: Mode, strategy: StrategyName) -> Engine | None:
        """What answers in this mode; None: no model, commentary speaks."""
        model = self._model(mode)
        if self._choice.client is None or model is None:
            return None
        return Engine(self._choice.client, model, self._strategies(model, strategy), self._options(model, mode))

    @property
    def provider(self) -> str:
        """Who writes: `ollama`, `openai`, `llamacpp` or `commentary`."""
        return self._choice.provider

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

    def _model(self, mode: Mode) -> ModelInfo | None:
        return (self._choice.fast_model or self._choice.model) if mode is Mode.FAST else self._choice.model

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:
                logger.exception("cannot look for models", extra={"action": "look_failed"})


async def _start(client: Startable) -> None:
    try:
        await client.start()
    except ModelError as error:
        logger.warning("model not loaded: %s", error, extra={"action": "load_failed"})

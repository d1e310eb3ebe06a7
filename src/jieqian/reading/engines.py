"""Which model answers in which mode, how it is asked, and whether it can be reached; looked at again every 30 s."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.llm.selection import Choice
from jieqian.sections.strategy import Strategy, WritingOptions
from jieqian.tasks.task import Mode, StrategyName

logger = logging.getLogger(__name__)

#: How often the servers are looked at again, in seconds.
LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Engine:
    """A model, and the way it is asked."""

    client: ModelClient
    model: ModelInfo
    strategy: Strategy
    options: WritingOptions


class Engines:
    """The engines on offer. `choose` finds a server and its models; a client in use is kept while it stays the same."""

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
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, then keep looking."""
        await self.look()
        self._looking = asyncio.create_task(self._keep_looking(), name="engines")

    async def close(self) -> None:
        """Stop looking and close the client."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._choice.client is not None:
            await self._choice.client.close()

    async def look(self) -> None:
        """Ask again which server and which models there are."""
        found = await self._choose()
        held = self._choice.client
        if held is not None and found.client is not None and _same_server(held, found.client):
            await found.client.close()
            found = Choice(
                client=held,
                provider=found.provider,
                model=found.model,
                fast_model=found.fast_model,
                note=found.note,
            )
        elif held is not None and found.client is None and found.provider == self._choice.provider:
            # The server does not answer just now; tasks under way still hold the client, and it may come back.
            logger.warning("model server out of reach", extra={"action": "engine_lost", "note": found.note})
        if found.client is not held and held is not None:
            await held.close()
        if (found.provider, found.model) != (self._choice.provider, self._choice.model):
            name = found.model.name if found.model else None
            logger.info("engine", extra={"action": "engine", "provider": found.provider, "model": name})
        self._choice = found

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
            await self.look()


def _same_server(one: ModelClient, other: ModelClient) -> bool:
    return (one.provider, one.base_url) == (other.provider, other.base_url)

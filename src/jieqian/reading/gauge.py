"""Which model servers gain by several calls at a time: measured once each, while nobody waits, and kept."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Protocol

from jieqian.errors import ModelError, StoreError
from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.llm.gain import Gain, measure_gain

logger = logging.getLogger(__name__)

#: How long nobody must have asked before a server is timed, in seconds.
QUIET_SECONDS = 20.0
#: How long a server that could not be timed is let be, in seconds.
_AGAIN_SECONDS = 600.0
#: An embedded model is loaded with one slot: there is nothing to time.
_ONE_SLOT = Gain(1, 1.0, 0.0)

Pair = tuple[ModelClient, ModelInfo]


class GainStore(Protocol):
    """Where gains are kept."""

    async def gains(self) -> dict[str, Gain]:
        """All of them."""
        ...

    async def keep_gain(self, key: str, about: str, gain: Gain) -> None:
        """Keep or replace one."""
        ...


class Gauge:
    """Times the models in use, one after another.

    `in_use`: the models readings are written with, with their window; `busy`: whether somebody waits for a model.
    """

    def __init__(
        self,
        store: GainStore,
        in_use: Callable[[], Iterable[tuple[ModelClient, ModelInfo, int]]],
        busy: Callable[[], bool],
        *,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._store, self._in_use, self._busy = store, in_use, busy
        self._quiet_seconds = quiet_seconds
        self._known: dict[str, Gain] = {}
        self._not_before: dict[str, float] = {}
        self._disturbed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def of(self, client: ModelClient, model: ModelInfo) -> Gain | None:
        """What is known of that model there; None where it was not timed yet."""
        if client.provider == "llamacpp":
            return _ONE_SLOT
        return self._known.get(key_of(client, model))

    async def start(self, *, measures: bool) -> None:
        """Load what is known; with `measures` begin to time the rest."""
        self._known = await self._store.gains()
        if measures:
            self._work = asyncio.create_task(self._keep_measuring(), name="gauge")

    async def stop(self) -> None:
        """End."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def disturb(self) -> None:
        """Somebody asks for a reading: a server that is being timed is theirs at once."""
        self._disturbed.set()

    async def _keep_measuring(self) -> None:
        while True:
            self._disturbed.clear()
            try:
                async with asyncio.timeout(self._quiet_seconds):
                    await self._disturbed.wait()
                continue
            except TimeoutError:
                pass
            pair = None if self._busy() else self._next()
            if pair is not None:
                await self._measure_undisturbed(*pair)

    def _next(self) -> tuple[ModelClient, ModelInfo, int] | None:
        now = asyncio.get_running_loop().time()
        for client, model, window in self._in_use():
            known = self.of(client, model) is not None or model.tiny
            if not known and self._not_before.get(key_of(client, model), 0.0) <= now:
                return client, model, window
        return None

    async def _measure_undisturbed(self, client: ModelClient, model: ModelInfo, window: int) -> None:
        measuring = asyncio.create_task(self._measure(client, model, window), name="measure-gain")
        disturbed = asyncio.create_task(self._disturbed.wait(), name="disturbed")
        try:
            await asyncio.wait({measuring, disturbed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for work in (measuring, disturbed):
                work.cancel()
            await asyncio.gather(measuring, disturbed, return_exceptions=True)

    async def _measure(self, client: ModelClient, model: ModelInfo, window: int) -> None:
        key = key_of(client, model)
        about = f"{client.provider} {client.base_url or ''} {model.name}"
        try:
            gain = await measure_gain(client, model, window)
            self._known[key] = gain
            await self._store.keep_gain(key, about, gain)
        except (ModelError, StoreError) as error:
            self._not_before[key] = asyncio.get_running_loop().time() + _AGAIN_SECONDS
            logger.warning("not timed: %s", error, extra={"action": "gain_unmeasured", "model": model.name})
        except Exception:  # a fault of ours must not be met again every few seconds, in silence
            self._not_before[key] = asyncio.get_running_loop().time() + _AGAIN_SECONDS
            logger.exception("not timed", extra={"action": "gain_unmeasured", "model": model.name})
        else:
            facts: dict[str, Any] = {"action": "gain_measured", "model": model.name, **asdict(gain)}
            logger.info("a model server was timed", extra=facts)


def key_of(client: ModelClient, model: ModelInfo) -> str:
    """Tells one model of one server from another; changes with the weights."""
    told = f"{client.provider}\n{client.base_url}\n{model.name}\n{model.digest}"
    return hashlib.sha256(told.encode()).hexdigest()

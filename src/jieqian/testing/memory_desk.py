"""The part of the memory store that keeps draws, API keys and gains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jieqian.errors import DrawAlreadyRevealed, UnknownDraw
from jieqian.llm.gain import Gain
from jieqian.tasks.store import ApiKey, Draw


class MemoryDesk:
    """Draws and keys in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._draws: dict[str, Draw] = {}
        self._api_keys: dict[str, ApiKey] = {}
        self._gains: dict[str, Gain] = {}

    async def _turn(self) -> None:
        raise NotImplementedError

    async def add_draw(self, draw: Draw) -> None:
        """See `TaskStore.add_draw`."""
        await self._turn()
        if draw.id in self._draws:
            raise ValueError(f"there is a draw {draw.id} already")
        self._draws[draw.id] = draw

    async def get_draw(self, draw_id: str, caller: str) -> Draw:
        """See `TaskStore.get_draw`."""
        await self._turn()
        return self._draw_of(draw_id, caller)

    async def reveal_draw(self, draw_id: str, caller: str, result: Mapping[str, Any]) -> None:
        """See `TaskStore.reveal_draw`."""
        await self._turn()
        draw = self._draw_of(draw_id, caller)
        if draw.result is not None:
            raise DrawAlreadyRevealed
        self._draws[draw_id] = replace(draw, result=dict(result))

    def _draw_of(self, draw_id: str, caller: str) -> Draw:
        draw = self._draws.get(draw_id)
        if draw is None or draw.caller != caller:
            raise UnknownDraw
        return draw

    async def add_key(self, key: ApiKey) -> None:
        """See `TaskStore.add_key`."""
        await self._turn()
        if any(key.id == known.id or key.key_hash == known.key_hash for known in self._api_keys.values()):
            raise ValueError("there is such a key already")
        self._api_keys[key.id] = key

    async def keys(self) -> list[ApiKey]:
        """See `TaskStore.keys`."""
        await self._turn()
        return sorted(self._api_keys.values(), key=lambda key: key.created_at)

    async def find_key(self, key_hash: str) -> ApiKey | None:
        """See `TaskStore.find_key`."""
        await self._turn()
        valid = (key for key in self._api_keys.values() if key.revoked_at is None)
        return next((key for key in valid if key.key_hash == key_hash), None)

    async def revoke_key(self, key_id: str, now: float) -> bool:
        """See `TaskStore.revoke_key`."""
        await self._turn()
        key = self._api_keys.get(key_id)
        if key is None or key.revoked_at is not None:
            return False
        self._api_keys[key_id] = replace(key, revoked_at=now)
        return True

    async def gains(self) -> dict[str, Gain]:
        """See `TaskStore.gains`."""
        await self._turn()
        return dict(self._gains)

    async def keep_gain(self, key: str, _about: str, gain: Gain) -> None:
        """See `TaskStore.keep_gain`."""
        await self._turn()
        self._gains[key] = gain

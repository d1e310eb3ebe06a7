"""Draws, API keys and what model servers gain: the rows beside the tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.errors import DrawAlreadyRevealed, UnknownDraw
from jieqian.llm.gain import Gain
from jieqian.tasks.store import ApiKey, Draw
from jieqian.tasks.tables import api_keys, draws, gains

Result = TypeVar("Result")


class DeskRows:
    """The part of `SqlTaskStore` that keeps draws, keys and gains."""

    async def _write(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def add_draw(self, draw: Draw) -> None:
        """See `TaskStore.add_draw`."""
        row = {name: getattr(draw, name) for name in draw.__slots__}
        await self._write(lambda connection: connection.execute(sa.insert(draws).values(row)))

    async def get_draw(self, draw_id: str, caller: str) -> Draw:
        """See `TaskStore.get_draw`."""
        return await self._read(lambda connection: _draw_of(connection, draw_id, caller))

    async def reveal_draw(self, draw_id: str, caller: str, result: Mapping[str, Any]) -> None:
        """See `TaskStore.reveal_draw`."""

        def reveal(connection: sa.Connection) -> None:
            if _draw_of(connection, draw_id, caller).result is not None:
                raise DrawAlreadyRevealed
            connection.execute(sa.update(draws).where(draws.c.id == draw_id).values(result=dict(result)))

        await self._write(reveal)

    async def add_key(self, key: ApiKey) -> None:
        """See `TaskStore.add_key`."""
        row = {name: getattr(key, name) for name in key.__slots__}
        await self._write(lambda connection: connection.execute(sa.insert(api_keys).values(row)))

    async def keys(self) -> list[ApiKey]:
        """See `TaskStore.keys`."""
        query = sa.select(api_keys).order_by(api_keys.c.created_at)
        found = await self._read(lambda connection: connection.execute(query).mappings().all())
        return [ApiKey(**row) for row in found]

    async def find_key(self, key_hash: str) -> ApiKey | None:
        """See `TaskStore.find_key`."""
        query = sa.select(api_keys).where(api_keys.c.key_hash == key_hash, api_keys.c.revoked_at.is_(None))
        row = await self._read(lambda connection: connection.execute(query).mappings().one_or_none())
        return ApiKey(**row) if row else None

    async def revoke_key(self, key_id: str, now: float) -> bool:
        """See `TaskStore.revoke_key`."""
        change = sa.update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        return await self._write(lambda connection: connection.execute(change.values(revoked_at=now)).rowcount == 1)

    async def gains(self) -> dict[str, Gain]:
        """See `TaskStore.gains`."""
        found = await self._read(lambda connection: connection.execute(sa.select(gains)).mappings().all())
        return {row["key"]: Gain(row["slots"], row["gain"], row["measured_at"]) for row in found}

    async def keep_gain(self, key: str, about: str, gain: Gain) -> None:
        """See `TaskStore.keep_gain`."""
        row = {"key": key, "about": about[:500], **asdict(gain)}

        def replace(connection: sa.Connection) -> None:
            connection.execute(sa.delete(gains).where(gains.c.key == key))
            connection.execute(sa.insert(gains).values(row))

        await self._write(replace)


def _draw_of(connection: sa.Connection, draw_id: str, caller: str) -> Draw:
    query = sa.select(draws).where(draws.c.id == draw_id, draws.c.caller == caller)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownDraw
    return Draw(**row)

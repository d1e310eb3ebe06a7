"""API keys over HTTP, for the operator: made, listed, revoked."""

from __future__ import annotations

import time
import uuid
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from jieqian.api.bodies import openapi_body, read_body
from jieqian.api.house import Housed
from jieqian.errors import InvalidRequest, UnknownKey
from jieqian.tasks.keys import new_key
from jieqian.tasks.store import ApiKey

router = APIRouter(prefix="/keys")


class KeyBody(BaseModel):
    """Whose key is to be made."""

    model_config = ConfigDict(strict=True)

    name: str = Field(description="Whose key this is; 80 characters at most", max_length=80)


@router.post("", status_code=201, openapi_extra=openapi_body(KeyBody))
async def create_key(request: Request, house: Housed) -> dict[str, Any]:
    """Make a key. `key` is told this once; only its hash is kept."""
    name = (await read_body(request, KeyBody)).name.strip()
    if not name or not name.isprintable():
        raise InvalidRequest("name: say whose key this is, in printable characters.")
    key, key_hash = new_key()
    kept = ApiKey(id=str(uuid.uuid4()), name=name, key_hash=key_hash, created_at=time.time())
    await house.store.add_key(kept)
    return {**_shown(kept), "key": key}


@router.get("")
async def list_keys(house: Housed) -> list[dict[str, Any]]:
    """Every key, oldest first, without the key itself: `{"id", "name", "created_at", "revoked_at"}`."""
    return [_shown(key) for key in await house.store.keys()]


@router.delete("/{key_id}", status_code=204)
async def revoke_key(house: Housed, key_id: str) -> Response:
    """Revoke a key; whoever uses it is refused from now on."""
    if not await house.store.revoke_key(key_id, time.time()):
        raise UnknownKey(f"There is no active key {key_id!r}. `jieqian keys list` shows them.")
    return Response(status_code=204)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "created_at": key.created_at, "revoked_at": key.revoked_at}

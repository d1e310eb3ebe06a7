"""One provable draw from its beginning to its end (docs/draws.md): the service binds itself, then both seeds decide."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jieqian.lots.draw import commitment, draw_lot, new_seed, numbered
from jieqian.lots.lot import Collection
from jieqian.tasks.store import Draw, TaskStore


async def begin(collection: Collection, caller: str, store: TaskStore) -> Draw:
    """Choose the server seed and keep it; `commitment_of` may be told from now on."""
    draw = Draw(
        id=str(uuid.uuid4()),
        caller=caller,
        collection=collection.id,
        server_seed=new_seed().hex(),
        created_at=time.time(),
    )
    await store.add_draw(draw)
    return draw


async def reveal(draw: Draw, collection: Collection, client_seed: str, store: TaskStore) -> Draw:
    """End it with the drawer's seed: the draw with its `result`.

    Raises `InvalidRequest` for a seed that is none, `DrawAlreadyRevealed` the second time.
    """
    return await _ended(draw, collection, {"client_seed": client_seed}, store)


async def draw_at_once(collection: Collection, caller: str, store: TaskStore) -> Draw:
    """Both steps in one, for a page without scripts: the drawer's seed is made up here, and the result says so."""
    draw = await begin(collection, caller, store)
    return await _ended(draw, collection, {"client_seed": secrets.token_hex(16), "at_once": True}, store)


def commitment_of(draw: Draw) -> str:
    """SHA-256 of the server seed, in hexadecimal."""
    return commitment(bytes.fromhex(draw.server_seed))


def proof_of(draw: Draw) -> dict[str, Any]:
    """All that `jieqian draw --verify` needs of a revealed draw.

    `at_once` where nobody was told the commitment first. A draw revealed before its size was kept has no `size`.
    """
    result: Mapping[str, Any] = draw.result or {}
    proof = {
        "collection": draw.collection,
        "size": result.get("size"),
        "missing": result.get("missing"),
        "commitment": commitment_of(draw),
        "server_seed": draw.server_seed,
        "client_seed": result.get("client_seed"),
        "lot": result.get("number"),
        "throws": result.get("throws"),
        "at_once": result.get("at_once"),
    }
    return {name: value for name, value in proof.items() if value is not None and value != []}


async def _ended(draw: Draw, collection: Collection, told: Mapping[str, Any], store: TaskStore) -> Draw:
    size = collection.size - len(collection.missing)
    drawn = draw_lot(bytes.fromhex(draw.server_seed), told["client_seed"], draw.collection, size)
    result = {
        "number": numbered(drawn.lot_number, collection.missing),
        "throws": [throw.value for throw in drawn.throws],
        "size": size,
        "missing": sorted(collection.missing),
        **told,
    }
    await store.reveal_draw(draw.id, draw.caller, result)
    return replace(draw, result=result)

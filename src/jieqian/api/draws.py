"""Provable draws over HTTP: a commitment first, the seeds afterwards."""

from __future__ import annotations

import time
import uuid
from typing import Any

from fastapi import APIRouter, Request

from jieqian.api.bodies import DrawBody, RevealBody, openapi_body, read_body
from jieqian.api.callers import caller_of, limited_as
from jieqian.api.house import Housed
from jieqian.languages import Language
from jieqian.lots.draw import commitment, draw_lot, new_seed, numbered
from jieqian.tasks.store import Draw
from jieqian.web.texts import page_language

router = APIRouter(prefix="/draws", tags=["draws"])


@router.post("", status_code=201, openapi_extra=openapi_body(DrawBody))
async def begin_draw(request: Request, house: Housed) -> dict[str, Any]:
    """Begin a draw: the answer binds the service to a seed it does not tell yet."""
    body = await read_body(request, DrawBody)
    seed = new_seed()
    draw = Draw(
        id=str(uuid.uuid4()),
        caller=caller_of(request),
        collection=house.lots.collection(body.collection).id,
        server_seed=seed.hex(),
        created_at=time.time(),
    )
    house.rate_limit.take(*limited_as(request))
    await house.store.add_draw(draw)
    return {"draw_id": draw.id, "commitment": commitment(seed), "collection": draw.collection}


@router.post("/{draw_id}/reveal", openapi_extra=openapi_body(RevealBody))
async def reveal_draw(request: Request, house: Housed, draw_id: str) -> dict[str, Any]:
    """End a draw with the drawer's own seed. Once only. The answer is all that `jieqian draw --verify` needs."""
    body = await read_body(request, RevealBody)
    caller = caller_of(request)
    draw = await house.store.get_draw(draw_id, caller)
    collection = house.lots.collection(draw.collection)
    size = collection.size - len(collection.missing)
    seed = bytes.fromhex(draw.server_seed)
    drawn = draw_lot(seed, body.client_seed, draw.collection, size)
    throws = [throw.value for throw in drawn.throws]
    lot = house.lots.lot(draw.collection, numbered(drawn.lot_number, collection.missing))
    await house.store.reveal_draw(
        draw_id, caller, {"number": lot.number, "throws": throws, "client_seed": body.client_seed}
    )
    house.warm(caller, lot, page_language(request))
    return {
        "draw_id": draw_id,
        "collection": draw.collection,
        "size": size,
        "missing": sorted(collection.missing),
        "number": lot.number,
        "lot": lot.as_dict(Language.ZH_HANT),
        "throws": throws,
        "commitment": commitment(seed),
        "server_seed": draw.server_seed,
        "client_seed": body.client_seed,
    }

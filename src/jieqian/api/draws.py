"""Provable draws over HTTP: a commitment first, the seeds afterwards."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from jieqian.api.bodies import DrawBody, RevealBody, openapi_body, read_body
from jieqian.api.callers import caller_of, limited_as
from jieqian.api.house import Housed
from jieqian.languages import Language
from jieqian.reading import drawing
from jieqian.web.texts import page_language

router = APIRouter(prefix="/draws", tags=["draws"])


@router.post("", status_code=201, openapi_extra=openapi_body(DrawBody))
async def begin_draw(request: Request, house: Housed) -> dict[str, Any]:
    """Begin a draw: the answer binds the service to a seed it does not tell yet."""
    body = await read_body(request, DrawBody)
    collection = house.lots.collection(body.collection)
    house.rate_limit.take(*limited_as(request))
    draw = await drawing.begin(collection, caller_of(request), house.store)
    return {"draw_id": draw.id, "commitment": drawing.commitment_of(draw), "collection": draw.collection}


@router.post("/{draw_id}/reveal", openapi_extra=openapi_body(RevealBody))
async def reveal_draw(request: Request, house: Housed, draw_id: str) -> dict[str, Any]:
    """End a draw with the drawer's own seed. Once only. The answer is all that `jieqian draw --verify` needs."""
    body = await read_body(request, RevealBody)
    caller = caller_of(request)
    begun = await house.store.get_draw(draw_id, caller)
    draw = await drawing.reveal(begun, house.lots.collection(begun.collection), body.client_seed, house.store)
    result = draw.result or {}
    lot = house.lots.lot(draw.collection, result["number"])
    house.warm(caller, lot, page_language(request))
    return {
        "draw_id": draw_id,
        "collection": draw.collection,
        "size": result["size"],
        "missing": result["missing"],
        "number": lot.number,
        "lot": lot.as_dict(Language.ZH_HANT),
        "throws": result["throws"],
        "commitment": drawing.commitment_of(draw),
        "server_seed": draw.server_seed,
        "client_seed": body.client_seed,
    }

"""The operator's part of the collections: read anew, and their index of passages."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from jieqian.api.house import Housed
from jieqian.api.progress import progress_response

router = APIRouter(prefix="/corpus")


@router.post("/look")
async def look(house: Housed) -> dict[str, Any]:
    """Read the operator's collections anew, now: `{"collections": [ids], "left_out": [why, one a folder]}`."""
    await asyncio.to_thread(house.lots.reload)
    return {
        "collections": [each.id for each in house.lots.collections()],
        "left_out": [str(problem) for problem in house.lots.problems],
    }


@router.get("/index")
async def index(house: Housed) -> dict[str, Any]:
    """How passages are found just now: `{"note"}`."""
    return {"note": house.passages.note}


@router.post("/index")
async def make_index(house: Housed, force: bool = Query(False, description="From scratch.")) -> StreamingResponse:
    """Bring the index of passages level with the collections and the FAQ; steps, then `{"passages", "embedder"}`."""
    return progress_response(house.passages.reindex(force=force))

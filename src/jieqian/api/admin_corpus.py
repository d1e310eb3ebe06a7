"""The operator's part of the collections: their index of passages."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from jieqian.api.house import Housed
from jieqian.api.progress import progress_response

router = APIRouter(prefix="/corpus")


@router.get("/index")
async def index(house: Housed) -> dict[str, Any]:
    """How passages are found just now: `{"note"}`."""
    return {"note": house.passages.note}


@router.post("/index")
async def make_index(house: Housed, force: bool = Query(False, description="From scratch.")) -> StreamingResponse:
    """Bring the index of passages level with the collections and the FAQ; steps, then `{"passages", "embedder"}`."""
    return progress_response(house.passages.reindex(force=force))

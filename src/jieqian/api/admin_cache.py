"""The kept answers: counted, and thrown away."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from jieqian.api.house import Housed
from jieqian.cache.answer import CacheFilter

router = APIRouter(prefix="/cache")


@router.get("")
async def cache_stats(house: Housed) -> dict[str, Any]:
    """`{"entries", "most", "bytes", "hits", "oldest_at", "newest_at", "generations_shared"}`; `hits` of those kept."""
    stats = await house.store.cache_stats()
    return {**asdict(stats), "most": house.settings.cache_entries, "generations_shared": house.flights.shared}


@router.delete("")
async def clear_cache(
    house: Housed,
    collection: str | None = None,
    lot: Annotated[int | None, Query(ge=1)] = None,
    model: str | None = None,
    older_than_days: Annotated[float | None, Query(ge=0)] = None,
) -> dict[str, Any]:
    """Throw kept answers away: all, or those of a collection, lot or model, or older ones. `{"cleared"}`."""
    which = CacheFilter(
        collection=None if collection is None else house.lots.collection(collection).id,
        lot=lot,
        model=model,
        before=None if older_than_days is None else time.time() - older_than_days * 86400,
    )
    return {"cleared": await house.store.clear_cache(which)}

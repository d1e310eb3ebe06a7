"""Collections, lots and modes over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from jieqian.api.callers import caller_of
from jieqian.api.house import Housed
from jieqian.checks.language import resolve_language
from jieqian.languages import Language
from jieqian.tasks.task import Mode
from jieqian.web.texts import page_language

router = APIRouter()


@router.get("/collections", tags=["lots"])
async def list_collections(house: Housed) -> list[dict[str, Any]]:
    """Every collection there is."""
    return [collection.as_dict() for collection in house.lots.collections()]


@router.get("/collections/{collection}/lots/{number}", tags=["lots"])
async def get_lot(
    request: Request, house: Housed, collection: str, number: str, language: str | None = None
) -> dict[str, Any]:
    """One lot. `collection` may be any alias, `number` 7, ７, 第七籤 or an id; `language`: zh-Hant if absent."""
    known = house.lots.collection(collection)
    shown = Language.ZH_HANT if language is None else resolve_language(language, "")
    lot = house.lots.asked_lot(known.id, number)
    house.warm(caller_of(request), lot, shown if language is not None else page_language(request))
    return lot.as_dict(shown)


@router.get("/modes", tags=["modes"])
async def list_modes(house: Housed) -> list[dict[str, Any]]:
    """The modes on offer, with the median time of the last hundred readings (`median_ms`, null without any).

    `parallel`: what was measured of several calls at a time, `{"slots", "gain", "measured_at"}`; null: not yet.
    """
    return [
        {
            **house.engines.describe(mode),
            "parallel": house.measured(mode),
            "median_ms": await house.store.median_total_ms(mode.value),
        }
        for mode in Mode
    ]

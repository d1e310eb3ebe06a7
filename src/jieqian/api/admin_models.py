"""Who writes the readings: told, and looked at again at once."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from jieqian.api.house import Housed
from jieqian.tasks.task import Mode

router = APIRouter(prefix="/models")


@router.get("")
async def models_in_use(house: Housed) -> dict[str, Any]:
    """`{"provider", "note", "named", "modes"}`; `named`: the operator named it by `jieqian model use`."""
    engines = house.engines
    return {
        "provider": engines.provider,
        "note": engines.note,
        "named": engines.named,
        "modes": [dict(engines.describe(mode)) for mode in Mode],
    }


@router.get("/standing")
async def models_standing(house: Housed) -> dict[str, Any]:
    """`{"context_tokens", "passages", "modes"}`: two settings, and how each mode's model server stands now.

    A mode: `provider`, `address`, `model`, the windows asked for and possible, and what the server tells: its kind, how
    long it took to answer, slots, whether the model is loaded. Nothing is loaded; a mode without a model is left out.
    """
    settings = house.settings
    return {
        "context_tokens": settings.llm_context_tokens,
        "passages": settings.passages,
        "modes": await house.engines.standings(),
    }


@router.post("/look")
async def look_again(house: Housed) -> dict[str, Any]:
    """Look for servers and models now, not at the next of the looks that come every 30 s; answers as above."""
    await house.engines.look()
    return await models_in_use(house)

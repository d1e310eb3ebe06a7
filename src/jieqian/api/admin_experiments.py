"""Experiments: started, stopped, and what came of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from jieqian.api.bodies import openapi_body, read_body
from jieqian.api.house import Housed
from jieqian.experiments.telling import summary_of
from jieqian.experiments.wish import VariantWish, Wish
from jieqian.prompt.versions import version_names

router = APIRouter(prefix="/experiments")


class VariantBody(BaseModel):
    """One variant. What is left out is as the mode has it without an experiment."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str = Field(description="Small letters, digits and hyphens")
    share: int = Field(description="Of 100 callers; all variants' shares add up to 100")
    model: str | None = Field(None, description="A model of the server in use, or an embedded one")
    strategy: str | None = Field(None, description="`auto`, `sequential` or `parallel`")
    template: str | None = Field(None, description="A version of the prompt's templates")


class ExperimentBody(BaseModel):
    """An experiment to start. The first variant is what the others are measured against."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str = Field(description="Small letters, digits and hyphens; never used before")
    mode: str = Field("quality", description="`quality` or `fast`")
    variants: list[VariantBody]


@router.get("")
async def list_experiments(house: Housed) -> dict[str, Any]:
    """`{"experiments": [...], "templates": [...]}`: those started last first, and the versions variants may name."""
    found = await house.experiments.all()
    return {"experiments": [one.as_dict() for one in found], "templates": list(version_names())}


@router.post("", status_code=201, openapi_extra=openapi_body(ExperimentBody))
async def start_experiment(request: Request, house: Housed) -> dict[str, Any]:
    """Start it: each caller of the mode has one of its variants from now on, always the same."""
    body = await read_body(request, ExperimentBody)
    variants = [VariantWish(**one.model_dump()) for one in body.variants]
    return (await house.experiments.start(Wish(name=body.name, mode=body.mode, variants=variants))).as_dict()


@router.get("/{name}")
async def show_experiment(house: Housed, name: str) -> dict[str, Any]:
    """One experiment with its outcome so far (`docs/how-to/experiments.md` tells what each figure means)."""
    outcome = await house.experiments.outcome(name)
    return {**outcome.as_dict(), "summary": summary_of(outcome)}


@router.post("/{name}/stop")
async def stop_experiment(house: Housed, name: str) -> dict[str, Any]:
    """Stop it; one that has ended is unchanged. Readings accepted before are written as they were to be."""
    return (await house.experiments.stop(name)).as_dict()

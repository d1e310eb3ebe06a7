"""The kept answers: counted, and thrown away."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from jieqian.api.bodies import openapi_body, read_body
from jieqian.api.house import Housed
from jieqian.api.progress import progress_response
from jieqian.cache.answer import CacheFilter
from jieqian.cache.filling import Wanted
from jieqian.cache.suggested import suggested_questions
from jieqian.checks.question import clean_question
from jieqian.errors import InvalidRequest
from jieqian.languages import Language, named_language
from jieqian.tasks.task import Mode

router = APIRouter(prefix="/cache")
#: So many readings at a time are wanted at most: a night has no more.
MOST_WANTED = 20_000


class FillBody(BaseModel):
    """Which readings to have in store; what is left out is all of it, and the suggested questions."""

    model_config = ConfigDict(strict=True, extra="forbid")

    collection: str | None = None
    lots: list[int] | None = Field(None, max_length=1000)
    language: str | None = Field(None, description="`zh-Hant`, `zh-Hans`, `en` or `ja`")
    mode: str = Field("quality", description="`quality` or `fast`")
    questions: list[str] | None = Field(
        None, description="Instead of the suggested ones; needs `language`", max_length=500
    )
    most: int | None = Field(None, ge=1, description="So many readings, the commonest questions first")
    seconds: float | None = Field(None, gt=0, description="No new one is begun after so long")


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


@router.post("/warm", openapi_extra=openapi_body(FillBody))
async def fill_cache(request: Request, house: Housed) -> StreamingResponse:
    """Have readings written while nobody waits; steps, then `{"known", "written", "not_kept", "left"}`."""
    body = await read_body(request, FillBody)
    return progress_response(house.fill_cache(_wanted(body, house), body.seconds))


def _wanted(body: FillBody, house: Housed) -> list[Wanted]:
    """The commonest question of every lot first, then the next."""
    if body.mode not in tuple(Mode):
        raise InvalidRequest("mode: quality or fast.")
    language = None if body.language is None else named_language(body.language)
    if body.questions is not None and language is None:
        raise InvalidRequest("questions: say in which `language` they are.")
    questions: dict[Language, tuple[str, ...]] = dict(suggested_questions())
    if language is not None:
        own = body.questions
        questions = {language: questions[language] if own is None else tuple(clean_question(one) for one in own)}
    if body.collection is None:
        collections = house.lots.collections()
    else:
        collections = [house.lots.collection(body.collection)]
    lots = [lot for each in collections for lot in house.lots.lots(each.id)]
    if body.lots is not None:
        lots = [lot for lot in lots if lot.number in set(body.lots)]
    found = [
        Wanted(lot.collection, lot.number, some[place], language, Mode(body.mode))
        for place in range(max(map(len, questions.values())))
        for lot in lots
        for language, some in questions.items()
        if place < len(some)
    ][: body.most]
    if not found or len(found) > MOST_WANTED:
        raise InvalidRequest(f"Name from 1 to {MOST_WANTED:,} readings; these are {len(found):,}.")
    return found

"""Is it alive, is it ready, and what does it count. No cookie is set here."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.responses import PlainTextResponse

from jieqian.api.house import Housed
from jieqian.errors import StoreError
from jieqian.llm.server_text import one_line

router = APIRouter(tags=["health"])
_LONGEST = 10_000


@router.get("/healthz")
async def healthz() -> PlainTextResponse:
    """The process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
async def readyz(house: Housed) -> PlainTextResponse:
    """One line a dependency; 503 where one that is needed fails. No model is no failure: commentary speaks."""
    lines = []
    ready = True
    try:
        await house.store.ping()
        lines.append("database: ok")
    except StoreError as error:
        ready = False
        lines.append(f"database: {error.detail}")
    if house.works_here:
        ready = ready and house.pool.alive
        lines.append(f"workers: {'ok' if house.pool.alive else 'not running; restart the service'}")
    problems = [str(problem) for problem in house.lots.problems]
    lines.append(f"collections: {'; '.join(problems) if problems else 'ok'}")
    lines.append(f"model: {house.engines.note}")
    lines.append(f"retrieval: {house.passages.note}")
    told = "".join(f"{one_line(line, _LONGEST)}\n" for line in lines)
    return PlainTextResponse(told, status_code=200 if ready else 503)


@router.get("/metrics")
async def metrics(house: Housed) -> Response:
    """Prometheus text."""
    return Response(await house.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

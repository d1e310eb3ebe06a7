"""The dashboard's figures as JSON, one call a panel. Every answer tells the span it is of, in whole minutes."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from jieqian.api.house import Housed
from jieqian.errors import InvalidRequest
from jieqian.metrics.figures import DAY, RELATIVE_ERROR, Dimension, Span, Which, dimension_named, document
from jieqian.metrics.marks import MARKS

router = APIRouter(prefix="/metrics")
#: The longest value that is looked for; longer ones are in no roll-up.
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """Which tasks are meant."""

    span: Span
    which: Which

    def told(self, **figures: Any) -> dict[str, Any]:
        """An answer, with what was asked."""
        return {"since": self.span.since, "until": self.span.until, "filter": asdict(self.which), **figures}


def asked(
    since: Annotated[
        str | None, Query(description="Seconds since 1970, or ISO 8601; left out: a day before `until`")
    ] = None,
    until: Annotated[str | None, Query(description="As `since`; not itself in it; left out: now")] = None,
    mode: Annotated[str | None, Query(max_length=_LONGEST)] = None,
    model: Annotated[str | None, Query(max_length=_LONGEST, description="The one that wrote; `none`: none did")] = None,
    strategy: Annotated[str | None, Query(max_length=_LONGEST)] = None,
    language: Annotated[str | None, Query(max_length=_LONGEST)] = None,
    collection: Annotated[str | None, Query(max_length=_LONGEST)] = None,
) -> Asked:
    """The span and the filter of a request. Raises `InvalidRequest`."""
    last = time.time() if until is None else _moment("until", until)
    first = last - DAY if since is None else _moment("since", since)
    which = Which(mode=mode, model=model, strategy=strategy, language=language, collection=collection)
    return Asked(Span.around(first, last), which)


IsAsked = Annotated[Asked, Depends(asked)]


def _moment(name: str, given: str) -> float:
    try:
        moment = float(given)
    except ValueError:
        try:
            # A plus in an address is read as a space.
            read = datetime.fromisoformat(given.strip().replace(" ", "+") if "T" in given else given)
        except ValueError as error:
            raise InvalidRequest(f"{name}: seconds since 1970, or ISO 8601 as 2026-11-29T12:00Z.") from error
        if read.tzinfo is None:
            raise InvalidRequest(f"{name}: say its zone too, as 2026-11-29T12:00Z.") from None
        moment = read.timestamp()
    if not math.isfinite(moment):
        raise InvalidRequest(f"{name}: seconds since 1970, or ISO 8601 as 2026-11-29T12:00Z.")
    return moment


@router.get("/summary")
async def summary(house: Housed, what: IsAsked) -> dict[str, Any]:
    """Counts, rates and spreads: `{"summary", "marks"}`; percentiles are off by `relative_error` at most.

    `marks`: by figure, what the older system had and what is aimed at.
    """
    found = await house.dashboard.summary(what.span, what.which)
    marks = {name: asdict(mark) for name, mark in MARKS.items()}
    return what.told(summary=document(found), marks=marks, relative_error=RELATIVE_ERROR)


@router.get("/series")
async def series(house: Housed, what: IsAsked) -> dict[str, Any]:
    """Total time and errors over time: `{"step_seconds", "points": [{"at", "tasks", "errors", "mean", ...}]}`."""
    return what.told(**document(await house.dashboard.series(what.span, what.which)))


@router.get("/histogram")
async def histogram(house: Housed, what: IsAsked) -> dict[str, Any]:
    """Total time in bins: `{"bins": [{"from_ms", "to_ms", "tasks"}]}`; the last has no end."""
    return what.told(**document(await house.dashboard.histogram(what.span, what.which)))


@router.get("/stages")
async def stages(house: Housed, what: IsAsked) -> dict[str, Any]:
    """Time by stage: `{"stages": [{"stage", "spread", "share"}]}`; without answers from the cache."""
    found = await house.dashboard.stages(what.span, what.which)
    return what.told(stages=[document(stage) for stage in found])


@router.get("/breakdown")
async def breakdown(house: Housed, what: IsAsked, by: str = Dimension.MODE.value) -> dict[str, Any]:
    """By mode, model, strategy, language or collection: `{"dimension", "parts"}`, most tasks first."""
    found = await house.dashboard.breakdown(what.span, what.which, dimension_named(by))
    return what.told(dimension=found.dimension.value, parts=[document(part) for part in found.parts])


@router.get("/slowest")
async def slowest(house: Housed, what: IsAsked, limit: Annotated[int, Query(ge=1, le=100)] = 10) -> dict[str, Any]:
    """The slowest tasks, each with its stages and sections as bars: `{"tasks": [...]}`."""
    found = await house.dashboard.slowest(what.span, what.which, limit)
    return what.told(tasks=[document(task) for task in found])


@router.get("/values")
async def values(house: Housed) -> dict[str, Any]:
    """What can be filtered by: `{"mode": [...], "model": [...], ...}`."""
    return document(await house.dashboard.values())


@router.get("/progress")
async def progress(house: Housed) -> dict[str, Any]:
    """How many ended tasks are not in the figures yet: `{"waiting", "at_most", "complete"}`."""
    return document(await house.dashboard.progress())


@router.get("/live")
async def live(house: Housed) -> dict[str, Any]:
    """The queue, the workers, open streams, and look-ups of lots since this process started."""
    return document(await house.dashboard.live())

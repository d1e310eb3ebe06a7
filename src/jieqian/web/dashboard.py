"""The dashboard at `/admin`: read what is asked, ask for the figures, have the pictures drawn, show all of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from jieqian.errors import StoreError
from jieqian.experiments.experiment import Experiment
from jieqian.experiments.outcome import Outcome
from jieqian.metrics.dashboard import Dashboard
from jieqian.metrics.figures import Dimension, SlowTask, Values
from jieqian.web.admin_door import LOOK, AdminDoor
from jieqian.web.clock import wall_clock, zone_text
from jieqian.web.dashboard_filters import CHOSEN, SPANS, Asked, form_time, read_asked
from jieqian.web.dashboard_pictures import WATERFALLS, Picture, pictures, waterfalls
from jieqian.web.dashboard_view import Figures, groups, now_figures, part_rows, value_name, verdict
from jieqian.web.drawing import EXTRA, Drawer
from jieqian.web.experiment_view import verdict as experiment_verdict
from jieqian.web.rendering import load_pages
from jieqian.web.texts import Texts, page_language

logger = logging.getLogger(__name__)

#: How long a page waits for its pictures: the first of all takes a second. What is not there then comes with the next.
_DRAWING_SECONDS = 2.0
#: And how long for what came of an experiment, which is counted over all its readings.
_COUNTING_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture and its drawing, None where there is none."""

    picture: Picture
    svg: Markup | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowShown:
    """One of the slowest tasks: what it was, never what was asked."""

    task: SlowTask
    ended: str
    about: tuple[str, ...]
    shown: Shown


class Trials(Protocol):
    """The experiments that run, and what came of each so far."""

    def running(self) -> Sequence[Experiment]:
        """Those that run."""
        ...

    async def outcome(self, name: str) -> Outcome:
        """What came of it. Raises `UnknownExperiment`."""
        ...


def dashboard_router(dashboard: Dashboard, trials: Trials, door: AdminDoor, drawer: Drawer) -> APIRouter:
    """`/admin`: the dashboard, or the door."""
    load_pages()
    pages = _DashboardPages(dashboard, trials, door, drawer)
    return door.routes("/admin", (("", pages.page, LOOK, "admin"),))


class _DashboardPages:
    def __init__(self, dashboard: Dashboard, trials: Trials, door: AdminDoor, drawer: Drawer) -> None:
        self._dashboard = dashboard
        self._trials = trials
        self._door = door
        self._drawer = drawer

    async def page(self, request: Request) -> Response:
        """Everything, or the door."""
        signed = self._door.of(request)
        if signed is None:
            return self._door.ask(request)
        self._drawer.warm()
        now = time.time()
        t = Texts(page_language(request))
        try:
            values = await self._dashboard.values()
            asked = read_asked(request.query_params, values, now)
            figures, trials = await asyncio.gather(self._figures(asked), self._told(t))
        except StoreError as error:
            asked = read_asked({}, Values(), now)
            return self._door.page(
                request,
                "admin_dashboard.html",
                error.status,
                signed=signed,
                error=error,
                **_form(asked, Values(), t, now),
            )
        told, slow = pictures(figures, t), waterfalls(figures, t)
        drawn = await self._drawn([*told, *slow])
        shown, at_present = groups(figures, t), now_figures(figures.live, t)
        return self._door.page(
            request,
            "admin_dashboard.html",
            422 if asked.faults else 200,
            signed=signed,
            error=None,
            figures=figures,
            groups=shown,
            present=at_present,
            verdict=verdict(shown, at_present, figures, t),
            pictures=drawn[: len(told)],
            slow=_slow(figures, drawn[len(told) :], t),
            trials=trials,
            parts=[(found.dimension, part_rows(found, t)) for found in figures.breakdowns if found.parts],
            library=None if self._drawer.can_draw else EXTRA,
            **_form(asked, values, t, now),
        )

    async def _figures(self, asked: Asked) -> Figures:
        ask, span, which = self._dashboard, asked.span, asked.which
        of_span = asyncio.gather(ask.summary(span, which), ask.series(span, which), ask.histogram(span, which))
        of_time = asyncio.gather(ask.stages(span, which), ask.slowest(span, which, WATERFALLS))
        of_parts = asyncio.gather(*(ask.breakdown(span, which, dimension) for dimension in Dimension))
        found = await asyncio.gather(of_span, of_time, of_parts, ask.progress(), ask.live())
        (summary, series, histogram), (stages, slowest), breakdowns, progress, live = found
        return Figures(
            summary=summary,
            series=series,
            histogram=histogram,
            stages=stages,
            breakdowns=breakdowns,
            slowest=slowest,
            progress=progress,
            live=live,
        )

    async def _told(self, t: Texts) -> list[tuple[Experiment, Sequence[str]]]:
        """Every running experiment with what can be said of it."""

        async def tell(one: Experiment) -> tuple[Experiment, Sequence[str]]:
            counted = asyncio.ensure_future(self._trials.outcome(one.name))
            await asyncio.wait((counted,), timeout=_COUNTING_SECONDS)
            if not counted.done():  # goes on, and is there the next time
                counted.add_done_callback(_heard)
                return one, [t("dashboard.counted_soon")]
            return one, experiment_verdict(counted.result(), t)

        return await asyncio.gather(*(tell(one) for one in self._trials.running()))

    async def _drawn(self, wanted: list[Picture]) -> list[Shown]:
        specs = [picture.spec for picture in wanted if picture.spec is not None]
        found = iter(await self._drawer.draw(specs, _DRAWING_SECONDS))
        shown = []
        for picture in wanted:
            svg = next(found) if picture.spec is not None else None
            # The process that drew it left nothing in it but shapes and escaped text.
            shown.append(Shown(picture=picture, svg=None if svg is None else Markup(svg)))
        return shown


def _heard(counted: asyncio.Future[Outcome]) -> None:
    if not counted.cancelled() and (error := counted.exception()) is not None:
        logger.error("cannot count an experiment: %s", error, extra={"action": "experiment_not_counted"})


def _form(asked: Asked, values: Values, t: Texts, now: float) -> Mapping[str, Any]:
    """What the form and the line above the figures show."""
    choices = {
        dimension: [(value, value_name(t, dimension, value)) for value in getattr(values, dimension)]
        for dimension in Dimension
    }
    return {
        "asked": asked,
        "choices": choices,
        "spans": [(name, asked.address(span=name, since=None, until=None)) for name in SPANS],
        "chosen": asked.name == CHOSEN,
        "as_of": wall_clock(now),
        "zone": zone_text(now),
        "since_text": form_time(asked.span.since).replace("T", " "),
        "until_text": form_time(asked.span.until).replace("T", " "),
        "again": asked.address(),
    }


def _slow(figures: Figures, shown: list[Shown], t: Texts) -> list[SlowShown]:
    return [
        SlowShown(
            task=task,
            ended=wall_clock(task.ended_at).strftime("%Y-%m-%d %H:%M"),
            about=(
                value_name(t, Dimension.MODE, task.mode),
                value_name(t, Dimension.MODEL, task.model),
                value_name(t, Dimension.STRATEGY, task.strategy),
                value_name(t, Dimension.LANGUAGE, task.language),
                f"{task.collection}/{task.lot}",
            ),
            shown=one,
        )
        for task, one in zip(figures.slowest, shown, strict=False)
    ]

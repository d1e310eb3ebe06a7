"""The admin pages of experiments: started, looked at, stopped. No script is needed."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.errors import ExperimentRefused, JieqianError
from jieqian.experiments.experiment import State
from jieqian.experiments.running import Experiments
from jieqian.experiments.wish import MOST_VARIANTS, VariantWish, Wish
from jieqian.prompt.versions import version_names
from jieqian.tasks.task import Mode, StrategyName
from jieqian.web.admin_door import LOOK, SEND, AdminDoor
from jieqian.web.clock import minute_text
from jieqian.web.experiment_view import (
    HALF,
    comparison_rows,
    differs,
    figure_rows,
    percentile_rows,
    verdict,
)
from jieqian.web.sign_in import SignedIn
from jieqian.web.texts import Texts, page_language

#: More than the form has.
_MOST_FIELDS = 5 * MOST_VARIANTS + 10
_PARTS = ("name", "share", "model", "strategy", "template")
#: How the form stands before anybody has written into it.
_BLANK = {"mode": Mode.QUALITY.value, "name.1": "now", "share.1": "50", "name.2": "new", "share.2": "50"}
_MOST_DIGITS = 4


def experiment_pages_router(experiments: Experiments, door: AdminDoor) -> APIRouter:
    """The pages as routes."""
    pages = _ExperimentPages(experiments, door)
    return door.routes(
        "/admin/experiments",
        (
            ("", pages.listed, LOOK, "admin_experiments"),
            ("", pages.start, SEND, "admin_start_experiment"),
            ("/{experiment}", pages.outcome, LOOK, "admin_experiment"),
            ("/{experiment}/stop", pages.stop, SEND, "admin_stop_experiment"),
        ),
    )


class _ExperimentPages:
    def __init__(self, experiments: Experiments, door: AdminDoor) -> None:
        self._experiments, self._door = experiments, door

    async def listed(self, request: Request) -> Response:
        """Every experiment, and the form to start one."""
        return await self._list_page(request, self._door.expect(request))

    async def start(self, request: Request) -> Response:
        """Start one; on to its page, or back with what is wrong."""
        signed, fields = await self._door.posted(request, _MOST_FIELDS)
        try:
            experiment = await self._experiments.start(wish_of(fields))
        except JieqianError as error:
            return await self._list_page(request, signed, error, fields)
        return RedirectResponse(path_for(request, "admin_experiment", experiment=experiment.name), 303)

    async def outcome(self, request: Request) -> Response:
        """What came of one."""
        signed = self._door.expect(request)
        outcome = await self._experiments.outcome(request.path_params["experiment"])
        return self._door.page(
            request,
            "admin_experiment.html",
            signed=signed,
            outcome=outcome,
            experiment=outcome.experiment,
            running=outcome.experiment.state is State.RUNNING,
            figures=figure_rows(outcome),
            percentiles=percentile_rows(outcome),
            comparisons=comparison_rows(outcome),
            verdict=verdict(outcome, Texts(page_language(request))),
            differs=differs,
            half=HALF,
            when=minute_text,
        )

    async def stop(self, request: Request) -> Response:
        """Stop one."""
        await self._door.posted(request, _MOST_FIELDS)
        experiment = await self._experiments.stop(request.path_params["experiment"])
        return RedirectResponse(path_for(request, "admin_experiment", experiment=experiment.name), 303)

    async def _list_page(
        self,
        request: Request,
        signed: SignedIn,
        error: JieqianError | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Response:
        return self._door.page(
            request,
            "admin_experiments.html",
            error.status if error else 200,
            signed=signed,
            error=error,
            fields=fields or _BLANK,
            listed=await self._experiments.all(),
            verdicts={
                one.name: verdict(await self._experiments.outcome(one.name), Texts(page_language(request)))
                for one in self._experiments.running()
            },
            places=range(1, MOST_VARIANTS + 1),
            modes=list(Mode),
            strategies=list(StrategyName),
            templates=version_names(),
            differs=differs,
            when=minute_text,
        )


def wish_of(fields: Mapping[str, str]) -> Wish:
    """The form's fields as an experiment that is asked for; variants of which nothing is written are left out.

    Raises `ExperimentRefused` where a share is no number.
    """
    variants = []
    for place in range(1, MOST_VARIANTS + 1):
        told = {part: fields.get(f"{part}.{place}", "").strip() for part in _PARTS}
        if not any(told.values()):
            continue
        share = told["share"].removesuffix("%").strip()
        if not (share.isascii() and share.isdigit() and len(share) <= _MOST_DIGITS):
            raise ExperimentRefused(f"shares: {told['share'] or 'nothing'!r} of variant {place} is no whole number.")
        variants.append(
            VariantWish(
                name=told["name"],
                share=int(share),
                model=told["model"] or None,
                strategy=told["strategy"] or None,
                template=told["template"] or None,
            )
        )
    return Wish(name=fields.get("name", "").strip(), mode=fields.get("mode", ""), variants=variants)

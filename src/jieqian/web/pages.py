"""The pages: ask, read, look back. Every form works without a script; scripts only spare the reloads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jieqian.api.addresses import link_for, path_for
from jieqian.api.callers import caller_of, limited_as
from jieqian.errors import (
    IdempotencyMismatch,
    InvalidLot,
    InvalidRequest,
    JieqianError,
    UnknownCollection,
    UnknownLot,
    UnknownTask,
)
from jieqian.lots.lot import Collection
from jieqian.tasks.store import Accepted, Share
from jieqian.tasks.task import Feedback, Status, Task
from jieqian.web.asking import form_values, waiting
from jieqian.web.assets import static_file
from jieqian.web.embedding import embed_routes
from jieqian.web.forms import LONGEST_COMMENT, AskForm, ask_form, new_submission, read_fields
from jieqian.web.installing import install_routes
from jieqian.web.kiosk import kiosk_routes
from jieqian.web.pages_house import PagesHouse as PagesHouse
from jieqian.web.reading_view import iso_time, view_of
from jieqian.web.rendering import load_pages, render
from jieqian.web.routes import PageRoute
from jieqian.web.sharing import sharing_routes
from jieqian.web.temple_view import in_order
from jieqian.web.temples import TemplePages
from jieqian.web.texts import Texts, page_language
from jieqian.web.writer import writer_of

HISTORY_PAGE = 20


def pages_router(house: PagesHouse) -> APIRouter:
    """The pages as routes; reads their files."""
    load_pages()
    temples = TemplePages(house)
    pages = _Pages(house, temples)
    router = APIRouter(include_in_schema=False)
    look, send = ["GET", "HEAD"], ["POST"]
    routes: tuple[PageRoute, ...] = (
        ("/", pages.home, look, "home"),
        ("/ask", pages.form, look, "form"),
        ("/temples/{temple}", temples.temple, look, "temple"),
        ("/temples/{temple}/draw", temples.draw, send, "draw"),
        ("/temples/{temple}/lots", temples.lots, look, "lots"),
        ("/temples/{temple}/lots/{number}", temples.lot, look, "lot"),
        ("/components", temples.components, look, "components"),
        ("/readings", pages.ask, send, "ask"),
        ("/readings/{task_id}", pages.reading, look, "reading"),
        ("/readings/{task_id}/stop", pages.stop, send, "stop"),
        ("/readings/{task_id}/feedback", pages.feedback, send, "feedback"),
        ("/readings/{task_id}/erase", pages.erase, send, "erase"),
        ("/history", pages.history, look, "history"),
        *sharing_routes(house),
        *kiosk_routes(house),
        *install_routes(),
        *embed_routes(house),
    )
    for path, endpoint, methods, name in routes:
        router.add_api_route(path, endpoint, methods=methods, name=name, response_model=None)
    return router


def mount_static(app: FastAPI) -> None:
    """Serve scripts, styles and the icon under `/static/<version>/`."""
    app.router.routes.append(Route("/static/{version}/{file}", static_file, name="static", include_in_schema=False))


def nothing_here(request: Request) -> Response:
    """The page of an address that leads nowhere."""
    return render(request, "nothing.html", 404)


class _Pages:
    def __init__(self, house: PagesHouse, temples: TemplePages) -> None:
        self._house = house
        self._temples = temples

    async def home(self, request: Request) -> Response:
        """Choose a temple; with `?collection=` or `?lot=`, as links of old have them, the form filled in with those."""
        if {"collection", "lot"} & set(request.query_params):
            return await self.form(request)
        return await self._temples.choose(request)

    async def form(self, request: Request) -> Response:
        """Ask about a lot by its number; `?collection=` and `?lot=` fill the form in."""
        asked = AskForm(
            collection=request.query_params.get("collection", ""),
            lot=request.query_params.get("lot", ""),
            question=request.query_params.get("question", ""),
            submission=new_submission(),
        )
        return await self._form_page(request, asked)

    async def ask(self, request: Request) -> Response:
        """Take the form; on to the reading, or back to the form with what was entered and what is wrong."""
        caller = caller_of(request)
        asked = AskForm(submission=new_submission())
        try:
            asked = ask_form(await read_fields(request))
            accepted = await self._accept(asked, caller, limited_as(request))
        except JieqianError as error:
            return await self._form_page(request, _without_what_is_gone(asked, error), error)
        return _see(path_for(request, "reading", task_id=accepted.task.id))

    async def reading(self, request: Request, task_id: str) -> Response:
        """One reading, as far as it has come; scripts follow the rest."""
        task = await self._own(request, task_id)
        if task is None:
            return render(request, "missing.html", 404)
        return await self._reading_page(request, task)

    async def stop(self, request: Request, task_id: str) -> Response:
        """Stop it and show what there is."""
        if await self._own(request, task_id) is None:
            return render(request, "missing.html", 404)
        await self._house.stop_task(task_id, caller_of(request))
        return _see(path_for(request, "reading", task_id=task_id))

    async def feedback(self, request: Request, task_id: str) -> Response:
        """Keep what the asker thought of it."""
        task = await self._own(request, task_id)
        if task is None:
            return render(request, "missing.html", 404)
        try:
            given = _feedback(await read_fields(request))
        except JieqianError as error:
            return await self._reading_page(request, task, feedback_error=True, status=error.status)
        await self._house.store.add_feedback(task_id, caller_of(request), given, time.time())
        return _see(path_for(request, "reading", task_id=task_id) + "?thanks=1#feedback")

    async def erase(self, request: Request, task_id: str) -> Response:
        """Erase it for good."""
        if await self._own(request, task_id) is None:
            return render(request, "missing.html", 404)
        await self._house.store.erase(task_id, caller_of(request))
        return _see(path_for(request, "history") + "?erased=1")

    async def history(self, request: Request) -> Response:
        """The caller's own readings, newest first; `?before=` goes on from there."""
        given = request.query_params.get("before", "")
        before = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None
        found = await self._house.store.history(caller_of(request), HISTORY_PAGE + 1, before)
        shown = found[:HISTORY_PAGE]
        return render(
            request,
            "history.html",
            views=[view_of(task, self._house.lots) for task in shown],
            older=shown[-1].seq if len(found) > HISTORY_PAGE else None,
            first_page=before is None,
            erased=request.query_params.get("erased") == "1",
        )

    async def _accept(self, asked: AskForm, caller: str, limited: Sequence[str]) -> Accepted:
        key = f"page-{asked.submission}"
        try:
            return await self._house.accept(asked.request(), caller, key, limited_as=limited)
        except IdempotencyMismatch:  # sent, gone back to, changed, and sent again: a new question
            return await self._house.accept(asked.request(), caller, f"page-{new_submission()}", limited_as=limited)

    async def _own(self, request: Request, task_id: str) -> Task | None:
        try:
            return await self._house.store.get(task_id, caller_of(request))
        except UnknownTask:
            return None

    async def _form_page(self, request: Request, asked: AskForm, error: JieqianError | None = None) -> Response:
        if error is not None and asked.place == "lot":
            with suppress(UnknownCollection, UnknownLot, InvalidLot):
                return await self._temples.lot_page(request, asked, error)
        values = await form_values(self._house, asked, Texts(page_language(request)), error)
        collections = in_order(self._house.lots.collections())
        chosen = self._chosen_collection(asked.collection, collections)
        status = error.status if error else 200
        return waiting(
            render(request, "ask.html", status, collections=collections, chosen=chosen, **values),
            error,
        )

    def _chosen_collection(self, named: str, collections: Sequence[Collection]) -> str:
        """The id to be selected: the one named by any of its aliases, else the first."""
        try:
            return self._house.lots.collection(named).id
        except UnknownCollection:
            return next((collection.id for collection in collections), "")

    async def _reading_page(
        self,
        request: Request,
        task: Task,
        *,
        status: int = 200,
        feedback_error: bool = False,
    ) -> Response:
        ahead = None
        if task.status is Status.QUEUED:
            ahead = (await self._house.store.ahead_of([task.id])).get(task.id)
        share = await self._house.store.share_of(task.id, caller_of(request), time.time())
        return render(
            request,
            "reading.html",
            status,
            share=share,
            share_link="" if share is None else self._link(request, share),
            share_until="" if share is None else iso_time(share.expires_at),
            share_days=self._house.settings.share_days,
            view=view_of(task, self._house.lots),
            task=task,
            ahead=ahead,
            writer=writer_of(task, self._house.engines),
            elapsed_seconds=max(0, round(time.time() - task.created_at)),
            submissions=(new_submission(), new_submission()),
            thanks=request.query_params.get("thanks") == "1",
            feedback_error=feedback_error,
        )

    def _link(self, request: Request, share: Share) -> str:
        return link_for(request, self._house.settings.public_url, "shared", token=share.token)


def _without_what_is_gone(asked: AskForm, error: JieqianError) -> AskForm:
    """The form to be sent again: without a parent or a draw that cannot be had."""
    if error.code == "unknown_parent":
        return replace(asked, parent_id="")
    return replace(asked, draw_id="") if error.code in ("unknown_draw", "draw_mismatch") else asked


def _see(path: str) -> Response:
    return RedirectResponse(path, 303)


def _feedback(fields: dict[str, str]) -> Feedback:
    score, comment = fields.get("score"), fields.get("comment", "").strip()
    if score not in ("1", "-1") or len(comment) > LONGEST_COMMENT:
        raise InvalidRequest
    return Feedback(int(score), comment or None)

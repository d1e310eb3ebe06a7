"""The admin pages: sign in; others' lots uploaded, looked at, mended, published and withdrawn. No script is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.api.uploading import receive_form
from jieqian.errors import (
    ChangedMeanwhile,
    CrossSiteRequest,
    EntryRefused,
    JieqianError,
    NotSignedIn,
    RateLimited,
    UnknownCollection,
)
from jieqian.experiments.running import Experiments
from jieqian.lots.importing.drafts import Drafts, Seen, columns_told, wish_of
from jieqian.lots.importing.entries import mark_of
from jieqian.lots.importing.mending import mark_of_collection
from jieqian.lots.lot import TOPICS, Polarity
from jieqian.settings import Settings
from jieqian.web.admin_forms import (
    COLUMN_FIELDS,
    MOST_FIELDS,
    TAGS,
    collection_fields,
    collection_made,
    column_places,
    faults_of,
    lot_fields,
    lot_made,
    lot_number,
    named,
    page_number,
    told_columns,
)
from jieqian.web.experiment_pages import experiment_pages_router
from jieqian.web.forms import read_fields
from jieqian.web.rendering import load_pages, render
from jieqian.web.sign_in import SignedIn, SignIns, expect_own_page

LOTS_A_PAGE = 20
#: Numbers that are missing, so many of them as links.
_MOST_MISSING = 200
_STEPS = ("publish", "withdraw", "discard")
Endpoint = Callable[[Request], Awaitable[Response]]


class AdminHouse(Protocol):
    """What the admin pages need of the running service."""

    @property
    def settings(self) -> Settings:
        """Where the data lies, and ADMIN_TOKEN."""
        ...

    @property
    def secret(self) -> str:
        """What signs."""
        ...

    @property
    def experiments(self) -> Experiments:
        """The experiments."""
        ...

    @property
    def drafts(self) -> Drafts:
        """The work on collections."""
        ...


def admin_pages_router(house: AdminHouse) -> APIRouter:
    """The admin pages as routes."""
    load_pages()
    pages = _AdminPages(house)
    router = APIRouter(prefix="/admin", include_in_schema=False)
    look, send = ["GET", "HEAD"], ["POST"]
    one = "/collections/{collection}"
    for path, endpoint, methods, name in (
        ("", pages.door, look, "admin"),
        ("/sign-in", pages.sign_in, send, "admin_sign_in"),
        ("/sign-out", pages.sign_out, send, "admin_sign_out"),
        ("/collections", pages.collections, look, "admin_collections"),
        ("/collections", pages.upload, send, "admin_upload"),
        (one, pages.collection, look, "admin_collection"),
        (f"{one}/columns", pages.take_again, send, "admin_columns"),
        (f"{one}/about", pages.about, look, "admin_about"),
        (f"{one}/about", pages.mend_about, send, "admin_mend_about"),
        (f"{one}/lots/{{number}}", pages.lot, look, "admin_lot"),
        (f"{one}/lots/{{number}}", pages.mend_lot, send, "admin_mend_lot"),
        (f"{one}/{{step}}", pages.step, send, "admin_step"),
    ):
        router.add_api_route(path, pages.guarded(endpoint), methods=methods, name=name, response_model=None)
    routes = APIRouter()
    routes.include_router(router)
    routes.include_router(experiment_pages_router(house.experiments, pages))
    return routes


class _AdminPages:
    def __init__(self, house: AdminHouse) -> None:
        self._house = house
        self._sign_ins = SignIns(house.secret, house.settings.admin_token) if house else SignIns("", None)

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with the door in its place where nobody is signed in."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except (NotSignedIn, CrossSiteRequest) as error:
                return self._door(request, error)
            except UnknownCollection as error:
                return self.page(request, "admin_missing.html", error.status, error=error)

        return answer

    def expect(self, request: Request) -> SignedIn:
        """Who is signed in. Raises `NotSignedIn`."""
        return self._sign_ins.expect(request)

    async def posted(self, request: Request, most_fields: int) -> tuple[SignedIn, dict[str, str]]:
        """Who sent a form, and its fields. Raises `NotSignedIn`, `CrossSiteRequest`."""
        signed = self._sign_ins.expect(request)
        expect_own_page(request)
        fields = await read_fields(request, most_fields=most_fields)
        signed.expect(fields.get("form"))
        return signed, fields

    # -- signing in and out

    async def door(self, request: Request) -> Response:
        """Ask for ADMIN_TOKEN, or go on to the collections."""
        if self._sign_ins.of(request) is not None:
            return _see(path_for(request, "admin_collections"))
        return self._door(request, None)

    async def sign_in(self, request: Request) -> Response:
        """Take the token."""
        expect_own_page(request)
        fields = await read_fields(request)
        try:
            right = self._sign_ins.is_right(request, fields.get("token", ""))
        except RateLimited as error:
            response = self._door(request, error)
            response.headers["Retry-After"] = str(error.extra["retry_after"])
            return response
        if not right:
            return self._door(request, None, wrong=True)
        response = _see(path_for(request, "admin_collections"))
        self._sign_ins.begin(request, response)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End it."""
        signed, _ = await self._posted(request)
        response = _see(path_for(request, "admin"))
        self._sign_ins.end(request, response, signed)
        return response

    # -- collections

    async def collections(self, request: Request) -> Response:
        """Every collection, and the form to upload."""
        return await self._list_page(request, self._sign_ins.expect(request))

    async def upload(self, request: Request) -> Response:
        """Take a file in; on to its draft, or back with what is wrong."""
        signed = self._sign_ins.expect(request)
        expect_own_page(request)
        sent: Mapping[str, str] = {}

        def check(fields: Mapping[str, str]) -> None:
            nonlocal sent
            signed.expect(fields.get("form"))
            sent = fields
            wish_of(fields)  # before anything is read

        try:
            uploaded = await receive_form(request, self._house.settings.data_dir, check)
            report = await asyncio.to_thread(self._house.drafts.take, uploaded.path, wish_of(uploaded.fields))
        except NotSignedIn:
            raise
        except JieqianError as error:
            return await self._list_page(request, signed, error, sent)
        return _see(path_for(request, "admin_collection", collection=report["collection"]) + "?taken=1")

    async def collection(self, request: Request) -> Response:
        """One collection: what the upload gave, its own fields, its lots by pages."""
        return await self._collection_page(request, self._sign_ins.expect(request))

    async def take_again(self, request: Request) -> Response:
        """Read the kept file with other columns."""
        signed, fields = await self._posted(request)
        name = named(request)
        try:
            columns = columns_told(",".join(f"{field}={at}" for at, field in told_columns(fields).items()))
            await asyncio.to_thread(self._house.drafts.take_again, name, columns)
        except JieqianError as error:
            return await self._collection_page(request, signed, error)
        return _see(path_for(request, "admin_collection", collection=name) + "?taken=1")

    async def step(self, request: Request) -> Response:
        """Publish, withdraw or discard."""
        signed, _ = await self._posted(request)
        step, name = request.path_params["step"], named(request)
        if step not in _STEPS:
            raise UnknownCollection("There is no such page.")
        try:
            await asyncio.to_thread(getattr(self._house.drafts, step), name)
        except UnknownCollection:
            raise
        except JieqianError as error:
            return await self._collection_page(request, signed, error)
        there = path_for(request, "admin_collection", collection=name)
        return _see(f"{path_for(request, 'admin_collections') if step == 'discard' else there}?done={step}")

    # -- mending

    async def about(self, request: Request) -> Response:
        """The form of the collection's own fields."""
        signed = self._sign_ins.expect(request)
        seen = await self._mendable(request)
        collection = seen.held.collection
        return self._about_page(request, signed, seen, collection_fields(collection), mark_of_collection(collection))

    async def mend_about(self, request: Request) -> Response:
        """Take it."""
        signed, fields = await self._posted(request)
        seen = await self._mendable(request)
        name, collection = named(request), seen.held.collection
        made, mark = collection_made(fields, collection), fields.get("mark", "")
        try:
            await asyncio.to_thread(self._house.drafts.mend_collection, name, made, mark)
        except JieqianError as error:
            if isinstance(error, ChangedMeanwhile):
                mark = mark_of_collection(collection)
            return self._about_page(request, signed, seen, fields, mark, error)
        return _see(path_for(request, "admin_collection", collection=name) + "?done=mended")

    async def lot(self, request: Request) -> Response:
        """The form of one lot; of one that is missing, an empty one."""
        signed = self._sign_ins.expect(request)
        seen = await self._mendable(request)
        entry = seen.held.lot(lot_number(request, seen))
        return self._lot_page(request, signed, seen, lot_fields(entry), mark_of(entry) if entry else "")

    async def mend_lot(self, request: Request) -> Response:
        """Take it."""
        signed, fields = await self._posted(request)
        seen = await self._mendable(request)
        name, number = named(request), lot_number(request, seen)
        before = seen.held.lot(number)
        made, mark = lot_made(fields, before), fields.get("mark", "")
        try:
            await asyncio.to_thread(self._house.drafts.mend_lot, name, number, made, mark)
        except JieqianError as error:
            if isinstance(error, ChangedMeanwhile):
                mark = mark_of(before) if before else ""
            return self._lot_page(request, signed, seen, fields, mark, error)
        lots = [lot.number for lot in seen.held.lots]
        page = sum(other < number for other in lots) // LOTS_A_PAGE + 1
        there = path_for(request, "admin_collection", collection=name)
        return _see(f"{there}?done=mended&page={page}#lot-{number}")

    # -- what they share

    async def _posted(self, request: Request) -> tuple[SignedIn, dict[str, str]]:
        return await self.posted(request, MOST_FIELDS)

    async def _mendable(self, request: Request) -> Seen:
        seen = await asyncio.to_thread(self._house.drafts.look, named(request))
        if not seen.held.state.mendable:
            raise UnknownCollection("This collection was not imported, and is not changed here.")
        return seen

    def _door(self, request: Request, error: JieqianError | None, *, wrong: bool = False) -> Response:
        if not self._sign_ins.possible:
            return self.page(request, "admin_closed.html", 403)
        status = error.status if error else 403 if wrong else 200
        return self.page(request, "admin_door.html", status, error=error, wrong=wrong)

    async def _list_page(
        self,
        request: Request,
        signed: SignedIn,
        error: JieqianError | None = None,
        sent: Mapping[str, str] | None = None,
    ) -> Response:
        listed = await asyncio.to_thread(self._house.drafts.listed)
        values = {"listed": listed, "sent": sent or {}, "done": request.query_params.get("done")}
        return self.page(
            request, "admin_collections.html", error.status if error else 200, signed=signed, error=error, **values
        )

    async def _collection_page(self, request: Request, signed: SignedIn, error: JieqianError | None = None) -> Response:
        seen = await asyncio.to_thread(self._house.drafts.look, named(request))
        lots = seen.held.lots
        pages = max(1, -(-len(lots) // LOTS_A_PAGE))
        page = min(page_number(request), pages)
        missing = seen.held.collection.missing
        return self.page(
            request,
            "admin_collection.html",
            error.status if error else 200,
            signed=signed,
            error=error,
            seen=seen,
            held=seen.held,
            collection=seen.held.collection,
            report=seen.report,
            places=column_places(seen.report),
            column_fields=COLUMN_FIELDS,
            missing=missing[:_MOST_MISSING],
            more_missing=max(0, len(missing) - _MOST_MISSING),
            lots=lots[(page - 1) * LOTS_A_PAGE : page * LOTS_A_PAGE],
            page=page,
            pages=pages,
            done=request.query_params.get("done"),
            taken=request.query_params.get("taken") == "1",
        )

    def _about_page(
        self,
        request: Request,
        signed: SignedIn,
        seen: Seen,
        fields: Mapping[str, str],
        mark: str,
        error: JieqianError | None = None,
    ) -> Response:
        now = collection_fields(seen.held.collection) if isinstance(error, ChangedMeanwhile) else {}
        return self._form_page(request, "admin_about.html", signed, seen, fields, mark, error, now=now)

    def _lot_page(
        self,
        request: Request,
        signed: SignedIn,
        seen: Seen,
        fields: Mapping[str, str],
        mark: str,
        error: JieqianError | None = None,
    ) -> Response:
        number = lot_number(request, seen)
        now = lot_fields(seen.held.lot(number)) if isinstance(error, ChangedMeanwhile) else {}
        return self._form_page(
            request, "admin_lot.html", signed, seen, fields, mark, error, now=now, number=number, polarities=Polarity
        )

    def _form_page(
        self,
        request: Request,
        template: str,
        signed: SignedIn,
        seen: Seen,
        fields: Mapping[str, str],
        mark: str,
        error: JieqianError | None,
        **values: Any,
    ) -> Response:
        faults = faults_of(error) if isinstance(error, EntryRefused) else {}
        return self.page(
            request,
            template,
            error.status if error else 200,
            signed=signed,
            held=seen.held,
            collection=seen.held.collection,
            fields=fields,
            faults=faults,
            mark=mark,
            error=error,
            **values,
        )

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """One admin page. `signed`: who looks at it, where that is known already."""
        signed = values.pop("signed", None) or self._sign_ins.of(request)
        here = None
        if request.method not in ("GET", "HEAD"):  # to where the form stood, as far as it can be asked for
            one = request.path_params.get("collection")
            here = path_for(request, "admin_collection", collection=one) if one else path_for(request, "admin")
        return render(
            request,
            template,
            status,
            here=here,
            form_token=signed.form_token if signed else None,
            tags=TAGS,
            topics=TOPICS,
            **values,
        )


def _see(path: str) -> Response:
    return RedirectResponse(path, 303)

"""The admin pages of collections: lots uploaded, looked at, mended, published, withdrawn. No script is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.api.uploading import receive_form
from jieqian.errors import (
    ChangedMeanwhile,
    EntryRefused,
    JieqianError,
    NotSignedIn,
    UnknownCollection,
)
from jieqian.lots.importing.drafts import Drafts, Seen, columns_told, wish_of
from jieqian.lots.importing.entries import mark_of
from jieqian.lots.importing.mending import mark_of_collection
from jieqian.lots.lot import Polarity
from jieqian.settings import Settings
from jieqian.web.admin_door import LOOK, SEND, AdminDoor
from jieqian.web.admin_forms import (
    COLUMN_FIELDS,
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
from jieqian.web.rendering import load_pages
from jieqian.web.sign_in import SignedIn, expect_own_page

LOTS_A_PAGE = 20
#: Numbers that are missing, so many of them as links.
_MOST_MISSING = 200
_STEPS = ("publish", "withdraw", "discard")


class AdminHouse(Protocol):
    """What the admin pages need of the running service."""

    @property
    def settings(self) -> Settings:
        """Where the data lies."""
        ...

    @property
    def drafts(self) -> Drafts:
        """The work on collections."""
        ...


def admin_pages_router(house: AdminHouse, door: AdminDoor) -> APIRouter:
    """The pages as routes, and those of signing in and out."""
    load_pages()
    pages = _AdminPages(house, door)
    one = "/collections/{collection}"
    return door.routes(
        "/admin",
        (
            ("/sign-in", door.sign_in, SEND, "admin_sign_in"),
            ("/sign-out", door.sign_out, SEND, "admin_sign_out"),
            ("/collections", pages.collections, LOOK, "admin_collections"),
            ("/collections", pages.upload, SEND, "admin_upload"),
            (one, pages.collection, LOOK, "admin_collection"),
            (f"{one}/columns", pages.take_again, SEND, "admin_columns"),
            (f"{one}/about", pages.about, LOOK, "admin_about"),
            (f"{one}/about", pages.mend_about, SEND, "admin_mend_about"),
            (f"{one}/lots/{{number}}", pages.lot, LOOK, "admin_lot"),
            (f"{one}/lots/{{number}}", pages.mend_lot, SEND, "admin_mend_lot"),
            (f"{one}/{{step}}", pages.step, SEND, "admin_step"),
        ),
    )


class _AdminPages:
    def __init__(self, house: AdminHouse, door: AdminDoor) -> None:
        self._house = house
        self._door = door

    # -- collections

    async def collections(self, request: Request) -> Response:
        """Every collection, and the form to upload."""
        return await self._list_page(request, self._door.expect(request))

    async def upload(self, request: Request) -> Response:
        """Take a file in; on to its draft, or back with what is wrong."""
        signed = self._door.expect(request)
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
        return await self._collection_page(request, self._door.expect(request))

    async def take_again(self, request: Request) -> Response:
        """Read the kept file with other columns."""
        signed, fields = await self._door.posted(request)
        name = named(request)
        try:
            columns = columns_told(",".join(f"{field}={at}" for at, field in told_columns(fields).items()))
            await asyncio.to_thread(self._house.drafts.take_again, name, columns)
        except JieqianError as error:
            return await self._collection_page(request, signed, error)
        return _see(path_for(request, "admin_collection", collection=name) + "?taken=1")

    async def step(self, request: Request) -> Response:
        """Publish, withdraw or discard."""
        signed, _ = await self._door.posted(request)
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
        signed = self._door.expect(request)
        seen = await self._mendable(request)
        collection = seen.held.collection
        return self._about_page(request, signed, seen, collection_fields(collection), mark_of_collection(collection))

    async def mend_about(self, request: Request) -> Response:
        """Take it."""
        signed, fields = await self._door.posted(request)
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
        signed = self._door.expect(request)
        seen = await self._mendable(request)
        entry = seen.held.lot(lot_number(request, seen))
        return self._lot_page(request, signed, seen, lot_fields(entry), mark_of(entry) if entry else "")

    async def mend_lot(self, request: Request) -> Response:
        """Take it."""
        signed, fields = await self._door.posted(request)
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

    async def _mendable(self, request: Request) -> Seen:
        seen = await asyncio.to_thread(self._house.drafts.look, named(request))
        if not seen.held.state.mendable:
            raise UnknownCollection("This collection was not imported, and is not changed here.")
        return seen

    async def _list_page(
        self,
        request: Request,
        signed: SignedIn,
        error: JieqianError | None = None,
        sent: Mapping[str, str] | None = None,
    ) -> Response:
        listed = await asyncio.to_thread(self._house.drafts.listed)
        values = {"listed": listed, "sent": sent or {}, "done": request.query_params.get("done")}
        return self._door.page(
            request, "admin_collections.html", error.status if error else 200, signed=signed, error=error, **values
        )

    async def _collection_page(self, request: Request, signed: SignedIn, error: JieqianError | None = None) -> Response:
        seen = await asyncio.to_thread(self._house.drafts.look, named(request))
        lots = seen.held.lots
        pages = max(1, -(-len(lots) // LOTS_A_PAGE))
        page = min(page_number(request), pages)
        missing = seen.held.collection.missing
        return self._door.page(
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
        return self._door.page(
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


def _see(path: str) -> Response:
    return RedirectResponse(path, 303)

"""The operator's collections over HTTP: uploaded as drafts, looked at, mended, published, withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from jieqian.api.bodies import openapi_body, read_body
from jieqian.api.house import Housed
from jieqian.api.uploading import receive_form, receive_raw
from jieqian.errors import ImportRefused, UnknownLot
from jieqian.lots.importing.drafts import Seen, columns_told, wish_of
from jieqian.lots.importing.entries import mark_of
from jieqian.lots.importing.mending import COLLECTION_FIELDS, mark_of_collection
from jieqian.lots.pack_format import LotEntry

router = APIRouter(prefix="/collections")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "description": "The file itself, named by `filename`; or a form with the file and the same fields before it.",
        "content": {"application/octet-stream": _BINARY, "multipart/form-data": _BINARY},
    }
}


class LotPatch(BaseModel):
    """What of a lot changes (a JSON merge patch, RFC 7396, of its line in the pack)."""

    model_config = ConfigDict(strict=True, extra="forbid")

    lot: dict[str, Any] = Field(description="Keys as in docs/packs.md; null takes one away")
    mark: str | None = Field(None, description="The lot's `mark` as you saw it; refused (409) where it has changed")


class CollectionPatch(BaseModel):
    """What of a collection's own fields changes, likewise."""

    model_config = ConfigDict(strict=True, extra="forbid")

    collection: dict[str, Any] = Field(description=f"Of {', '.join(COLLECTION_FIELDS)}; null takes one away")
    mark: str | None = Field(None, description="The collection's `mark` as you saw it")


class ColumnsBody(BaseModel):
    """How a table is to be read."""

    model_config = ConfigDict(strict=True, extra="forbid")

    columns: str = Field(description="`number=1,verse=詩文,overall.en=Meaning`", max_length=8_192)


@router.get("")
async def list_collections(house: Housed) -> dict[str, Any]:
    """Every collection and folder: `{"collections": [{"id", "state", "names", "lots", "size", "reason"}]}`.

    `state`: `packaged`, `by_hand`, `served`, `not_offered`, `draft`, `withdrawn` or `broken`.
    """
    return {"collections": [each.as_dict() for each in await asyncio.to_thread(house.drafts.listed)]}


@router.post("", status_code=201, openapi_extra=_UPLOAD_BODY)
async def upload_lots(
    request: Request,
    house: Housed,
    filename: str | None = Query(None, description="The file's name, whose ending tells its kind", max_length=300),
    id: str | None = Query(None, description="The collection's id; else the file's name", max_length=200),
    name: str | None = Query(None, description="What it is called", max_length=200),
    size: str | None = Query(None, description="How many lots the tradition has", max_length=20),
    columns: str | None = Query(None, description="`number=1,verse=2`", max_length=8_192),
) -> dict[str, Any]:
    """Make a draft of a file (.zip, .csv, .tsv, .json, .jsonl), or add it to the draft there is; the report.

    Nothing is served before `POST .../publish`.
    """
    told = {"id": id, "name": name, "size": size, "columns": columns}
    given = {key: value for key, value in told.items() if value is not None}
    data_dir = house.settings.data_dir
    wish_of(given)  # before anything is read
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        uploaded = await receive_form(request, data_dir, lambda fields: wish_of({**fields, **given}))
    elif filename is None:
        raise ImportRefused("Say the file's name: ?filename=lots.csv.")
    else:
        uploaded = await receive_raw(request, data_dir, filename)
    return await asyncio.to_thread(house.drafts.take, uploaded.path, wish_of({**uploaded.fields, **given}))


@router.get("/{collection_id}")
async def show_collection(house: Housed, collection_id: str) -> dict[str, Any]:
    """The draft of that id if there is one, else what is served, with the report of its upload; without its lots."""
    return _shown(await asyncio.to_thread(house.drafts.look, collection_id))


@router.patch("/{collection_id}", openapi_extra=openapi_body(CollectionPatch))
async def mend_collection(request: Request, house: Housed, collection_id: str) -> dict[str, Any]:
    """Change a collection's own fields; `{"collection", "mark"}`. What is served changes at once."""
    body = await read_body(request, CollectionPatch)
    seen = await asyncio.to_thread(house.drafts.look, collection_id)
    before = seen.held.collection.model_dump(mode="json", exclude_defaults=True)
    made = merged({key: before[key] for key in COLLECTION_FIELDS if key in before}, body.collection)
    # What the patch was applied to must still be there when it is written, whatever the caller saw.
    mark = mark_of_collection(seen.held.collection) if body.mark is None else body.mark
    mended = await asyncio.to_thread(house.drafts.mend_collection, collection_id, made, mark)
    return {"collection": mended.collection.model_dump(mode="json", exclude_defaults=True), "mark": mended.mark}


@router.delete("/{collection_id}", status_code=204)
async def discard_draft(house: Housed, collection_id: str) -> Response:
    """Throw a draft, or a withdrawn collection, away; what is served stays."""
    await asyncio.to_thread(house.drafts.discard, collection_id)
    return Response(status_code=204)


@router.post("/{collection_id}/columns", openapi_extra=openapi_body(ColumnsBody))
async def take_again(request: Request, house: Housed, collection_id: str) -> dict[str, Any]:
    """Read the draft's file with other columns, in place of what it gave; the report. Lots mended since are kept."""
    body = await read_body(request, ColumnsBody)
    return await asyncio.to_thread(house.drafts.take_again, collection_id, columns_told(body.columns))


@router.post("/{collection_id}/publish")
async def publish(house: Housed, collection_id: str) -> dict[str, Any]:
    """Serve the draft from now on, in place of what was served of it; as `GET` shows it."""
    await asyncio.to_thread(house.drafts.publish, collection_id)
    return _shown(await asyncio.to_thread(house.drafts.look, collection_id))


@router.post("/{collection_id}/withdraw")
async def withdraw(house: Housed, collection_id: str) -> dict[str, Any]:
    """Serve it no longer; it can be published again, and readings of it stay readable."""
    await asyncio.to_thread(house.drafts.withdraw, collection_id)
    return _shown(await asyncio.to_thread(house.drafts.look, collection_id))


@router.get("/{collection_id}/lots")
async def list_lots(
    house: Housed,
    collection_id: str,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> dict[str, Any]:
    """Lots as in the pack, in order of number: `{"lots": [{"lot", "mark"}], "total"}`."""
    lots = (await asyncio.to_thread(house.drafts.look, collection_id)).held.lots
    return {"lots": [_lot(lot) for lot in lots[offset : offset + limit]], "total": len(lots)}


@router.get("/{collection_id}/lots/{number}")
async def show_lot(house: Housed, collection_id: str, number: int) -> dict[str, Any]:
    """One lot as in the pack: `{"lot", "mark"}`."""
    lot = (await asyncio.to_thread(house.drafts.look, collection_id)).held.lot(number)
    if lot is None:
        raise UnknownLot
    return _lot(lot)


@router.patch("/{collection_id}/lots/{number}", openapi_extra=openapi_body(LotPatch))
async def mend_lot(request: Request, house: Housed, collection_id: str, number: int) -> dict[str, Any]:
    """Change one lot, or give one that is missing; `{"lot", "mark"}`. What is served changes at once."""
    body = await read_body(request, LotPatch)
    before = (await asyncio.to_thread(house.drafts.look, collection_id)).held.lot(number)
    line = {} if before is None else before.model_dump(mode="json", exclude_defaults=True)
    made = {key: value for key, value in merged(line, body.lot).items() if key != "number"}
    mark = (mark_of(before) if before else "") if body.mark is None else body.mark
    mended = await asyncio.to_thread(house.drafts.mend_lot, collection_id, number, made, mark)
    return _lot(next(lot for lot in mended.lots if lot.number == number))


def merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: objects are merged, null takes a key away, anything else is put in its place."""
    made = dict(before)
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict):
            there = made.get(key)
            made[key] = merged(there if isinstance(there, dict) else {}, value)
        else:
            made[key] = value
    return made


def _shown(seen: Seen) -> dict[str, Any]:
    held = seen.held
    return {
        "collection": held.collection.model_dump(mode="json", exclude_defaults=True),
        "mark": mark_of_collection(held.collection),
        "state": held.state.value,
        "also_served": held.also_served,
        "lots": len(held.lots),
        "missing": list(held.collection.missing),
        "upload": seen.upload,
        "report": seen.report,
    }


def _lot(entry: LotEntry) -> dict[str, Any]:
    return {"lot": entry.model_dump(mode="json", exclude_defaults=True), "mark": mark_of(entry)}

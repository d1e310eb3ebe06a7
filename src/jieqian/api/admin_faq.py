"""The review of FAQ entries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from jieqian.api.bodies import openapi_body, read_body
from jieqian.api.house import Housed
from jieqian.errors import InvalidRequest
from jieqian.faq.entry import CATEGORIES, GENERAL, FaqStatus, FaqUse
from jieqian.faq.listing import FaqFilter, day_before, question_dict, uses_dict
from jieqian.languages import Language, named_language
from jieqian.tasks.faq_store import MOST_AT_ONCE

router = APIRouter(prefix="/faq")
ALL = "all"
_STRICT = ConfigDict(strict=True, extra="forbid")
_MARK = "The entry's `mark` as it was shown: where it has another by now, nothing is written (409)"
_CATEGORY = f"One of {', '.join(CATEGORIES)}"


class ApproveBody(BaseModel):
    """What the reviewer mends; nothing stays as it is."""

    model_config = _STRICT

    question: str | None = None
    answer: str | None = None
    category: str | None = Field(None, description=_CATEGORY)
    mark: str | None = Field(None, description=_MARK)


class MarkBody(BaseModel):
    """Which state of the entry is decided on."""

    model_config = _STRICT

    mark: str | None = Field(None, description=_MARK)


class EntryBody(BaseModel):
    """A new entry: by hand with `collection` and `lot`, or with `translated_from` another one in another language."""

    model_config = _STRICT

    question: str
    answer: str
    language: str
    category: str | None = Field(None, description=f"{_CATEGORY}; unset: `general`, or that of the other entry")
    collection: str | None = None
    lot: int | str | None = None
    translated_from: str | None = Field(None, description="The id of the entry it tells in another language")
    approved: bool = Field(False, description="True: approved at once; else it waits for review")
    unanswered: list[str] = Field([], max_length=MOST_AT_ONCE, description="Questions without an entry that it settles")


class Decided(BaseModel):
    """One entry to decide on."""

    model_config = _STRICT

    id: str = Field(description="The whole id")
    mark: str | None = Field(None, description="As for one entry; one with another mark is left as it is")


class DecideBody(BaseModel):
    """The same decision on many entries."""

    model_config = _STRICT

    decision: Literal["approve", "reject", "take_back"]
    entries: list[Decided] = Field(max_length=MOST_AT_ONCE)


class TranslateBody(BaseModel):
    """Into which language."""

    model_config = _STRICT

    language: str


class ForgetBody(BaseModel):
    """Which questions without an entry are no longer wanted."""

    model_config = _STRICT

    ids: list[str] = Field(max_length=MOST_AT_ONCE)


_DECISIONS = {"approve": FaqStatus.APPROVED, "reject": FaqStatus.REJECTED, "take_back": FaqStatus.PENDING}


@router.get("")
async def list_entries(
    house: Housed,
    status: str = FaqStatus.PENDING.value,
    language: str | None = None,
    collection: str | None = None,
    category: str | None = None,
    unused_days: Annotated[int | None, Query(ge=1, le=365)] = None,
    sort: Literal["oldest", "uses"] = "oldest",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Entries, oldest first or most used first: `{"entries": [...], "total"}`; `total` counts those beyond `limit` too.

    `unused_days`: only those that were no source of a reading in so many days.
    """
    wanted = _status(status)
    which = _filter(house, language, collection, category)
    narrow: dict[str, Any] = {"collection": which.collection, "category": which.category}
    uses = await house.store.faq_uses()
    if unused_days is None and sort == "oldest":
        found = await house.store.faq_entries(wanted, which.language, limit, **narrow)
        total = await house.store.count_faq(wanted, which.language, **narrow)
    else:
        since = day_before((unused_days or 1) - 1)
        everything = await house.store.faq_entries(wanted, which.language, **narrow)
        used = {entry.id: uses.get(entry.id, FaqUse()) for entry in everything}
        found = [each for each in everything if unused_days is None or (used[each.id].last_day or "") < since]
        found.sort(key=lambda entry: -used[entry.id].total if sort == "uses" else 0)
        total = len(found)
    entries = [{**entry.as_dict(), "uses": uses_dict(uses.get(entry.id, FaqUse()))} for entry in found[:limit]]
    return {"entries": entries, "total": total}


@router.post("", status_code=201, openapi_extra=openapi_body(EntryBody))
async def write_entry(request: Request, house: Housed) -> dict[str, Any]:
    """Write an entry by hand, or in another language."""
    body = await read_body(request, EntryBody)
    language = _language_for(body.language)
    first = await house.store.faq_entry(body.translated_from) if body.translated_from else None
    if first is not None:
        collection, lot = first.collection, first.lot
    elif body.collection is not None and body.lot is not None:
        asked = house.lots.asked_lot(house.lots.collection(body.collection).id, body.lot)
        collection, lot = asked.collection, asked.number
    else:
        raise InvalidRequest("collection and lot, or translated_from: an entry is about a lot.")
    entry = await house.faq_review.write(
        collection=collection,
        lot=lot,
        language=language,
        category=body.category or (first.category if first else GENERAL),
        question=body.question,
        answer=body.answer,
        approved=body.approved,
        translated_from=first,
        answers=body.unanswered,
    )
    return entry.as_dict()


@router.post("/decide", openapi_extra=openapi_body(DecideBody))
async def decide(request: Request, house: Housed) -> dict[str, Any]:
    """The same decision on many, each by itself: `{"done": [id], "left": {id: "changed" or "gone"}}`."""
    body = await read_body(request, DecideBody)
    bulk = await house.faq_review.decide({each.id: each.mark for each in body.entries}, _DECISIONS[body.decision])
    return {"done": [entry.id for entry in bulk.done], "left": dict(bulk.left)}


@router.get("/groups")
async def list_groups(
    house: Housed,
    language: str | None = None,
    collection: str | None = None,
    category: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Pending entries in groups of nearly the same question: `{"groups": [[entry, ...]], "total"}`."""
    groups = await house.faq_lists.waiting(_filter(house, language, collection, category))
    return {"groups": [[entry.as_dict() for entry in group] for group in groups[:limit]], "total": len(groups)}


@router.get("/unanswered")
async def list_unanswered(
    house: Housed,
    language: str | None = None,
    collection: str | None = None,
    category: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Masked questions that no approved entry was found for, nearly the same ones together, most asked first."""
    groups = await house.faq_lists.unanswered(_filter(house, language, collection, category))
    return {"questions": [question_dict(group) for group in groups[:limit]], "total": len(groups)}


@router.post("/unanswered/forget", openapi_extra=openapi_body(ForgetBody))
async def forget_unanswered(request: Request, house: Housed) -> dict[str, Any]:
    """Forget questions: `{"forgotten"}`."""
    body = await read_body(request, ForgetBody)
    return {"forgotten": await house.store.drop_unanswered(body.ids)}


@router.get("/{entry_id}")
async def show_entry(house: Housed, entry_id: str) -> dict[str, Any]:
    """One entry, with the reading it came from, its uses of the last 30 days and itself in other languages.

    Its id may be shortened as long as it is the only one that begins so.
    """
    return (await house.faq_lists.story(await house.store.faq_entry(entry_id))).as_dict()


@router.patch("/{entry_id}", openapi_extra=openapi_body(ApproveBody))
async def mend_entry(request: Request, house: Housed, entry_id: str) -> dict[str, Any]:
    """Mend its text and leave it where it stands."""
    body = await read_body(request, ApproveBody)
    return (await house.faq_review.mend(entry_id, **body.model_dump())).as_dict()


@router.post("/{entry_id}/approve", openapi_extra=openapi_body(ApproveBody))
async def approve_entry(request: Request, house: Housed, entry_id: str) -> dict[str, Any]:
    """Approve it, mended where the body says so: from now on it may be a source of readings."""
    body = await read_body(request, ApproveBody) if _has_body(request) else ApproveBody()
    return (await house.faq_review.approve(entry_id, **body.model_dump())).as_dict()


@router.post("/{entry_id}/reject", openapi_extra=openapi_body(MarkBody))
async def reject_entry(request: Request, house: Housed, entry_id: str) -> dict[str, Any]:
    """Reject it, also after it was approved: from now on it is no source."""
    return (await house.faq_review.reject(entry_id, mark=await _mark(request))).as_dict()


@router.post("/{entry_id}/take-back", openapi_extra=openapi_body(MarkBody))
async def take_back_entry(request: Request, house: Housed, entry_id: str) -> dict[str, Any]:
    """Take a decision back: it waits for review again, and is no source."""
    return (await house.faq_review.take_back(entry_id, mark=await _mark(request))).as_dict()


@router.post("/{entry_id}/translate", openapi_extra=openapi_body(TranslateBody))
async def translate_entry(request: Request, house: Housed, entry_id: str) -> dict[str, Any]:
    """A proposal in another language, which is not kept: `{"question", "answer", "by", "reason"}`.

    Between the Chinese scripts by OpenCC, else by the model in use. Where there is none, `reason` says why: `no_model`,
    `failed` or `unusable`.
    """
    body = await read_body(request, TranslateBody)
    entry, language = await house.store.faq_entry(entry_id), _language_for(body.language)
    if language is entry.language:
        raise InvalidRequest("language: it is in that language.")
    found = await house.faq_translator.propose(entry, language)
    return {"question": found.question, "answer": found.answer, "by": found.by, "reason": found.reason}


async def _mark(request: Request) -> str | None:
    return (await read_body(request, MarkBody)).mark if _has_body(request) else None


def _language_for(told: str) -> Language:
    language = named_language(told)
    if language is None:
        raise InvalidRequest("language: zh-Hant, zh-Hans, en or ja.")
    return language


def _filter(house: Housed, language: str | None, collection: str | None, category: str | None) -> FaqFilter:
    if category is not None and category not in CATEGORIES:
        raise InvalidRequest(f"category: one of {', '.join(CATEGORIES)}.")
    known = house.lots.collection(collection).id if collection is not None else None
    return FaqFilter(language=named_language(language), collection=known, category=category)


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _status(named: str) -> FaqStatus | None:
    if named == ALL:
        return None
    try:
        return FaqStatus(named)
    except ValueError as error:
        raise InvalidRequest("status: pending, approved, rejected or all.") from error

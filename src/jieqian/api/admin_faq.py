"""The review of FAQ entries."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from jieqian.api.bodies import openapi_body, read_body
from jieqian.api.house import Housed
from jieqian.errors import InvalidRequest
from jieqian.faq.entry import CATEGORIES, FaqStatus
from jieqian.languages import named_language

router = APIRouter(prefix="/faq")
ALL = "all"


class ApproveBody(BaseModel):
    """What the reviewer mends; nothing stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid")

    question: str | None = None
    answer: str | None = None
    category: str | None = Field(None, description=f"One of {', '.join(CATEGORIES)}")


@router.get("")
async def list_entries(
    house: Housed,
    status: str = FaqStatus.PENDING.value,
    language: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Entries, oldest first: `{"entries": [...], "total"}`; `total` counts those beyond `limit` too."""
    wanted, spoken = _status(status), named_language(language)
    found = await house.store.faq_entries(wanted, spoken, limit)
    return {"entries": [entry.as_dict() for entry in found], "total": await house.store.count_faq(wanted, spoken)}


@router.get("/{entry_id}")
async def show_entry(house: Housed, entry_id: str) -> dict[str, Any]:
    """One entry; its id may be shortened as long as it is the only one that begins so."""
    return (await house.store.faq_entry(entry_id)).as_dict()


@router.post("/{entry_id}/approve", openapi_extra=openapi_body(ApproveBody))
async def approve_entry(request: Request, house: Housed, entry_id: str) -> dict[str, Any]:
    """Approve it, mended where the body says so: from now on it may be a source of readings."""
    body = await read_body(request, ApproveBody) if _has_body(request) else ApproveBody()
    entry = await house.faq_review.approve(entry_id, question=body.question, answer=body.answer, category=body.category)
    return entry.as_dict()


@router.post("/{entry_id}/reject")
async def reject_entry(house: Housed, entry_id: str) -> dict[str, Any]:
    """Reject it, also after it was approved: from now on it is no source."""
    return (await house.faq_review.reject(entry_id)).as_dict()


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _status(named: str) -> FaqStatus | None:
    if named == ALL:
        return None
    try:
        return FaqStatus(named)
    except ValueError as error:
        raise InvalidRequest("status: pending, approved, rejected or all.") from error

"""Links to readings over HTTP: made and taken back by their askers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from jieqian.api.addresses import link_for
from jieqian.api.bodies import ShareBody, openapi_body, read_body
from jieqian.api.callers import caller_of
from jieqian.api.house import Housed
from jieqian.reading.sharing import share_reading

router = APIRouter(prefix="/tasks", tags=["tasks"])


@router.post("/{task_id}/share", openapi_extra=openapi_body(ShareBody))
async def share_task(request: Request, house: Housed, task_id: str) -> dict[str, Any]:
    """Make a link for others to an ended reading: `url` (whole if PUBLIC_URL is set), `with_question`, `expires_at`."""
    body = await read_body(request, ShareBody)
    share = await share_reading(
        house.store,
        task_id,
        caller_of(request),
        with_question=body.with_question,
        days=house.settings.share_days,
    )
    return {
        "task_id": share.task_id,
        "url": link_for(request, house.settings.public_url, "shared", token=share.token),
        "with_question": share.with_question,
        "expires_at": share.expires_at,
    }


@router.delete("/{task_id}/share", status_code=204)
async def withdraw_share(request: Request, house: Housed, task_id: str) -> Response:
    """Take the link back; nothing happens where there is none."""
    await house.store.withdraw_share(task_id, caller_of(request))
    return Response(status_code=204)

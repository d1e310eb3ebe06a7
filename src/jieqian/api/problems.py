"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from jieqian.errors import InvalidRequest, JieqianError

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
#: What a status asks for: how to authenticate; that the rest of a late body must not be taken for a request.
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 408: {"Connection": "close"}}


#: Errors of the routing itself: their codes, and what to do.
_PLAIN = {
    404: ("not_found", "There is nothing at this address. `/openapi.json` lists what there is."),
    405: ("method_not_allowed", "This address does not take that method. The Allow header names those it takes."),
}


def problem_response(error: JieqianError) -> Response:
    """The error's document, with the headers its status asks for, and `Retry-After` where it names a wait."""
    document = error.problem()
    headers = dict(_HEADERS.get(error.status, {}))
    if (seconds := error.extra.get("retry_after")) is not None:
        headers["Retry-After"] = str(seconds)
    return JSONResponse(document, status_code=error.status, headers=headers, media_type=MEDIA_TYPE)


def add_problem_handlers(app: FastAPI, nothing_here: Callable[[Request], Response]) -> None:
    """Every error of the API leaves as a problem document; an unexpected one tells nothing of its inside.

    `nothing_here`: the page for a browser at an address that leads nowhere.
    """

    @app.exception_handler(JieqianError)
    async def known(_request: Request, error: JieqianError) -> Response:
        if error.status >= 500:
            logger.error("%s: %s", error.code, error.detail, extra={"action": "request_failed", "code": error.code})
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return problem_response(InvalidRequest(_faults(error.errors())))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404 and _wants_a_page(request):
            return nothing_here(request)
        code, told = _PLAIN.get(error.status_code, ("http_error", str(error.detail)))
        document = {
            "type": "about:blank",
            "title": str(error.detail),
            "status": error.status_code,
            "detail": told,
            "code": code,
            "retryable": False,
        }
        return JSONResponse(document, error.status_code, headers=error.headers, media_type=MEDIA_TYPE)

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Response:
        return problem_response(JieqianError())


def _wants_a_page(request: Request) -> bool:
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return not path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _faults(errors: Any) -> str:
    told = [f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}" for fault in errors]
    return "; ".join(told[:5]) + "."

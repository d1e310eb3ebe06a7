"""Who may see the admin pages, and what all of them have: the door, the token of their forms, their words."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.errors import (
    CrossSiteRequest,
    JieqianError,
    NotSignedIn,
    RateLimited,
    UnknownCollection,
    UnknownExperiment,
    UnknownFaqEntry,
)
from jieqian.lots.lot import TOPICS
from jieqian.web.admin_forms import MOST_FIELDS, TAGS
from jieqian.web.forms import read_fields
from jieqian.web.rendering import render
from jieqian.web.sign_in import SignedIn, SignIns, expect_own_page

_LONGEST_ADDRESS = 2_000
#: What the admin pages are about, in the order of their links: the route of each one's first page, and its name's text.
SECTIONS = {
    "admin": "dashboard.title",
    "admin_collections": "admin.collections",
    "admin_faq": "faq.title",
    "admin_experiments": "experiments.title",
}
#: What an address is made of; no control character, no backslash.
_ADDRESS = re.compile(r"[!#-\[\]^-~]+", re.ASCII)
Endpoint = Callable[[Request], Awaitable[Response]]
#: Methods of a page that is looked at, and of one that takes a form.
LOOK, SEND = ["GET", "HEAD"], ["POST"]


class AdminDoor:
    """One for all admin pages of a service: a sign-out ends a sign-in for each of them."""

    def __init__(self, secret: str, admin_token: str | None) -> None:
        self._sign_ins = SignIns(secret, admin_token)

    def routes(self, prefix: str, pages: Iterable[tuple[str, Endpoint, list[str], str]]) -> APIRouter:
        """Pages below that prefix, all behind the door: of each its path, endpoint, methods and name."""
        router = APIRouter(prefix=prefix, include_in_schema=False)
        for path, endpoint, methods, name in pages:
            router.add_api_route(path, self.guarded(endpoint), methods=methods, name=name, response_model=None)
        return router

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with the door in its place where nobody is signed in."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except (NotSignedIn, CrossSiteRequest) as error:
                return self._door(request, error)
            except (UnknownCollection, UnknownExperiment, UnknownFaqEntry) as error:
                return self.page(request, "admin_missing.html", error.status, error=error)

        return answer

    def of(self, request: Request) -> SignedIn | None:
        """Who is signed in, or None."""
        return self._sign_ins.of(request)

    def expect(self, request: Request) -> SignedIn:
        """Who is signed in. Raises `NotSignedIn`."""
        return self._sign_ins.expect(request)

    async def posted(self, request: Request, most_fields: int = MOST_FIELDS) -> tuple[SignedIn, dict[str, str]]:
        """Who sent a form, and its fields. Raises `NotSignedIn`, `CrossSiteRequest`."""
        signed = self._sign_ins.expect(request)
        expect_own_page(request)
        fields = await read_fields(request, most_fields=most_fields)
        signed.expect(fields.get("form"))
        return signed, fields

    def ask(self, request: Request) -> Response:
        """The page that asks for ADMIN_TOKEN."""
        return self._door(request, None)

    async def sign_in(self, request: Request) -> Response:
        """Take the token; on to the page that was asked for, else to the dashboard."""
        expect_own_page(request)
        fields = await read_fields(request)
        to = _own_page(request, fields.get("to", ""))
        try:
            right = self._sign_ins.is_right(request, fields.get("token", ""))
        except RateLimited as error:
            response = self._door(request, error, to=to)
            response.headers["Retry-After"] = str(error.extra["retry_after"])
            return response
        if not right:
            return self._door(request, None, wrong=True, to=to)
        response = RedirectResponse(to, 303)
        self._sign_ins.begin(request, response)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End it."""
        signed, _ = await self.posted(request)
        response = RedirectResponse(path_for(request, "admin"), 303)
        self._sign_ins.end(request, response, signed)
        return response

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """One admin page. `signed`: who looks at it, where that is known already; `here`: as of `render`."""
        signed = values.pop("signed", None) or self._sign_ins.of(request)
        here = values.pop("here", None)
        # To where a form stood, as far as it can be asked for.
        section = _section(request)
        if here is None and request.method not in ("GET", "HEAD"):
            one = request.path_params.get("collection")
            here = path_for(request, "admin_collection", collection=one) if one else path_for(request, section)
        return render(
            request,
            template,
            status,
            here=here,
            form_token=signed.form_token if signed else None,
            sections=SECTIONS,
            section=section,
            is_first=request.scope["path"] == path_for(request, section),
            tags=TAGS,
            topics=TOPICS,
            **values,
        )

    def _door(self, request: Request, error: JieqianError | None, *, wrong: bool = False, to: str = "") -> Response:
        if not self._sign_ins.possible:
            return self.page(request, "admin_closed.html", 403)
        status = error.status if error else 403 if wrong else 200
        return self.page(request, "admin_door.html", status, error=error, wrong=wrong, to=to or _asked_page(request))


def _section(request: Request) -> str:
    """Where in the admin pages that address is."""
    asked = request.scope["path"]
    within = (name for name in SECTIONS if f"{asked}/".startswith(f"{path_for(request, name)}/"))
    return max(within, key=lambda name: len(path_for(request, name)), default="admin")


def _asked_page(request: Request) -> str:
    """Where the door stands in place of a page: that page; "" where a form was sent."""
    if request.method not in ("GET", "HEAD"):
        return ""
    query = request.url.query
    return quote(request.scope["path"]) + (f"?{query}" if query else "")


def _own_page(request: Request, to: str) -> str:
    """That page, if it is one of these; else the dashboard: nobody is led elsewhere by a form."""
    first = path_for(request, "admin")
    own = to == first or to.startswith((f"{first}/", f"{first}?"))
    return to if own and len(to) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(to) else first

"""What leaves with a reading: a link that others may open, and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.api.callers import caller_of
from jieqian.errors import NothingToShare, UnknownShare, UnknownTask
from jieqian.reading.sharing import is_shareable, share_reading, shared_reading
from jieqian.web.forms import read_fields
from jieqian.web.picture import picture_of
from jieqian.web.reading_view import view_of
from jieqian.web.rendering import draw, render
from jieqian.web.routes import PageRoute

if TYPE_CHECKING:
    from jieqian.web.pages import PagesHouse

#: No search engine keeps what was given to one person.
_NOT_FOR_SEARCH = {"X-Robots-Tag": "noindex, nofollow, noarchive"}


def sharing_routes(house: PagesHouse) -> tuple[PageRoute, ...]:
    """The pages and forms of links."""
    sharing = _Sharing(house)
    look, send = ["GET", "HEAD"], ["POST"]
    return (
        ("/readings/{task_id}/share", sharing.share, send, "share"),
        ("/readings/{task_id}/share/withdraw", sharing.withdraw, send, "withdraw_share_page"),
        ("/shared/{token}", sharing.shared, look, "shared"),
        ("/readings/{task_id}/picture.svg", sharing.picture, look, "picture"),
    )


class _Sharing:
    def __init__(self, house: PagesHouse) -> None:
        self._house = house

    async def share(self, request: Request, task_id: str) -> Response:
        """Make a link to the caller's reading; back to the reading, which shows it."""
        try:
            fields = await read_fields(request)
            await share_reading(
                self._house.store,
                task_id,
                caller_of(request),
                with_question=fields.get("with_question") == "true",
                days=self._house.settings.share_days,
            )
        except UnknownTask:
            return render(request, "missing.html", 404)
        except NothingToShare:  # not ended, or links are turned off: the page offers none
            pass
        return _back(request, task_id)

    async def withdraw(self, request: Request, task_id: str) -> Response:
        """Take the link back."""
        try:
            await self._house.store.withdraw_share(task_id, caller_of(request))
        except UnknownTask:
            return render(request, "missing.html", 404)
        return _back(request, task_id)

    async def shared(self, request: Request, token: str) -> Response:
        """The reading behind a link, to be looked at; whoever looks needs no session and gets none."""
        try:
            share, task = await shared_reading(self._house.store, token)
        except UnknownShare:
            response: Response = render(request, "shared_gone.html", 404)
        else:
            response = render(
                request,
                "shared.html",
                view=view_of(task, self._house.lots),
                task=task,
                question=task.question if share.with_question else None,
            )
        response.headers.update(_NOT_FOR_SEARCH)
        return response

    async def picture(self, request: Request, task_id: str) -> Response:
        """The caller's ended reading as a picture; `?question=1` puts the question on it."""
        try:
            task = await self._house.store.get(task_id, caller_of(request))
        except UnknownTask:
            return render(request, "missing.html", 404)
        view = view_of(task, self._house.lots)
        if view.slip is None or not is_shareable(task):
            return render(request, "missing.html", 404)
        drawn = picture_of(view, with_question=request.query_params.get("question") == "1")
        return draw("picture.svg", task.language, drawn)


def _back(request: Request, task_id: str) -> Response:
    return RedirectResponse(path_for(request, "reading", task_id=task_id) + "#share", 303)

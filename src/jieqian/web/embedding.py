"""The widget: the script other sites name, and the pages it shows in a frame there. They read and set no cookie."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.api.callers import caller_of, ticket_for, visit_token
from jieqian.errors import InvalidLot, JieqianError, UnknownCollection, UnknownLot, UnknownTask
from jieqian.languages import Language
from jieqian.lots.lot import Collection
from jieqian.tasks.task import Status
from jieqian.web.asking import error_values
from jieqian.web.assets import assets, has_already
from jieqian.web.forms import AskForm
from jieqian.web.lot_view import lot_view
from jieqian.web.pages_house import PagesHouse
from jieqian.web.reading_view import view_of
from jieqian.web.rendering import render
from jieqian.web.routes import PageRoute
from jieqian.web.temple_view import TempleView, in_order, temple_view
from jieqian.web.temples import drawn_by, suggested
from jieqian.web.texts import Texts, frame_language
from jieqian.web.writer import writer_of

#: How long a browser may keep the script: a change of the setting has to reach other sites' visitors soon.
_KEPT_SECONDS = 300
_ADVICE = "Sites that may are named by JIEQIAN_EMBED_ORIGINS on the service."


def embed_routes(house: PagesHouse) -> tuple[PageRoute, ...]:
    """The script's address, and the frame's pages; those are not there until EMBED_ORIGINS lets somebody have them."""
    pages = _EmbedPages(house)
    look = ["GET", "HEAD"]
    return (
        ("/widget.js", pages.widget, look, "widget"),
        ("/embed", pages.choose, look, "embed"),
        ("/embed/readings/{task_id}", pages.reading, look, "embed_reading"),
        ("/embed/{temple}", pages.temple, look, "embed_temple"),
        ("/embed/{temple}/lots", pages.named_lot, look, "embed_lots"),
        ("/embed/{temple}/lots/{number}", pages.lot, look, "embed_lot"),
    )


@dataclass(frozen=True, slots=True)
class _Script:
    content: bytes
    etag: str

    def answer(self, request: Request) -> Response:
        headers = {"ETag": self.etag, "Cache-Control": f"public, max-age={_KEPT_SECONDS}"}
        if has_already(request, self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type="text/javascript; charset=utf-8", headers=headers)


@lru_cache(maxsize=1)
def _script(origins: tuple[str, ...]) -> _Script:
    """`static/widget.js` is a function of what is known here: who may embed, and the words beside the frame."""
    words = {
        language.value: {"title": Texts(language)("embed.title"), "link": Texts(language)("embed.link")}
        for language in Language
    }
    known = json.dumps({"origins": origins, "words": words, "advice": _ADVICE}, ensure_ascii=False)
    content = assets().files["widget.js"].content.rstrip() + f"({known});\n".encode()
    return _Script(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


class _EmbedPages:
    def __init__(self, house: PagesHouse) -> None:
        self._house = house

    async def widget(self, request: Request) -> Response:
        """The script that other sites name."""
        return _script(self._house.settings.embed_origins).answer(request)

    async def choose(self, request: Request) -> Response:
        """Every temple, for a page that names none."""
        self._require_embedding()
        language = frame_language(request)
        temples = [temple_view(collection, language) for collection in in_order(self._house.lots.collections())]
        return self._render(request, "embed_choose.html", temples=temples)

    async def temple(self, request: Request, temple: str) -> Response:
        """Shake the tube or name a number."""
        self._require_embedding()
        try:
            return self._temple_page(request, self._house.lots.collection(temple))
        except UnknownCollection as error:
            return self._unknown_temple(request, error)

    async def named_lot(self, request: Request, temple: str) -> Response:
        """On to the lot `?number=` names, or back with what is wrong with it."""
        self._require_embedding()
        written = request.query_params.get("number", "")
        try:
            collection = self._house.lots.collection(temple)
            lot = self._house.lots.asked_lot(collection.id, written)
        except UnknownCollection as error:
            return self._unknown_temple(request, error)
        except (InvalidLot, UnknownLot) as error:
            return self._temple_page(request, collection, error, written)
        there = path_for(request, "embed_lot", temple=lot.collection, number=lot.number)
        return RedirectResponse(f"{there}?{urlencode({'lang': frame_language(request).value})}", 303)

    async def lot(self, request: Request, temple: str, number: str) -> Response:
        """One lot with its commentary and the field for a question; `?draw=` tells how it was drawn."""
        self._require_embedding()
        language = frame_language(request)
        try:
            collection = self._house.lots.collection(temple)
            lot = self._house.lots.asked_lot(collection.id, number)
        except UnknownCollection as error:
            return self._unknown_temple(request, error)
        except (InvalidLot, UnknownLot) as error:
            return self._temple_page(request, collection, error, number)
        caller = caller_of(request)
        self._house.warm(caller, lot, language)
        how = await drawn_by(self._house.store, caller, request.query_params.get("draw", ""), collection, lot)
        return self._render(
            request,
            "embed_lot.html",
            temple=temple_view(collection, language),
            view=lot_view(lot, collection, language),
            drawn=how,
            asked=AskForm(
                collection=lot.collection,
                lot=str(lot.number),
                question=request.query_params.get("question", ""),
                draw_id=how.id if how else "",
            ),
            suggested=suggested(language, {"lang": language.value}),
        )

    async def reading(self, request: Request, task_id: str) -> Response:
        """The visitor's own reading as far as it has come."""
        self._require_embedding()
        caller = caller_of(request)
        try:
            task = await self._house.store.get(task_id, caller)
        except UnknownTask:
            texts = Texts(frame_language(request))
            return self._missing(request, texts("missing.title"), texts("missing.text"))
        ahead = None
        if task.status is Status.QUEUED:
            ahead = (await self._house.store.ahead_of([task.id])).get(task.id)
        return self._render(
            request,
            "embed_reading.html",
            embedded=True,
            task=task,
            view=view_of(task, self._house.lots),
            ahead=ahead,
            writer=writer_of(task, self._house.engines),
            elapsed_seconds=max(0, round(time.time() - task.created_at)),
            ticket=ticket_for(request, task.id),
            share_days=self._house.settings.share_days,
        )

    def _require_embedding(self) -> None:
        if not self._house.settings.embed_origins:
            raise HTTPException(404)

    def _temple_page(
        self, request: Request, collection: Collection, error: JieqianError | None = None, number: str = ""
    ) -> Response:
        language = frame_language(request)
        return self._render(
            request,
            "embed_temple.html",
            error.status if error else 200,
            temple=temple_view(collection, language),
            number=number,
            others=request.query_params.get("others") == "1",
            **error_values(error, Texts(language)),
        )

    def _unknown_temple(self, request: Request, error: UnknownCollection) -> Response:
        language = frame_language(request)
        near = error.extra.get("nearest")
        view = temple_view(self._house.lots.collection(near), language) if near else None
        return self._missing(request, Texts(language)("gone.temple"), nearest=view)

    def _missing(
        self, request: Request, heading: str, error_text: str = "", *, nearest: TempleView | None = None
    ) -> Response:
        return self._render(request, "embed_missing.html", 404, heading=heading, error_text=error_text, nearest=nearest)

    def _render(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return render(
            request,
            template,
            status,
            frame=frame_language(request),
            token=visit_token(request),
            origins=" ".join(self._house.settings.embed_origins),
            **values,
        )

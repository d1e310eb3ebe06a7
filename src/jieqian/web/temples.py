"""The way in: choose a temple, draw or name a lot, look at it, and from there ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.api.callers import caller_of, limited_as
from jieqian.cache.suggested import questions_by_topic
from jieqian.errors import InvalidLot, JieqianError, UnknownCollection, UnknownDraw, UnknownLot
from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.reading.drawing import draw_at_once
from jieqian.tasks.store import TaskStore
from jieqian.web.asking import error_values, form_values, waiting
from jieqian.web.forms import AskForm, new_submission
from jieqian.web.lot_view import Drawn, LotView, drawn, lot_view
from jieqian.web.pages_house import PagesHouse
from jieqian.web.rendering import render
from jieqian.web.temple_view import in_order, temple_view
from jieqian.web.texts import Texts, page_language


class TemplePages:
    """The pages before a reading."""

    def __init__(self, house: PagesHouse) -> None:
        self._house = house

    async def choose(self, request: Request) -> Response:
        """Every temple, to choose one."""
        language = page_language(request)
        temples = [temple_view(collection, language) for collection in in_order(self._house.lots.collections())]
        values = await form_values(self._house, AskForm(), Texts(language), None)
        return render(request, "choose.html", temples=temples, **values)

    async def temple(self, request: Request, temple: str) -> Response:
        """One temple: its deity's story, its custom, and three ways on."""
        try:
            return self._temple_page(request, self._house.lots.collection(temple))
        except UnknownCollection as error:
            return self._unknown_temple(request, error)

    async def draw(self, request: Request, temple: str) -> Response:
        """Draw for a page without scripts, both steps in one; on to the lot that was drawn."""
        try:
            collection = self._house.lots.collection(temple)
        except UnknownCollection as error:
            return self._unknown_temple(request, error)
        caller = caller_of(request)
        try:
            self._house.rate_limit.take(*limited_as(request))
            draw = await draw_at_once(collection, caller, self._house.store)
        except JieqianError as error:
            return self._temple_page(request, collection, error)
        number = (draw.result or {})["number"]
        self._house.warm(caller, self._house.lots.lot(collection.id, number), page_language(request))
        place = path_for(request, "lot", temple=collection.id, number=number)
        return RedirectResponse(f"{place}?{urlencode({'draw': draw.id})}", 303)

    async def lots(self, request: Request, temple: str) -> Response:
        """Every lot of a temple to choose from; `?number=` leads to that lot, or back with what is wrong with it."""
        written = request.query_params.get("number")
        try:
            collection = self._house.lots.collection(temple)
            if written is None:
                view = temple_view(collection, page_language(request))
                return render(request, "lots.html", temple=view, lots=self._house.lots.lots(collection.id))
            lot = self._house.lots.asked_lot(collection.id, written)
        except UnknownCollection as error:
            return self._unknown_temple(request, error)
        except (InvalidLot, UnknownLot) as error:
            return self._temple_page(request, collection, error, number=written or "")
        return RedirectResponse(path_for(request, "lot", temple=lot.collection, number=lot.number), 303)

    async def lot(self, request: Request, temple: str, number: str) -> Response:
        """One lot with its commentary and the form to ask about it; `?draw=` tells how it was drawn."""
        try:
            collection = self._house.lots.collection(temple)
            lot = self._house.lots.asked_lot(collection.id, number)
        except UnknownCollection as error:
            return self._unknown_temple(request, error)
        except (InvalidLot, UnknownLot) as error:
            view = temple_view(collection, page_language(request))
            values = error_values(error, Texts(page_language(request)))
            return render(request, "lot_missing.html", 404, temple=view, **values)
        if (temple, number) != (lot.collection, str(lot.number)):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(path_for(request, "lot", temple=lot.collection, number=lot.number) + query, 302)
        self._house.warm(caller_of(request), lot, page_language(request))
        asked = AskForm(
            collection=lot.collection,
            lot=str(lot.number),
            question=request.query_params.get("question", ""),
            draw_id=request.query_params.get("draw", ""),
            submission=new_submission(),
            place="lot",
        )
        return await self.lot_page(request, asked)

    async def lot_page(self, request: Request, asked: AskForm, error: JieqianError | None = None) -> Response:
        """The page of the lot the form names; raises `UnknownCollection`, `UnknownLot`, `InvalidLot`."""
        language = page_language(request)
        collection = self._house.lots.collection(asked.collection)
        lot = self._house.lots.asked_lot(collection.id, asked.lot)
        how = await drawn_by(self._house.store, caller_of(request), asked.draw_id, collection, lot)
        asked = replace(asked, draw_id=how.id if how else "")
        response = render(
            request,
            "lot_page.html",
            error.status if error else 200,
            here=path_for(request, "lot", temple=collection.id, number=lot.number) if error else None,
            temple=temple_view(collection, language),
            view=lot_view(lot, collection, language),
            drawn=how,
            suggested=suggested(language, {"draw": how.id} if how else {}),
            **await form_values(self._house, asked, Texts(language), error),
        )
        return waiting(response, error)

    async def components(self, request: Request) -> Response:
        """Every part the pages are made of, to be looked at side by side. No page leads here."""
        language = page_language(request)
        collections = in_order(self._house.lots.collections())
        slips = [slip for collection in collections for slip in self._few(collection, language)]
        asked = AskForm(question="今年適合換工作嗎？", submission=new_submission())
        values = await form_values(self._house, asked, Texts(language), None)
        return render(request, "components.html", slips_shown=slips, suggested=suggested(language, {}), **values)

    def _few(self, collection: Collection, language: Language) -> list[LotView]:
        """Its first lot, and its first with a long verse."""
        views = [lot_view(lot, collection, language) for lot in self._house.lots.lots(collection.id)]
        return [*views[:1], *[view for view in views[1:] if view.is_long][:1]]

    def _temple_page(
        self, request: Request, collection: Collection, error: JieqianError | None = None, number: str = ""
    ) -> Response:
        language = page_language(request)
        response = render(
            request,
            "temple.html",
            error.status if error else 200,
            here=path_for(request, "temple", temple=collection.id) if error else None,
            temple=temple_view(collection, language),
            number=number,
            **error_values(error, Texts(language)),
        )
        return waiting(response, error)

    def _unknown_temple(self, request: Request, error: UnknownCollection) -> Response:
        near = error.extra.get("nearest")
        view = temple_view(self._house.lots.collection(near), page_language(request)) if near else None
        return render(request, "temple_missing.html", 404, nearest=view)


async def drawn_by(store: TaskStore, caller: str, draw_id: str, collection: Collection, lot: Lot) -> Drawn | None:
    """The caller's draw of that lot, if it is one: an address may name any."""
    if not draw_id:
        return None
    try:
        draw = await store.get_draw(draw_id, caller)
    except UnknownDraw:
        return None
    if draw.result is None or (draw.collection, draw.result.get("number")) != (lot.collection, lot.number):
        return None
    return drawn(draw, collection)


def suggested(language: Language, kept: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """By topic each question with the query that fills it in on the same page; `kept` goes along."""
    return {
        topic: [(question, urlencode({**kept, "question": question})) for question in questions]
        for topic, questions in questions_by_topic()[language].items()
    }

"""The screen in a temple's hall: one page for one visitor after another, and what its script asks for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from jieqian.api.addresses import base_path_of, is_for_this_machine_alone, origin_of, path_for
from jieqian.api.callers import caller_of, end_session
from jieqian.cache.suggested import questions_by_topic
from jieqian.errors import InvalidLot, JieqianError, NothingToShare, UnknownCollection, UnknownLot
from jieqian.lots.lot import Lot
from jieqian.reading.sharing import share_reading
from jieqian.sections.section import SECTIONS
from jieqian.web.asking import error_values
from jieqian.web.forms import read_fields
from jieqian.web.lot_view import lot_view
from jieqian.web.pages_house import PagesHouse
from jieqian.web.qr import qr_code
from jieqian.web.rendering import render
from jieqian.web.routes import PageRoute
from jieqian.web.temple_view import in_order, temple_view
from jieqian.web.texts import LANGUAGE_COOKIE, Texts, known_language, page_language

#: Whoever is shown help lines has at least so long to read them and write them down.
CARE_SECONDS = 180


@dataclass(frozen=True, slots=True)
class TakenHome:
    """What a phone is shown: the address, its code, and how long it works. `days` is None for a lot, which lasts."""

    address: str
    code: Markup
    days: int | None


def kiosk_routes(house: PagesHouse) -> tuple[PageRoute, ...]:
    """The screen's page, the temples to choose from for it, and the parts its script asks for."""
    kiosk = _Kiosk(house)
    look, send = ["GET", "HEAD"], ["POST"]
    return (
        ("/kiosk", kiosk.choose, look, "kiosk_choose"),
        ("/kiosk/{temple}", kiosk.screen, look, "kiosk"),
        ("/kiosk/{temple}/lot", kiosk.lot, look, "kiosk_lot"),
        ("/kiosk/{temple}/take", kiosk.take, send, "kiosk_take"),
        ("/kiosk/{temple}/reset", kiosk.reset, send, "kiosk_reset"),
    )


class _Kiosk:
    def __init__(self, house: PagesHouse) -> None:
        self._house = house

    async def choose(self, request: Request) -> Response:
        """Whoever puts the screen up chooses its temple."""
        return self._choose(request)

    async def screen(self, request: Request, temple: str) -> Response:
        """The whole way of one visitor, step by step on one page, so that there is none to go back to."""
        try:
            collection = self._house.lots.collection(temple)
        except UnknownCollection:
            return self._choose(request, unknown=True)
        language = page_language(request)
        home = _home_language(request)
        idle, settings = self._house.settings.kiosk_idle_seconds, self._house.settings
        return render(
            request,
            "kiosk.html",
            remember=False,
            temple=temple_view(collection, language),
            suggested=questions_by_topic()[language],
            section_names=SECTIONS,
            home=path_for(request, "kiosk", temple=collection.id) + (f"?lang={home}" if home else ""),
            address_in=lambda tag: f"?{urlencode({'lang': tag.value, 'home': home})}",
            chosen="home" in request.query_params,
            idle=idle,
            # A model may need its whole time, and a queue stands before it; yet nobody's reading stays for good.
            idle_writing=idle and idle + round(settings.task_deadline_seconds),
            idle_care=idle and max(idle, CARE_SECONDS),
        )

    async def lot(self, request: Request, temple: str) -> Response:
        """A part of the page: the lot of `?number=`, or what is wrong with that number (404)."""
        texts = Texts(page_language(request))
        try:
            lot = self._house.lots.asked_lot(temple, request.query_params.get("number", ""))
        except (UnknownCollection, InvalidLot, UnknownLot) as error:
            values = error_values(error, texts)
            return render(request, "kiosk_lot_missing.html", 404, remember=False, **values)
        self._house.warm(caller_of(request), lot, texts.language)
        view = lot_view(lot, self._house.lots.collection(temple), texts.language)
        return render(request, "kiosk_lot.html", remember=False, view=view)

    async def take(self, request: Request, temple: str) -> Response:
        """A part of the page: the code that takes the lot of `lot=` home, or the caller's reading of `task_id=`.

        Makes the reading's link, so it is asked for only when the visitor wishes it. Where no links are made the code
        leads to the lot; where no phone could follow it there is none, and why is said.
        """
        origin = origin_of(request, self._house.settings.public_url)
        if is_for_this_machine_alone(origin):
            return render(request, "kiosk_take.html", remember=False, origin=origin, taken=None)
        try:
            fields = await read_fields(request)
            lot = self._house.lots.asked_lot(temple, fields.get("lot", ""))
            task_id = fields.get("task_id", "")
            taken = await self._taken(request, origin, lot, task_id)
        except JieqianError as error:
            return render(request, "kiosk_failed.html", error.status, remember=False)
        return render(request, "kiosk_take.html", remember=False, taken=taken, instead=bool(task_id) and not taken.days)

    async def reset(self, request: Request, temple: str) -> Response:
        """The next visitor's turn: the reading of `task_id=` stops if it is being written, a new session begins."""
        del temple  # a screen whose temple was taken away starts anew too
        with suppress(JieqianError):
            task_id = (await read_fields(request)).get("task_id", "")
            if task_id:
                await self._house.stop_task(task_id, caller_of(request))
        end_session(request)
        response = Response(status_code=204)
        response.delete_cookie(LANGUAGE_COOKIE, path=base_path_of(request) or "/")
        return response

    async def _taken(self, request: Request, origin: str, lot: Lot, task_id: str) -> TakenHome:
        """Raises `UnknownTask`."""
        share_days = self._house.settings.share_days
        days, path = None, path_for(request, "lot", temple=lot.collection, number=lot.number)
        path += f"?lang={page_language(request).value}"
        if task_id and share_days:
            with suppress(NothingToShare):
                share = await share_reading(
                    self._house.store, task_id, caller_of(request), with_question=False, days=share_days
                )
                days, path = share_days, path_for(request, "shared", token=share.token)
        return TakenHome(origin + path, qr_code(origin + path), days)

    def _choose(self, request: Request, *, unknown: bool = False) -> Response:
        language = page_language(request)
        temples = [temple_view(collection, language) for collection in in_order(self._house.lots.collections())]
        status = 404 if unknown else 200
        return render(request, "kiosk_choose.html", status, remember=False, temples=temples, unknown=unknown)


def _home_language(request: Request) -> str:
    """The language the screen returns to: the one in the address it was opened by; "" where that names none.

    A visitor's choice of language keeps it beside the language chosen.
    """
    named = request.query_params.get("home", request.query_params.get("lang"))
    language = known_language(named)
    return "" if language is None else language.value

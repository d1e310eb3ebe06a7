"""The admin pages of the FAQ: what waits, one entry, its translations, questions without one. No script is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jieqian.api.addresses import path_for
from jieqian.errors import ChangedMeanwhile, InvalidRequest, JieqianError, UnknownFaqEntry
from jieqian.faq.entry import CATEGORIES, FaqEntry, FaqStatus, FaqUse
from jieqian.faq.listing import FaqFilter
from jieqian.faq.translating import Proposal
from jieqian.languages import Language
from jieqian.web.admin_door import LOOK, SEND, AdminDoor
from jieqian.web.admin_forms import Fault
from jieqian.web.clock import minute_text
from jieqian.web.faq_forms import (
    DECISIONS,
    MOST_FIELDS,
    PAGE_SIZES,
    UNUSED_DAYS,
    Shown,
    decision_of,
    entry_fields,
    ids_in,
    lot_told,
    lots_of,
    outcome_of,
    outcome_query,
    paged,
    view_of,
)
from jieqian.web.faq_house import FaqHouse
from jieqian.web.sign_in import SignedIn
from jieqian.web.texts import known_language, page_language

#: Questions without an entry on one page, in groups.
_GROUPS_A_PAGE = 40


def faq_pages_router(house: FaqHouse, door: AdminDoor) -> APIRouter:
    """The pages as routes."""
    pages = _FaqPages(house, door)
    return door.routes(
        "/admin/faq",
        (
            ("", pages.entries, LOOK, "admin_faq"),
            ("", pages.decide, SEND, "admin_faq_decide"),
            ("/unanswered", pages.unanswered, LOOK, "admin_faq_unanswered"),
            ("/unanswered", pages.forget, SEND, "admin_faq_forget"),
            ("/new", pages.new, LOOK, "admin_faq_new"),
            ("/new", pages.write, SEND, "admin_faq_write"),
            ("/{entry}", pages.entry, LOOK, "admin_faq_entry"),
            ("/{entry}", pages.mend, SEND, "admin_faq_mend"),
            ("/{entry}/translate", pages.translate, SEND, "admin_faq_translate"),
        ),
    )


class _FaqPages:
    def __init__(self, house: FaqHouse, door: AdminDoor) -> None:
        self._house = house
        self._door = door

    # -- the list

    async def entries(self, request: Request) -> Response:
        """Entries of one status, by pages; those that wait in groups of nearly the same."""
        signed = self._door.expect(request)
        view, lists = view_of(request), self._house.faq_lists
        if view.status is FaqStatus.PENDING:
            groups: Sequence[Sequence[FaqEntry]] = await lists.waiting(view.which)
            uses: dict[str, FaqUse] = {}
        else:
            told = await lists.reviewed(
                view.status, view.which, by_hits=view.by_hits, unused_days=UNUSED_DAYS if view.unused else None
            )
            groups, uses = [[entry] for entry, _ in told], {entry.id: use for entry, use in told}
        shown, page, pages = paged(groups, view.size, view.page)
        here = path_for(request, "admin_faq")
        # Five hundred entries take a third of a second to write: not on the event loop.
        return await asyncio.to_thread(
            self._page,
            request,
            "admin_faq.html",
            signed=signed,
            view=view,
            groups=await self._shown(request, shown, uses),
            total=sum(map(len, groups)),
            shown_number=sum(map(len, shown)),
            page=page,
            pages=pages,
            here_path=here,
            counts=await self._counts(view.which),
            outcome=outcome_of(request),
            collections=self._collections(request),
            sizes=PAGE_SIZES,
            unused_days=UNUSED_DAYS,
            keeps_unanswered=self._house.settings.faq_unanswered > 0,
            written=request.query_params.get("written") == "1",
        )

    async def decide(self, request: Request) -> Response:
        """One decision on one entry, on those that were ticked, or on a group but for one."""
        _, fields = await self._door.posted(request, MOST_FIELDS)
        view = view_of(request)
        told = decision_of(fields)
        if told is None:
            return _see(path_for(request, "admin_faq") + view.query())
        bulk = await self._house.faq_review.decide(told.wanted, DECISIONS[told.decision])
        after = view.query(**outcome_query(told.decision, len(bulk.done), bulk.left))
        return _see(path_for(request, "admin_faq") + after + (f"#e-{told.next_id}" if told.next_id else ""))

    # -- questions without an entry

    async def unanswered(self, request: Request) -> Response:
        """Masked questions that no approved entry was found for, most asked first."""
        signed = self._door.expect(request)
        view = view_of(request)
        groups = await self._house.faq_lists.unanswered(view.which)
        pages = max(1, -(-len(groups) // _GROUPS_A_PAGE))
        page = min(view.page, pages)
        language = page_language(request)
        shown = [
            (group, lot_told(self._house.lots, group[0].collection, group[0].lot, language))
            for group in groups[(page - 1) * _GROUPS_A_PAGE : page * _GROUPS_A_PAGE]
        ]
        return self._page(
            request,
            "admin_faq_unanswered.html",
            signed=signed,
            view=view,
            shown=shown,
            page=page,
            pages=pages,
            here_path=path_for(request, "admin_faq_unanswered"),
            counts=await self._counts(view.which),
            outcome=outcome_of(request),
            collections=self._collections(request),
            keeps_unanswered=self._house.settings.faq_unanswered > 0,
            lots_of=lots_of,
        )

    async def forget(self, request: Request) -> Response:
        """These need no entry."""
        _, fields = await self._door.posted(request)
        gone = await self._house.store.drop_unanswered(ids_in(fields, "ids"))
        query = view_of(request).query(**outcome_query("forget", gone, {}))
        return _see(path_for(request, "admin_faq_unanswered") + query)

    # -- a new one

    async def new(self, request: Request) -> Response:
        """The form of an entry by hand; `?unanswered=` begins with a question that has none."""
        signed = self._door.expect(request)
        fields = {"category": "general", "language": page_language(request).value}
        wanted = request.query_params.get("unanswered")
        for group in await self._house.faq_lists.unanswered(FaqFilter()) if wanted else ():
            if wanted in {asked.id for asked in group}:
                asked = next(each for each in group if each.id == wanted)
                fields = {name: str(value) for name, value in asked.as_dict().items()}
                fields["unanswered"] = ",".join(each.id for each in group)
        return self._new_page(request, signed, fields)

    async def write(self, request: Request) -> Response:
        """Keep it: waiting, or approved at once."""
        signed, fields = await self._door.posted(request)
        first = await self._translated_from(fields)
        try:
            language = known_language(fields.get("language"))
            if language is None:
                raise InvalidRequest(
                    "language: choose one.", faults={"language": "choose one"}, kinds={"language": ("choose", None)}
                )
            collection, lot = (first.collection, first.lot) if first else self._asked_lot(fields)
            entry = await self._house.faq_review.write(
                collection=collection,
                lot=lot,
                language=language,
                category=fields.get("category", ""),
                question=fields.get("question", ""),
                answer=fields.get("answer", ""),
                approved=fields.get("act") == "approve",
                translated_from=first,
                answers=ids_in(fields, "unanswered"),
            )
        except UnknownFaqEntry:
            raise
        except JieqianError as error:
            return self._new_page(request, signed, fields, first=first, error=error)
        return _see(path_for(request, "admin_faq_entry", entry=entry.id) + "?done=written")

    # -- one entry

    async def entry(self, request: Request) -> Response:
        """Its form and its story."""
        signed = self._door.expect(request)
        entry = await self._house.store.faq_entry(request.path_params["entry"])
        return await self._entry_page(request, signed, entry, entry_fields(entry), entry.mark)

    async def mend(self, request: Request) -> Response:
        """Take the form: saved, and decided where its button says so."""
        signed, fields = await self._door.posted(request)
        entry = await self._house.store.faq_entry(request.path_params["entry"])
        act, mark, review = fields.get("act", "save"), fields.get("mark", ""), self._house.faq_review
        texts = {name: fields.get(name, "") for name in ("question", "answer", "category")}
        try:
            if act == "approve":
                await review.approve(entry.id, **texts, mark=mark)
            elif act == "reject":
                await review.reject(entry.id, mark=mark)
            elif act == "take_back":
                await review.take_back(entry.id, mark=mark)
            else:
                act = "save"
                await review.mend(entry.id, **texts, mark=mark)
        except UnknownFaqEntry:
            raise
        except JieqianError as error:
            if isinstance(error, ChangedMeanwhile):
                entry = await self._house.store.faq_entry(entry.id)
                mark = entry.mark
            return await self._entry_page(request, signed, entry, texts, mark, error)
        return _see(path_for(request, "admin_faq_entry", entry=entry.id) + f"?done={act}")

    async def translate(self, request: Request) -> Response:
        """The form of the entry in another language, with what is proposed; nothing is kept yet."""
        signed, fields = await self._door.posted(request)
        entry = await self._house.store.faq_entry(request.path_params["entry"])
        language = known_language(fields.get("language"))
        there = {each.language: each for each in await self._house.store.faq_translations(entry)}
        if language is None or language is entry.language:
            return _see(path_for(request, "admin_faq_entry", entry=entry.id))
        if language in there:
            return _see(path_for(request, "admin_faq_entry", entry=there[language].id))
        by_hand = fields.get("how") == "hand"
        proposal = None if by_hand else await self._house.faq_translator.propose(entry, language)
        found = proposal or Proposal()
        filled = {
            "language": language.value,
            "category": entry.category,
            "question": found.question,
            "answer": found.answer,
            "translated_from": entry.id,
        }
        return self._new_page(request, signed, filled, first=entry, proposal=proposal)

    # -- what they share

    async def _translated_from(self, fields: Mapping[str, str]) -> FaqEntry | None:
        place = fields.get("translated_from")
        return await self._house.store.faq_entry(place) if place else None

    def _asked_lot(self, fields: Mapping[str, str]) -> tuple[str, int]:
        """Raises `InvalidRequest` by field."""
        try:
            collection = self._house.lots.collection(fields.get("collection", "")).id
        except JieqianError as error:
            raise _fault("collection", error.detail, "choose") from error
        try:
            return collection, self._house.lots.asked_lot(collection, fields.get("lot", "")).number
        except JieqianError as error:
            raise _fault("lot", error.detail) from error

    async def _shown(
        self, request: Request, groups: Sequence[Sequence[FaqEntry]], uses: Mapping[str, FaqUse]
    ) -> list[list[Shown]]:
        language = page_language(request)
        tasks = {entry.task_id for group in groups for entry in group if entry.task_id}
        origins = await self._house.store.faq_origins(tasks) if tasks else {}
        return [
            [
                Shown(
                    entry,
                    lot_told(self._house.lots, entry.collection, entry.lot, language),
                    origins.get(entry.task_id or ""),
                    uses.get(entry.id),
                )
                for entry in group
            ]
            for group in groups
        ]

    async def _counts(self, which: FaqFilter) -> dict[str, int]:
        """How many there are under each tab, of those that the page's choice means."""
        narrow: dict[str, Any] = {"collection": which.collection, "category": which.category}
        return {
            status.value: await self._house.store.count_faq(status, which.language, **narrow) for status in FaqStatus
        }

    def _collections(self, request: Request) -> list[tuple[str, str]]:
        language = page_language(request)
        return [
            (each.id, each.names.get(language) or each.names[Language.ZH_HANT])
            for each in self._house.lots.collections()
        ]

    async def _entry_page(
        self,
        request: Request,
        signed: SignedIn,
        entry: FaqEntry,
        fields: Mapping[str, str],
        mark: str,
        error: JieqianError | None = None,
    ) -> Response:
        story = await self._house.faq_lists.story(entry)
        return self._page(
            request,
            "admin_faq_entry.html",
            error.status if error else 200,
            here=path_for(request, "admin_faq_entry", entry=entry.id),
            signed=signed,
            each=Shown(
                entry,
                lot_told(self._house.lots, entry.collection, entry.lot, page_language(request)),
                story.origin,
                story.use,
            ),
            story=story,
            missing=[tag for tag in Language if tag not in {entry.language, *(o.language for o in story.translations)}],
            fields=fields,
            now=entry_fields(entry) if isinstance(error, ChangedMeanwhile) else {},
            faults=_faults(error),
            mark=mark,
            error=error,
            done=request.query_params.get("done"),
        )

    def _new_page(
        self,
        request: Request,
        signed: SignedIn,
        fields: Mapping[str, str],
        *,
        first: FaqEntry | None = None,
        proposal: Proposal | None = None,
        error: JieqianError | None = None,
    ) -> Response:
        language = page_language(request)
        return self._page(
            request,
            "admin_faq_new.html",
            error.status if error else 200,
            here=path_for(request, "admin_faq_entry", entry=first.id) if first else path_for(request, "admin_faq_new"),
            signed=signed,
            fields=fields,
            first=first,
            lot=lot_told(self._house.lots, first.collection, first.lot, language) if first else None,
            proposal=proposal,
            collections=self._collections(request),
            faults=_faults(error),
            error=error,
        )

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return self._door.page(request, template, status, categories=CATEGORIES, minute=minute_text, **values)


def _faults(error: JieqianError | None) -> dict[str, Fault]:
    """By field."""
    if error is None:
        return {}
    kinds = error.extra.get("kinds", {})
    return {name: Fault(told, *kinds.get(name, ("", None))) for name, told in error.extra.get("faults", {}).items()}


def _fault(field: str, told: str, kind: str = "") -> InvalidRequest:
    return InvalidRequest(f"{field}: {told}", faults={field: told}, kinds={field: (kind, None)})


def _see(path: str) -> Response:
    return RedirectResponse(path, 303)

"""Addresses and forms of the FAQ pages, and what their entries are shown with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from jieqian.errors import JieqianError
from jieqian.faq.entry import CATEGORIES, FaqEntry, FaqOrigin, FaqStatus, FaqUse
from jieqian.faq.listing import FaqFilter
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.tasks.faq_store import MOST_AT_ONCE
from jieqian.web.admin_forms import page_number
from jieqian.web.texts import known_language

#: Entries a page, and what else may be chosen.
PAGE_SIZES = (40, 100, 500)
#: A page of entries sends two fields for each, and some more.
MOST_FIELDS = 2 * MOST_AT_ONCE + 100
#: Days without a use after which an approved entry may be looked for.
UNUSED_DAYS = 90
_ROW, _PICK = "row.", "pick."
#: So many ids of what a decision did not reach are told.
_MOST_LEFT = 20
_ID = re.compile(r"[0-9a-f-]{4,36}")
_COLLECTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
Item = TypeVar("Item")
#: What a button of the list does: the status that those it means get.
DECISIONS = {"approve": FaqStatus.APPROVED, "reject": FaqStatus.REJECTED, "take_back": FaqStatus.PENDING}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqView:
    """What of the entries a page shows, as its address says."""

    status: FaqStatus = FaqStatus.PENDING
    which: FaqFilter = field(default_factory=FaqFilter)
    by_hits: bool = False
    unused: bool = False
    size: int = PAGE_SIZES[0]
    page: int = 1

    def query(self, **changes: Any) -> str:
        """The address's query for this view; `changes` go into it."""
        told: dict[str, Any] = {
            "status": "" if self.status is FaqStatus.PENDING else self.status.value,
            "language": self.which.language.value if self.which.language else "",
            "collection": self.which.collection or "",
            "topic": self.which.category or "",
            "sort": "hits" if self.by_hits else "",
            "unused": UNUSED_DAYS if self.unused else "",
            "size": self.size if self.size != PAGE_SIZES[0] else "",
            "page": self.page if self.page > 1 else "",
        }
        kept = {name: value for name, value in (told | changes).items() if value not in ("", None)}
        return f"?{urlencode(kept)}" if kept else "?"


def view_of(request: Request) -> FaqView:
    """Of an address; what it does not know it lets be."""
    told = request.query_params
    status = told.get("status", "")
    category, collection = told.get("topic", ""), told.get("collection", "")
    size = told.get("size", "")
    return FaqView(
        status=FaqStatus(status) if status in {each.value for each in FaqStatus} else FaqStatus.PENDING,
        which=FaqFilter(
            language=known_language(told.get("language")),
            collection=collection if _COLLECTION.fullmatch(collection) else None,
            category=category if category in CATEGORIES else None,
        ),
        by_hits=told.get("sort") == "hits",
        unused=told.get("unused") == str(UNUSED_DAYS),
        size=int(size) if size in map(str, PAGE_SIZES) else PAGE_SIZES[0],
        page=page_number(request),
    )


def paged(groups: Sequence[Sequence[Item]], size: int, page: int) -> tuple[Sequence[Sequence[Item]], int, int]:
    """The groups of that page (or of the last), none cut in two; which page that is, and how many there are."""
    starts, held = [0], 0
    for at, group in enumerate(groups):
        if held and held + len(group) > size:
            starts.append(at)
            held = 0
        held += len(group)
    page = min(page, len(starts))
    end = starts[page] if page < len(starts) else len(groups)
    return groups[starts[page - 1] : end], page, len(starts)


@dataclass(frozen=True, slots=True)
class Told:
    """What a form of the list was sent for: a decision, the entries meant with their marks, and where to go on."""

    decision: str
    wanted: dict[str, str | None]
    next_id: str | None


def decision_of(fields: Mapping[str, str]) -> Told | None:
    """What is asked: a button names a decision and, where it means one entry or its group, that entry; None: nothing.

    `row.ID` holds each shown entry's mark and the number of its group; `pick.ID` is there where it was ticked.
    """
    decision, _, one = fields.get("act", "").partition(".")
    rows = {name.removeprefix(_ROW): value.partition(".") for name, value in fields.items() if name.startswith(_ROW)}
    marks: dict[str, str | None] = {place: mark or None for place, (mark, _, _) in rows.items()}
    group = rows[one][2] if one in rows else None
    if decision == "keep" and group:
        meant = [place for place, row in rows.items() if row[2] == group and place != one]
    elif decision not in DECISIONS:
        return None
    elif one:
        meant = [one] if one in rows else []
    else:
        meant = [place for place in rows if "all" in fields or _PICK + place in fields]
    order = [*rows]
    after = (
        next((place for place in order[order.index(one) + 1 :] if place not in meant), None) if one in rows else None
    )
    return Told(
        "reject" if decision == "keep" else decision,
        {place: marks[place] for place in meant if _ID.fullmatch(place)},
        one if decision == "keep" else after,
    )


def outcome_query(decision: str, done: int, left: Mapping[str, str]) -> dict[str, Any]:
    """What the next page says of a decision on many, as parts of its address."""
    few = ",".join(place[:8] for place in [*left][:_MOST_LEFT])
    return {"done": decision, "did": done, "left": len(left) or "", "ids": few}


def outcome_of(request: Request) -> dict[str, Any] | None:
    """The same, read back."""
    told = request.query_params
    if told.get("done") not in (*DECISIONS, "forget"):
        return None
    numbers = [
        int(n) if (n := told.get(name, "")).isascii() and n.isdigit() and len(n) < 6 else 0 for name in ("did", "left")
    ]
    ids = [place for place in told.get("ids", "").split(",")[:_MOST_LEFT] if _ID.fullmatch(place)]
    return {"decision": told["done"], "did": numbers[0], "left": numbers[1], "ids": ids}


@dataclass(frozen=True, slots=True)
class LotTold:
    """A lot as a line tells it, in the reader's language; `served`: there is a page of it."""

    collection: str
    number: int
    temple: str
    title: str
    fortune: str
    served: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry with all that its line tells."""

    entry: FaqEntry
    lot: LotTold
    origin: FaqOrigin | None
    use: FaqUse | None = None


def lot_told(lots: LotLibrary, collection: str, number: int, language: Language) -> LotTold:
    """Also of a lot that is not there any more."""
    try:
        lot, its = lots.lot(collection, number, counted=False), lots.collection(collection)
    except JieqianError:
        return LotTold(collection, number, collection, f"{collection}/{number}", "", served=False)
    temple = its.names.get(language) or its.names[Language.ZH_HANT]
    return LotTold(
        collection, number, temple, lot.title(language), lot.fortune.label if lot.fortune else "", served=True
    )


def entry_fields(entry: FaqEntry) -> dict[str, str]:
    """The entry as its form shows it."""
    return {"question": entry.question, "answer": entry.answer, "category": entry.category}


def ids_in(fields: Mapping[str, str], name: str) -> list[str]:
    """The ids in a field, apart by commas."""
    return [place for place in fields.get(name, "").split(",") if _ID.fullmatch(place)]


def lots_of(numbers: Iterable[int], most: int = 10) -> str:
    """`3, 7, 12 …`."""
    found = sorted(set(numbers))
    return ", ".join(map(str, found[:most])) + (" …" if len(found) > most else "")

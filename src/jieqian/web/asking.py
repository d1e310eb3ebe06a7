"""The form that asks for a reading, on whichever page it stands: its values, and an error in the page's words."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from jieqian.errors import JieqianError
from jieqian.tasks.task import Mode
from jieqian.web.forms import AskForm
from jieqian.web.pages_house import PagesHouse
from jieqian.web.texts import Texts

#: Which field of the form an error is about; others are about the whole.
_FIELDS = {
    "unknown_collection": "collection",
    "unknown_lot": "lot",
    "invalid_lot": "lot",
    "draw_mismatch": "lot",
    "unknown_draw": "lot",
    "invalid_question": "question",
    "question_too_long": "question",
    "body_too_large": "question",
    "unsupported_language": "language",
    "unknown_mode": "mode",
}


async def form_values(house: PagesHouse, asked: AskForm, texts: Texts, error: JieqianError | None) -> dict[str, Any]:
    """What a template with the form needs: who writes in each mode, what was entered, and what is wrong with it."""
    return {
        "asked": asked,
        "modes": await _modes(house),
        "note": house.engines.note,
        **error_values(error, texts),
    }


def error_values(error: JieqianError | None, texts: Texts) -> dict[str, Any]:
    """`error_text` (None without an error), `error_field` (None: the whole form) and `wait`, a sentence or ""."""
    if error is None:
        return {"error_text": None, "error_field": None, "wait": ""}
    wait = error.extra.get("retry_after")
    return {
        "error_text": _error_text(error, texts),
        "error_field": _FIELDS.get(error.code),
        "wait": texts("form.wait", seconds=wait) if wait is not None else "",
    }


def waiting(response: Response, error: JieqianError | None) -> Response:
    """The same response, with Retry-After where the error names a wait."""
    wait = error.extra.get("retry_after") if error else None
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    return response


def _error_text(error: JieqianError, texts: Texts) -> str:
    """The error in the page's language; one without a translation in its own words."""
    if error.code == "unknown_lot" and "missing" in error.extra:
        return texts("error.lot_missing", number=error.extra["missing"])
    if error.code == "unknown_lot" and "last" in error.extra:
        return texts("error.lot_range", first=error.extra["first"], last=error.extra["last"])
    key = f"error.{error.code}"
    return texts(key) if texts.has(key) else error.detail


async def _modes(house: PagesHouse) -> list[dict[str, Any]]:
    return [
        {**house.engines.describe(mode), "median_ms": await house.store.median_total_ms(mode.value)}
        for mode in (Mode.QUALITY, Mode.FAST)
    ]

"""Templates to HTML, with the words, addresses and headers every page has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from jieqian.api.addresses import base_path_of, path_for
from jieqian.cache.suggested import questions_by_topic
from jieqian.compiled import compiled_beside
from jieqian.languages import Language
from jieqian.web.assets import assets, colours
from jieqian.web.compression import shrink
from jieqian.web.texts import LANGUAGE_COOKIE, LANGUAGE_NAMES, Texts, catalogue, chosen_language, page_language

#: What of an address the choice of a language keeps.
_OF_THE_DASHBOARD = ("span", "since", "until", "mode", "model", "strategy", "language")
_OF_LISTS = ("page", "size", "sort", "status", "topic", "unanswered", "unused")
_KEPT = frozenset({"before", "collection", "draw", "lot", "question", *_OF_THE_DASHBOARD, *_OF_LISTS})
#: What a page is given that shows what its visitor asked.
_ASKED = frozenset({"task", "views"})
_COOKIE_SECONDS = 365 * 24 * 3600
_NUMBER = re.compile(r"\d[\d -]{1,}\d(?!\S)", re.ASCII)
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_templates = Environment(
    loader=PackageLoader("jieqian.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
    bytecode_cache=compiled_beside(__file__),
)


@lru_cache(maxsize=1)
def load_pages() -> None:
    """Read every template, text and static file, once, so that no request has to wait for a disk."""
    for name in _templates.list_templates(extensions=["html", "svg"]):
        _templates.get_template(name)
    catalogue()
    assets()
    questions_by_topic()


def reach(contact: str) -> str | None:
    """Where a help line's contact leads when it is pressed: `tel:` or its web page; None for anything else."""
    if number := _NUMBER.match(contact):
        return "tel:" + "".join(filter(str.isdigit, number[0]))
    return f"https://{contact}" if _HOST.fullmatch(contact) else None


def seconds_text(milliseconds: float) -> str:
    """`0.3`, `12.0`: seconds with one decimal."""
    return f"{milliseconds / 1000:.1f}"


def render(
    request: Request,
    template: str,
    status: int = 200,
    *,
    here: str | None = None,
    remember: bool = True,
    frame: Language | None = None,
    **values: Any,
) -> HTMLResponse:
    """The page. Never stored by a cache: it may show a reading, which can be erased.

    `here`: where the same page can be had in another language, if not at the request's own address. `remember`: whether
    a language that the address chooses is kept for the visitor's other pages. `frame`: the language of a page of the
    widget, for which no cookie is read or set.
    """
    language = frame or page_language(request)
    texts = Texts(language)

    def asset(file: str) -> str:
        return path_for(request, "static", version=assets().version, file=file)

    html = _templates.get_template(template).render(
        t=texts,
        lang=language.value,
        language_names=LANGUAGE_NAMES,
        in_language=lambda tag: _in_language(request, tag, here),
        path_for=lambda name, **parameters: path_for(request, name, **parameters),
        asset=asset,
        script=lambda file: _script(file, asset),
        seconds_text=seconds_text,
        reach=reach,
        api_base=f"{base_path_of(request)}/api/v1",
        **values,
    )
    vary = "Accept-Language, Authorization" if frame else "Accept-Language, Cookie"
    headers = {"Cache-Control": "no-store", "Content-Language": language.value, "Vary": vary}
    response = HTMLResponse(html, status, headers)
    if _may_shrink(request, values):
        shrink(response, request.headers)
    if remember and frame is None:
        _remember(request, response, chosen_language(request))
    return response


def _may_shrink(request: Request, values: Mapping[str, Any]) -> bool:
    """Whether the page's length may depend on what is in it twice: words that an address brought, from whomever, must
    not be weighed against a secret, or against what somebody asked.
    """
    return "form_token" not in values and not (_ASKED & values.keys() and _KEPT & set(request.query_params))


def draw(template: str, language: Language, values: Mapping[str, Any]) -> Response:
    """An SVG picture, every text in it escaped. Never stored by a cache, as a page is not."""
    svg = _templates.get_template(template).render(t=Texts(language), colours=colours(), **values)
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})


def _script(file: str, asset: Callable[[str], str]) -> Markup:
    """A module and, at once, all it leads to: a browser would find each only after the one that imports it."""
    ahead = [
        Markup('<link rel="modulepreload" href="{}">').format(asset(name)) for name in assets().files[file].imports
    ]
    return Markup("\n").join([Markup('<script type="module" src="{}"></script>').format(asset(file)), *ahead])


def _in_language(request: Request, tag: Language, here: str | None) -> str:
    """The address of the page in that language: what was drawn, asked or leafed to goes along."""
    looks = request.method in ("GET", "HEAD")
    kept = [pair for pair in request.query_params.multi_items() if pair[0] in _KEPT] if looks else []
    place = here if here is not None else "" if looks else path_for(request, "home")
    return f"{place}?{urlencode([*kept, ('lang', tag.value)])}"


def _remember(request: Request, response: HTMLResponse, language: Language | None) -> None:
    if language is not None:
        response.set_cookie(
            LANGUAGE_COOKIE,
            language.value,
            max_age=_COOKIE_SECONDS,
            path=base_path_of(request) or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )

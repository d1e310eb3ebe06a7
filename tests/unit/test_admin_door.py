"""What all admin pages have: the links, and where among them one is; times; the way to another language."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from jieqian.errors import UnknownFaqEntry
from jieqian.web.admin_door import SECTIONS, AdminDoor
from jieqian.web.clock import minute_text

PATHS = {"admin": "/admin"} | {name: f"/admin/{name.removeprefix('admin_')}" for name in [*SECTIONS][1:]}


async def nowhere(request: Request) -> None:
    raise AssertionError(request)


def request(path: str, query: str = "", method: str = "GET", base: str = "") -> Request:
    named = {**PATHS, "home": "/", "history": "/history", "manifest": "/manifest", "admin_sign_out": "/admin/sign-out"}
    named["static"] = "/static/{version}/{file}"
    routes = [Route(there, nowhere, name=name) for name, there in named.items()]
    scope = {"type": "http", "method": method, "scheme": "http", "path": base + path, "root_path": base}
    asked = {"query_string": query.encode(), "headers": [(b"accept-language", b"en")], "app": Starlette(routes=routes)}
    return Request(scope | asked)


class SignedIn:
    form_token = "f"


def shown(asked: Request, template: str = "admin_missing.html", **values: object) -> str:
    door = AdminDoor("secret", "a-token-of-the-tests")
    page = door.page(asked, template, signed=SignedIn(), **{"error": UnknownFaqEntry(), **values})
    return bytes(page.body).decode()


@pytest.mark.parametrize("base", ["", "/oracle"])
@pytest.mark.parametrize(
    ("path", "section", "kind"),
    [
        ("/admin", "admin", "page"),
        ("/admin/faq", "admin_faq", "page"),
        ("/admin/faq/unanswered", "admin_faq", "true"),
        ("/admin/collections/river-temple/lots/7", "admin_collections", "true"),
        ("/admin/experiments/larger", "admin_experiments", "true"),
        ("/admin/faqs", "admin", "true"),
    ],
)
def test_the_links_say_where_one_is(path: str, section: str, kind: str, base: str) -> None:
    html = shown(request(path, base=base))
    links = re.findall(r'<a href="([^"?]*/admin[^"?]*)"(?: aria-current="(\w+)")?>', html.partition("</nav>")[0])
    assert links == [(base + there, kind if name == section else "") for name, there in PATHS.items()]
    assert f'<p><a href="{base}{PATHS[section]}">' in html, "a page that is not there leads back to its like"


def test_another_language_is_the_same_view_of_the_list() -> None:
    kept = "status=approved&topic=love&sort=hits&unused=90&size=100&page=3&collection=yuelao&language=ja"
    html = shown(request("/admin/faq", f"{kept}&done=approve&did=2&ids=aaaaaaaa"))
    link = next(unescape(each) for each in re.findall(r'href="(\?[^"]*)"', html) if "lang=ja" in each)
    assert parse_qs(urlsplit(link).query) == {**parse_qs(kept), "lang": ["ja"]}


def test_after_a_form_another_language_is_that_part_of_the_pages() -> None:
    html = shown(request("/admin/experiments", method="POST"))
    assert 'href="/admin/experiments?lang=ja"' in html


def test_a_time_tells_its_zone() -> None:
    assert re.fullmatch(r"2026-0\d-\d\d \d\d:\d\d \(UTC[+-]\d\d:\d\d\)", minute_text(1_790_000_000.0))
    assert minute_text(None) == ""

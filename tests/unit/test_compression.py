"""Text sent smaller: to whom, what, and that it is the same text."""

from __future__ import annotations

import gzip
import re

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from jieqian.web.assets import assets, static_file
from jieqian.web.compression import FEWEST_BYTES, shrink, takes_gzip

LONG = "籤詩 " * FEWEST_BYTES


@pytest.fixture(autouse=True, scope="module")
def files_read() -> None:
    """Before any loop runs."""
    assets()


def asked_for(file: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    params = {"version": assets().version, "file": file}
    return Request({"type": "http", "method": "GET", "headers": raw, "path_params": params})


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("br;q=1, GZip;q=0.5", True),
        ("deflate, gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br, x-gzip-like", False),
        ("identity", False),
        ("", False),
    ],
)
def test_who_takes_it(header: str, taken: bool) -> None:
    assert takes_gzip(Headers({"accept-encoding": header})) is taken


def test_a_page_is_shrunk_and_says_so() -> None:
    response = Response(LONG, headers={"Vary": "Cookie"})
    shrink(response, Headers({"accept-encoding": "gzip"}))
    assert gzip.decompress(response.body).decode() == LONG
    assert response.headers["content-length"] == str(len(response.body))
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "Cookie, Accept-Encoding"


@pytest.mark.parametrize(("text", "header"), [(LONG, ""), ("short", "gzip")])
def test_a_page_is_left_alone_but_for_the_mark_that_it_varies(text: str, header: str) -> None:
    response = Response(text)
    shrink(response, Headers({"accept-encoding": header}))
    assert response.body.decode() == text
    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "Accept-Encoding"


async def test_files_are_the_same_either_way_and_told_apart() -> None:
    for name, asset in assets().files.items():
        plain = await static_file(asked_for(name))
        small = await static_file(asked_for(name, accept_encoding="gzip"))
        assert plain.body == asset.content
        assert "content-encoding" not in plain.headers
        if "content-encoding" in small.headers:
            assert gzip.decompress(small.body) == asset.content
            assert len(small.body) < len(plain.body)
            assert small.headers["etag"] != plain.headers["etag"]
        else:
            assert small.body == asset.content
        assert plain.headers["vary"] == small.headers["vary"] == "Accept-Encoding"
        held = await static_file(asked_for(name, accept_encoding="gzip", if_none_match=small.headers["etag"]))
        assert held.status_code == 304
    assert assets().files["page.css"].small is not None
    assert assets().files["icon-512.png"].small is None, "a picture is small already"


def test_what_a_script_leads_to_is_known_before_it_runs() -> None:
    known = assets().files
    for name, asset in known.items():
        if name.endswith(".js"):
            assert set(re.findall(r"from \"\./(.*)\"", asset.content.decode())) <= set(asset.imports), name
        for each in asset.imports:
            assert set(known[each].imports) <= {*asset.imports, name}
    assert set(known["ask.js"].imports) == {"api.js", "question.js", "texts.js"}

"""What makes an application of the pages: each file under the base path, and none of them anybody's own."""

from __future__ import annotations

import json
import struct

import pytest
from test_pages import House, Visitor, files_read  # noqa: F401

from jieqian.languages import Language
from jieqian.web.assets import assets
from jieqian.web.texts import Texts


@pytest.mark.parametrize("base", ["", "/oracle"])
async def test_the_manifest_names_files_that_are_there(base: str) -> None:
    visitor = Visitor(House(), root_path=base)
    found = await visitor.get(f"{base}/manifest.webmanifest", accept_language="ja")
    assert (found.status, found.headers["content-type"]) == (200, "application/manifest+json")
    manifest = json.loads(found.text)
    assert (manifest["start_url"], manifest["scope"], manifest["lang"]) == (f"{base}/", f"{base}/", "ja")
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        assert icon["src"].startswith(f"{base}/static/{assets().version}/")
        file = assets().files[icon["src"].rpartition("/")[2]]
        assert file.media_type == icon["type"]
        if icon["type"] == "image/png":
            assert "x".join(str(side) for side in struct.unpack(">II", file.content[16:24])) == icon["sizes"]
    page = await visitor.get(f"{base}/")
    assert f'<link rel="manifest" href="{base}/manifest.webmanifest">' in page.text


async def test_the_worker_is_asked_about_again_at_each_visit() -> None:
    found = await Visitor(House()).get("/service-worker.js")
    assert found.headers["content-type"].startswith("text/javascript")
    assert found.headers["cache-control"] == "no-cache"
    assert found.text.encode() == assets().files["service-worker.js"].content


async def test_the_page_without_a_network_is_in_every_language_and_nobodys() -> None:
    for path in ("/offline", "/manifest.webmanifest", "/service-worker.js"):
        assert "set-cookie" not in (await Visitor(House()).get(path)).headers
    page = await Visitor(House()).get("/offline")
    for language in Language:
        assert f'<p lang="{language.value}">{Texts(language)("offline.text")}</p>' in page.text

"""What lets the pages be installed as an application: manifest, service worker, the page without a network."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from jieqian.api.addresses import base_path_of, path_for
from jieqian.languages import Language
from jieqian.web.assets import assets, colours
from jieqian.web.rendering import render
from jieqian.web.routes import PageRoute
from jieqian.web.texts import Texts, page_language

_ICONS = (
    ("icon.svg", "any", "image/svg+xml", "any"),
    ("icon-192.png", "192x192", "image/png", "any"),
    ("icon-512.png", "512x512", "image/png", "any"),
    ("icon-maskable.png", "512x512", "image/png", "maskable"),
)


def install_routes() -> tuple[PageRoute, ...]:
    """Their addresses, at the root of the service: a worker serves what lies under its own."""
    look = ["GET", "HEAD"]
    return (
        ("/manifest.webmanifest", manifest, look, "manifest"),
        ("/service-worker.js", service_worker, look, "service_worker"),
        ("/offline", offline, look, "offline"),
    )


async def manifest(request: Request) -> Response:
    """The web application manifest, in the visitor's language."""
    texts = Texts(page_language(request))
    home = f"{base_path_of(request)}/"
    document = {
        "id": home,
        "name": texts("site.name"),
        "short_name": texts("site.name"),
        "description": texts("site.tagline"),
        "lang": texts.language.value,
        "start_url": home,
        "scope": home,
        "display": "standalone",
        "background_color": colours()["paper"],
        "theme_color": colours()["paper"],
        "icons": [
            {
                "src": path_for(request, "static", version=assets().version, file=file),
                "sizes": sizes,
                "type": media_type,
                "purpose": purpose,
            }
            for file, sizes, media_type, purpose in _ICONS
        ],
    }
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}
    return JSONResponse(document, headers=headers, media_type="application/manifest+json")


async def service_worker(_request: Request) -> Response:
    """The worker; a browser asks again at each visit whether it is another."""
    worker = assets().files["service-worker.js"]
    headers = {"Cache-Control": "no-cache", "ETag": worker.etag}
    return Response(worker.content, media_type=worker.media_type, headers=headers)


async def offline(request: Request) -> Response:
    """The page that the worker keeps; in all four languages, since it is kept whatever is chosen later."""
    return render(request, "offline.html", every_language=[Texts(language) for language in Language])

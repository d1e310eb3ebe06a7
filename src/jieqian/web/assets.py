"""Scripts, styles and the icon, held in memory under an address that changes with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent; `etag` is quoted."""

    content: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by name. `version` stands for all of them: a script imports another by a relative address."""

    version: str
    files: Mapping[str, Asset]


@lru_cache(maxsize=1)
def assets() -> Assets:
    """Read the package's static files."""
    found: dict[str, Asset] = {}
    whole = hashlib.sha256()
    for entry in sorted(files(__package__).joinpath("static").iterdir(), key=lambda entry: entry.name):
        media_type = _TYPES.get(entry.name[entry.name.rfind(".") :])
        if media_type is None:
            continue
        content = entry.read_bytes()
        whole.update(entry.name.encode() + b"\0" + content + b"\0")
        found[entry.name] = Asset(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return Assets(whole.hexdigest()[:12], found)


async def static_file(request: Request) -> Response:
    """One file, to be kept for good under its own version and asked about again under any other; 304 where it is."""
    known = assets()
    asset = known.files.get(request.path_params["file"])
    if asset is None:
        return PlainTextResponse("There is no such file.\n", 404)
    lasting = request.path_params["version"] == known.version
    headers = {"ETag": asset.etag, "Cache-Control": _FOR_GOOD if lasting else _ASK_AGAIN}
    held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.etag in held:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)

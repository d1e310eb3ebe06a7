"""Scripts, styles and the icon, held in memory under an address that changes with their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jieqian.web.compression import FEWEST_BYTES, gzipped, takes_gzip

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"
_COLOUR = re.compile(r"^  --([a-z-]+): (#[0-9a-f]{3,8});$", re.MULTILINE)
#: At a script's head, and in it where that needs the page to be there first: by then the line may be dead.
_IMPORT = re.compile(r'^import .*"\./([\w.-]+)";$|\bimport\("\./([\w.-]+)"\)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent; `etag` is quoted. `small` is the content as gzip, None where that gains nothing.

    `imports`: every script that this one leads to, itself left out.
    """

    content: bytes
    media_type: str
    etag: str
    small: bytes | None = None
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by name. `version` stands for all of them: a script imports another by a relative address."""

    version: str
    files: Mapping[str, Asset]


@lru_cache(maxsize=1)
def assets() -> Assets:
    """Read the package's static files."""
    contents: dict[str, bytes] = {}
    whole = hashlib.sha256()
    for entry in sorted(files(__package__).joinpath("static").iterdir(), key=lambda entry: entry.name):
        if entry.name[entry.name.rfind(".") :] in _TYPES:
            contents[entry.name] = content = entry.read_bytes()
            whole.update(entry.name.encode() + b"\0" + content + b"\0")
    return Assets(whole.hexdigest()[:12], {name: _asset(name, contents) for name in contents})


@lru_cache(maxsize=1)
def colours() -> Mapping[str, str]:
    """The colours of tokens.css by name, on a light ground: for what is drawn or told without the style sheet."""
    light = assets().files["tokens.css"].content.decode().partition("\n}")[0]
    return dict(_COLOUR.findall(light))


def _asset(name: str, contents: Mapping[str, bytes]) -> Asset:
    content, ending = contents[name], name[name.rfind(".") :]
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    small = gzipped(content) if ending != ".png" and len(content) >= FEWEST_BYTES else None
    return Asset(content, _TYPES[ending], etag, small, _imports(name, contents) if ending == ".js" else ())


def _imports(name: str, contents: Mapping[str, bytes]) -> tuple[str, ...]:
    """All that a script imports and what those do, the nearest first."""
    found, at = [name], 0
    while at < len(found):
        named = [head or later for head, later in _IMPORT.findall(contents[found[at]].decode())]
        found += [other for other in named if other in contents and other not in found]
        at += 1
    return tuple(found[1:])


def has_already(request: Request, etag: str) -> bool:
    """Whether If-None-Match names what has that ETag, compared weakly (RFC 9110, 13.1.2)."""
    return etag in {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}


async def static_file(request: Request) -> Response:
    """One file, to be kept for good under its own version and asked about again under any other; 304 where it is."""
    known = assets()
    asset = known.files.get(request.path_params["file"])
    if asset is None:
        return PlainTextResponse("There is no such file.\n", 404)
    lasting = request.path_params["version"] == known.version
    small = asset.small if takes_gzip(request.headers) else None
    headers = {"ETag": asset.etag if small is None else f"W/{asset.etag}"}
    headers |= {"Cache-Control": _FOR_GOOD if lasting else _ASK_AGAIN, "Vary": "Accept-Encoding"}
    if has_already(request, asset.etag):
        return Response(status_code=304, headers=headers)
    if small is not None:
        headers["Content-Encoding"] = "gzip"
    return Response(small or asset.content, media_type=asset.media_type, headers=headers)

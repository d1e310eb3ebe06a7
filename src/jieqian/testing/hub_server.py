"""A stand-in for Hugging Face's hub: the part of its API that fetching a file uses, from a folder, with faults.

It answers `GET /api/models/OWNER/REPO` (files with size and SHA-256), `HEAD` and `GET /OWNER/REPO/resolve/REV/FILE`
with the hub's headers and a redirect to a store that knows ranges, as the hub's does. Run as a process:
`python -m jieqian.testing.hub_server --folder FOLDER`, where FOLDER holds OWNER/REPO/FILE.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from jieqian.testing.wire_process import listening

COMMIT = "0" * 39 + "1"
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with the next request of a kind: `info`, `resolve` or `store`.

    `status` and `code` (the hub's `X-Error-Code`) refuse it; `cut_after` closes the connection after so many bytes of
    the body; `pause_after` holds it there until the client leaves; `wrong` sends other bytes of the same length;
    `no_ranges` answers a range with the whole file.
    """

    at: str
    status: int | None = None
    code: str | None = None
    cut_after: int | None = None
    pause_after: int | None = None
    wrong: bool = False
    no_ranges: bool = False


@dataclass(slots=True)
class _State:
    folder: Path
    faults: list[Fault] = field(default_factory=list)
    gated: bool = False
    bytes_per_second: float | None = None
    seen: list[dict[str, Any]] = field(default_factory=list)

    def fault(self, at: str) -> Fault:
        for fault in self.faults:
            if fault.at == at:
                self.faults.remove(fault)
                return fault
        return Fault(at=at)


_STATE = web.AppKey("state", _State)


@web.middleware
async def _note(request: web.Request, handler: Any) -> web.StreamResponse:
    if not request.path.startswith("/_"):
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = {"method": request.method, "path": request.path, "headers": headers, "range": headers.get("range")}
        request.app[_STATE].seen.append(seen)
    response: web.StreamResponse = await handler(request)
    return response


async def _info(request: web.Request) -> web.Response:
    state = request.app[_STATE]
    repo = f"{request.match_info['owner']}/{request.match_info['repo']}"
    fault = state.fault("info")
    folder = state.folder / repo
    if fault.status is not None:
        return _refused(fault.status, fault.code)
    if not folder.is_dir():
        return _refused(401, "RepoNotFound")  # so the hub answers those it does not know
    siblings = [
        {
            "rfilename": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "blobId": "0" * 40,
            "lfs": {"size": path.stat().st_size, "sha256": _sha256(path), "pointerSize": 135},
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return web.json_response(
        {
            "_id": "1",
            "id": repo,
            "modelId": repo,
            "sha": COMMIT,
            "private": False,
            "gated": "auto" if state.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": ["gguf"],
            "createdAt": "2025-01-01T00:00:00.000Z",
            "lastModified": "2025-01-01T00:00:00.000Z",
            "siblings": siblings,
        }
    )


async def _resolve(request: web.Request) -> web.Response:
    state = request.app[_STATE]
    match = request.match_info
    fault = state.fault("resolve")
    path = state.folder / match["owner"] / match["repo"] / match["file"]
    if fault.status is not None:
        return _refused(fault.status, fault.code)
    if state.gated and "authorization" not in request.headers:
        return _refused(401, "GatedRepo")
    if not path.is_file():
        return _refused(404, "EntryNotFound")
    headers = {
        "X-Repo-Commit": COMMIT,
        "X-Linked-Size": str(path.stat().st_size),
        "X-Linked-ETag": f'"{_sha256(path)}"',
        "Location": f"/store/{path.relative_to(state.folder).as_posix()}?Signature=1",
    }
    return web.Response(status=302, headers=headers)


async def _store(request: web.Request) -> web.StreamResponse:
    state = request.app[_STATE]
    fault = state.fault("store")
    if fault.status is not None:
        return _refused(fault.status, fault.code)
    data = (state.folder / request.match_info["file"]).read_bytes()
    if fault.wrong:
        data = bytes(byte ^ 1 for byte in data[:64]) + data[64:]
    start = 0
    wanted = request.headers.get("Range")
    if wanted is not None and not fault.no_ranges:
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if start >= len(data):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers = {"Content-Length": str(len(data) - start), "ETag": '"store"', "Accept-Ranges": "bytes"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    response = web.StreamResponse(status=206 if start else 200, headers=headers)
    await response.prepare(request)
    await _send(request, response, data[start:], fault, state.bytes_per_second)
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, body: bytes, fault: Fault, bytes_per_second: float | None
) -> None:
    ends = [end for end in (fault.cut_after, fault.pause_after) if end is not None]
    most = min([len(body), *ends])
    for place in range(0, most, _PIECE):
        piece = body[place : min(place + _PIECE, most)]
        await response.write(piece)
        if bytes_per_second is not None:
            await asyncio.sleep(len(piece) / bytes_per_second)
    if fault.pause_after is not None:
        await asyncio.Event().wait()
    if fault.cut_after is not None:
        if request.transport is not None:
            request.transport.close()
        return
    await response.write_eof()


def _refused(status: int, code: str | None) -> web.Response:
    headers = {"X-Error-Code": code} if code else {}
    return web.Response(status=status, headers=headers, text=json.dumps({"error": code or "refused"}))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def _order(request: web.Request) -> web.Response:
    document = await request.json()
    state = request.app[_STATE]
    state.faults = [Fault(**fault) for fault in document.get("faults", [])]
    state.gated = bool(document.get("gated", False))
    state.bytes_per_second = document.get("bytes_per_second")
    state.seen.clear()
    return web.json_response({})


async def _seen(request: web.Request) -> web.Response:
    return web.json_response(request.app[_STATE].seen)


def application(folder: Path) -> web.Application:
    """The stand-in, over that folder."""
    app = web.Application(middlewares=[_note])
    app[_STATE] = _State(folder)
    app.router.add_post("/_order", _order)
    app.router.add_get("/_seen", _seen)
    app.router.add_get("/api/models/{owner}/{repo}", _info)
    app.router.add_get("/{owner}/{repo}/resolve/{revision}/{file:.+}", _resolve)
    app.router.add_get("/store/{file:.+}", _store)
    return app


class HubProcess:
    """A running stand-in; `url` goes into HF_ENDPOINT."""

    def __init__(self, url: str) -> None:
        self.url = url

    def order(self, *faults: Fault, gated: bool = False, bytes_per_second: float | None = None) -> None:
        """Let these faults meet the next requests, and forget those seen."""
        document = {"faults": [asdict(each) for each in faults], "gated": gated, "bytes_per_second": bytes_per_second}
        self._call("/_order", document)

    def seen(self) -> list[dict[str, Any]]:
        """The requests since the last order: `method`, `path`, `headers`, `range`."""
        found: list[dict[str, Any]] = self._call("/_seen")
        return found

    def seen_at_store(self, count: int, *, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The requests to the store, once there are `count`; raises `TimeoutError` where they do not come."""
        until = time.monotonic() + seconds
        while len(found := [each for each in self.seen() if each["path"].startswith("/store/")]) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"what was waited for did not come: {found}")
            time.sleep(0.02)
        return found

    def _call(self, path: str, document: Any = None) -> Any:
        data = None if document is None else json.dumps(document).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data), timeout=10) as answer:
            return json.load(answer)


@contextmanager
def hub_server(folder: Path) -> Iterator[HubProcess]:
    """Run the stand-in over that folder for the length of the block."""
    with listening("jieqian.testing.hub_server", "--folder", str(folder)) as url:
        yield HubProcess(url)


async def _serve(folder: Path) -> None:
    runner = web.AppRunner(application(folder), handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    sys.stdout.write(f"listening on {host}:{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main(arguments: list[str] | None = None) -> int:
    """Serve until the process is ended; the first line on stdout is `listening on HOST:PORT`."""
    parser = argparse.ArgumentParser(prog="hub_server")
    parser.add_argument("--folder", type=Path, required=True, help="holds OWNER/REPO/FILE")
    asyncio.run(_serve(parser.parse_args(arguments).folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())

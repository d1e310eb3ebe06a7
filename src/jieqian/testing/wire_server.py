"""What the stand-in model servers share: the control calls, the writing of a stream, and the start as a process."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from email.utils import formatdate
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from jieqian.testing.script import DEFAULT, Behaviour, Script, Seen, Turn, behaviour_from, paced

SCRIPT = web.AppKey("script", Script)
SEEN = web.RequestKey("seen", Seen)
#: So many answers are written at a time; what comes beyond waits its turn, as in servers with few slots.
ROOM = web.AppKey("room", asyncio.Semaphore)
#: By how many seconds the `Date` of answers is ahead of the time of day.
AHEAD = web.AppKey("ahead", list[float])
_SPLIT_PAUSE_SECONDS = 0.004


class Out:
    """The body of one streamed answer, written as the behaviour says."""

    def __init__(self, response: web.StreamResponse, behaviour: Behaviour) -> None:
        self._response, self._behaviour = response, behaviour
        self._written = 0

    async def write(self, data: bytes) -> None:
        """Write all of `data`, in small chunks or with a pause inside where that was asked for."""
        split = self._behaviour.split_at
        if split is not None and self._written < split < self._written + len(data):
            cut = split - self._written
            await self._response.write(data[:cut])
            await asyncio.sleep(_SPLIT_PAUSE_SECONDS)
            await self._response.write(data[cut:])
        elif self._behaviour.chunk_bytes:
            size = self._behaviour.chunk_bytes
            for start in range(0, len(data), size):
                await self._response.write(data[start : start + size])
                await asyncio.sleep(0)
        else:
            await self._response.write(data)
        self._written += len(data)


def record(request: web.Request, body: Any) -> Seen:
    """Note a request in the log that `GET /_seen` gives."""
    seen = Seen(request.path, body, {name.lower(): value for name, value in request.headers.items()})
    request.app[SCRIPT].seen.append(seen)
    request[SEEN] = seen
    return seen


async def stream(
    request: web.Request,
    seen: Seen,
    behaviour: Behaviour,
    turn: Turn,
    *,
    content_type: str,
    piece: Callable[[str, str], bytes],
    error: Callable[[str], bytes],
    last: bytes,
) -> web.StreamResponse:
    """Write one answer. Like the servers imitated, the head goes out with the first piece.

    When the client leaves, writing ends at once and `client_left` is noted.
    """
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.enable_chunked_encoding()
    out = Out(response, behaviour)
    try:
        async with request.app[ROOM] if ROOM in request.app else nullcontext():
            return await _write(request, seen, behaviour, turn, response, out, piece, error, last)
    except asyncio.CancelledError:
        seen.client_left = True
        raise
    except ConnectionError:  # nobody is left to answer, and nothing to tell of
        seen.client_left = True
    return response


async def _write(
    request: web.Request,
    seen: Seen,
    behaviour: Behaviour,
    turn: Turn,
    response: web.StreamResponse,
    out: Out,
    piece: Callable[[str, str], bytes],
    error: Callable[[str], bytes],
    last: bytes,
) -> web.StreamResponse:
    if behaviour.hang:
        await asyncio.Event().wait()
    if behaviour.raw is not None:
        await response.prepare(request)
        await out.write(behaviour.raw.encode("utf-8", "surrogatepass"))
        seen.finished = True
        await response.write_eof()
        return response
    async for place, kind, text in paced(turn, behaviour):
        if seen.first_piece is None:
            seen.first_piece = time.monotonic()
            await response.prepare(request)
        if await _fault(request, out, behaviour, place, error):
            return response
        if behaviour.note_pieces and kind == "content":
            seen.pieces.append(text)
            seen.sent_at.append(time.monotonic())
        await out.write(piece(kind, text))
        seen.sent += 1
    if not response.prepared:
        await response.prepare(request)
    if not await _fault(request, out, behaviour, len(turn.pieces), error):
        if not behaviour.end_early:
            await out.write(last)
            seen.finished = True
        await response.write_eof()
    return response


async def _fault(
    request: web.Request, out: Out, behaviour: Behaviour, place: int, error: Callable[[str], bytes]
) -> bool:
    """Do the fault that is due before the piece at `place`; True where the answer ends with it."""
    if behaviour.stall_after == place:
        await asyncio.Event().wait()
    if behaviour.error_after == place:
        await out.write(error(behaviour.error or "llama runner process has terminated"))
        return True
    if behaviour.cut_after == place:
        if request.transport is not None:
            request.transport.close()
        return True
    return False


async def _set_script(request: web.Request) -> web.Response:
    document = await request.json()
    script = request.app[SCRIPT]
    try:
        if document.get("reset"):
            script.reset()
        if "default" in document:
            script.default = behaviour_from(document["default"])
        script.add([behaviour_from(entry, script.default) for entry in document.get("next", [])])
    except (TypeError, ValueError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({"ok": True})


async def _set_clock(request: web.Request) -> web.Response:
    """`POST /_clock` `{"ahead": SECONDS}`."""
    request.app[AHEAD][0] = float((await request.json())["ahead"])
    return web.json_response({"ok": True})


async def _date(request: web.Request, response: web.StreamResponse) -> None:
    if ahead := request.app[AHEAD][0]:
        response.headers["Date"] = formatdate(time.time() + ahead, usegmt=True)


async def _seen(request: web.Request) -> web.Response:
    return web.json_response([seen.as_dict() for seen in request.app[SCRIPT].seen])


@web.middleware
async def _note_end(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    finally:
        if SEEN in request:
            request[SEEN].ended = time.monotonic()


def application() -> web.Application:
    """An application with the control calls: `POST /_script`, `POST /_clock`, `GET /_seen`."""
    app = web.Application(client_max_size=16 * 1024 * 1024, middlewares=[_note_end])
    app[SCRIPT] = Script(DEFAULT)
    app[AHEAD] = [0.0]
    app.on_response_prepare.append(_date)
    app.router.add_post("/_clock", _set_clock)
    app.router.add_post("/_script", _set_script)
    app.router.add_get("/_seen", _seen)
    return app


async def body_of(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; 400 for anything else."""
    with suppress(ValueError):
        document = json.loads(await request.read())
        if isinstance(document, dict):
            return document
    raise web.HTTPBadRequest(text='{"error":"invalid request body"}', content_type="application/json")


def serve(app: web.Application, name: str, arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; the first line on stdout is `listening on HOST:PORT`."""
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--first-token-ms", type=float, default=DEFAULT.first_token_ms)
    parser.add_argument("--tokens-per-second", type=float, default=DEFAULT.tokens_per_second)
    parser.add_argument("--slots", type=int, default=0, help="answers at a time; 0: as many as are asked for")
    parser.add_argument("--tokens", type=int, default=DEFAULT.tokens)
    asked = parser.parse_args(arguments)
    pace = {name: getattr(asked, name) for name in ("first_token_ms", "tokens_per_second", "tokens")}
    app[SCRIPT].default = behaviour_from(pace)
    if asked.slots:
        app[ROOM] = asyncio.Semaphore(asked.slots)
    asyncio.run(_serve(app, asked.host, asked.port))
    return 0


async def _serve(app: web.Application, host: str, port: int) -> None:
    # handler_cancellation: a handler ends when its client leaves, as these servers' generation does.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = runner.addresses[0]
    sys.stdout.write(f"listening on {bound[0]}:{bound[1]}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(wanted, ended.set)
    await ended.wait()
    await runner.cleanup()

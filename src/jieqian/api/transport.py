"""What stands before the routes: faults told, bodies that must arrive in time, HEAD as GET without the body."""

from __future__ import annotations

import asyncio
import re

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jieqian.api.problems import problem_response
from jieqian.errors import JieqianError, RequestTimeout

#: How long a request's body may take to arrive whole, in seconds.
BODY_SECONDS = 15.0
#: The same for a file of lots, which only the operator may send and which may hold hundreds of megabytes.
FILE_SECONDS = 300.0
_FILES = re.compile(r"(?:/api/v1)?/admin/collections")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_NO_HEAD = re.compile(r"/events$|/api/v1/admin/backup/")


class Uploads:
    """The bodies on their way; `close` lets none be waited for any longer."""

    def __init__(self, seconds: float = BODY_SECONDS, file_seconds: float = FILE_SECONDS) -> None:
        self.seconds = seconds
        self.file_seconds = file_seconds
        self.closed = False
        self._waits: set[asyncio.Timeout] = set()

    def close(self) -> None:
        """The server stops: end every wait for a body now. Called on the event loop."""
        self.closed = True
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(asyncio.get_running_loop().time())

    def seconds_for(self, path: str) -> float:
        """How long a body may take that is sent to this path (without BASE_PATH)."""
        return self.file_seconds if _FILES.fullmatch(path) else self.seconds

    async def next_part(self, receive: Receive, until: float, seconds: float) -> Message:
        """The next message; raises `RequestTimeout` where it does not come by then (the loop's clock).

        `seconds`: of the whole wait, to be told.
        """
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(now if self.closed else until) as wait:
                self._waits.add(wait)
                try:
                    return await receive()
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            if self.closed:
                raise RequestTimeout("The service is stopping. Send the request again.") from None
            raise RequestTimeout(f"The body did not arrive within {seconds:g} s. Send it again.") from None


class TimelyBodies:
    """A request whose body stops half-way is answered 408 and does not stay."""

    def __init__(self, app: ASGIApp, *, uploads: Uploads) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bound the wait for the body; what comes after it (the client's leaving) may take as long as it likes."""
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        seconds = self._uploads.seconds_for(scope.get("path", "").removeprefix(scope.get("root_path", "")))
        until = asyncio.get_running_loop().time() + seconds
        arrived = False

        async def receive_in_time() -> Message:
            nonlocal arrived
            message = await (receive() if arrived else self._uploads.next_part(receive, until, seconds))
            arrived = arrived or not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)


class TellsFaults:
    """An unexpected error is answered here, within what adds headers: a page of a named site can read it too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 500 where nothing was answered yet; the error goes on to the server's log."""
        answered = False

        async def send_noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except ClientDisconnect:  # left in the middle of its body: nobody waits for an answer
            return
        except Exception:
            if scope["type"] == "http" and not answered:
                await problem_response(JieqianError())(scope, receive, send)
            raise


class HeadAsGet:
    """HEAD is answered like GET, without the body; what has no end (events), or is sent once (a backup), takes none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the routes for GET, and keep the body back."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or _NO_HEAD.search(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)

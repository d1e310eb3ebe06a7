"""A bound on what comes before a body: the request's line and its headers."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from jieqian.api.problems import problem_response
from jieqian.errors import HeadersTooLarge

#: Address and headers of one request, in bytes. Browsers stay below 20 kB, cookies of other services included.
MOST_HEAD_BYTES = 65_536


class BoundedHeads:
    """A request whose address and headers are longer is answered 431."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count, and refuse or pass on."""
        if scope["type"] == "http" and _head_bytes(scope) > MOST_HEAD_BYTES:
            await problem_response(HeadersTooLarge())(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _head_bytes(scope: Scope) -> int:
    address = len(scope["path"]) + len(scope.get("query_string", b""))
    return address + sum(len(name) + len(value) for name, value in scope["headers"])

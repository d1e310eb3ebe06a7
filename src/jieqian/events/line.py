"""A server's way past the layers of the application, for answers that are written for long to many clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.types import Send

#: Under which name a server that has one offers it (an ASGI extension).
LINE = "jieqian.line"


class Line(Protocol):
    """One answer's line to its client."""

    def write(self, body: bytes) -> bool:
        """Write it now; False: it was not written, because the client has not begun, does not keep up, or left."""
        ...

    def go_on_with(self, rest: Callable[[Send], Awaitable[None]]) -> None:
        """Send the rest of the answer by that, once the application has returned: its layers then hold no memory."""
        ...

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call that once the client has left: at once where it has."""
        ...

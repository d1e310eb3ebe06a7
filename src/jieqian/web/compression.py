"""Text sent smaller to whoever takes gzip. Pages and files alone: an event stream is never compressed."""

from __future__ import annotations

import gzip

from starlette.datastructures import Headers
from starlette.responses import Response

#: Below this nothing is gained: it fits into one packet either way.
FEWEST_BYTES = 1_000
#: Half a millisecond for the largest page; more makes it hardly smaller.
_LEVEL = 6


def takes_gzip(headers: Headers) -> bool:
    """Whether Accept-Encoding names gzip, and not with the weight 0 (RFC 9110, 12.5.3)."""
    for entry in headers.get("accept-encoding", "").split(","):
        name, _, weight = entry.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def gzipped(content: bytes) -> bytes:
    """The same bytes for the same content, whenever it is made."""
    return gzip.compress(content, _LEVEL, mtime=0)


def shrink(response: Response, asked: Headers) -> None:
    """Compress the response's body in place, where that is asked for and worth it."""
    response.headers.add_vary_header("Accept-Encoding")
    if takes_gzip(asked) and len(response.body) >= FEWEST_BYTES:
        response.body = gzipped(bytes(response.body))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))

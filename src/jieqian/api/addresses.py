"""The addresses given out: every one lies under the path the service is reached by."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from jieqian.api.callers import ticket_for
from jieqian.api.proxied import is_this_machine
from jieqian.settings import names_a_place

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
_NO_ADDRESS = ("0.0.0.0", "::")


def base_path_of(request: Request) -> str:
    """The path the service is reached under, without a slash at its end; "" at the root."""
    base: str = request.scope.get("root_path", "")
    return base.rstrip("/")


def path_for(request: Request, name: str, **parameters: Any) -> str:
    """The path of a named route, under the base path."""
    return base_path_of(request) + str(request.app.url_path_for(name, **parameters))


def origin_of(request: Request, public_url: str | None) -> str:
    """Scheme, host and port that others reach the service by: PUBLIC_URL, else what this request was sent to.

    A request that names no host that could be one came to `localhost`, as far as anybody can tell.
    """
    if public_url is not None:
        return public_url
    host, scheme = request.headers.get("host", ""), request.scope["scheme"]
    origin = f"{scheme}://{host}"
    return origin if _HOST.fullmatch(host) and names_a_place(origin) else f"{scheme}://localhost"


def is_for_this_machine_alone(origin: str) -> bool:
    """Whether no other device can reach that origin: loopback, or no address at all."""
    host = (urlsplit(origin).hostname or "localhost").rstrip(".")
    named = host == "localhost" or host.endswith(".localhost")
    return named or host in _NO_ADDRESS or is_this_machine(host)


def link_for(request: Request, public_url: str | None, name: str, **parameters: Any) -> str:
    """The address of a named route to be given away: whole where PUBLIC_URL is set, else a path."""
    return (public_url or "") + path_for(request, name, **parameters)


def events_url(request: Request, task_id: str) -> str:
    """Where the caller can follow the task's events; the widget's visitor by this address alone, for a while."""
    ticket = ticket_for(request, task_id)
    return path_for(request, "task_events", task_id=task_id) + ("" if ticket is None else f"?ticket={ticket}")

"""The addresses given out: every one lies under the path the service is reached by."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request


def base_path_of(request: Request) -> str:
    """The path the service is reached under, without a slash at its end; "" at the root."""
    base: str = request.scope.get("root_path", "")
    return base.rstrip("/")


def path_for(request: Request, name: str, **parameters: Any) -> str:
    """The path of a named route, under the base path."""
    return base_path_of(request) + str(request.app.url_path_for(name, **parameters))

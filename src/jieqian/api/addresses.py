"""The addresses given out: every one lies under the path the service is reached by."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from jieqian.api.callers import ticket_for


def base_path_of(request: Request) -> str:
    """The path the service is reached under, without a slash at its end; "" at the root."""
    base: str = request.scope.get("root_path", "")
    return base.rstrip("/")


def path_for(request: Request, name: str, **parameters: Any) -> str:
    """The path of a named route, under the base path."""
    return base_path_of(request) + str(request.app.url_path_for(name, **parameters))


def events_url(request: Request, task_id: str) -> str:
    """Where the caller can follow the task's events; the widget's visitor by this address alone, for a while."""
    ticket = ticket_for(request, task_id)
    return path_for(request, "task_events", task_id=task_id) + ("" if ticket is None else f"?ticket={ticket}")

"""Make docs/reference/ and docs/collections/ from code and packs; with --check, say what is stale, change nothing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import typer.main
from collection_pages import collection_page
from fastapi import FastAPI

from jieqian import cli, errors
from jieqian.api import admin, draws, health, lots, shares, tasks
from jieqian.events import event as events
from jieqian.lots.library import PACKAGED, pack_folders
from jieqian.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"
NOTE = "<!-- Made by `make reference` from the code and the packs; change those, not this page. -->\n\n"


def settings_page() -> str:
    """Every setting with its default."""
    rows = ["# Settings", "", "From the environment or a file `.env` in the working folder; empty means unset.", ""]
    rows += ["| setting | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else str(getattr(field.default, "value", field.default))
        rows.append(f"| `JIEQIAN_{name.upper()}` | {f'`{default}`' if default else 'unset'} | {field.description} |")
    return "\n".join(rows) + "\n"


def cli_page() -> str:
    """Every command with its help."""
    parts = ["# Command line", ""]
    for path, command in _commands(typer.main.get_command(cli.app_for()), ("jieqian",)):
        context = click.Context(command, info_name=" ".join(path))
        usage = " ".join([" ".join(path), *command.collect_usage_pieces(context)])
        parts += [f"## `{' '.join(path)}`", "", f"    {usage}", "", inspect.cleandoc(command.help or ""), ""]
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if record and record[0].startswith("-") and record[0] != "--help":
                parts.append(f"- `{record[0]}`: {record[1]}")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, child in sorted(command.commands.items()):
            yield from _commands(child, (*path, name))
    else:
        yield path, command


def errors_page() -> str:
    """Every error a caller can get."""
    rows = ["# Errors", "", "Problem documents (RFC 9457, `application/problem+json`): `type`, `title`, `status`,"]
    rows += ["`detail`, `code`, `retryable`, and what the error adds (`retry_after` in seconds, say).", ""]
    rows += ["| code | status | retryable | what it says |", "|---|---|---|---|"]
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.JieqianError)]
    for kind in sorted(kinds, key=lambda kind: (kind.status, kind.code)):
        said = inspect.cleandoc(kind.__doc__ or "").replace("\n", " ")
        rows.append(f"| `{kind.code}` | {kind.status} | {'yes' if kind.retryable else 'no'} | {said} |")
    return "\n".join(rows) + "\n"


def events_page() -> str:
    """Every event a stream can carry."""
    rows = ["# Events", "", "`GET /api/v1/tasks/{id}/events`, server-sent events. Ids rise by one within a task.", ""]
    rows += ["| event | ends the stream | what it tells | data |", "|---|---|---|---|"]
    for kind in events.Event.__subclasses__():
        told = inspect.cleandoc(kind.__doc__ or "").replace("\n", " ")
        data = inspect.cleandoc(kind.data.__doc__ or "").replace("\n", " ")
        rows.append(f"| `{kind.type}` | {'yes' if kind.final else ''} | {told} | {data} |")
    return "\n".join(rows) + "\n"


def api_page() -> str:
    """Every call with what it does."""
    app = FastAPI()
    for router in (tasks.router, shares.router, draws.router, lots.router, admin.router):
        app.include_router(router, prefix="/api/v1")
    app.include_router(health.router)
    rows = ["# HTTP API", "", "JSON, UTF-8; described whole at `/openapi.json`. Errors: [errors.md](errors.md),"]
    rows += ["events: [events.md](events.md). A caller is a browser's session (cookie) or an API key"]
    rows += ["(`Authorization: Bearer`); calls under `/api/v1/admin` are the operator's (ADMIN_TOKEN).", ""]
    rows += ["| call | what it does |", "|---|---|"]
    for path, calls in app.openapi()["paths"].items():
        for method, call in calls.items():
            rows.append(f"| `{method.upper()} {path}` | {call['description'].splitlines()[0]} |")
    return "\n".join(rows) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "reference/api.md": api_page,
    "reference/settings.md": settings_page,
    "reference/cli.md": cli_page,
    "reference/errors.md": errors_page,
    "reference/events.md": events_page,
    **{f"collections/{pack.name}.md": partial(collection_page, pack) for pack in pack_folders(PACKAGED)},
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them."""
    stale = []
    for name, make in PAGES.items():
        page, path = NOTE + make(), DOCS / name
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != page:
            stale.append(name)
    if stale:
        print(f"stale in docs/: {', '.join(stale)}; run `make reference`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`jieqian cache`: the answers that are kept for those who ask the same words."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from jieqian.cli.running import running_service
from jieqian.cli.screen import say, say_json
from jieqian.errors import UsageError
from jieqian.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The answers kept for those who ask the same words.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def stats(as_json: JsonOption = False) -> None:
    """How many answers are kept, and how often they served.

    Example: jieqian cache stats
    """
    found = _ask("GET", "")
    if as_json:
        say_json(found)
        return
    say(f"{found['entries']:,} of {found['most']:,} answers kept, {found['bytes'] / 1e3:,.0f} kB.")
    if found["entries"]:
        say(f"They served {found['hits']:,} times. The oldest is of {_day(found['oldest_at'])}.")


@app.command()
def clear(
    collection: Annotated[str | None, typer.Option(help="Only this collection's.")] = None,
    lot: Annotated[int | None, typer.Option(min=1, help="Only this lot's, with --collection.")] = None,
    model: Annotated[str | None, typer.Option(help="Only what this model wrote.")] = None,
    older_than_days: Annotated[float | None, typer.Option(min=0, help="Only what is older.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Throw kept answers away; readings stay with their askers.

    Example: jieqian cache clear --collection yuelao --lot 7
    """
    if lot is not None and collection is None:
        raise UsageError("--lot needs --collection beside it.", usage=True)
    given = {"collection": collection, "lot": lot, "model": model, "older_than_days": older_than_days}
    asked = urlencode({name: value for name, value in given.items() if value is not None})
    cleared = _ask("DELETE", f"?{asked}" if asked else "")
    if as_json:
        say_json(cleared)
    else:
        say(f"{cleared['cleared']:,} answers thrown away.")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _ask(method: str, path: str) -> Any:
    async def ask() -> Any:
        async with running_service(load_settings()) as service:
            return await service.call(method, f"/api/v1/admin/cache{path}")

    return asyncio.run(ask())

"""`jieqian cache`: the answers that are kept for those who ask the same words."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from jieqian.cli.running import running_service
from jieqian.cli.screen import progress, say, say_json
from jieqian.errors import UsageError
from jieqian.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The answers kept for those who ask the same words.")
_LARGEST_LOT = 10_000
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
def warm(
    collection: Annotated[str | None, typer.Option(help="Only this collection.")] = None,
    lots: Annotated[str | None, typer.Option(help="Only these lots, as 1-20,34.")] = None,
    language: Annotated[str | None, typer.Option(help="Only this one: zh-Hant, zh-Hans, en or ja.")] = None,
    mode: Annotated[str, typer.Option(help="quality or fast.")] = "quality",
    questions: Annotated[
        Path | None, typer.Option(help="A file of questions, one a line, with --language; else the suggested ones.")
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="So many readings, the commonest questions first.")] = None,
    until: Annotated[str | None, typer.Option(metavar="HH:MM", help="Begin none after this time of day.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Have readings of suggested questions written while nobody asks, so that askers of the same get them at once.

    It gives way to whoever asks. Meant for the night: run it from cron, with --until.

    Example: jieqian cache warm --collection yuelao --language zh-Hant --until 06:00
    """
    body = {
        "collection": collection,
        "lots": None if lots is None else _lot_numbers(lots),
        "language": language,
        "mode": mode,
        "questions": None if questions is None else _lines(questions),
        "most": most,
        "seconds": None if until is None else _seconds_until(until, datetime.now().astimezone()),
    }
    given = {name: value for name, value in body.items() if value is not None}
    counts = asyncio.run(_fill(given))
    if as_json:
        say_json(counts)
        return
    say(f"{counts['written']:,} written and kept; {counts['known']:,} were kept before.")
    if counts["not_kept"] or counts["left"]:
        say(f"{counts['not_kept']:,} were not written whole by a model; {counts['left']:,} are left for another time.")


async def _fill(body: dict[str, Any]) -> dict[str, Any]:
    async with running_service(load_settings(), works=True) as service:
        with progress("writing") as advance:
            return await service.carry_out("POST", "/api/v1/admin/cache/warm", advance, body)


def _lot_numbers(given: str) -> list[int]:
    found: list[int] = []
    for part in given.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)) or int(last or first) > _LARGEST_LOT:
            raise UsageError(f"--lots {given!r}: write numbers and ranges, as 1-20,34.", usage=True)
        found += range(int(first), int(last or first) + 1)
    return found


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--questions {file} cannot be read: {error}.") from error
    return [line.strip() for line in lines if line.strip()]


def _seconds_until(given: str, now: datetime) -> float:
    """From now to that time of day, today or tomorrow."""
    try:
        hour, minute = map(int, given.split(":"))
        then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    except ValueError:
        raise UsageError(f"--until {given!r}: write a time of day, as 06:00.", usage=True) from None
    return ((then - now).total_seconds() or 86400.0) % 86400.0


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

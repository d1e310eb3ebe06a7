"""`jieqian faq`: the review of what may be told to later askers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from jieqian.cli.running import quoted_id, running_service
from jieqian.cli.screen import note, say, say_json, table
from jieqian.faq.entry import CATEGORIES
from jieqian.languages import Language
from jieqian.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Review the answers that later readings may draw on.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The entry's id, or enough of its beginning.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
#: Enough of an id to be the only one in most queues, and of a text to know it by.
_SHORT_ID, _SHORT_TEXT = 8, 60


class Shown(StrEnum):
    """Which entries to list."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    ALL = "all"


@app.command(name="list")
def list_entries(
    status: Annotated[Shown, typer.Option(help="Which entries.")] = Shown.PENDING,
    language: Annotated[Language | None, typer.Option(help="Only entries in this language.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List entries, oldest first.

    Example: jieqian faq list --status all --language en
    """
    asked = {"status": status.value, "limit": str(limit)} | ({"language": language.value} if language else {})
    found = _ask("GET", f"?{urlencode(asked)}")
    if as_json:
        say_json(found["entries"])
    else:
        heads = ("id", "status", "lot", "language", "category", "question", "answer")
        table(heads, [_row(entry) for entry in found["entries"]])
    if not found["entries"] and not as_json:
        note("No entry waits. A reading may make one when a model wrote its conclusion; the packaged one seldom does.")
    if found["total"] > len(found["entries"]):
        note(f"{len(found['entries'])} of {found['total']} are listed; --limit lists more.")


@app.command()
def show(entry_id: IdArgument, as_json: JsonOption = False) -> None:
    """Show one entry whole.

    Example: jieqian faq show 3f0c9a52
    """
    entry = _ask("GET", f"/{_quoted(entry_id)}")
    if as_json:
        say_json(entry)
    else:
        _say_entry(entry)


@app.command()
def approve(
    entry_id: IdArgument,
    question: Annotated[str | None, typer.Option(help="The question in better words.")] = None,
    answer: Annotated[str | None, typer.Option(help="The answer in better words.")] = None,
    category: Annotated[str | None, typer.Option(help=f"One of {', '.join(CATEGORIES)}.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Approve an entry: from now on it may be a source of readings. What is masked is for you to check.

    Example: jieqian faq approve 3f0c9a52 --answer "Wait for a sign, then speak first."
    """
    mended = {"question": question, "answer": answer, "category": category}
    _decide(f"/{_quoted(entry_id)}/approve", {name: text for name, text in mended.items() if text is not None}, as_json)


@app.command()
def reject(entry_id: IdArgument, as_json: JsonOption = False) -> None:
    """Reject an entry, also one approved before: from now on it is no source of readings.

    Example: jieqian faq reject 3f0c9a52
    """
    _decide(f"/{_quoted(entry_id)}/reject", {}, as_json)


@app.command()
def unanswered(
    language: Annotated[Language | None, typer.Option(help="Only questions in this language.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List masked questions that no approved entry was found for, most asked first.

    Example: jieqian faq unanswered --language ja
    """
    asked = {"limit": str(limit)} | ({"language": language.value} if language else {})
    found = _ask("GET", f"/unanswered?{urlencode(asked)}")
    if as_json:
        say_json(found["questions"])
        return
    rows = [
        (
            str(each["count"]),
            f"{each['collection']}/{','.join(map(str, each['lots']))}",
            each["language"],
            each["category"],
            _short(each["question"]),
        )
        for each in found["questions"]
    ]
    table(("asked", "lots", "language", "category", "question"), rows)
    if found["total"] > len(rows):
        note(f"{len(rows)} of {found['total']} are listed; --limit lists more.")


def _decide(path: str, body: Mapping[str, str], as_json: bool) -> None:
    entry = _ask("POST", path, body)
    if as_json:
        say_json(entry)
    else:
        say(f"{entry['status']}: {entry['id']}")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    lot = f"{entry['collection']}/{entry['lot']}"
    texts = (_short(entry["question"]), _short(entry["answer"]))
    return entry["id"][:_SHORT_ID], entry["status"], lot, entry["language"], entry["category"], *texts


def _short(text: str) -> str:
    return text if len(text) <= _SHORT_TEXT else text[: _SHORT_TEXT - 1] + "…"


def _say_entry(entry: Mapping[str, Any]) -> None:
    say(f"id:        {entry['id']}")
    say(f"status:    {entry['status']}{_when(entry['reviewed_at'], ', reviewed ')}")
    say(f"made:      {_when(entry['created_at'])}")
    say(f"lot:       {entry['collection']}/{entry['lot']}")
    say(f"language:  {entry['language']}")
    say(f"category:  {entry['category']}")
    say(f"from:      {_origin(entry)}")
    if entry["translations"]:
        others = [f"{each['language']} ({each['id'][:_SHORT_ID]})" for each in entry["translations"]]
        say(f"also in:   {', '.join(others)}")
    if entry["uses"]["total"]:
        say(f"uses:      {entry['uses']['total']}, last on {entry['uses']['last_day']}")
    say(f"question:  {entry['question']}")
    say(f"answer:    {entry['answer']}")


def _origin(entry: Mapping[str, Any]) -> str:
    origin = entry["origin"]
    if entry["made_by"] != "reading":
        return "a translation" if entry["made_by"] == "translation" else "a reviewer"
    if origin is None:
        return "a reading that was erased"
    feedback = {1: ", liked by its asker", -1: ", not liked by its asker"}.get(origin["feedback"], "")
    return f"a reading by {origin['model'] or 'the commentary'} ({origin['mode']}){feedback}"


def _when(seconds: float | None, before: str = "") -> str:
    if seconds is None:
        return ""
    return f"{before}{datetime.fromtimestamp(seconds, UTC).strftime('%Y-%m-%d %H:%M')} UTC"


def _quoted(entry_id: str) -> str:
    return quoted_id(entry_id, "jieqian faq list --status all")


def _ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    async def ask() -> Any:
        async with running_service(load_settings()) as service:
            return await service.call(method, f"/api/v1/admin/faq{path}", body)

    return asyncio.run(ask())

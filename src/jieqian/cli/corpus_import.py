"""`jieqian corpus import`: others' lots into DATA_DIR."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from jieqian.cli.running import owners_service
from jieqian.cli.screen import clean, complain, lively, note, one_line, progress, say, say_json, table
from jieqian.errors import JieqianError, UsageError
from jieqian.keeping.folder import expect_usable, make_data_dir
from jieqian.lots.importing.columns import parse_columns
from jieqian.lots.importing.placing import Outcome, place
from jieqian.lots.importing.plan import Plan, Wish, plan_import
from jieqian.lots.importing.report import Told
from jieqian.lots.library import LotLibrary
from jieqian.lots.pack_format import MAX_LOTS
from jieqian.settings import load_settings

#: So many lines of each kind are shown; `--json` has them all.
_MOST_SHOWN = 20


def import_lots(
    path: Annotated[Path, typer.Argument(help="A file (.json, .jsonl, .csv, .tsv, .zip) or a folder of them.")],
    collection: Annotated[
        str | None, typer.Option(help="The collection's id; else the file's or folder's name.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the collection is called.")] = None,
    size: Annotated[
        int | None, typer.Option(help="How many lots the tradition has; those beyond are refused.", min=1, max=MAX_LOTS)
    ] = None,
    columns: Annotated[str, typer.Option(help="A table's columns: number=1,verse=詩文,overall.en=Meaning.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether guessed columns are right.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take lots in whatever shape they are: our packs, CSV, and JSON with one lot a file or many.

    A file that cannot be taken is named and does not stop the others. Importing the same again changes nothing; lots
    that were mended by hand since are kept. A running server serves the collection at once.

    Example: jieqian corpus import ./lots --collection river-temple --dry-run
    """
    settings = load_settings()
    data_dir = settings.data_dir
    expect_usable(data_dir, writes=not dry_run)
    wish = Wish(collection=collection, name=name, size=size, columns=parse_columns(columns))
    try:
        with progress("reading") as advance:
            plan = plan_import(path, wish, LotLibrary.in_data_dir(data_dir), advance)
    except UsageError as error:
        _show_nothing([Told(**each) for each in error.extra.get("refused", ())], dry_run, as_json)
        raise
    if plan.columns and not as_json:
        _show_columns(plan)
        if not (columns or yes or dry_run) and lively(sys.stderr) and sys.stdin.isatty():
            _expect_agreement()
    if not dry_run:
        make_data_dir(data_dir)
    outcome = place(plan, data_dir, dry_run=dry_run)
    if outcome.changed and not dry_run:
        asyncio.run(_tell_the_server(data_dir))
    if as_json:
        say_json(outcome.as_dict())
    else:
        _show(outcome)
    if settings.collections and outcome.collection.id not in settings.collections:
        complain(f"it is not offered: JIEQIAN_COLLECTIONS names others. Add {outcome.collection.id} to it.")
    if not (outcome.taken or outcome.unchanged):
        raise typer.Exit(1)


def _show_columns(plan: Plan) -> None:
    say("Columns:")
    table(
        ("column", "head", "taken as"),
        [(at, clean(plan.heads.get(at, "")), field) for at, field in plan.columns.items()],
    )
    if plan.not_taken:
        say(f"Not taken: {', '.join(one_line(head)[:40] for head in plan.not_taken)}")


def _expect_agreement() -> None:
    note("Are these right? [Y/n] (others: --columns number=1,verse=3)")
    if sys.stdin.readline().strip().casefold() not in ("", "y", "yes", "是", "はい"):
        raise UsageError("Nothing was taken. Tell the columns: --columns number=1,verse=3,rank=2.")


async def _tell_the_server(data_dir: Path) -> None:
    """A running one looks at its folders within two seconds; told, it does so now."""
    service = await owners_service(data_dir)
    if service is None:
        return
    try:
        await service.call("POST", "/api/v1/admin/corpus/look")
    except JieqianError as error:
        complain(f"the running server will see it in a moment: {error.detail}")
    finally:
        await service.close()


def _show(outcome: Outcome) -> None:
    for head, told in (("Mended", outcome.mended), ("Refused", outcome.refused)):
        if told:
            say(f"{head}:")
            _lines(told)
    if outcome.plan.not_taken and not outcome.plan.columns:
        say(f"Keys not taken: {', '.join(one_line(key)[:40] for key in list(outcome.plan.not_taken)[:20])}")
    counts = outcome.as_dict()["counts"]
    said = ", ".join(f"{counts[key]} {key}" for key in ("taken", "unchanged", "kept", "mended", "refused"))
    collection = outcome.collection
    there = collection.size - len(collection.missing)
    say(f"{collection.id}: {said}; {'would have' if outcome.dry_run else 'has'} {there} of {collection.size} lots.")
    if collection.missing:
        named = ", ".join(map(str, collection.missing[:20])) + (" …" if len(collection.missing) > 20 else "")
        say(f"Missing: {named}")
    if outcome.dry_run:
        say("Nothing was written (--dry-run).")
    elif outcome.changed:
        say(f"Written to {outcome.folder}. Try: jieqian corpus show {collection.id} {_first(outcome)}")


def _show_nothing(refused: Sequence[Told], dry_run: bool, as_json: bool) -> None:
    """Why nothing could be taken; nothing where the command itself is wrong."""
    if refused and as_json:
        counts = {"taken": 0, "unchanged": 0, "kept": 0, "mended": 0, "refused": len(refused)}
        told = [each.as_dict() for each in refused]
        said = {"collection": None, "dry_run": dry_run, "changed": False, "counts": counts}
        say_json({**said, "taken": [], "mended": [], "refused": told})
    elif refused:
        say("Refused:")
        _lines(refused)


def _first(outcome: Outcome) -> int:
    return next(told.lot for told in outcome.taken if told.lot is not None)


def _lines(told: Sequence[Told]) -> None:
    for each in told[:_MOST_SHOWN]:
        say(f"  {one_line(str(each))}")
    if len(told) > _MOST_SHOWN:
        say(f"  … and {len(told) - _MOST_SHOWN} more (--json has all)")

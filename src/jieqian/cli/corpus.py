"""`jieqian corpus`: look at the collections and check packs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from jieqian.cli.corpus_import import import_lots
from jieqian.cli.corpus_index import index
from jieqian.cli.screen import clean, complain, say, say_json, table
from jieqian.errors import InvalidLot, UnknownCollection, UnknownLot, UsageError
from jieqian.keeping.folder import expect_usable
from jieqian.languages import Language
from jieqian.lots.finding import Finding, Severity
from jieqian.lots.library import COLLECTIONS_FOLDER, PACKAGED, LotLibrary, pack_folders
from jieqian.lots.lot import Collection, Commentary, Lot
from jieqian.lots.numbers import parse_lot_number, split_lot_id
from jieqian.lots.pack import COLLECTION_FILE
from jieqian.lots.validation import validate_pack
from jieqian.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Look at the collections and check packs.")
app.command("index")(index)
app.command("import")(import_lots)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_collections(as_json: JsonOption = False) -> None:
    """List every collection: those of the package and those in DATA_DIR.

    Example: jieqian corpus list
    """
    library = _library()
    collections = library.collections()
    if as_json:
        say_json([each.as_dict() for each in collections])
    else:
        table(
            ("id", "name", "in English", "lots", "with commentary", "aliases"),
            [_collection_row(library, each) for each in collections],
        )
    for problem in library.problems:
        complain(f"left out: {problem}")


# A lot may be written as -1 (and is then not found): what looks like an unknown option is taken as an argument.
@app.command("show", context_settings={"ignore_unknown_options": True})
def show(
    collection: Annotated[str, typer.Argument(help="Id, name or alias; or a lot's id such as YueLao_7.")],
    number: Annotated[str | None, typer.Argument(help="7, ７ or 第七籤.")] = None,
    language: Annotated[Language, typer.Option(help="Language of commentary and allusion.")] = Language.ZH_HANT,
    as_json: JsonOption = False,
) -> None:
    """Show one lot: its verse, rank, allusion and commentary.

    Example: jieqian corpus show yuelao 7 --language en
    """
    library = _library()
    with _wrong_names_are_wrong_usage():
        name, wanted = _named_lot(library, collection) if number is None else (collection, parse_lot_number(number))
        lot = library.lot(name, wanted)
    if as_json:
        say_json(lot.as_dict(language))
    else:
        say("\n".join(_lot_lines(lot, language)))


@app.command("validate")
def validate(
    packs: Annotated[list[str] | None, typer.Argument(help="Folders or collection ids; none: all there are.")] = None,
    as_json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
) -> None:
    """Check packs and print FILE:LINE of everything to mend. Exit status 1 if there is an error.

    Example: jieqian corpus validate ./my-pack --strict
    """
    folders = [_pack_folder(each) for each in packs] if packs else _every_folder()
    findings = [finding for folder in folders for finding in validate_pack(folder)]
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if as_json:
        say_json(_report(folders, findings, errors))
    else:
        for finding in findings:
            say(str(finding))
        say(f"{len(folders)} checked: {errors} errors, {len(findings) - errors} warnings")
    if errors or (strict and findings):
        raise typer.Exit(1)


def _library() -> LotLibrary:
    return LotLibrary.in_data_dir(_data_dir())


def _data_dir() -> Path:
    data_dir = load_settings().data_dir
    expect_usable(data_dir, writes=False)
    return data_dir


def _every_folder() -> list[Path]:
    return [pack for folder in (PACKAGED, _data_dir() / COLLECTIONS_FOLDER) for pack in pack_folders(folder)]


def _pack_folder(named: str) -> Path:
    """The folder meant by a path (also of a file in it), a collection's id or alias, or a folder's name in DATA_DIR."""
    path = Path(named)
    if path.is_file():
        return path.parent
    if (path / COLLECTION_FILE).is_file():
        return path
    for folder in _every_folder():
        if folder.name == named:  # rather than a folder here that is no pack: what `import` was given
            return folder
    if path.is_dir():
        return path
    if "/" in named or "\\" in named:
        told = f"{clean(named)}: there is no such folder. A pack is a folder with {COLLECTION_FILE} in it."
        raise UsageError(told, usage=True)
    with _wrong_names_are_wrong_usage():
        return _library().folder(named)


def _named_lot(library: LotLibrary, written: str) -> tuple[str, int]:
    """Collection and number of a lot's id; a text that is none is taken for a collection without its number."""
    try:
        return split_lot_id(written)
    except InvalidLot as error:
        known = library.collection(written)
        told = f"Say which lot of {known.id}: jieqian corpus show {known.id} 7 (it has 1 to {known.size})."
        raise UsageError(told, usage=True) from error


@contextmanager
def _wrong_names_are_wrong_usage() -> Iterator[None]:
    try:
        yield
    except (InvalidLot, UnknownCollection, UnknownLot) as error:
        raise UsageError(error.detail, usage=True) from error


def _collection_row(library: LotLibrary, collection: Collection) -> tuple[str, ...]:
    commented = sum(bool(lot.commentaries) for lot in library.lots(collection.id))
    return (
        collection.id,
        collection.name(Language.ZH_HANT),
        collection.name(Language.EN),
        str(len(collection.numbers())),
        str(commented),
        ", ".join(collection.aliases[:6]) + (" …" if len(collection.aliases) > 6 else ""),
    )


def _lot_lines(lot: Lot, language: Language) -> Iterator[str]:
    yield lot.title(language)
    yield f"{lot.fortune.label} ({lot.fortune.polarity})" if lot.fortune else "(no rank printed)"
    if lot.sign:
        yield lot.sign
    yield ""
    yield from (f"  {line}" for line in lot.lines)
    if allusion := lot.allusion(language):
        yield from ("", allusion)
    yield ""
    commentary = lot.commentary(language)
    if commentary is None:
        yield "(This lot has no commentary yet.)"
    else:
        yield from _commentary_lines(lot, commentary, language)
    yield from ("", f"Edition: {lot.edition}")


def _commentary_lines(lot: Lot, commentary: Commentary, language: Language) -> Iterator[str]:
    if commentary.language is not language:
        yield from (f"(There is no commentary in {language}; this one is in {commentary.language}.)", "")
    for line, gloss in zip(lot.lines, commentary.gloss, strict=False):  # or none
        yield f"  {line}: {gloss}"
    yield from ("", commentary.overall, "")
    counsel = lot.counsel(language)
    if counsel is None:
        return
    if counsel.language is not commentary.language:
        yield f"(There is no counsel by topic in {commentary.language}; this one is in {counsel.language}.)"
    for topic, text in counsel.topics.items():
        yield f"{topic}: {text}"


def _report(folders: list[Path], findings: list[Finding], errors: int) -> dict[str, Any]:
    return {
        "packs": [str(folder) for folder in folders],
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [finding.as_dict() for finding in findings],
    }

"""`jieqian draw`: the ritual in the terminal, provable; `--verify`: was a draw fair?"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from jieqian.cli.lot_text import lot_lines
from jieqian.cli.screen import heading, lively, paragraphs, say, say_json
from jieqian.cli.words import Words
from jieqian.errors import InvalidRequest, UnknownCollection, UnsupportedLanguage, UsageError
from jieqian.keeping.folder import expect_usable
from jieqian.languages import Language, named_language
from jieqian.lots.draw import LONGEST_CLIENT_SEED, commitment, draw_lot, new_seed, numbered, verify
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Collection
from jieqian.settings import load_settings

#: Between two throws on a terminal, in seconds.
_PAUSE_SECONDS = 0.7


def draw(
    collection: Annotated[
        str | None, typer.Option(help="Id, name or alias; asked for where there are several.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Your own seed, any text; left out: you are asked for it.")] = None,
    language: Annotated[str | None, typer.Option(help="zh-Hant, zh-Hans, en or ja; left out: the terminal's.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the draw to this new file, for --verify.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the draw as JSON, and nothing else.")] = False,
    check: Annotated[
        Path | None, typer.Option("--verify", help="Check a draw: the file of --save, or of the API's reveal.")
    ] = None,
) -> None:
    """Draw a lot with moon blocks, by two seeds: neither the program nor you can choose the lot.

    The program commits to its seed first; then you give yours. Where there is no terminal to ask at, a seed is made
    up for you. No server is needed.

    Example: jieqian draw --collection yuelao

    Example: jieqian draw --collection guanyin --seed "blue umbrella" --save draw.json

    Example: jieqian draw --verify draw.json
    """
    settings = load_settings()
    expect_usable(settings.data_dir, writes=False)
    library = LotLibrary.in_data_dir(settings.data_dir, settings.collections)
    if check is not None:
        _verify(check, library, as_json=as_json)
        return
    words = Words(_language(language))
    chosen = _collection(collection, library, words)
    if seed is not None and len(seed) > LONGEST_CLIENT_SEED:
        raise UsageError(f"--seed has {len(seed)} characters; at most {LONGEST_CLIENT_SEED} may be.", usage=True)
    if save is not None and save.exists():
        raise UsageError(f"{save} is there already. Name a new file.", usage=True)
    document = _drawn(chosen, library, words, seed, silent=as_json)
    if save is not None:
        _save(save, document)
    if as_json:
        say_json(document)
        return
    _show(document, words)
    if save is not None:
        say(words("draw.saved", file=shlex.quote(str(save))))
    lot_id = f"--collection {chosen.id} --lot {document['number']}"
    say(f'{words("draw.ask")}  jieqian read "{words("draw.question")}" {lot_id}')


def _drawn(chosen: Collection, library: LotLibrary, words: Words, seed: str | None, *, silent: bool) -> dict[str, Any]:
    """Commit, ask for the other seed, draw: all that `--verify` needs, and the lot."""
    server_seed = new_seed()
    promised = commitment(server_seed)
    if not silent:
        say(words("draw.begin", name=chosen.name(words.language), deity=chosen.deity[words.language]))
        say(f"{words('draw.commitment')}\n  {promised}")
    own = seed if seed is not None else _asked_seed(words)
    try:
        drawn = draw_lot(server_seed, own, chosen.id, len(chosen.numbers()))
    except InvalidRequest as error:
        raise UsageError(error.detail, usage=True) from error
    number = numbered(drawn.lot_number, chosen.missing)
    return {
        "collection": chosen.id,
        "size": len(chosen.numbers()),
        "missing": sorted(chosen.missing),
        "number": number,
        "lot": library.lot(chosen.id, number).as_dict(words.language),
        "throws": [throw.value for throw in drawn.throws],
        "commitment": promised,
        "server_seed": server_seed.hex(),
        "client_seed": own,
    }


def _show(document: Mapping[str, Any], words: Words) -> None:
    """The throws one by one, the lot, and the proof."""
    say()
    for place, throw in enumerate(document["throws"], start=1):
        if lively(sys.stdout):
            time.sleep(_PAUSE_SECONDS)
        say(words("draw.throw", place=place, throw=words(f"live.throw_{throw}")))
    if document["throws"][-1] != "holy":
        say(words("draw.not_holy"))
    say()
    heading(document["lot"]["title"])
    paragraphs(lot_lines(document["lot"], words))
    say()
    heading(words("live.proof"))
    say(f"{words('draw.server_seed')}: {document['server_seed']}")
    say(f"{words('draw.client_seed')}: {document['client_seed']}")


def _asked_seed(words: Words) -> str:
    """What the drawer types; a seed made up for one who types nothing or is not there."""
    typed = ""
    if sys.stdin.isatty():
        print(f"\n{words('draw.seed')}", end="", file=sys.stderr, flush=True)
        typed = sys.stdin.readline().strip()
    return typed or secrets.token_hex(8)


def _collection(named: str | None, library: LotLibrary, words: Words) -> Collection:
    """The one that is named, the only one, or the one chosen at the terminal."""
    try:
        if named is not None:
            return library.collection(named)
    except UnknownCollection as error:
        raise UsageError(error.detail, usage=True) from error
    there = library.collections()
    if len(there) == 1:
        return there[0]
    if not sys.stdin.isatty():
        names = ", ".join(each.id for each in there)
        raise UsageError(f"Say which collection ({names}): --collection {there[0].id}.", usage=True)
    for place, each in enumerate(there, start=1):
        print(f"  {place}  {each.name(words.language)} ({each.id})", file=sys.stderr)
    while True:
        print(f"{words('form.collection')} [1-{len(there)}]: ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            raise UsageError("No collection was chosen.", usage=True)
        if answer.strip().isdecimal() and 1 <= int(answer) <= len(there):
            return there[int(answer) - 1]


def _language(asked: str | None) -> Language:
    """The language that was named, else that of the terminal (`LANG=zh_TW.UTF-8`), else English."""
    try:
        if asked is not None:
            return named_language(asked) or Language.EN
    except UnsupportedLanguage as error:
        raise UsageError(error.detail, usage=True) from error
    told = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    try:
        return named_language(told.partition(".")[0].partition("@")[0]) or Language.EN
    except UnsupportedLanguage:
        return Language.EN


def _save(file: Path, document: Mapping[str, Any]) -> None:
    try:
        with file.open("x", encoding="utf-8") as new:
            json.dump(document, new, ensure_ascii=False, indent=2)
            new.write("\n")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}.") from error


def _verify(file: Path, library: LotLibrary, *, as_json: bool) -> None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: this is no JSON in UTF-8. Save the reveal's answer as it came.") from error
    problems = verify(document, {each.id: len(each.numbers()) for each in library.collections()})
    if as_json:
        say_json({"verified": not problems, "problems": problems})
        if problems:
            raise typer.Exit(1)
        return
    if problems:
        raise UsageError(" ".join(problems))
    lot = document["lot"] if isinstance(document["lot"], Mapping) else {"number": document["lot"]}
    collection = document.get("collection", lot.get("collection"))
    say(f"The draw is right: lot {lot['number']} of {collection}, as its seeds give it.")

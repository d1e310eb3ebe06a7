"""`jieqian model`: which embedded models there are, fetching one, and choosing who writes the readings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from jieqian.cli import screen
from jieqian.errors import JieqianError, ModelError, ModelNotFound, ModelRefused, UsageError
from jieqian.keeping.folder import expect_usable, make_data_dir
from jieqian.languages import Language
from jieqian.llm.gguf import GgufFacts, read_gguf
from jieqian.llm.llamacpp import LlamaCppClient, engine_installed, packaged_model
from jieqian.llm.memory import available_bytes, gigabytes, needed_bytes
from jieqian.llm.profiles import profile_of
from jieqian.llm.selection import Choice
from jieqian.llm.shelf import AUTO, COMMENTARY, OFFERS, TINY, Offer, Shelf, name_of, offer_of
from jieqian.settings import Provider, Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Embedded models: list, get and use them.")

#: All the languages readings are written in; short, so that names are whole on a terminal of 80 columns.
_ALL = "all four"
#: How often a running service looks again, as people are told.
_LOOK = "A running service takes it up within 30 seconds"


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models that are here, those that can be fetched, and which is in use.

    Example: jieqian model list
    """
    settings = load_settings()
    expect_usable(settings.data_dir, writes=False)
    choice = asyncio.run(_choose(settings))
    rows = _rows(settings, choice)
    if as_json:
        in_use = {
            "provider": choice.provider,
            "model": choice.model.name if choice.model else None,
            "note": choice.note,
        }
        screen.say_json({"models": rows, "in_use": in_use, "memory_available": available_bytes()})
        return
    screen.table(
        ("name", "download", "memory", "languages", "licence", "here"),
        [
            (
                row["name"],
                gigabytes(row["download_bytes"]) if row["download_bytes"] else "-",
                gigabytes(row["memory_bytes"]) if row["memory_bytes"] else "-",
                _ALL if len(row["languages"]) == len(Language) else " ".join(row["languages"]),
                row["licence"] or "-",
                row["problem"] or ("in use" if row["in_use"] else "yes" if row["here"] else "no"),
            )
            for row in rows
        ],
    )
    free = available_bytes()
    screen.note(choice.note + (f" {gigabytes(free)} of memory are free." if free is not None else ""))


@app.command("get")
def get(
    model: Annotated[str, typer.Argument(help="A name of the list, or OWNER/REPOSITORY/FILE.gguf on Hugging Face.")],
) -> None:
    """Fetch a model from Hugging Face into DATA_DIR/models, checked; an interrupted fetch goes on.

    Example: jieqian model get qwen2.5-1.5b
    """
    from jieqian.llm.hub import fetch, look_up, split_address

    settings = load_settings()
    offer = offer_of(model)
    repo, path = (offer.repo, offer.file) if offer else split_address(model)
    expect_usable(settings.data_dir)
    make_data_dir(settings.data_dir)
    shelf = Shelf(settings.data_dir)
    try:
        wanted = look_up(repo, path)
        with screen.progress(f"{wanted.name} (MB)") as advance:
            place = fetch(
                wanted, shelf.folder, lambda done, of, what: advance(done // 10**6, max(1, of // 10**6), what)
            )
    except KeyboardInterrupt:
        screen.complain("Interrupted. What has arrived is kept; the same command goes on.")
        raise typer.Exit(130) from None
    name = name_of(place)
    screen.say(f"{place} is here and whole (SHA-256 {wanted.sha256[:12]}…).")
    if not _is_chosen(settings, shelf, place):
        screen.say(f"Use it: jieqian model use {name}")


@app.command("use")
def use(
    model: Annotated[str, typer.Argument(help="A name of the list, a path to a GGUF file, tiny, commentary or auto.")],
) -> None:
    """Choose who writes the readings where no setting does. A running service takes it up without a restart.

    Example: jieqian model use qwen2.5-1.5b
    """
    settings = load_settings()
    expect_usable(settings.data_dir)
    make_data_dir(settings.data_dir)
    shelf = Shelf(settings.data_dir)
    if model in (AUTO, COMMENTARY):
        shelf.pick(model)
        screen.say(_CHOSEN[model])
    else:
        try:
            file = shelf.find(model)
        except ModelNotFound as error:
            raise UsageError(error.detail, usage=True) from error
        asyncio.run(_check(file, settings))
        name = TINY if file == packaged_model() else name_of(file)
        shelf.pick(name, file)
        demo = " It is a demo: very small, English only, it retells the commentary." if name == TINY else ""
        screen.say(f"{name} writes the readings from now on ({file}).{demo}")
    winning = _settings_that_win(settings)
    if winning:
        screen.note(f"But {winning} is set and wins over this choice: unset it where the service is started.")
    screen.note(asyncio.run(_tell_server(settings, model)))


_CHOSEN = {
    AUTO: "The service chooses: Ollama if it answers, else the one model in DATA_DIR/models, else what is packaged.",
    COMMENTARY: "Readings come from the commentary from now on; no model is used.",
}


async def _tell_server(settings: Settings, model: str) -> str:
    """Let a running service look at once; what it says."""
    from jieqian.cli.running import owners_service

    service = await owners_service(settings.data_dir)
    if service is None or service.passing:
        if service is not None:
            await service.close()
        return "No service runs over this data folder; the next one uses it."
    try:
        told = await service.call("POST", "/api/v1/admin/models/look")
    except JieqianError:
        return f"{_LOOK}."
    finally:
        await service.close()
    if model != AUTO and not told["named"]:
        return f"The running service was started with a setting that wins: {told['note']}"
    return f"The running service: {told['note']}"


async def _check(file: Path, settings: Settings) -> None:
    client = LlamaCppClient(file, context_tokens=settings.llm_context_tokens)
    try:
        await client.check()
    finally:
        await client.close()


async def _choose(settings: Settings) -> Choice:
    """What a service with these settings would use."""
    from jieqian.fitting import choose  # loads the whole service

    try:
        choice = await choose(settings)
    except (ModelError, UsageError) as error:
        return Choice(None, COMMENTARY, None, None, error.detail)
    if choice.client is not None:
        await choice.client.close()
    return choice


def _rows(settings: Settings, choice: Choice) -> list[dict[str, Any]]:
    """One row a model: files in DATA_DIR/models first, the packaged one, offers that are not here, the commentary."""
    shelf = Shelf(settings.data_dir)
    used = _file_in_use(choice)
    here = shelf.files()
    rows = [_file_row(name_of(path), path, settings, used) for path in here]
    tiny = packaged_model()
    if tiny is not None:
        rows.append(_file_row(TINY, tiny, settings, used))
    names = {path.name for path in here}
    rows += [_offer_row(offer, settings) for offer in OFFERS if offer.file not in names]
    rows.append(
        _row(COMMENTARY, here=True, in_use=choice.model is None, languages=[str(language) for language in Language])
    )
    return rows


def _file_in_use(choice: Choice) -> str | None:
    """The address of the embedded model's file, without its window."""
    if choice.client is None or choice.provider != Provider.LLAMACPP or choice.model is None:
        return None
    return str(choice.client.base_url).partition("?")[0]


def _file_row(name: str, path: Path, settings: Settings, used: str | None) -> dict[str, Any]:
    offer = offer_of(name)
    try:
        facts: GgufFacts | None = read_gguf(path)
        problem = None
    except ModelRefused as error:
        facts, problem = None, error.detail.removeprefix(f"{path} ").rstrip(".")
    memory = needed_bytes(facts.file_bytes, facts.cache_bytes(_window(settings, facts))) if facts else None
    said = profile_of(path.name).languages
    languages = offer.languages if offer else sorted(said) if said else []
    return _row(
        name,
        here=facts is not None,
        in_use=used == path.absolute().as_uri(),
        languages=[str(language) for language in languages],
        licence=offer.licence if offer else "apache-2.0" if name == TINY else None,
        repo=offer.repo if offer else None,
        file=path.name,
        path=str(path),
        download_bytes=offer.megabytes * 10**6 if offer else None,
        memory_bytes=memory,
        problem=problem,
    )


def _offer_row(offer: Offer, settings: Settings) -> dict[str, Any]:
    size = offer.megabytes * 10**6
    return _row(
        offer.name,
        languages=[str(language) for language in offer.languages],
        licence=offer.licence,
        repo=offer.repo,
        file=offer.file,
        download_bytes=size,
        memory_bytes=needed_bytes(size, offer.cache * settings.llm_context_tokens),
        good_for=offer.good_for,
    )


def _row(name: str, **known: Any) -> dict[str, Any]:
    unknown = dict.fromkeys(
        ("repo", "file", "path", "download_bytes", "memory_bytes", "licence", "good_for", "problem")
    )
    return {"name": name, "here": False, "in_use": False, "languages": [], **unknown, **known}


def _window(settings: Settings, facts: GgufFacts) -> int:
    return min(settings.llm_context_tokens, facts.context_tokens or settings.llm_context_tokens)


def _is_chosen(settings: Settings, shelf: Shelf, place: Path) -> bool:
    """Whether the file that has come will be used without another command."""
    if not engine_installed():
        screen.note("It needs the package xllamacpp: pip install 'jieqian[llamacpp]'.")
    try:
        picked = shelf.picked()
    except ModelRefused:
        return False
    return picked is not None and picked.file == place and not _settings_that_win(settings)


def _settings_that_win(settings: Settings) -> str | None:
    """The name of a setting that decides before `model use` does."""
    if settings.llm_base_url is not None:
        return "JIEQIAN_LLM_BASE_URL"
    if settings.llm_model is not None:
        return "LLM_MODEL"
    return None if settings.llm_provider is Provider.AUTO else "JIEQIAN_LLM_PROVIDER"

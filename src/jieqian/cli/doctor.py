"""`jieqian doctor`: what is wrong, and the command that mends it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from jieqian.cli import examining, examining_clock, examining_database, examining_disk, examining_secrets
from jieqian.cli.examining import Examined, State
from jieqian.cli.running import Told, owners_service, read_server_file
from jieqian.cli.screen import lively, one_line, say, say_json
from jieqian.errors import JieqianError, UsageError
from jieqian.keeping.folder import expect_usable
from jieqian.settings import Settings, load_settings

if TYPE_CHECKING:
    from jieqian.reading.longest_prompt import LongestPrompt

_ASK_SECONDS = 10.0
#: How long one check may take, if nothing else is asked for; some ask a server several times.
_CHECK_SECONDS = 30.0
_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
_Check = Callable[[], Iterator[Examined]]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1.0, max=86_400.0, help="Longest that one check may take.")
    ] = _CHECK_SECONDS,
) -> None:
    """Check every dependency; say what is wrong and the command that mends it.

    Starts nothing and changes nothing, so it may run beside a server. Exit status 1 if something needed is broken;
    a warning is no failure.

    Example: jieqian doctor
    """
    found = []
    secrets = examining_secrets.secrets_here(os.environ)
    for raw in _examine(seconds):
        each = replace(
            raw, told=examining_secrets.hidden(raw.told, secrets), mend=examining_secrets.hidden(raw.mend, secrets)
        )
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


def _examine(seconds: float) -> Iterator[Examined]:
    wall, steady = time.time(), time.monotonic()
    yield from bounded("machine", examining.examine_machine, seconds)
    yield from bounded(".env", examining.examine_env_file, seconds)
    try:
        settings = load_settings()
    except JieqianError as error:
        yield Examined(State.FAIL, "settings", error.detail, "correct it in .env or in the environment")
        return
    yield Examined(State.OK, "settings", "valid")
    served: list[Told] = []
    yield from bounded("owner", lambda: _owner(settings, served), seconds)
    checks: tuple[tuple[str, _Check], ...] = (
        ("data folder", lambda: examining.examine_folder(settings)),
        ("disk", lambda: examining_disk.examine_disk(settings)),
        ("database", lambda: examining_database.examine_database(settings, seconds / 3)),
        (
            "clock",
            lambda: examining_clock.examine_clock(time.time(), examining_database.newest_task(settings)),
        ),
        ("secrets", lambda: examining_secrets.examine_secrets(settings)),
        ("addresses", lambda: examining_secrets.examine_contradictions(settings)),
        ("collections", lambda: examining.examine_collections(settings)),
    )
    for name, check in checks:
        yield from bounded(name, check, seconds)
    if served:
        yield from bounded("server", lambda: _told_by_server(served[0]), seconds)
        yield from bounded("model", lambda: _servers_model(served[0], settings), seconds)
    elif _is_readable(settings):
        yield from bounded("model", lambda: _model(settings), seconds)
        yield from bounded("retrieval", lambda: _retrieval(settings), seconds)
    step = examining_clock.examine_steps(time.time() - wall, time.monotonic() - steady)
    if step is not None:
        yield step


def bounded(name: str, check: _Check, seconds: float) -> Iterator[Examined]:
    """One check, for so long at most; what it cannot look at is a finding too, and the others go on.

    In a thread that is left behind where it hangs: a disk that does not answer cannot be interrupted.
    """
    found: list[Examined] = []
    failed: list[Exception] = []

    def look() -> None:
        try:
            for each in check():  # kept one by one: a later one may hang
                found.append(each)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are told)
            failed.append(error)

    looking = threading.Thread(target=look, name=f"doctor-{name}", daemon=True)
    looking.start()
    looking.join(seconds)
    hangs = looking.is_alive()
    yield from list(found)
    if hangs:
        told = f"not answered within {seconds:g} s: a disk or a server it looks at hangs"
        yield Examined(State.FAIL, name, told, f"jieqian doctor --seconds {max(60, round(seconds * 4))}")
    for error in failed:
        if "--debug" in sys.argv:
            traceback.print_exception(error)
        yield Examined(State.FAIL, name, _in_words(error), _mend_of(error))


def _in_words(error: Exception) -> str:
    if isinstance(error, JieqianError):
        return error.detail
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    return f"could not be looked at ({type(error).__name__}: {error})"


def _mend_of(error: Exception) -> str:
    """What another user may look at, that user may be asked for."""
    if isinstance(error, PermissionError) and isinstance(error.filename, str):
        for above in Path(error.filename).absolute().parents:
            with suppress(OSError):
                return f"sudo -u '#{above.stat().st_uid}' jieqian doctor"
    return "jieqian doctor --debug"


def _is_readable(settings: Settings) -> bool:
    """Of a folder that may not be looked into enough was said."""
    try:
        expect_usable(settings.data_dir, writes=False)
    except UsageError:
        return False
    return True


def _owner(settings: Settings, served: list[Told]) -> Iterator[Examined]:
    """Who owns the data folder; one that answers is put into `served`."""
    told = _answering(settings)
    if told is not None:
        served.append(told)
    yield from examining.examine_owner(settings, told)


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
    from jieqian.cli.examining_models import command_in

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
            mend = "" if told == "ok" else f"kill {served.pid}, then: jieqian serve"
            yield Examined(State.OK if told == "ok" else State.FAIL, f"server {what}", told, mend)
        elif what == "retrieval":
            fine = told.startswith(("ok", "off")) or told.endswith("EMBEDDER is lexical.")
            yield Examined(State.OK if fine else State.WARN, what, told, "" if fine else command_in(told))


def _servers_model(served: Told, settings: Settings) -> Iterator[Examined]:
    """What the server writes with, by what it tells its operator: its settings need not be those of this shell."""
    from jieqian.cli.examining_models import examine_modes, writer

    try:
        mode = _ask(served, "/api/v1/modes")[0]
        yield writer(mode["provider"], mode["note"], reachable=mode["reachable"], tiny=mode["tiny"])
        if mode["reachable"] and not mode["tiny"]:
            yield Examined(State.OK, "sections", _side_by_side(mode["strategy"], mode["parallel"]))
        told = _ask(served, "/api/v1/admin/models/standing")
        yield from examine_modes(told["modes"], told["context_tokens"], _longest(settings, told["passages"]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        told = f"{served.url} does not tell its model ({error}); it may be of another release"
        yield Examined(State.WARN, "model", told, f"kill {served.pid}, then: jieqian serve")


def _ask(served: Told, path: str) -> Any:
    asked = urllib.request.Request(f"{served.url}{path}", headers={"Authorization": f"Bearer {served.token}"})
    with urllib.request.urlopen(asked, timeout=2 * _ASK_SECONDS) as answer:
        return json.load(answer)


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
    # Loads all kinds of clients, which nothing before needs.
    from jieqian.cli.examining_models import command_in, examine_modes, writer
    from jieqian.cli.model_settings import check_model_settings
    from jieqian.fitting import choose
    from jieqian.reading.modes import options_of
    from jieqian.reading.standings import standings

    async def chosen() -> tuple[Examined, list[dict[str, Any]]]:
        choice = await choose(settings)
        try:
            model = choice.model
            tiny = model is not None and model.tiny
            written = writer(choice.provider, choice.note, reachable=model is not None, tiny=tiny)
            return written, await standings(choice, lambda info, mode: options_of(settings, info, mode))
        finally:
            if choice.client is not None:
                await choice.client.close()

    try:
        check_model_settings(settings)
        written, modes = asyncio.run(chosen())
    except JieqianError as error:
        mend = command_in(error.detail) or "correct JIEQIAN_LLM_PROVIDER, JIEQIAN_LLM_MODEL"
        yield Examined(State.FAIL, "model", error.detail, mend)
        return
    yield written
    if modes:
        yield from examine_modes(modes, settings.llm_context_tokens, _longest(settings, settings.passages))


def _longest(settings: Settings, passages: int) -> list[LongestPrompt]:
    """Our longest prompts, of the collections on offer here."""
    from jieqian.lots.library import LotLibrary
    from jieqian.reading.longest_prompt import longest_prompts

    library = LotLibrary.in_data_dir(settings.data_dir, settings.collections)
    return longest_prompts(library, passages)


def _retrieval(settings: Settings) -> Iterator[Examined]:
    from jieqian.cli.examining_index import examine_retrieval

    return examine_retrieval(settings)


def _show(found: Examined) -> None:
    """`ok    database      jieqian.db is whole …  -> command`."""
    told = one_line(found.told) + (f"  -> {one_line(found.mend)}" if found.mend else "")
    what = found.what + " " * max(1, 15 - cell_len(found.what))
    if not lively(sys.stdout):
        say(f"{found.state.value:<5} {what}{told}")
        return
    line = Text.assemble((f"{found.state.value:<5}", _COLOURS[found.state]), f" {what}{told}")
    Console(highlight=False, soft_wrap=True).print(line)

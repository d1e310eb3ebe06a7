"""`jieqian read`: one reading in the terminal, streamed."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from jieqian.checks.question import LONGEST_QUESTION
from jieqian.cli.running import Service, running_service
from jieqian.cli.screen import complain, note
from jieqian.cli.telling import JsonTeller, Teller, TextTeller
from jieqian.errors import JieqianError, ServiceUnreachable, UsageError
from jieqian.settings import Settings, load_settings

INTERRUPTED = 130
#: How long a server that went away may take to come back, in seconds.
BACK_SECONDS = 40.0
#: A stream has a comment every 15 s: a longer silence is a dead line.
SILENCE_SECONDS = 45.0
#: How often a connection may be lost without a single event in between.
_MOST_LOSSES = 5
_USAGE = frozenset({"unknown_collection", "unknown_lot", "question_too_long"})
_MOST_READ = 20_000
_FINAL = frozenset({"completed", "failed", "stopped"})


def read(
    question: Annotated[str, typer.Argument(help="What you want to know; - reads it from stdin.")],
    collection: Annotated[str | None, typer.Option(help="Id, name or alias, such as yuelao or 月老.")] = None,
    lot: Annotated[
        str | None, typer.Option(help="7, ７, 第七籤, or an id such as YueLao_7; left out: one is drawn.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="zh-Hant, zh-Hans, en, ja, or auto: the question's own.")] = None,
    mode: Annotated[str | None, typer.Option(help="quality (default) or fast.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model, to try it: the server's, a listed one, a path.")
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="auto (default), sequential or parallel.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reading as JSON, and nothing else.")] = False,
) -> None:
    """Ask about a lot and read the answer as it is written.

    A running server works at it; without one this command does, with the same data. Ctrl-C stops the reading and keeps
    what is finished. A connection that drops is made again.

    Example: jieqian read "Will she write back?" --collection yuelao --lot 7

    Example: jieqian read "她會回信嗎？" --lot YueLao_7 --model qwen2.5:7b --json
    """
    asked = {
        "question": _from_stdin() if question == "-" else question,
        "collection": collection,
        "lot": lot,
        "language": language,
        "mode": mode,
        "model": model,
        "strategy": strategy,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    raise typer.Exit(asyncio.run(_Reading(load_settings(), given, JsonTeller() if as_json else TextTeller()).run()))


def _from_stdin() -> str:
    """What is piped in, as far as a question may go: a pipe may have no end."""
    text = sys.stdin.read(_MOST_READ).strip()
    if len(text) > LONGEST_QUESTION:
        raise UsageError(f"A question has {LONGEST_QUESTION:,} characters at most; more came from stdin.", usage=True)
    return text


class _Reading:
    """One task, from the request to its last event, over as many connections as it takes."""

    def __init__(self, settings: Settings, asked: dict[str, Any], teller: Teller) -> None:
        self._settings = settings
        self._asked = asked
        self._teller = teller
        self._key = str(uuid.uuid4())  # the request may be sent twice, and must be taken once
        self._task_id = ""
        self._last_event_id = 0
        self._losses = 0

    async def run(self) -> int:
        """The exit status."""
        may_own = True
        while True:
            service: Service | None = None
            try:
                async with running_service(self._settings, works=True, may_own=may_own, wait=BACK_SECONDS) as service:
                    return await self._ask_and_follow(service)
            except ServiceUnreachable:
                self._losses += 1
                if service is None or service.own or self._losses > _MOST_LOSSES:
                    raise
                may_own = service.passing  # a server is only restarting: its folder is not ours to take
                self._teller.lost()

    async def _ask_and_follow(self, service: Service) -> int:
        if not service.works:
            raise UsageError(
                "The server was started with --no-worker, so nobody would write the reading. Start it without."
            )
        ticking = asyncio.create_task(self._teller.tick(), name="status")
        try:
            return await self._follow(service)
        except asyncio.CancelledError:
            if not self._task_id:
                raise
            await self._stop(service)
            return INTERRUPTED
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking

    async def _follow(self, service: Service) -> int:
        if not self._task_id:
            await self._ask(service)
        async for kind, data in self._events(service):
            self._teller.event(kind, data)
            if kind == "failed":
                complain(str(data.get("detail", "The reading failed.")))
            if kind in _FINAL:
                return 0 if kind == "completed" else 1
        raise ServiceUnreachable  # the server ended in order, in the middle of the stream

    async def _ask(self, service: Service) -> None:
        try:
            if "lot" not in self._asked:
                self._asked |= await _drawn(service, self._asked.get("collection"))
            task = await service.call("POST", "/api/v1/tasks", self._asked, headers={"Idempotency-Key": self._key})
            self._task_id = task["task_id"]
            self._teller.begin(await service.call("GET", f"/api/v1/tasks/{self._task_id}"))
        except JieqianError as error:
            if error.extra.get("told_status") == 422 or error.extra.get("told_code") in _USAGE:
                raise UsageError(error.detail, usage=True) from error
            raise
        if service.own:
            await _tell_loading(service, self._asked.get("mode", "quality"))

    async def _events(self, service: Service) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """The events after the last one seen; ends early where the connection does."""
        path = f"/api/v1/tasks/{self._task_id}"
        headers = {"Last-Event-ID": str(self._last_event_id)} if self._last_event_id else None
        async with service.stream("GET", f"{path}/events", headers=headers, silence=SILENCE_SECONDS) as response:
            fields: dict[str, str] = {}
            async for raw in response.content:
                line = raw.decode("utf-8").rstrip("\n")
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif not line and "event" in fields:
                    yield fields["event"], json.loads(fields["data"])
                    self._last_event_id = int(fields.get("id", self._last_event_id))
                    self._losses = 0
                    fields = {}
                elif not line:
                    fields = {}
            if response.status != 204:
                return
        task = await service.call("GET", path)  # it ended, and its last event was seen by a connection that is gone
        yield str(task["status"]), task["reading"] or task["error"] or {"sections": task["sections"]}

    async def _stop(self, service: Service) -> None:
        """Ctrl-C: nobody waits for this reading any more."""
        try:
            task = await service.call("POST", f"/api/v1/tasks/{self._task_id}/stop")
        except JieqianError as error:
            complain(f"The reading could not be stopped: {error.detail}")
            return
        self._teller.stopped(task["sections"])


async def _drawn(service: Service, collection: str | None) -> dict[str, Any]:
    """A lot drawn for who names none."""
    if collection is None:
        there = [each["id"] for each in await service.call("GET", "/api/v1/collections")]
        if len(there) != 1:
            raise UsageError(f"Say which collection ({', '.join(there)}): --collection {there[0]}.", usage=True)
        collection = there[0]
    draw = await service.call("POST", "/api/v1/draws", {"collection": collection})
    path = f"/api/v1/draws/{draw['draw_id']}/reveal"
    revealed = await service.call("POST", path, {"client_seed": secrets.token_hex(16)})
    note(f"Drawn: lot {revealed['number']} of {revealed['collection']}.")
    return {"collection": revealed["collection"], "lot": revealed["number"], "draw_id": draw["draw_id"]}


async def _tell_loading(service: Service, mode: str) -> None:
    """A model of our own has to be loaded first, which takes a while."""
    for engine in await service.call("GET", "/api/v1/modes"):
        if engine["mode"] == mode and engine["provider"] == "llamacpp" and not engine["reachable"]:
            note(engine["note"])
        elif engine["mode"] == mode and engine["provider"] == "llamacpp":
            note(f"Loading the model {engine['model']} ...")

"""`bench speed`: how fast real models write readings here: asked cold, by a second asker of the same lot, and of a lot
that was opened before (which warms its prefix in an idle model server).
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.comparison import served, why_broken
from jieqian.bench.contenders import Contender
from jieqian.bench.machine import describe_machine
from jieqian.bench.program import service
from jieqian.bench.records import Record, Records, open_records
from jieqian.bench.report import Report
from jieqian.bench.speed_report import COLD, SECOND, WARMED, speed_report
from jieqian.errors import JieqianError, UsageError
from jieqian.settings import Settings

NAME = "speed"
QUESTIONS = {
    "en": ("Will she write back to me?", "Should I change my job this year?"),
    "zh-Hant": ("她還會回信給我嗎？", "今年適合換工作嗎？"),
    "zh-Hans": ("她还会回信给我吗？", "今年适合换工作吗？"),
    "ja": ("彼女は返事をくれるでしょうか。", "今年、転職したほうがいいでしょうか。"),
}
_COLLECTION = "yuelao"
#: So many lots are asked about cold; the others are opened first.
_COLD_LOTS = 50
#: A run that is made again takes a lot so many further on: its server may have kept the first one's prefix.
_ASIDE = 25
#: The longest the warming of a lot is waited for, in seconds.
_WARMING_SECONDS = 120.0
_WARMED_TOTAL = re.compile(r"^jieqian_prefixes_warmed_total (\d+)", re.MULTILINE)
#: Stands in the records for the model in use.
_IN_USE = ""

Advance = Callable[[float, float | None, str | None], None]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is timed; without `contenders` the model in use. More `runs` are the same plan: its records serve."""

    contenders: Sequence[Contender]
    runs: int
    language: str
    mode: str
    seed: int = 1

    def as_dict(self) -> dict[str, Any]:
        """What tells it from other plans."""
        return {
            "benchmark": NAME,
            "models": [each.written for each in self.contenders],
            "language": self.language,
            "mode": self.mode,
            "seed": self.seed,
        }

    def missing(self, found: Sequence[Record]) -> list[tuple[int, str]]:
        """The runs and models without a record, in the order they are made."""
        known = {(record["run"], record["model"]) for record in found if "told" in record}
        wanted = []
        for run in range(self.runs):
            order = [each.written for each in self.contenders] or [_IN_USE]
            random.Random(f"{self.seed} {run}").shuffle(order)
            wanted += [(run, written) for written in order if (run, written) not in known]
        return wanted


@dataclass(slots=True)
class _Subject:
    """One model and the service that writes with it. `contender` None: the model in use, which alone is warmed."""

    name: str
    http: aiohttp.ClientSession
    contender: Contender | None
    gone: bool = False


@dataclass(slots=True)
class _Timing:
    plan: Plan
    records: Records
    settings: Settings
    advance: Advance
    tell: Tell
    subjects: dict[str, _Subject] = field(default_factory=dict)

    async def round(self, wanted: Sequence[tuple[int, str]]) -> None:
        for done, (run, written) in enumerate(wanted):
            subject = self.subjects[written]
            self.advance(done, len(wanted), subject.name)
            if not subject.gone or await self._is_back(subject):
                await self._run(run, written, subject)
        self.advance(len(wanted), len(wanted), None)

    async def _is_back(self, subject: _Subject) -> bool:
        if subject.contender is not None:
            try:
                await subject.contender.look(self.settings)
            except JieqianError:
                return False
        subject.gone = False
        return True

    async def _run(self, run: int, written: str, subject: _Subject) -> None:
        """One lot asked about twice, and with the model in use another that was opened: one record of all."""
        key = [written, run]
        tries = sum(record.get("begun") == key for record in self.records.found)
        self.records.add({"begun": key})
        told: dict[str, Any] = {}
        body = {"collection": _COLLECTION, "lot": 1 + (run + _ASIDE * tries) % _COLD_LOTS, "fresh": True}
        body |= {"mode": self.plan.mode, "language": self.plan.language}
        for how, question in zip((COLD, SECOND), QUESTIONS[self.plan.language], strict=True):
            one = await ask(subject.http, question=question, **body)
            if subject.contender is not None:
                cause = await why_broken(one, subject.contender, self.settings)
                if cause:
                    subject.gone = True
                    self.tell(f"{subject.name}, run {run + 1}: {cause}")
                    self.records.add({"model": written, "run": run, "broken": cause})
                    return
            told[how] = _kept(one)
        lot = 1 + _COLD_LOTS + run % _COLD_LOTS
        if subject.contender is None and await _warm(subject.http, lot, self.plan.language):
            question = QUESTIONS[self.plan.language][0]
            told[WARMED] = _kept(await ask(subject.http, question=question, **(body | {"lot": lot})))
        self.records.add({"model": written, "name": subject.name, "run": run, "told": told})


async def measure(
    plan: Plan, folder: Path, settings: Settings, advance: Advance, tell: Tell, missing: Callable[[str], None]
) -> Report:
    """Ask each model about lots it has not met, twice each, and the one in use about others that were opened before.

    Models take turns, in an order drawn for each run. What `folder` has of the same plan is not measured again.
    `missing` is told of models whose runs are not all made. Raises `UsageError` where nothing can be measured.
    """
    with open_records(folder, NAME, plan.as_dict()) as records:
        timing = _Timing(plan, records, settings, advance, tell)
        wanted = plan.missing(records.found)
        if records.resumed:
            left = f"{len(wanted)} runs are still to be made" if wanted else "all runs are there"
            tell(f"{records.path} holds an earlier run's records: {left}. To measure anew, name another --out.")
        await _make(timing, wanted)
        for written in dict.fromkeys(written for _, written in plan.missing(records.found)):
            causes = [each["broken"] for each in records.found if each.get("model") == written and "broken" in each]
            missing(f"{written}: {causes[-1] if causes else 'its server is not there'}")
        found = list(records.found)
    if not any("told" in record for record in found):
        raise UsageError("No run was made.")
    machines = [record["machine"] for record in found if "machine" in record]
    return await asyncio.to_thread(speed_report, plan.as_dict(), plan.runs, found, machines)


async def _make(timing: _Timing, wanted: Sequence[tuple[int, str]]) -> None:
    plan, records = timing.plan, timing.records
    if not wanted:
        return
    records.add({"machine": await asyncio.to_thread(describe_machine)})
    async with AsyncExitStack() as stack:
        if not plan.contenders:
            timing.subjects[_IN_USE] = await stack.enter_async_context(_in_use(plan.mode))
        for contender in plan.contenders:
            if not any(written == contender.written for _, written in wanted):
                continue
            try:
                await contender.look(timing.settings)
            except JieqianError as error:
                if not any(record.get("model") == contender.written for record in records.found):
                    raise  # a name that is wrong, most likely
                timing.tell(error.detail)
                continue
            http = await stack.enter_async_context(served(contender, timing.settings, [_COLLECTION]))
            timing.subjects[contender.written] = _Subject(contender.written, http, contender)
        await timing.round([each for each in wanted if each[1] in timing.subjects])
        await timing.round([each for each in plan.missing(records.found) if each[1] in timing.subjects])


@asynccontextmanager
async def _in_use(mode: str) -> AsyncIterator[_Subject]:
    """A service with the caller's own settings, and its model."""
    running = service({})
    place = await asyncio.to_thread(running.__enter__)
    try:
        async with asking(place.url, place.token) as http:
            async with http.get("/api/v1/modes") as answer:
                modes = await answer.json()
            name = next((each["model"] for each in modes if each["mode"] == mode and each["model"]), "commentary")
            yield _Subject(str(name), http, None)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


def _kept(told: Told) -> Record:
    """What is kept of one reading: times in ms, how many sections the model wrote, and what went wrong."""
    timings = told.reading.get("timings", {})
    sections = int(timings.get("sections_from_model") or 0)
    times: dict[str, float | None] = {}
    if sections:
        times = {
            "first token": timings["time_to_first_token_ms"],
            "first text": (min(told.section_text.values()) - told.posted) * 1000 if told.section_text else None,
            "first whole section": (min(told.section_done.values()) - told.posted) * 1000,
            "whole reading": told.total_ms,
            "tokens a second": timings["tokens_per_second"] or None,
        }
    error = told.error or timings.get("model_error") or ("" if sections else "no section was let pass")
    return {"times": times, "sections": sections, "error": error}


async def _warm(http: aiohttp.ClientSession, lot: int, language: str) -> bool:
    """Open that lot as a reader does, and wait until its prefix was read; False where it was not."""
    before = await _warmed(http)
    async with http.get(f"/api/v1/collections/{_COLLECTION}/lots/{lot}?language={language}") as answer:
        answer.raise_for_status()
    until = time.monotonic() + _WARMING_SECONDS
    while time.monotonic() < until:
        if await _warmed(http) > before:
            return True
        await asyncio.sleep(0.1)
    return False


async def _warmed(http: aiohttp.ClientSession) -> int:
    async with http.get("/metrics") as answer:
        found = _WARMED_TOTAL.search(await answer.text())
    return int(found[1]) if found else 0

"""The run of `bench quality --compare-models`: every question through every model, by the real service.

Models take turns question by question, in an order drawn anew for each (`seed`), so that what the machine does
meanwhile falls on all of them alike. Each reading is a record (`records.py`). A reading that broke off because its
server was gone is none: the cause is noted, the question is put again once the others are through, and by the next run.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.compared import ComparedQuestion, questions_digest
from jieqian.bench.contenders import Contender, service_settings
from jieqian.bench.machine import describe_machine
from jieqian.bench.program import service
from jieqian.bench.records import Record, Records
from jieqian.errors import JieqianError, UsageError
from jieqian.languages import Language
from jieqian.settings import Settings

#: What a model does that is its own doing: such a reading counts. Any other trouble is its server's.
_ITS_OWN = frozenset({None, "model_first_token_timeout", "model_stalled", "model_timeout", "prompt_too_long"})
#: How `/readyz` tells of passages when nothing about them is going to change by itself.
_SETTLED = ("retrieval: ok (", "retrieval: off", "retrieval: passages are found by their characters")
_FILLING_SECONDS = 300.0
_KEPT_TIMINGS = (
    *("time_to_first_token_ms", "total_time_ms", "llm_generation_ms", "tokens_per_second", "prompt_tokens"),
    *("completion_tokens", "attempts", "sections_from_model", "model_error", "llm_model", "strategy", "retrieval"),
)

#: A reading is waited for by so much longer than the service gives it.
_GRACE_SECONDS = 60.0
#: Longer than a service takes to notice that its model's server is back.
_NOTICES_SECONDS = 60.0

Advance = Callable[[float, float | None, str | None], None]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared. More `questions` are the same plan: its records serve."""

    contenders: Sequence[Contender]
    questions: Sequence[ComparedQuestion]
    languages: Sequence[Language]
    mode: str
    seed: int = 1

    def as_dict(self) -> dict[str, Any]:
        """What tells it from other plans."""
        return {
            "benchmark": "compare-models",
            "models": [each.written for each in self.contenders],
            "questions": questions_digest(),
            "languages": [language.value for language in self.languages],
            "mode": self.mode,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is known of one model; kept among the records, so that a report needs no server."""

    model: str
    name: str
    digest: str | None
    languages: frozenset[Language]
    tiny: bool

    def as_record(self) -> Record:
        """`{"fact": model, …}`."""
        languages = sorted(language.value for language in self.languages)
        return {
            "fact": self.model,
            "name": self.name,
            "digest": self.digest,
            "languages": languages,
            "tiny": self.tiny,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The models as they were found now or by an earlier run, and why some cannot be asked now."""

    facts: Mapping[str, Fact]
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Runner:
    plan: Plan
    records: Records
    settings: Settings
    seen: Seen
    advance: Advance
    tell: Tell
    https: dict[str, aiohttp.ClientSession] = field(default_factory=dict)
    #: Models whose server was gone when last asked, with the cause.
    gone: dict[str, str] = field(default_factory=dict)
    done: int = 0
    of: int = 0

    async def round(self, wanted: Sequence[tuple[ComparedQuestion, Contender]]) -> None:
        for question, contender in wanted:
            self.advance(self.done, self.of, f"{contender.written}: {question.id}")
            if contender.written in self.gone and not await self._is_back(contender):
                continue
            told = await ask(self.https[contender.written], **body_of(question, self.plan.mode))
            cause = await why_broken(told, contender, self.settings)
            if cause:
                self.gone[contender.written] = cause
                self.tell(f"{contender.written} did not answer {question.id}: {cause}")
                self.records.add({"model": contender.written, "question": question.id, "broken": cause})
                continue
            self.records.add(record_of(told, contender.written, question.id))
            self.done += 1
        self.advance(self.done, self.of, None)

    async def _is_back(self, contender: Contender) -> bool:
        try:
            await contender.look(self.settings)
        except JieqianError as error:
            self.gone[contender.written] = error.detail
            return False
        # The service looks by itself, every half minute.
        until = time.monotonic() + _NOTICES_SECONDS
        while not await self._is_in_use(contender):
            if time.monotonic() > until:
                self.gone[contender.written] = "its server answers, and the service does not take it up"
                return False
            await asyncio.sleep(1.0)
        del self.gone[contender.written]
        return True

    async def _is_in_use(self, contender: Contender) -> bool:
        try:
            async with self.https[contender.written].get("/api/v1/modes") as answer:
                modes = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
        return any(each["mode"] == self.plan.mode and each["reachable"] for each in modes)


async def why_broken(told: Told, contender: Contender, settings: Settings) -> str:
    """Why this is no reading of the model's: its server was gone; "" where it is one, whatever it is worth."""
    if not told.reading:
        return told.error or "it ended without a reading"
    timings = told.reading["timings"]
    error, whole = timings["model_error"], not timings["degraded"]
    if whole or (error in _ITS_OWN and timings["llm_model"] is not None):
        return ""
    try:
        await contender.look(settings)
    except JieqianError as gone:
        return gone.detail
    return f"its server answers, but a reading broke off: {error or 'it was not there'}"


async def run(
    plan: Plan, records: Records, settings: Settings, seen: Seen, advance: Advance, tell: Tell
) -> dict[str, str]:
    """Ask what has no record yet. Answers the models whose questions are not all through, each with the cause."""
    runner = _Runner(plan, records, settings, seen, advance, tell)
    wanted = [pair for pair in missing(plan, records.found, seen) if pair[1].written not in seen.absent]
    runner.of = len(wanted)
    if wanted:
        records.add({"run": await asyncio.to_thread(describe_machine)})
    if records.resumed:
        tell(f"{records.path} holds an earlier run's records; {len(wanted)} readings are still to be made.")
    async with AsyncExitStack() as stack:
        for contender in plan.contenders:
            if any(pair[1] is contender for pair in wanted):
                about = sorted({question.collection for question, _ in wanted})
                runner.https[contender.written] = await stack.enter_async_context(served(contender, settings, about))
        await runner.round(wanted)
        await runner.round([pair for pair in missing(plan, records.found, seen) if pair[1].written in runner.https])
    left = {contender.written for _, contender in missing(plan, records.found, seen)}
    causes = {**seen.absent, **runner.gone}
    return {written: causes.get(written) or _last_cause(records.found, written) for written in sorted(left)}


@asynccontextmanager
async def served(
    contender: Contender, settings: Settings, collections: Sequence[str] = ()
) -> AsyncIterator[aiohttp.ClientSession]:
    """A service that writes with this model alone, and a session that asks it about these collections (none: all)."""
    running = service(service_settings(contender, settings, collections), alone=True)
    try:
        place = await asyncio.to_thread(running.__enter__)
    except UsageError as error:
        raise UsageError(f"{contender.written}: {error.detail}") from error
    try:
        async with asking(place.url, place.token, patience=settings.task_deadline_seconds + _GRACE_SECONDS) as http:
            await _passages_are_there(http)
            yield http
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def _passages_are_there(http: aiohttp.ClientSession) -> None:
    """Wait until a new service has filled its index of passages, or found that it has none: all readings get the same.

    One that is not level in time is taken as it is; what each reading was given is in its timings.
    """
    until = time.monotonic() + _FILLING_SECONDS
    while time.monotonic() < until:
        async with http.get("/readyz") as answer:
            told = await answer.text()
        if any(settled in told for settled in _SETTLED):
            return
        await asyncio.sleep(0.2)


def missing(plan: Plan, found: Sequence[Record], seen: Seen) -> list[tuple[ComparedQuestion, Contender]]:
    """What has no reading yet, in the order it is asked. A model is not asked in languages it does not write."""
    known = {(record["model"], record["question"]) for record in readings_in(found)}
    pairs = []
    for question in plan.questions:
        order = list(plan.contenders)
        random.Random(f"{plan.seed} {question.id}").shuffle(order)
        for contender in order:
            writes = seen.facts[contender.written].languages
            if question.language in writes and (contender.written, question.id) not in known:
                pairs.append((question, contender))
    return pairs


def body_of(question: ComparedQuestion, mode: str) -> dict[str, Any]:
    """The request for a reading of that question."""
    return {
        "collection": question.collection,
        "lot": question.lot,
        "question": question.question,
        "language": question.language.value,
        "mode": mode,
        "fresh": True,
    }


def record_of(told: Told, model: str, question: str) -> Record:
    """What is kept of a reading: its sections, and its times in ms, as the asker saw them and as the service tells."""
    timings = told.reading["timings"]
    first_text = min(told.section_text.values(), default=None)
    return {
        "model": model,
        "question": question,
        "sections": {
            name: {"text": section["text"], "source": section["source"]}
            for name, section in told.reading["sections"].items()
        },
        "timings": {key: timings[key] for key in _KEPT_TIMINGS},
        "whole_ms": round(told.total_ms, 1),
        "first_text_ms": None if first_text is None else round((first_text - told.posted) * 1000, 1),
    }


def readings_in(found: Sequence[Record]) -> list[Record]:
    """The records of readings."""
    return [record for record in found if "sections" in record]


async def look_at_all(contenders: Sequence[Contender], settings: Settings, records: Records) -> Seen:
    """Every model's server, asked once; what it tells becomes a record.

    Raises `UsageError` for a model that no run has seen, and for one whose weights are others than those recorded.
    """
    facts = facts_in(records.found)
    absent: dict[str, str] = {}
    for contender in contenders:
        before = facts.get(contender.written)
        try:
            info = await contender.look(settings)
        except JieqianError as error:
            if before is None:
                raise
            absent[contender.written] = error.detail
            continue
        fact = Fact(
            model=contender.written, name=info.name, digest=info.digest, languages=info.languages, tiny=info.tiny
        )
        if before is None:
            records.add(fact.as_record())
        elif before.digest != fact.digest:
            raise UsageError(
                f"{contender.written} is not the model it was: its weights' digest changed since {records.path} was "
                "begun. Name another --out."
            )
        facts[contender.written] = fact
    return Seen(facts=facts, absent=absent)


def facts_in(found: Sequence[Record]) -> dict[str, Fact]:
    """What the records tell of the models."""
    return {record["fact"]: _fact(record) for record in found if "fact" in record}


def _fact(record: Record) -> Fact:
    return Fact(
        model=record["fact"],
        name=record["name"],
        digest=record["digest"],
        languages=frozenset(map(Language, record["languages"])),
        tiny=record["tiny"],
    )


def _last_cause(found: Sequence[Record], written: str) -> str:
    causes = [record["broken"] for record in found if record.get("model") == written and "broken" in record]
    return causes[-1] if causes else "not asked"

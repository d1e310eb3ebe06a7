"""`bench overhead`: a reading through the whole service against the same model calls made directly, in pairs."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.charts import Chart
from jieqian.bench.figures import Summary, shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.pacing import Pace
from jieqian.bench.program import Running, service
from jieqian.bench.report import Report, Table
from jieqian.testing.wire_process import WireProcess, wire_server

AT_ONCE = (1, 10, 50, 200)
#: Model calls at once, of the service and of the direct askers alike.
SLOTS = 64
_LOTS = 20
_LEAST_REPEATS = 40
#: Up to sixty characters.
_QUESTION = "第{number}次問：我們分開一陣子了，她最近開始回我的訊息，我該不該先開口約她見面？"
#: Older figures beside which these stand (`anchors/baseline.md`): one at a time, and in a crowd.
OLDER_COST_MS = {"known": 850.0, "new": 1160.0}

COST = "outside the model's own call"
FIRST_TEXT = "a section's first text left the model to its being at the client"

Advance = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: how many at once, how often, with which pace of the model."""

    at_once: Sequence[int] = AT_ONCE
    runs: int = 60
    pace: Pace = field(default_factory=Pace)
    slots: int = SLOTS


@dataclass(slots=True)
class _Series:
    """Readings and direct calls made in turn."""

    at_once: int
    kind: str
    told: list[Told] = field(default_factory=list)
    direct_ms: list[float] = field(default_factory=list)
    service_seconds: list[float] = field(default_factory=list)
    direct_seconds: list[float] = field(default_factory=list)
    path: dict[str, list[float]] = field(default_factory=dict)

    @property
    def whole(self) -> list[Told]:
        return [one for one in self.told if one.ended is not None and not one.error]

    def costs(self) -> list[float]:
        """What the service cost in each pair: both sides in order of length, so that like is set against like."""
        readings = sorted(one.total_ms for one in self.whole)
        if self.at_once == 1:  # one after another: the pairs are those that were made
            return [one.total_ms - direct for one, direct in zip(self.told, self.direct_ms, strict=True) if one.ended]
        return [reading - direct for reading, direct in zip(readings, sorted(self.direct_ms), strict=False)]


async def measure(plan: Plan, advance: Advance) -> Report:
    """Run the service and the stand-in model, ask both in turn, and report."""
    machine = await asyncio.to_thread(describe_machine)
    settings = {"LLM_PROVIDER": "ollama", "WORKERS": str(plan.slots), "MAX_QUEUE": "4096", "MEASURE_MODELS": "false"}
    series: list[_Series] = []
    repeats: list[float] = []
    with wire_server("ollama") as model, service({**settings, "LLM_BASE_URL": model.url}) as running:
        await wait_until_ready(running)
        memory = running.memory_mib()
        async with asking(running.url) as http, _direct(model.url) as straight:
            await model.script(default=plan.pace.behaviour())
            await _warm(http, model, straight)
            kinds = [(at_once, kind) for at_once in plan.at_once for kind in ("known", "new")]
            for done, (at_once, kind) in enumerate(kinds):
                advance(done, len(kinds), f"{at_once} at once, {kind} questions")
                series.append(await _measure_series(http, straight, model, plan, at_once, kind))
            repeats = await _repeat(http, max(plan.runs, _LEAST_REPEATS))
            advance(len(kinds), len(kinds), None)
    return _report(machine, plan, series, repeats, running, memory)


async def _repeat(http: aiohttp.ClientSession, times: int) -> list[float]:
    """Whole readings of words that were asked before, one at a time."""
    body = {**_body(1), "fresh": False}
    told = [await ask(http, **body) for _ in range(times + 3)]
    return [one.total_ms for one in told[3:] if one.ended is not None and one.reading["cache"]["hit"] == "exact"]


async def wait_until_ready(running: Running, seconds: float = 30.0) -> None:
    """Wait until the index is level: a service that still fills it is not what is measured."""
    until = time.monotonic() + seconds
    async with aiohttp.ClientSession(running.url) as http:
        while time.monotonic() < until:
            async with http.get("/readyz") as answer:
                if "being" not in await answer.text():
                    return
            await asyncio.sleep(0.1)


def _direct(url: str) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=600)
    return aiohttp.ClientSession(url, timeout=timeout, connector=aiohttp.TCPConnector(limit=0))


async def _warm(http: aiohttp.ClientSession, model: WireProcess, straight: aiohttp.ClientSession) -> None:
    """Connections and code on both sides, not counted."""
    for _ in range(3):
        await ask(http, **_body(0))
        await _call(straight, (await model.seen())[-1]["body"])


async def _measure_series(
    http: aiohttp.ClientSession,
    straight: aiohttp.ClientSession,
    model: WireProcess,
    plan: Plan,
    at_once: int,
    kind: str,
) -> _Series:
    series = _Series(at_once, kind)
    rounds = max(2, -(-plan.runs // at_once)) if at_once > 1 else plan.runs
    first = int(time.time()) * 1000  # so that no new question was ever asked before
    bodies: list[Any] = [(await model.seen())[-1]["body"]] * at_once
    if kind == "known":  # the embedder reads each once, which is not counted
        await _ask_service(http, at_once, 0, _Series(at_once, kind))
    for place in range(rounds):
        numbers = 0 if kind == "known" else first + place * at_once
        await model.script(default=plan.pace.behaviour(note_pieces=at_once == 1))
        if place % 2:  # in turn, so that whoever comes second gains nothing by it
            await _ask_directly(straight, bodies, series, plan.slots)
        await _ask_service(http, at_once, numbers, series)
        seen = await model.seen()  # every reading has ended, and with it its calls
        if at_once == 1 and seen:
            _note_path(series, (await model.seen_ended())[-1])
        bodies = [entry["body"] for entry in seen[-at_once:]] or bodies
        if not place % 2:
            await _ask_directly(straight, bodies, series, plan.slots)
    return series


async def _ask_service(http: aiohttp.ClientSession, at_once: int, first: int, series: _Series) -> None:
    begun = time.monotonic()
    asked = [ask(http, **_body(first + number)) for number in range(at_once)]
    series.told += await asyncio.gather(*asked)
    series.service_seconds.append(time.monotonic() - begun)


async def _ask_directly(straight: aiohttp.ClientSession, bodies: list[Any], series: _Series, slots: int) -> None:
    room = asyncio.Semaphore(slots)
    begun = time.monotonic()

    async def call(body: Any) -> float:
        asked = time.monotonic()
        async with room:
            await _call(straight, body)
        return (time.monotonic() - asked) * 1000

    series.direct_ms += await asyncio.gather(*(call(body) for body in bodies))
    series.direct_seconds.append(time.monotonic() - begun)


async def _call(straight: aiohttp.ClientSession, body: Any) -> None:
    async with straight.post("/api/chat", json=body) as answer:
        async for _ in answer.content:
            pass


def _body(number: int) -> dict[str, Any]:
    """No two are the same question: else they would share a generation."""
    question = _QUESTION.format(number=number % 100_000)
    return {"collection": "yuelao", "lot": number % _LOTS + 1, "question": question, "fresh": True}


def _note_path(series: _Series, call: dict[str, Any]) -> None:
    told = series.told[-1]
    if told.ended is None or told.error:
        return
    for name, ms in path_of(told, call).items():
        series.path.setdefault(name, []).append(ms)
    series.path.setdefault(FIRST_TEXT, []).extend(first_text_lags(told, call))


def path_of(told: Told, call: dict[str, Any]) -> dict[str, float]:
    """Where the time of one whole reading went, in ms, beside what the stand-in noted of its call."""
    timings = told.reading["timings"]
    assert told.ended is not None
    return {
        "POST sent to 202": (told.accepted - told.posted) * 1000,
        "accepted to started": timings["queue_wait_ms"] - timings["time_to_first_event_ms"],
        "POST sent to lot at the client": told.since_post_ms("lot"),
        "POST sent to request at the model": (call["arrived"] - told.posted) * 1000,
        "looking for passages": timings["rag_retrieval_ms"],
        "model's last byte to last event": (told.ended - call["ended"]) * 1000,
        COST: told.total_ms - (call["ended"] - call["arrived"]) * 1000,
    }


def first_text_lags(told: Told, call: dict[str, Any]) -> list[float]:
    """From a section's first letter leaving the stand-in to its being at the asker, in ms."""
    return [
        (told.section_text[name] - sent) * 1000
        for name, sent in first_text_sent(call).items()
        if name in told.section_text
    ]


def first_text_sent(call: dict[str, Any]) -> dict[str, float]:
    """When the piece with each section's first letter left the stand-in; not of the line-by-line section, which the
    service puts together itself.
    """
    text, sent, pieces = "".join(call["pieces"]), call["sent_at"], call["pieces"]
    ends = list(itertools.accumulate(len(piece) for piece in pieces))
    found = {}
    for name in ("overall_development", "positive_factors", "challenges", "suggested_actions", "conclusion"):
        mark = f'"{name}": "'
        start = text.find(mark)
        if start >= 0:
            place = next(place for place, end in enumerate(ends) if end > start + len(mark))
            found[name] = sent[place]
    return found


def _report(
    machine: dict[str, Any],
    plan: Plan,
    series: Sequence[_Series],
    repeats: Sequence[float],
    running: Running,
    memory: dict[str, float],
) -> Report:
    rows, figures = [], []
    for one in series:
        told = _figures(one)
        figures.append(told)
        rows.append(_row(one, told))
    first = [one for one in series if one.at_once == 1 and one.path]
    paths = [
        Table(
            f"Where the time of one reading goes, {one.kind} question, ms",
            ("step", "p50", "p95", "p99", "least", "most"),
            [(name, *_cells(summarize(values))) for name, values in one.path.items() if values],
        )
        for one in first
    ]
    if repeats:
        cells = _cells(summarize(repeats))
        paths.append(
            Table("An exact repeat, one at a time, ms", ("", "p50", "p95", "p99", "least", "most"), [("whole", *cells)])
        )
    heads = ("at once", "question", "readings", "service p50", "directly p50", "cost p50", "cost p99", "ratio p50")
    table = Table("The service's cost, ms", (*heads, "readings/s", "directly/s", "failed"), rows)
    crowds = [one for one in figures if one["cost_ms"]]
    chart = Chart(
        title="Cost of the service beside the model's calls made directly",
        kind="bars",
        places=[str(count) for count in plan.at_once],
        series={
            f"{kind} question, {name}": [one["cost_ms"][name] for one in crowds if one["question"] == kind]
            for kind in ("known", "new")
            for name in ("p50", "p99")
        },
        unit="ms",
        across="readings at once",
        logarithmic=True,
    )
    return Report(
        name="overhead",
        title="What the service costs beside its model",
        machine=machine,
        figures={
            "pace": plan.pace.as_dict(),
            "slots": plan.slots,
            "series": figures,
            "start_seconds": round(running.start_seconds, 2),
            "memory_mib": memory,
            "repeat_ms": summarize(repeats).as_dict() if repeats else None,
        },
        tables=[table, *paths],
        charts=[chart] if all(one["cost_ms"] for one in figures) else [],
        notes=[
            f"{plan.pace.in_words()}; {plan.slots} model calls at once at most; stand-in, asker and service share the "
            "machine. Cost: a reading's time less the same calls made directly in the same run, in turn.",
            f"The older system: {OLDER_COST_MS['known']:.0f} ms (question known) and {OLDER_COST_MS['new']:.0f} ms "
            "(new) outside the model, one at a time; 0.79 readings a second at 200 at once, 42 % of them failed.",
            f"Up after {running.start_seconds:.1f} s; resident after the start: "
            + (", ".join(f"{name} {mib:.0f} MiB" for name, mib in memory.items()) or "unknown"),
        ],
    )


def _figures(one: _Series) -> dict[str, Any]:
    whole, costs = one.whole, one.costs()
    service, direct = sum(one.service_seconds), sum(one.direct_seconds)
    return {
        "at_once": one.at_once,
        "question": one.kind,
        "readings": len(one.told),
        "failed": len(one.told) - len(whole),
        "errors": sorted({told.error for told in one.told if told.error}),
        "degraded": sum(bool(told.reading["timings"]["degraded"]) for told in whole),
        "service_ms": summarize([told.total_ms for told in whole]).as_dict() if whole else None,
        "direct_ms": summarize(one.direct_ms).as_dict(),
        "cost_ms": summarize(costs).as_dict() if costs else None,
        "readings_per_second": round(len(whole) / service, 2),
        "directly_per_second": round(len(one.direct_ms) / direct, 2),
        "path_ms": {name: summarize(values).as_dict() for name, values in one.path.items() if values},
    }


def _row(one: _Series, told: dict[str, Any]) -> tuple[str, ...]:
    if told["service_ms"] is None:
        return (str(one.at_once), one.kind, str(len(one.told)), *["-"] * 7, str(told["failed"]))
    ours, theirs, cost = told["service_ms"]["p50"], told["direct_ms"]["p50"], told["cost_ms"]
    return (
        str(one.at_once),
        one.kind,
        str(len(one.told)),
        *(shown(value) for value in (ours, theirs, cost["p50"], cost["p99"], ours / theirs)),
        shown(told["readings_per_second"]),
        shown(told["directly_per_second"]),
        str(told["failed"]),
    )


def _cells(found: Summary) -> tuple[str, ...]:
    return tuple(shown(value) for value in (found.p50, found.p95, found.p99, found.least, found.most))

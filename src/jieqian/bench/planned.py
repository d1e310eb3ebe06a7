"""`bench plan`: what `jieqian plan` simulates beside the same load put on a real service, over a stand-in model.

The service's times are measured one reading at a time; from them the simulation foretells what the readings will take
that come at random moments, and those very moments are then lived through. It is told a second time from the times of
those readings themselves, as `--from-log` takes them: where the two differ, the machine was another than when it was
measured; where the second differs from what came, the simulation is wrong.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from statistics import median
from typing import Any

import aiohttp

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.overhead import wait_until_ready
from jieqian.bench.program import service
from jieqian.bench.report import Report, Table
from jieqian.errors import UsageError
from jieqian.planning.load import poisson
from jieqian.planning.service import Service, Spread
from jieqian.planning.simulate import Fleet, simulate
from jieqian.planning.sources import Timings, from_timings
from jieqian.testing.wire_process import WireProcess, wire_server

#: A simulated figure that is further from the measured one than this is wrong.
MOST_OFF = 0.20
#: The stand-in's own time for a reading: log-normal, its P95 so many times its P50. Of the P50 this part is writing.
_P95_TIMES = 1.6
_TOKENS, _WRITING_PART = 60, 0.3
#: Readings one at a time, whose times are what is known of the service.
_ALONE = 40
#: Simulations of one run, each with other times of the model.
_SIMULATED = 50
_LOTS = 20
_MAX_QUEUE = 512
_SIDES = ("simulated", "foretold")
_QUESTION = "第{number}次問：我們分開一陣子了，她最近開始回我的訊息，我該不該先開口約她見面？"

Advance = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is lived through: shares of what there is to keep at work, runs of each, seconds of arrivals in one."""

    shares: Sequence[float] = (0.5, 0.75, 0.9)
    runs: int = 3
    seconds: float = 75.0
    workers: int = 4
    slots: int = 4
    generation_seconds: float = 1.0

    @property
    def times(self) -> Sequence[float]:
        """The stand-in's times for a reading, each as likely as another."""
        return Spread.lognormal(self.generation_seconds, self.generation_seconds * _P95_TIMES).values


@dataclass(slots=True)
class _Run:
    """One run: figures in seconds."""

    readings: int
    measured: dict[str, float]
    simulated: dict[str, float]
    foretold: dict[str, float]
    generation_seconds: float
    load_average: float | None


@dataclass(slots=True)
class _Point:
    share: float
    per_second: float
    runs: list[_Run] = field(default_factory=list)
    others_p95: tuple[float, float] = (0.0, 0.0)

    def middle(self, side: str, name: str) -> float:
        return float(median(getattr(run, side)[name] for run in self.runs))

    def off(self, name: str, side: str = "simulated") -> float:
        """By how much of the measured figure the simulated one misses it."""
        return self.middle(side, name) / self.middle("measured", name) - 1


async def measure(check: Check, advance: Advance) -> Report:
    """Measure, simulate, live it through, and set the two side by side. Raises `UsageError` where a reading fails."""
    machine = await asyncio.to_thread(describe_machine)
    settings = {"LLM_PROVIDER": "ollama", "WORKERS": str(check.workers), "MAX_QUEUE": str(_MAX_QUEUE)}
    own = {**settings, "MEASURE_MODELS": "false", "EMBEDDER": "lexical"}
    points = []
    with (
        wire_server("ollama", "--slots", str(check.slots)) as model,
        service({**own, "LLM_BASE_URL": model.url}) as running,
    ):
        await wait_until_ready(running)
        async with asking(running.url) as http:
            asker = _Asker(http, model, check)
            advance(0, None, "one reading at a time")
            timings = await asker.alone()
            known = Service(generation=timings.generation, overhead=timings.overhead)
            of = len(check.shares) * check.runs
            for place, share in enumerate(check.shares):
                point = _Point(share, share * _capacity(check, known))
                for number in range(check.runs):
                    advance(place * check.runs + number, of, f"{share:.0%} at work, run {number + 1}")
                    point.runs.append(await _live_through(asker, check, known, point, place * 100 + number))
                point.others_p95 = _others(check, known, point)
                points.append(point)
            advance(of, of, None)
    return _report(machine, check, known, points)


def _capacity(check: Check, known: Service) -> float:
    """Readings a second that would keep the scarcer of workers and slots at work without a pause."""
    return min(check.workers / known.held_seconds, check.slots / known.generation.mean)


class _Asker:
    """Asks what was never asked, of a model whose times are drawn beforehand."""

    def __init__(self, http: aiohttp.ClientSession, model: WireProcess, check: Check) -> None:
        self._http, self._model = http, model
        self._times, self._writing = check.times, check.generation_seconds * _WRITING_PART
        self._number = 0

    async def alone(self) -> Timings:
        """The service's times where nobody waits; every part of the model's distribution has its share."""
        await self._set_times([0.0] * 3, 3)
        for _ in range(3):  # the first reading of a service opens what later ones find open
            await self._ask()
        await self._set_times(self._times, _ALONE)
        told = [await self._ask() for _ in range(_ALONE)]
        return _timings(told)

    async def run(self, gaps: Sequence[float], seed: int) -> list[Told]:
        """Readings so far apart, whatever becomes of those before."""
        await self._set_times(self._times, len(gaps), seed)
        asked: list[asyncio.Task[Told]] = []
        due = time.monotonic()
        for gap in gaps:
            due += gap
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            asked.append(asyncio.create_task(self._ask()))
        return await asyncio.gather(*asked)

    async def _ask(self) -> Told:
        self._number += 1
        question = _QUESTION.format(number=self._number)
        return await ask(self._http, collection="yuelao", lot=self._number % _LOTS + 1, question=question, fresh=True)

    async def _set_times(self, spread: Sequence[float], count: int, seed: int = 0) -> None:
        """The next `count` answers take times of that spread, every part of it its share, in an order of their own."""
        values = [spread[int((place + 0.5) * len(spread) / count)] for place in range(count)]
        Random(seed).shuffle(values)
        pace = {"tokens": _TOKENS, "tokens_per_second": _TOKENS / self._writing}
        first = [max(0.0, each - self._writing) * 1000 for each in values]
        await self._model.script(*({**pace, "first_token_ms": each} for each in first))


def _timings(told: Sequence[Told]) -> Timings:
    """Raises `UsageError` for a reading that broke off, or that the model was asked for twice: the load was another."""
    for each in told:
        if each.ended is None or each.error:
            raise UsageError(f"A reading failed: {each.error or 'it broke off'}.")
        if each.reading["timings"]["attempts"] != 1:
            raise UsageError("The stand-in model was asked more than once for a reading.")
    found = from_timings([each.reading["timings"] for each in told], "of this benchmark")
    if found is None:
        raise UsageError("The readings did not come from the stand-in model.")
    return found


async def _live_through(asker: _Asker, check: Check, known: Service, point: _Point, seed: int) -> _Run:
    gaps = list(islice(poisson(Random(seed), point.per_second), max(20, round(point.per_second * check.seconds))))
    told = await asker.run(gaps, seed)
    timings = _timings(told)
    lived = Service(generation=timings.generation, overhead=timings.overhead)
    found = summarize([each.total_ms / 1000 for each in told])
    return _Run(
        readings=len(told),
        measured={"p50": found.p50, "p95": found.p95},
        simulated=_middle(check, lived, gaps),
        foretold=_middle(check, known, gaps),
        generation_seconds=timings.generation.mean,
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def _middle(check: Check, service_of: Service, gaps: Sequence[float]) -> dict[str, float]:
    """The median of many simulations of the same arrivals."""
    each = [_simulated(check, service_of, gaps, number) for number in range(_SIMULATED)]
    return {name: median(one[name] for one in each) for name in ("p50", "p95")}


def _simulated(check: Check, known: Service, gaps: Sequence[float], seed: int) -> dict[str, float]:
    fleet = Fleet(workers=check.workers, servers=1, slots_per_server=check.slots, max_queue=_MAX_QUEUE)
    outcome = simulate(known, fleet, iter(gaps), seed, counted=len(gaps), warm_up=0)
    return {f"p{share}": (outcome.totals.percentile(share) or 0.0) / 1000 for share in (50, 95)}


def _others(check: Check, known: Service, point: _Point) -> tuple[float, float]:
    """Between which bounds nine of ten such runs have their P95, each with arrivals of its own."""
    count = point.runs[0].readings
    found = sorted(
        _simulated(check, known, list(islice(poisson(Random(1000 + seed), point.per_second), count)), seed)["p95"]
        for seed in range(_SIMULATED * 2)
    )
    return found[len(found) // 20], found[-len(found) // 20 - 1]


def _report(machine: dict[str, Any], check: Check, known: Service, points: Sequence[_Point]) -> Report:
    # With more workers than slots a run's own times hold the wait at the model too.
    judged = "simulated" if check.workers <= check.slots else "foretold"
    return Report(
        name="plan",
        title="What the simulation says, and what came",
        machine=machine,
        figures={
            "workers": check.workers,
            "slots": check.slots,
            "generation_seconds": {
                "mean": known.generation.mean,
                "p50": known.generation.at(0.5),
                "p95": known.generation.at(0.95),
            },
            "overhead_seconds": known.overhead.mean,
            "points": [_figures(point) for point in points],
        },
        tables=[_middles(check, points, judged), _each_run(points)],
        charts=[_chart(points)],
        notes=_notes(check, known),
    )


def _middles(check: Check, points: Sequence[_Point], judged: str) -> Table:
    rows = [
        (
            f"{point.share:.0%}",
            f"{point.per_second:.2f}",
            f"{sum(run.readings for run in point.runs):,}",
            *_beside(point, "p50"),
            *_beside(point, "p95"),
            f"{shown(point.others_p95[0])} to {shown(point.others_p95[1])}",
            "yes" if max(abs(point.off(name, judged)) for name in ("p50", "p95")) <= MOST_OFF else "NO",
        )
        for point in points
    ]
    heads = ("at work", "readings/s", "readings", "P50 measured", "simulated", "foretold")
    return Table(
        f"A reading's whole time, s: median of {check.runs} runs",
        (*heads, "P95 measured", "simulated", "foretold", "9 of 10 such runs", f"{judged} within {MOST_OFF:.0%}"),
        rows,
    )


def _each_run(points: Sequence[_Point]) -> Table:
    return Table(
        "Each run, s",
        (
            *("at work", "run", "readings", "model's mean", "P50 measured", "simulated", "foretold"),
            *("P95 measured", "simulated", "foretold", "load after"),
        ),
        [
            (
                f"{point.share:.0%}",
                str(number + 1),
                str(run.readings),
                f"{run.generation_seconds:.3f}",
                *(shown(side[name]) for name in ("p50", "p95") for side in (run.measured, run.simulated, run.foretold)),
                "unknown" if run.load_average is None else f"{run.load_average:g}",
            )
            for point in points
            for number, run in enumerate(point.runs)
        ],
    )


def _chart(points: Sequence[_Point]) -> Chart:
    return Chart(
        title="Simulated and measured",
        kind="bars",
        places=[f"{point.share:.0%}" for point in points],
        series={
            f"{name.upper()} {side}": [point.middle(side, name) for point in points]
            for name in ("p50", "p95")
            for side in ("measured", "simulated", "foretold")
        },
        unit="s",
        across="of what there is at work",
    )


def _notes(check: Check, known: Service) -> list[str]:
    return [
        f"WORKERS {check.workers}; a stand-in model with {check.slots} slots whose times are log-normal, P50 "
        f"{check.generation_seconds:g} s and P95 {check.generation_seconds * _P95_TIMES:g} s. Measured one reading "
        f"at a time, {_ALONE} of them: model P50 {known.generation.at(0.5):.3f} s, P95 "
        f"{known.generation.at(0.95):.3f} s, beside it {known.overhead.mean * 1000:.1f} ms.",
        "Foretold: from these times. Simulated: from those of the run's own readings, as --from-log takes them. "
        "Both are told when the readings come, and neither what the model takes for which.",
        f"A run: Poisson arrivals for {check.seconds:g} s on an empty service, each question asked for the first "
        f"time. Both simulate those moments {_SIMULATED} times with the model's times drawn anew, and take the "
        "median. In the last column but one the arrivals are drawn anew too: so far apart are runs of this length.",
        "The whole time is the asker's, from the request sent to the last event. Model, service and asker share "
        "the machine.",
    ]


def _beside(point: _Point, name: str) -> Sequence[str]:
    told = [f"{shown(point.middle(side, name))} ({point.off(name, side) * 100:+.1f} %)" for side in _SIDES]
    return (shown(point.middle("measured", name)), *told)


def _figures(point: _Point) -> dict[str, Any]:
    return {
        "share": point.share,
        "per_second": point.per_second,
        "off": {side: {name: round(point.off(name, side), 4) for name in ("p50", "p95")} for side in _SIDES},
        "others_p95": list(point.others_p95),
        "runs": [
            {
                "readings": run.readings,
                "measured": run.measured,
                "simulated": run.simulated,
                "foretold": run.foretold,
                "generation_seconds": round(run.generation_seconds, 4),
                "load_average": run.load_average,
            }
            for run in point.runs
        ],
    }

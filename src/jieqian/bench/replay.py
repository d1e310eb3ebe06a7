"""`bench overhead --replay`: what keeping answers saves, where few questions are asked often and many seldom.

The set is shipped: the suggested questions in four languages on twenty lots, in an order that a fixed seed draws, the
n-th commonest as often as 1/n says (Zipf). No real asker's questions are in it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.pacing import Pace
from jieqian.bench.program import service
from jieqian.bench.report import Report, Table
from jieqian.cache.suggested import suggested_questions
from jieqian.testing.wire_process import wire_server

SEED = 20
_LOTS = 20

Advance = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """So many requests, so many askers at once, the paced model, and how steep the law is."""

    requests: int = 400
    at_once: int = 8
    steepness: float = 1.0
    pace: Pace = field(default_factory=Pace)


def requests_of(replay: Replay) -> list[dict[str, Any]]:
    """The bodies in their order, the same at every call."""
    questions = suggested_questions()
    ranked = [
        {"collection": "yuelao", "lot": lot, "question": question, "language": language.value}
        for place in range(max(map(len, questions.values())))
        for language, some in questions.items()
        for question in some[place : place + 1]
        for lot in range(1, _LOTS + 1)
    ]
    rng = random.Random(SEED)
    rng.shuffle(ranked)  # no lot or language is commoner than another
    weights = [1 / place**replay.steepness for place in range(1, len(ranked) + 1)]
    return rng.choices(ranked, weights, k=replay.requests)


async def measure(replay: Replay, advance: Advance) -> Report:
    """Ask them all of a service that keeps answers and has kept none yet."""
    machine = await asyncio.to_thread(describe_machine)
    bodies = requests_of(replay)
    settings = {"LLM_PROVIDER": "ollama", "WORKERS": str(replay.at_once), "MEASURE_MODELS": "false"}
    with wire_server("ollama") as model, service({**settings, "LLM_BASE_URL": model.url}) as running:
        async with asking(running.url) as http:
            await model.script(default=replay.pace.behaviour())
            await ask(http, collection="yuelao", lot=21, question="?", language="en")
            await model.script(default=replay.pace.behaviour())
            told: list[Told] = []
            coming = iter(bodies)

            async def ask_on() -> None:
                for body in coming:
                    told.append(await ask(http, **body))
                    if len(told) % 20 == 0:
                        advance(len(told), len(bodies), None)

            await asyncio.gather(*(ask_on() for _ in range(replay.at_once)))
            calls = len(await model.seen())
            advance(len(bodies), len(bodies), None)
    return _report(machine, replay, bodies, told, calls)


def _is_hit(one: Told) -> bool:
    return bool(one.reading) and one.reading["timings"]["cache_hit"] == "exact"


def _report(
    machine: dict[str, Any], replay: Replay, bodies: list[dict[str, Any]], told: list[Told], calls: int
) -> Report:
    whole = [one for one in told if one.ended is not None and not one.error]
    hits = [one.total_ms for one in whole if _is_hit(one)]
    written = [one.total_ms for one in whole if not _is_hit(one)]
    typical = median(written) if written else 0.0
    figures = {
        "pace": replay.pace.as_dict(),
        "requests": len(bodies),
        "different": len({tuple(body.values()) for body in bodies}),
        "at_once": replay.at_once,
        "failed": len(told) - len(whole),
        "hits": len(hits),
        "hit_rate": round(len(hits) / max(1, len(whole)), 4),
        "model_calls": calls,
        "model_calls_saved": len(whole) - calls,
        "seconds_saved": round(sum(typical - ms for ms in hits) / 1000, 1),
        "hit_ms": summarize(hits).as_dict() if hits else None,
        "written_ms": summarize(written).as_dict() if written else None,
    }
    return Report(
        name="replay",
        title="What kept answers save",
        machine=machine,
        figures=figures,
        tables=[_times(hits, written), _facts(figures)],
        charts=[_share_over_time(told)] if told else [],
        notes=[
            f"{replay.pace.in_words()}. {replay.at_once} askers at once; the n-th commonest of the shipped questions "
            f"is asked as often as 1/n^{replay.steepness:g}; nothing was kept at the start."
        ],
    )


def _times(hits: list[float], written: list[float]) -> Table:
    rows = [
        (name, str(len(some)), *(shown(value) for value in (found.p50, found.p95, found.p99)))
        for name, some in (("answered from the kept ones", hits), ("written, or shared while written", written))
        if some and (found := summarize(some))
    ]
    return Table("Whole readings at their askers, ms", ("", "readings", "p50", "p95", "p99"), rows)


def _facts(figures: dict[str, Any]) -> Table:
    rows = [
        ("requests, different ones among them", f"{figures['requests']}, {figures['different']}"),
        ("answered from kept ones", f"{figures['hits']} ({100 * figures['hit_rate']:.0f} %)"),
        ("model calls; saved", f"{figures['model_calls']}; {figures['model_calls_saved']}"),
        ("askers' time saved", f"{figures['seconds_saved']} s"),
        ("failed", str(figures["failed"])),
    ]
    return Table("The set", ("", ""), rows)


def _share_over_time(told: list[Told]) -> Chart:
    counts = list(itertools.accumulate(_is_hit(one) for one in told))
    steps = range(19, len(counts), max(1, len(counts) // 20))
    return Chart(
        title="Share of requests answered from kept ones, as the set is asked",
        kind="lines",
        places=[str(step + 1) for step in steps],
        series={"share": [100 * counts[step] / (step + 1) for step in steps]},
        unit="%",
        across="requests",
    )

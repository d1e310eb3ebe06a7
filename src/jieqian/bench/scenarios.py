"""`bench overhead --scenario seed`: the older system's four scenarios, their targets beside what is measured here.

The models are paced as the analysis tells them: its 14B model writes a reading in about 36 s, its 8B one in 13. What a
real model takes on a real machine is told by `bench speed`; here the rest is measured, at that model's pace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.pacing import Pace
from jieqian.bench.program import service
from jieqian.bench.report import Report, Table
from jieqian.testing.wire_process import WireProcess, wire_server

#: 36 s and 13 s for 700 tokens.
LARGE, SMALL = Pace(1500.0, 20.3, 700), Pace(600.0, 56.5, 700)
#: Seven calls side by side: each slower than one alone, all together two and a half times as fast.
_SECTIONS, _TOGETHER = 7, 2.5
SIDE_BY_SIDE = Pace(SMALL.first_token_ms, SMALL.tokens_per_second * _TOGETHER / _SECTIONS, SMALL.tokens // _SECTIONS)

Advance = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    what: str
    target: str
    measured: Sequence[float]


async def measure(runs: int, advance: Advance) -> Report:
    """Each scenario's readings, `runs` times."""
    machine = await asyncio.to_thread(describe_machine)
    settings = {"LLM_PROVIDER": "ollama", "MEASURE_MODELS": "false"}
    with wire_server("ollama") as model, service({**settings, "LLM_BASE_URL": model.url}) as running:
        async with asking(running.url) as http:
            steps = 4 * runs
            told: dict[str, list[Told]] = {name: [] for name in ("large", "small", "parallel", "again")}
            for run in range(runs):
                question = f"Will we get back together, I asked {run} times before?"
                base = {"collection": "yuelao", "language": "en", "question": question}
                for place, (name, pace, more) in enumerate(_ORDER):
                    advance(4 * run + place, steps, name)
                    await _pace(model, pace)
                    lot = 1 + 3 * run + place
                    asked = {"lot": told_lot(run) if name == "again" else lot, **base, **more}
                    told[name].append(await ask(http, **asked))
            advance(steps, steps, None)
    return _report(machine, runs, told)


_ORDER: tuple[tuple[str, Pace, dict[str, Any]], ...] = (
    ("large", LARGE, {"strategy": "sequential"}),
    ("small", SMALL, {"strategy": "sequential"}),
    ("parallel", SIDE_BY_SIDE, {"strategy": "parallel"}),
    ("again", SMALL, {"strategy": "sequential"}),
)


def told_lot(run: int) -> int:
    """The lot the small model was asked about in that run: asked again, it is the same request."""
    return 1 + 3 * run + 1


async def _pace(model: WireProcess, pace: Pace) -> None:
    await model.script(default=pace.behaviour())


def _report(machine: dict[str, Any], runs: int, told: dict[str, list[Told]]) -> Report:
    def whole(name: str) -> list[float]:
        return [one.total_ms / 1000 for one in told[name] if one.ended is not None and not one.error]

    def until(name: str, event: str) -> list[float]:
        return [one.since_post_ms(event) / 1000 for one in told[name] if event in one.first]

    cases = [
        _Case("A, quick wins", "whole reading, the large model", "35-36 s", whole("large")),
        _Case("A", "first progress seen", "at once", until("large", "queued")),
        _Case("B, streaming", "first text of the model", "3-5 s", until("large", "section_delta")),
        _Case("B", "lot and commentary to read", "at the end", until("large", "lot")),
        _Case("C, a faster model", "whole reading, the small model", "13-15 s", whole("small")),
        _Case("D, all of it", "whole reading, sections side by side", "8-10 s, 12-15 s on average", whole("parallel")),
        _Case("A and D", "the same asked again", "2 s", whole("again")),
    ]
    rows = [
        (one.name, one.what, one.target, *_cells(one.measured), str(len(one.measured))) for one in cases if one.measured
    ]
    failed = sum(1 for some in told.values() for one in some if one.error)
    return Report(
        name="scenarios",
        title="The older system's scenarios",
        machine=machine,
        figures={
            "runs": runs,
            "failed": failed,
            "paces": {"large": LARGE.as_dict(), "small": SMALL.as_dict(), "side_by_side": SIDE_BY_SIDE.as_dict()},
            "scenarios": [
                {
                    "scenario": one.name,
                    "what": one.what,
                    "target": one.target,
                    "seconds": summarize(one.measured).as_dict(),
                }
                for one in cases
                if one.measured
            ],
        },
        tables=[
            Table("Target and measured", ("scenario", "figure", "target", "p50, s", "most, s", "readings"), rows),
        ],
        charts=[],
        notes=[
            "The models are stand-ins, paced as the analysis tells them: 36 s a reading, and 13 s. Side by side seven "
            f"calls are taken to write {_TOGETHER:g} times as fast together as one alone; real servers differ, and "
            "`bench speed` times yours.",
            f"{failed} readings failed.",
        ],
    )


def _figures(case: _Case) -> dict[str, Any]:
    seconds = summarize(case.measured).as_dict()
    return {"scenario": case.name, "what": case.what, "target": case.target, "seconds": seconds}


def _cells(seconds: Sequence[float]) -> tuple[str, str]:
    found = summarize(seconds)
    return shown(found.p50), shown(found.most)

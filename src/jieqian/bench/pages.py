"""`bench pages`: what a first visit weighs, when pages can be used on a slow phone, when a reading begins to show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jieqian.bench import visits
from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.pacing import Pace
from jieqian.bench.program import Running, service
from jieqian.bench.report import Report, Table
from jieqian.bench.visits import PHONE_4, PHONE_6, PLAIN, Visit
from jieqian.testing.wire_process import wire_server

if TYPE_CHECKING:
    from playwright.async_api import Browser

#: Each page with its main control.
_PAGES = {
    "/": "a.temple",
    "/temples/yuelao": "#draw",
    "/temples/yuelao/lots/7": "#question",
    "/ask": "#question",
    "a reading": "#copy",
}
_PROFILES = (PHONE_4, PHONE_6)
_QUESTIONS = (
    "Will she write back to me?",
    "Should I change my job this year?",
    "Is this the month to move house?",
    "Will my mother get well?",
    "Shall I pass the exam in June?",
    "Will the journey be safe?",
    "Is my money wisely placed?",
    "Can the quarrel be mended?",
    "Shall I find what I lost?",
    "Is he the one for me?",
)
_MODEL, _STAND_IN = "embedded model", "stand-in model"
Advance = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure. `beside` is the `src` folder of another state of the program, visited in turn with this one."""

    runs: int
    beside: Path | None = None
    with_model: bool = True


@dataclass(slots=True)
class _Loads:
    """Visits of one page by one profile to one state of the program."""

    page: str
    profile: str
    beside: bool
    cold: list[Visit] = field(default_factory=list)
    warm: list[Visit] = field(default_factory=list)


async def measure(plan: Plan, advance: Advance) -> Report:
    """Visit every page in a browser, cold and warm, and ask for readings."""
    machine = await asyncio.to_thread(describe_machine)
    loads: dict[tuple[str, str, bool], _Loads] = {}
    asked: list[dict[str, Any]] = []
    async with AsyncExitStack() as rooms:
        browser = await rooms.enter_async_context(visits.browser())
        machine["browser"] = browser.version
        with ExitStack() as programs:
            stand_in = programs.enter_context(wire_server("ollama"))
            await stand_in.script(default=Pace().behaviour())
            settings = {"LLM_PROVIDER": "ollama", "LLM_BASE_URL": stand_in.url, "LLM_MODEL": "qwen2.5:7b"}
            settings |= {"MEASURE_MODELS": "false"}
            here = programs.enter_context(service(settings))
            states = [(here, False)]
            if plan.beside is not None:
                states.append((programs.enter_context(service(settings, source=plan.beside)), True))
            await _load_all(browser, states, plan, loads, advance)
            asked += await _ask_all(browser, here, _STAND_IN, plan, advance)
        if plan.with_model:
            with service({"LLM_PROVIDER": "llamacpp"}) as embedded:
                asked += await _ask_all(browser, embedded, _MODEL, plan, advance)
    return _report(machine, plan, list(loads.values()), asked)


async def _load_all(
    browser: Browser,
    states: Sequence[tuple[Running, bool]],
    plan: Plan,
    loads: dict[tuple[str, str, bool], _Loads],
    advance: Advance,
) -> None:
    steps = len(_PROFILES) * plan.runs
    for step in range(steps):
        profile = _PROFILES[step % len(_PROFILES)]
        for running, beside in states if step // len(_PROFILES) % 2 else reversed(states):
            advance(step, steps, f"pages, {profile.name}")
            for page, control in _PAGES.items():
                found = loads.setdefault((page, profile.name, beside), _Loads(page, profile.name, beside))
                async with visits.visitor(browser) as context:
                    path = page
                    if not page.startswith("/"):
                        async with visits.visitor(browser) as asker:
                            path = await visits.read_to_the_end(asker, running.url, 7)
                            await context.add_cookies(await asker.cookies())  # type: ignore[arg-type]
                    found.cold.append(await visits.visit(context, running.url + path, control, profile))
                    found.warm.append(await visits.visit(context, running.url + path, control, profile))


async def _ask_all(
    browser: Browser, running: Running, writer: str, plan: Plan, advance: Advance
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for at, profile in enumerate((PLAIN, PHONE_4, PHONE_6)):
        answers = []
        for run in range(plan.runs):
            advance(at * plan.runs + run, 3 * plan.runs, f"asking, {writer}, {profile.name}")
            number = at * plan.runs + run
            question = _QUESTIONS[number % len(_QUESTIONS)]
            async with visits.visitor(browser) as context:
                answers.append(await visits.ask(context, running.url, 1 + number % 100, question, profile))
        found.append(
            {
                "writer": writer,
                "profile": profile.name,
                "lot_ms": summarize([one.lot_ms for one in answers]).as_dict(),
                "first_section_text_ms": summarize([one.section_ms for one in answers]).as_dict(),
            }
        )
    return found


def _times(found: _Loads) -> dict[str, Any]:
    first = found.cold[0]
    return {
        "page": found.page,
        "profile": found.profile,
        "state": "beside" if found.beside else "here",
        "requests": first.requests,
        "wire_bytes": first.wire_bytes,
        "bytes_by_type": first.by_type,
        "warm_bytes": found.warm[0].wire_bytes,
        **{
            f"{cache}_{name}_ms": summarize([getattr(one, f"{name}_ms") for one in getattr(found, cache)]).as_dict()
            for cache in ("cold", "warm")
            for name in ("painted", "usable")
        },
    }


def _report(machine: dict[str, Any], plan: Plan, loads: Sequence[_Loads], asked: Sequence[dict[str, Any]]) -> Report:
    figures = [_times(found) for found in loads]
    here = [one for one in figures if one["state"] == "here"]
    tables = [_loads_table(figures)]
    if plan.beside is not None:
        tables.append(_ratios(figures))
    tables.append(
        Table(
            "From the press of the button, p50 in ms",
            ("written by", "profile", "runs", "lot shown", "first text of a section"),
            [
                (
                    *(one["writer"], one["profile"], str(one["lot_ms"]["n"])),
                    *(shown(one[name]["p50"]) for name in ("lot_ms", "first_section_text_ms")),
                )
                for one in asked
            ],
        )
    )
    slow = [one for one in here if one["profile"] == PHONE_4.name]
    chart = Chart(
        title=f"Usable, {PHONE_4.name}, p50",
        kind="bars",
        places=[one["page"] for one in slow],
        series={cache: [one[f"{cache}_usable_ms"]["p50"] for one in slow] for cache in ("cold", "warm")},
        unit="ms",
    )
    return Report(
        name="pages",
        title="The pages in a browser",
        machine=machine,
        figures={"pages": figures, "asked": list(asked)},
        tables=tables,
        charts=[chart],
        notes=_notes(machine, plan),
    )


def _loads_table(figures: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "Loading, p50 in ms",
        (
            "page",
            "profile",
            "state",
            "requests",
            "kB",
            "painted, cold",
            "usable, cold",
            "painted, warm",
            "usable, warm",
        ),
        [
            (
                *(one["page"], one["profile"], one["state"], str(one["requests"]), f"{one['wire_bytes'] / 1000:.1f}"),
                *(
                    shown(one[f"{cache}_{name}_ms"]["p50"])
                    for cache in ("cold", "warm")
                    for name in ("painted", "usable")
                ),
            )
            for one in sorted(figures, key=lambda one: (one["profile"], list(_PAGES).index(one["page"])))
        ],
    )


def _ratios(figures: Sequence[dict[str, Any]]) -> Table:
    by_state = {(one["page"], one["profile"], one["state"]): one for one in figures}
    rows = []
    for (page, profile, state), one in by_state.items():
        if state == "here":
            other = by_state[page, profile, "beside"]
            kinds = ("cold_painted_ms", "cold_usable_ms", "warm_painted_ms", "warm_usable_ms")
            ratios = [one[kind]["p50"] / other[kind]["p50"] for kind in kinds]
            rows.append(
                (page, profile, *(f"{ratio:.2f}" for ratio in (one["wire_bytes"] / other["wire_bytes"], *ratios)))
            )
    heads = ("page", "profile", "bytes", "painted, cold", "usable, cold", "painted, warm", "usable, warm")
    return Table("Here over beside", heads, sorted(rows))


def _notes(machine: dict[str, Any], plan: Plan) -> list[str]:
    return [
        f"Chromium {machine['browser']}, headless, 390 by 844; {plan.runs} runs of each. A phone: 150 ms a request, "
        "1.6 Mbit/s down, 0.75 up (Lighthouse's slow 4G), and the processor slowed so many times. Setting up "
        "connections is not slowed.",
        "Usable: painted, every script of the page has run, and its main control is visible and takes a tap. Cold: "
        "nothing kept; warm: the same page again. kB: over the line, heads included, on a cold visit.",
        f"{Pace().in_words()}. Of the embedded model a lot nobody opened before, asked about as soon as it was typed.",
    ]

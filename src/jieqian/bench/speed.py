"""`bench speed`: how fast real models write readings here: asked cold, by a second asker of the same lot, and of a lot
that was opened before (which warms its prefix in an idle model server).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.program import service
from jieqian.bench.report import Report, Table

QUESTIONS = {
    "en": ("Will she write back to me?", "Should I change my job this year?"),
    "zh-Hant": ("她還會回信給我嗎？", "今年適合換工作嗎？"),
    "zh-Hans": ("她还会回信给我吗？", "今年适合换工作吗？"),
    "ja": ("彼女は返事をくれるでしょうか。", "今年、転職したほうがいいでしょうか。"),
}
#: How a lot was met: never before in this run; asked about by another just now; opened, and asked about once it was
#: warmed.
COLD, SECOND, WARMED = "cold", "second asker", "warmed"
#: The longest the warming of a lot is waited for, in seconds.
_WARMING_SECONDS = 120.0
_WARMED_TOTAL = re.compile(r"^jieqian_prefixes_warmed_total (\d+)", re.MULTILINE)

Advance = Callable[[float, float | None, str | None], None]


@dataclass(slots=True)
class _Model:
    name: str
    told: dict[str, list[Told]] = field(default_factory=lambda: {COLD: [], SECOND: [], WARMED: []})

    def whole(self, how: str) -> list[Told]:
        """Readings that ended, with at least one section by the model."""
        return [one for one in self.told[how] if one.reading and one.reading["timings"]["sections_from_model"]]


async def measure(models: Sequence[str], runs: int, language: str, mode: str, advance: Advance) -> Report:
    """Ask each model in turn about lots it has not met, twice each, and about others that were opened before.

    `models` empty: the one in use. Only that is ever warmed.
    """
    machine = await asyncio.to_thread(describe_machine)
    with service({}) as running:
        async with asking(running.url, running.token) as http:
            found = [_Model(name) for name in models] or [_Model(await _in_use(http, mode))]
            for run in range(runs):
                for number, model in enumerate(found):
                    advance(run * len(found) + number, runs * len(found), model.name)
                    for how, question in zip((COLD, SECOND), QUESTIONS[language], strict=True):
                        body = {"model": model.name} if models else {}
                        lot = 1 + (run * len(found) + number) % 50
                        asked = {"collection": "yuelao", "lot": lot, "question": question, "fresh": True, "mode": mode}
                        model.told[how].append(await ask(http, language=language, **asked, **body))
                    if not models and await _warm(http, 51 + run % 50, language):
                        asked |= {"lot": 51 + run % 50, "question": QUESTIONS[language][0]}
                        model.told[WARMED].append(await ask(http, language=language, **asked))
            advance(runs * len(found), runs * len(found), None)
    return _report(machine, found, language, mode)


async def _warm(http: aiohttp.ClientSession, lot: int, language: str) -> bool:
    """Open that lot as a reader does, and wait until its prefix was read; False where it was not."""
    before = await _warmed(http)
    async with http.get(f"/api/v1/collections/yuelao/lots/{lot}?language={language}") as answer:
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


async def _in_use(http: aiohttp.ClientSession, mode: str) -> str:
    async with http.get("/api/v1/modes") as answer:
        modes = await answer.json()
    return str(next((each["model"] for each in modes if each["mode"] == mode and each["model"]), "commentary"))


def _times(told: Sequence[Told]) -> dict[str, list[float]]:
    timings = [one.reading["timings"] for one in told]
    return {
        "first token": [one["time_to_first_token_ms"] for one in timings if one["time_to_first_token_ms"] is not None],
        "first text": [(min(one.section_text.values()) - one.posted) * 1000 for one in told if one.section_text],
        "first whole section": [(min(one.section_done.values()) - one.posted) * 1000 for one in told],
        "whole reading": [one.total_ms for one in told],
        "tokens a second": [one["tokens_per_second"] for one in timings if one["tokens_per_second"]],
    }


def _first_token_ms(model: _Model, how: str) -> float:
    return summarize(_times(model.whole(how))["first token"]).p50


def _report(machine: dict[str, Any], models: Sequence[_Model], language: str, mode: str) -> Report:
    rows: list[tuple[str, ...]] = []
    figures: list[dict[str, Any]] = []
    for model in models:
        for how, all_told in model.told.items():
            if not all_told:
                continue
            whole = model.whole(how)
            times = {name: summarize(values) for name, values in _times(whole).items() if values}
            sections = [one.reading["timings"]["sections_from_model"] for one in whole]
            figures.append(
                {
                    "model": model.name,
                    "lot": how,
                    "runs": len(all_told),
                    "without_the_model": len(all_told) - len(whole),
                    "sections_from_model": sections,
                    **{name.replace(" ", "_"): found.as_dict() for name, found in times.items()},
                }
            )
            cells = [
                f"{shown(times[name].p50)} / {shown(times[name].p95)}" if name in times else "-"
                for name in ("first token", "first text", "first whole section", "whole reading", "tokens a second")
            ]
            kept = f"{sum(sections)} of {7 * len(all_told)}"
            rows.append((model.name, how, str(len(all_told)), *cells, kept))
    heads = ("model", "lot", "runs", "first token", "first text", "first whole section", "whole reading", "tokens/s")
    spoke = [model for model in models if model.whole(COLD) and model.whole(SECOND)]
    chart = Chart(
        title="First token, p50",
        kind="bars",
        places=[model.name for model in spoke],
        series={
            how: [summarize(_times(model.whole(how))["first token"]).p50 for model in spoke]
            for how in (COLD, SECOND, WARMED)
            if all(model.whole(how) for model in spoke)
        },
        unit="ms",
    )
    return Report(
        name="speed",
        title="How fast models write here",
        machine=machine,
        figures={"language": language, "mode": mode, "models": figures},
        tables=[Table("p50 / p95; times in ms", (*heads, "sections by the model"), rows)],
        charts=[chart] if spoke else [],
        notes=[
            f"Readings in {language}, {mode} mode, one at a time. Second asker: the same lot, another question, next. "
            "Warmed: another lot, opened and read by the model before it is asked about.",
            "Readings the model gave no section of are counted and not timed.",
        ],
    )

"""`bench overhead --old-tasks`: the same readings by a new service and by one full of old tasks and lots, in pairs."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jieqian.bench.asking import Told, ask, asking
from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.overhead import COST, FIRST_TEXT, Advance, first_text_lags, path_of, wait_until_ready
from jieqian.bench.pacing import Pace
from jieqian.bench.program import Running, service
from jieqian.bench.report import Report, Table
from jieqian.testing.wire_process import WireProcess, wire_server

LARGE = "large"
#: Every so many old tasks has its sections, and every so many its events.
_WITH_SECTIONS, _WITH_EVENTS = 10, 100
_QUESTION = "她還會回信給我嗎？第{number}次問。"
_LINE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """How full: so many old tasks, and a collection of so many lots."""

    old_tasks: int
    lots: int
    runs: int = 30
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class _Way:
    """One of the sides compared."""

    name: str
    collection: str
    steps: dict[str, list[float]] = field(default_factory=dict)


async def measure(plan: Filled, advance: Advance) -> Report:
    """Fill one, leave the other new, ask both in turn, and compare."""
    machine = await asyncio.to_thread(describe_machine)
    with tempfile.TemporaryDirectory(prefix="jieqian-bench-") as folder, wire_server("ollama") as model:
        settings = {"LLM_PROVIDER": "ollama", "LLM_BASE_URL": model.url, "MEASURE_MODELS": "false"}
        await model.script(default=plan.pace.behaviour(note_pieces=True))
        full = Path(folder) / "full"
        advance(0, None, "filling")
        await _one_reading(settings, full)
        await asyncio.to_thread(multiply, full / "jieqian.db", plan.old_tasks)
        await asyncio.to_thread(write_pack, full / "collections" / LARGE, plan.lots)
        bytes_full = (full / "jieqian.db").stat().st_size
        with service(settings) as new, service(settings, data_dir=full) as filled:
            for running in (new, filled):
                await wait_until_ready(running, seconds=1800)
            ways = (
                (new, _Way("new", "yuelao")),
                (filled, _Way("filled", "yuelao")),
                (filled, _Way(f"filled, a lot of {plan.lots:,}", LARGE)),
            )
            await _ask_in_turn(ways, model, plan, advance)
            memory = [running.memory_mib() for running in (new, filled)]
    return _report(machine, plan, [way for _, way in ways], bytes_full, memory)


async def _one_reading(settings: dict[str, str], data_dir: Path) -> None:
    with service({**settings, "EMBEDDER": "lexical"}, data_dir=data_dir) as running:
        async with asking(running.url) as http:
            await ask(http, collection="yuelao", lot=1, question=_QUESTION.format(number=0), fresh=True)


def multiply(database: Path, copies: int) -> None:
    """Put so many copies of the one completed task into it, each a minute older; some with sections and events."""
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)"
    with closing(sqlite3.connect(database)) as connection, connection:
        (its_id,) = connection.execute("select id from tasks where status = 'completed'").fetchone()
        for table, new, every in (
            ("tasks", {"id": "'old-' || i", "caller": "'old-' || (i % 9973)", "created_at": "created_at - i * 60"}, 1),
            ("sections", {"task_id": "'old-' || i"}, _WITH_SECTIONS),
            ("events", {"task_id": "'old-' || i"}, _WITH_EVENTS),
        ):
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})") if row[1] != "seq"]
            values = ", ".join(new.get(column, column) for column in columns)
            mine = "id" if table == "tasks" else "task_id"
            connection.execute(
                f"{numbers} insert into {table} ({', '.join(columns)}) "
                f"select {values} from n, {table} where {table}.{mine} = ? and i % {every} = 0",
                (copies, its_id),
            )


def write_pack(folder: Path, lots: int) -> None:
    """A collection of so many lots, four lines each, without commentary."""
    folder.mkdir(parents=True)
    names = {"zh-Hant": "萬籤", "en": "Ten Thousand Lots"}
    about = {"id": LARGE, "names": names, "deity": names, "aliases": [], "size": lots}
    about |= {"edition": "e", "source": "made for a benchmark", "licence": "CC0"}
    (folder / "collection.json").write_text(json.dumps(about), encoding="utf-8")
    with (folder / "lots.jsonl").open("w", encoding="utf-8") as file:
        for number in range(1, lots + 1):
            lines = ["".join(_character(number, place, step) for step in range(_LINE)) for place in range(4)]
            file.write(json.dumps({"number": number, "lines": lines, "fortune": None}, ensure_ascii=False) + "\n")


def _character(number: int, place: int, step: int) -> str:
    return chr(0x4E00 + (number * 7919 + place * 131 + step * 977) % 6000)


async def _ask_in_turn(
    ways: Sequence[tuple[Running, _Way]], model: WireProcess, plan: Filled, advance: Advance
) -> None:
    for run in range(-2, plan.runs):
        advance(max(run, 0), plan.runs, "asking in turn")
        order = ways if run % 2 else ways[::-1]
        for running, way in order:
            await model.script(default=plan.pace.behaviour(note_pieces=True))
            async with asking(running.url) as http:
                body = {"collection": way.collection, "lot": run % 20 + 1, "question": _QUESTION.format(number=0)}
                told: Told = await ask(http, **body, fresh=True)
            call: dict[str, Any] = (await model.seen_ended(1))[-1]
            if run >= 0 and told.ended is not None and not told.error:  # the first are not counted
                for name, ms in path_of(told, call).items():
                    way.steps.setdefault(name, []).append(ms)
                way.steps.setdefault(FIRST_TEXT, []).extend(first_text_lags(told, call))


def _report(
    machine: dict[str, Any], plan: Filled, ways: Sequence[_Way], bytes_full: int, memory: Sequence[dict[str, float]]
) -> Report:
    new, *others = ways
    rows, figures = [], {}
    for step, values in new.steps.items():
        least = summarize(values).p50
        p50 = [summarize(way.steps[step]).p50 for way in ways]
        ratios = [one / least for one in p50[1:]]
        figures[step] = {"p50_ms": p50, "ratios": [round(ratio, 3) for ratio in ratios]}
        rows.append((step, *(shown(one) for one in p50), *(shown(ratio) for ratio in ratios)))
    heads = ("step, p50 in ms", *(way.name for way in ways), *(f"{way.name} / new" for way in others))
    whole = [sum(each.values()) for each in memory]
    return Report(
        name="filled",
        title="A full service beside a new one",
        machine=machine,
        figures={
            "old_tasks": plan.old_tasks,
            "lots": plan.lots,
            "ways": [way.name for way in ways],
            "steps": figures,
            "database_bytes": bytes_full,
            "memory_mib": {"new": whole[0], "filled": whole[1]},
            "readings": [len(way.steps.get(COST, [])) for way in ways],
        },
        tables=[Table("One reading at a time, in turn", heads, rows)],
        charts=[
            Chart(
                title="p50 of each step",
                kind="bars",
                places=list(figures),
                series={way.name: [one["p50_ms"][at] for one in figures.values()] for at, way in enumerate(ways)},
                unit="ms",
            )
        ],
        notes=[
            f"{plan.old_tasks:,} old tasks (every {_WITH_SECTIONS}th with its sections, every {_WITH_EVENTS}th with "
            f"its events; database {bytes_full / 1e6:,.0f} MB) and a collection of {plan.lots:,} lots more. "
            f"{plan.pace.in_words()}.",
            f"Resident with children: new {whole[0]:.0f} MiB, filled {whole[1]:.0f} MiB.",
        ],
    )

"""What the records of `bench speed` show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.records import Record
from jieqian.bench.report import Report, Table

#: How a lot was met: never before in this run; asked about by another just now; opened, and asked about once it was
#: warmed.
COLD, SECOND, WARMED = "cold", "second asker", "warmed"
TIMES = ("first token", "first text", "first whole section", "whole reading", "tokens a second")


def speed_report(
    plan: Mapping[str, Any], runs: int, found: Sequence[Record], machines: Sequence[Mapping[str, Any]]
) -> Report:
    """The first `runs` runs of each model, in the order of the plan."""
    done = [record for record in found if "told" in record and record["run"] < runs]
    names = {record["model"]: str(record["name"]) for record in done}
    order = [each for each in plan["models"] or [""] if each in names]
    told = {each: [record["told"] for record in done if record["model"] == each] for each in order}
    broken = {
        each: [record["broken"] for record in found if record.get("model") == each and "broken" in record]
        for each in plan["models"] or [""]
    }
    rows: list[tuple[str, ...]] = []
    figures: list[dict[str, Any]] = []
    for each in order:
        for how in (COLD, SECOND, WARMED):
            readings = [one[how] for one in told[each] if how in one]
            if readings:
                row, figure = _of(names[each], each, how, readings)
                rows.append(row)
                figures.append({**figure, "broken_off": _counted(broken[each])})
    spoke = [each for each in order if all(_whole(told[each], how) for how in (COLD, SECOND))]
    chart = Chart(
        title="First token, p50",
        kind="bars",
        places=[names[each] for each in spoke],
        series={
            how: [summarize(_times(_whole(told[each], how), "first token")).p50 for each in spoke]
            for how in (COLD, SECOND, WARMED)
            if all(_whole(told[each], how) for each in spoke)
        },
        unit="ms",
    )
    heads = ("model", "lot", "runs", *TIMES[:-1], "tokens/s", "sections by the model")
    return Report(
        name="speed",
        title="How fast models write here",
        machine=dict(machines[-1]),
        figures={**{key: plan[key] for key in ("language", "mode", "seed")}, "models": figures},
        tables=[Table("p50 / p95; times in ms", heads, rows)],
        charts=[chart] if spoke else [],
        notes=[*_notes(plan), *_failures(broken)],
    )


def _of(name: str, written: str, how: str, readings: Sequence[Record]) -> tuple[tuple[str, ...], dict[str, Any]]:
    whole = [one for one in readings if one["sections"]]
    times = {each: summarize(values) for each in TIMES if (values := _times(whole, each))}
    sections = [one["sections"] for one in whole]
    cells = [f"{shown(times[each].p50)} / {shown(times[each].p95)}" if each in times else "-" for each in TIMES]
    figure = {
        "model": name,
        "written": written or name,
        "lot": how,
        "runs": len(readings),
        "without_the_model": len(readings) - len(whole),
        "without_causes": _counted([one["error"] for one in readings if not one["sections"]]),
        "sections_from_model": sections,
        **{each.replace(" ", "_"): found.as_dict() for each, found in times.items()},
    }
    return (name, how, str(len(readings)), *cells, f"{sum(sections)} of {7 * len(readings)}"), figure


def _whole(told: Sequence[Record], how: str) -> list[Record]:
    """Readings that ended, with at least one section by the model."""
    return [one[how] for one in told if how in one and one[how]["sections"]]


def _times(readings: Sequence[Record], name: str) -> list[float]:
    return [float(one["times"][name]) for one in readings if one["times"].get(name) is not None]


def _counted(causes: Sequence[str]) -> list[dict[str, Any]]:
    return [{"cause": cause, "count": count} for cause, count in Counter(causes).most_common()]


def _notes(plan: Mapping[str, Any]) -> list[str]:
    return [
        f"Readings in {plan['language']}, {plan['mode']} mode, one at a time, models in turn in an order drawn for "
        f"each run (seed {plan['seed']}). Second asker: the same lot, another question, next. Warmed: another lot, "
        "opened and read by the model before it is asked about.",
        "Readings the model gave no section of are counted and not timed.",
    ]


def _failures(broken: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{written or 'The model in use'}: {one['count']} runs broke off and are not in the figures: {one['cause']}"
        for written, causes in broken.items()
        for one in _counted(causes)
    ]

"""Makes docs/reports/benchmarks.md of what `make bench` measured: the goals first, then every table.

Usage: python tools/make_results_page.py FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "reports" / "benchmarks.md"
PARTS = ("paced/overhead", "fast/overhead", "filled", "replay", "scenarios", "streams20/load", "streams2/load", "speed")
HEADS = {
    "paced/overhead": "One reading at a time, a model of 500 ms and 100 tokens a second",
    "fast/overhead": "A model of 20 ms and 2,000 tokens a second",
    "streams20/load": "Event streams, 20 frames a second",
    "streams2/load": "Event streams, 2 frames a second",
}
Figures = dict[str, Any]


def main() -> int:
    """Write the page; a benchmark that was not run is left out and named."""
    folder = Path(sys.argv[1])
    found = {name: json.loads(file.read_text("utf-8")) for name in PARTS if (file := folder / f"{name}.json").is_file()}
    if not found:
        print(f"{folder} holds no reports: run `make bench`.", file=sys.stderr)
        return 1
    lines = [
        "# What the service costs and carries",
        "",
        "Made by `make bench`; the figures belong to the machine and the day named at each. What paid and what",
        "did not is in [What was tried](tried.md).",
        "",
        "## Goals",
        "",
        "The older system's figures are measured on a machine like this one, with the same paced stand-in model.",
        "",
        "| figure | older system | to reach | measured |",
        "|---|---|---|---|",
        *(f"| {what} | {older} | {goal} | {_told(read, found)} |" for what, older, goal, read in GOALS),
        "",
    ]
    for name in PARTS:
        if name not in found:
            lines += [f"*{name} was not run.*", ""]
            continue
        text = (folder / f"{name}.md").read_text("utf-8").splitlines()
        lines += [f"## {HEADS[name]}" if at == 0 and name in HEADS else line for at, line in enumerate(text)]
        lines.append("")
    PAGE.write_text("\n".join(line for line in lines if not line.startswith("![")).rstrip() + "\n", encoding="utf-8")
    print(f"Written: {PAGE}")
    return 0


def _told(read: Callable[[dict[str, Figures]], str], found: dict[str, Figures]) -> str:
    try:
        return read(found)
    except (KeyError, IndexError, StopIteration, TypeError):
        return "not measured"


def _series(figures: Figures, at_once: int, question: str) -> Figures:
    return next(one for one in figures["series"] if (one["at_once"], one["question"]) == (at_once, question))


def _cost(question: str) -> Callable[[dict[str, Figures]], str]:
    def read(found: dict[str, Figures]) -> str:
        cost = _series(found["paced/overhead"], 1, question)["cost_ms"]
        return f"{cost['p50']:.1f} / {cost['p99']:.1f} ms"

    return read


def _path(step: str, question: str, *percentiles: str) -> Callable[[dict[str, Figures]], str]:
    def read(found: dict[str, Figures]) -> str:
        told = _series(found["paced/overhead"], 1, question)["path_ms"][step]
        return " / ".join(f"{told[one]:.1f}" for one in percentiles) + " ms"

    return read


def _both(step: str) -> Callable[[dict[str, Figures]], str]:
    def read(found: dict[str, Figures]) -> str:
        known, new = (_series(found["paced/overhead"], 1, kind)["path_ms"][step]["p50"] for kind in ("known", "new"))
        return f"{known:.1f} / {new:.1f} ms"

    return read


def _crowd(found: dict[str, Figures]) -> str:
    known, new = (_series(found["fast/overhead"], 200, kind) for kind in ("known", "new"))
    failed = known["failed"] + new["failed"]
    return f"{known['readings_per_second']:.0f} / {new['readings_per_second']:.0f}, {failed or 'none'} failed"


def _streams(part: str, clients: int) -> Callable[[dict[str, Figures]], str]:
    def read(found: dict[str, Figures]) -> str:
        one = next(load for load in found[part]["loads"] if load["clients"] == clients)
        return f"{one['delay_ms']['p95']:.1f} ms, {one['errors'] or 'no'} errors"

    return read


def _memory(found: dict[str, Figures]) -> str:
    after_start = sum(found["paced/overhead"]["memory_mib"].values())
    stream = next(load for load in found["streams20/load"]["loads"])["kib_a_client"]
    return f"{after_start * 1.048576:.0f} MB / {stream * 1.024:.0f} kB"


def _repeat(found: dict[str, Figures]) -> str:
    return f"{found['paced/overhead']['repeat_ms']['p95']:.1f} ms"


def _repeat_in_a_crowd(found: dict[str, Figures]) -> str:
    return f"{found['replay']['hit_ms']['p95']:.1f} ms"


def _filled(found: dict[str, Figures]) -> str:
    steps = found["filled"]["steps"]
    step = max(steps, key=lambda name: steps[name]["ratios"][0])
    same, large = steps["outside the model's own call"]["ratios"]
    most = f"the most, {step}: {steps[step]['ratios'][0] - 1:+.0%}"
    return f"cost {same - 1:+.0%}; {most}; a lot of the 10,000, found by characters: {large - 1:+.0%}"


AT_THE_MODEL, PICK_UP = "POST sent to request at the model", "accepted to started"
LOT, FIRST = "POST sent to lot at the client", "a section's first text left the model to its being at the client"
GOALS: tuple[tuple[str, str, str, Callable[[dict[str, Figures]], str]], ...] = (
    ("cost outside the model, one at a time, embedding known, p50 / p99", "850 ms", "8 / 20 ms", _cost("known")),
    ("the same with a new question of up to 60 characters, real embedder", "1,160 ms", "25 / 50 ms", _cost("new")),
    (
        "POST sent to request at the model, p50: embedding known / new",
        "730 / 1,040 ms",
        "6 / 22 ms",
        _both(AT_THE_MODEL),
    ),
    (
        "pick-up: accepted to started, p50 / p99, idle",
        "0-2 s by polling",
        "2 / 10 ms",
        _path(PICK_UP, "known", "p50", "p99"),
    ),
    (
        "a section's first text at the client after its first token left the model, p50",
        "770-1,080 ms",
        "5 ms",
        _path(FIRST, "known", "p50"),
    ),
    ("lot and commentary at the client after POST, p50", "at the end", "10 ms", _path(LOT, "known", "p50")),
    ("exact repeat, whole reading, p95", "never kept, 4,060 ms", "10 ms", _repeat),
    ("the same, eight askers at once", "-", "-", _repeat_in_a_crowd),
    (
        "readings a second, 200 askers at once, fast model, 64 slots: known / new",
        "0.79, 42 % failed",
        "150 / 30, none failed",
        _crowd,
    ),
    ("1,000 event streams at 20 frames a second: frame delay p95", "-", "5 ms, none", _streams("streams20/load", 1000)),
    ("2,000 at 20", "-", "20 ms", _streams("streams20/load", 2000)),
    ("5,000 at 2", "-", "120 ms", _streams("streams2/load", 5000)),
    (
        "memory after the start with embedder and index / each further open stream",
        "458 MB / a database connection",
        "250 MB / 30 kB",
        _memory,
    ),
    ("p50 of the latencies with 1,000,000 old tasks and 10,000 lots more", "-", "within 25 %", _filled),
)


if __name__ == "__main__":
    sys.exit(main())

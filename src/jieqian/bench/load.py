"""`bench load`: so many event streams at once, and how long each frame takes from the model to every client."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from jieqian.bench.asking import asking
from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.pacing import Pace
from jieqian.bench.program import Running, service
from jieqian.bench.report import Report, Table
from jieqian.bench.streams import StreamReader, open_stream
from jieqian.errors import UsageError
from jieqian.testing.wire_process import wire_server

#: Readings the streams are spread over: a thousand readings at once would measure the model's side.
READINGS = 10
_FIRST_TOKEN_MS = 3000.0
_AT_ONCE = 100
_MORE_FILES = 500

Advance = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True)
class Load:
    """So many streams at so many frames a second, for about so many seconds."""

    clients: int
    frames_per_second: float = 20.0
    seconds: float = 15.0


@dataclass(slots=True)
class _Found:
    load: Load
    delays_ms: list[float]
    frames: int
    errors: int
    kib_a_client: float | None
    cpu_percent: float
    connect_seconds: float


async def measure(loads: Sequence[Load], advance: Advance) -> Report:
    """Each load in turn, each with a service of its own. Raises `UsageError` where files may not be opened."""
    machine = await asyncio.to_thread(describe_machine)
    allow_files(max(load.clients for load in loads) + _MORE_FILES)
    found = []
    for done, load in enumerate(loads):
        advance(done, len(loads), f"{load.clients} streams at {load.frames_per_second:g} frames a second")
        found.append(await _measure_load(load))
    advance(len(loads), len(loads), None)
    return _report(machine, found)


def allow_files(wanted: int) -> None:
    """Let this process and its children open so many files. Raises `UsageError` where the system does not."""
    with suppress(ImportError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            if hard != resource.RLIM_INFINITY and hard < wanted:
                raise UsageError(f"{wanted} files have to be open at once, and {hard} may be: raise `ulimit -Hn`.")
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _measure_load(load: Load) -> _Found:
    tokens = round(load.frames_per_second * load.seconds)
    pace = Pace(_FIRST_TOKEN_MS + load.clients * 2, load.frames_per_second, tokens)
    settings = {"LLM_PROVIDER": "ollama", "WORKERS": str(READINGS), "EMBEDDER": "lexical", "MEASURE_MODELS": "false"}
    with wire_server("ollama") as model, service({**settings, "LLM_BASE_URL": model.url}) as running:
        await model.script(default=pace.behaviour(note_pieces=True))
        async with asking(running.url) as http:
            cookie = "; ".join(f"{each.key}={each.value}" for each in http.cookie_jar)
            paths = [await _begin(http, number) for number in range(READINGS)]
            before = running.memory_mib().get("service")
            loop = asyncio.get_running_loop()
            begun = loop.time()
            readers, errors = await _connect(running, paths, cookie, load.clients)
            connected = loop.time() - begun
            after, cpu_before = running.memory_mib().get("service"), running.cpu_seconds()
            spanned = loop.time()
            await _wait_for(readers, load.seconds * 4 + 60)
            cpu = (running.cpu_seconds() - cpu_before) / (loop.time() - spanned)
        calls = await model.seen_ended(READINGS, seconds=30)
    delays, frames, broken = _delays(readers, calls)
    memory = None if before is None or after is None else (after - before) * 1024 / load.clients
    return _Found(load, delays, frames, errors + broken, memory, cpu * 100, connected)


async def _begin(http: aiohttp.ClientSession, number: int) -> str:
    body = {"collection": "yuelao", "lot": number + 1, "question": f"第{number}問：她還會回信給我嗎？", "fresh": True}
    async with http.post("/api/v1/tasks", json=body) as answer:
        return str((await answer.json())["events_url"])


async def _connect(
    running: Running, paths: Sequence[str], cookie: str, clients: int
) -> tuple[list[tuple[int, StreamReader]], int]:
    """Open the streams, some at a time; those that could not be opened are counted."""
    room = asyncio.Semaphore(_AT_ONCE)
    errors = 0

    async def connect(number: int) -> tuple[int, StreamReader] | None:
        nonlocal errors
        reading = number % len(paths)
        try:
            async with room:
                reader = await open_stream(running.url, paths[reading], cookie)
                await reader.begun.wait()
        except OSError:
            errors += 1
            return None
        return reading, reader

    found = await asyncio.gather(*(connect(number) for number in range(clients)))
    return [one for one in found if one is not None], errors


async def _wait_for(readers: Sequence[tuple[int, StreamReader]], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(reader.closed.wait() for _, reader in readers))
    for _, reader in readers:
        reader.close()


def _delays(
    readers: Sequence[tuple[int, StreamReader]], calls: Sequence[dict[str, Any]]
) -> tuple[list[float], int, int]:
    """Milliseconds from each frame's last letter leaving the model to its arrival, and how many streams were broken."""
    by_lot = {_lot_of(call): _sent_by_letter(call) for call in calls}
    delays: list[float] = []
    frames = broken = 0
    for reading, reader in readers:
        letters: dict[str, int] = {}
        sent = by_lot[reading + 1]
        if reader.status != 200:
            broken += 1
            continue
        for frame in reader.frames():
            section, text = frame.data["section"], frame.data["text"]
            place = letters[section] = letters.get(section, 0) + len(text)
            frames += 1
            times = sent.get(section)
            if times and place <= len(times):
                delays.append((frame.at - times[place - 1]) * 1000)
        broken += not frames or sum(1 for _ in reader.frames("completed")) != 1
    return delays, frames, broken


def _lot_of(call: dict[str, Any]) -> int:
    prefix = call["body"]["messages"][0]["content"]
    return int(prefix.partition('number="')[2].partition('"')[0])


def _sent_by_letter(call: dict[str, Any]) -> dict[str, list[float]]:
    """For each section but the first (which the service puts together) when each of its letters left the model."""
    text = "".join(call["pieces"])
    when = list(
        itertools.chain.from_iterable(
            itertools.repeat(at, len(piece)) for piece, at in zip(call["pieces"], call["sent_at"], strict=True)
        )
    )
    found = {}
    for name in ("overall_development", "positive_factors", "challenges", "suggested_actions", "supplementary_notes"):
        mark = f'"{name}": "'
        start = text.find(mark) + len(mark)
        end = text.find('"', start)
        if start >= len(mark) and end > start:
            found[name] = when[start:end]
    return found


def _report(machine: dict[str, Any], found: Sequence[_Found]) -> Report:
    rows, figures = [], []
    for one in found:
        delay = summarize(one.delays_ms) if one.delays_ms else None
        cells = [shown(value) for value in (delay.p50, delay.p95, delay.p99, delay.most)] if delay else ["-"] * 4
        memory = "unknown" if one.kib_a_client is None else f"{one.kib_a_client:.0f}"
        rows.append(
            (
                f"{one.load.clients:,}",
                f"{one.load.frames_per_second:g}",
                f"{one.frames:,}",
                *cells,
                str(one.errors),
                memory,
                f"{one.cpu_percent:.0f}",
            )
        )
        figures.append(
            {
                "clients": one.load.clients,
                "frames_per_second": one.load.frames_per_second,
                "frames": one.frames,
                "delay_ms": delay.as_dict() if delay else None,
                "errors": one.errors,
                "kib_a_client": one.kib_a_client,
                "service_cpu_percent": round(one.cpu_percent, 1),
                "connect_seconds": round(one.connect_seconds, 2),
            }
        )
    heads = ("streams", "frames/s each", "frames", "delay p50", "p95", "p99", "most", "errors", "KiB a stream", "CPU %")
    drawn = [one for one in found if one.delays_ms]
    summaries = [summarize(one.delays_ms) for one in drawn]
    chart = Chart(
        title="From the model to every client",
        kind="bars",
        places=[f"{one.load.clients:,} at {one.load.frames_per_second:g}/s" for one in drawn],
        series={name: [getattr(each, name) for each in summaries] for name in ("p50", "p95", "p99")},
        unit="ms",
        across="streams",
        logarithmic=True,
    )
    return Report(
        name="load",
        title="Event streams at once",
        machine=machine,
        figures={"readings": READINGS, "loads": figures},
        tables=[Table("Frame delay, ms", heads, rows)],
        charts=[chart] if drawn else [],
        notes=[
            f"The streams watch {READINGS} readings; the delay is from a frame's last letter leaving the stand-in "
            "model to its arrival, the service's frame of 30 ms in it. Model, service and clients share the machine.",
            "KiB a stream: resident memory of the service after the streams were opened, less before.",
        ],
    )

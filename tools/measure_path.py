"""Measure the service's own part of a reading, against a paced model server in another process.

    python tools/measure_path.py [--runs 10] [--first-token-ms 500] [--tokens-per-second 100] [--tokens 300]

Prints medians in milliseconds: what lies between the request and the model's request, when the lot can be read, what
lies between a section's first token leaving the model and its text arriving, and the cost outside the model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from jieqian.testing.wire_process import WireProcess, wire_server

QUESTIONS = ("她還會回信給我嗎？", "今年適合換工作嗎？", "我們能和好嗎？", "該不該搬到別的城市？", "考試會順利嗎？")


async def one_reading(http: aiohttp.ClientSession, base: str, model: WireProcess, place: int) -> dict[str, float]:
    """One reading's times in milliseconds."""
    body = {"collection": "yuelao", "lot": place % 20 + 1, "question": QUESTIONS[place % len(QUESTIONS)]}
    posted = time.monotonic()
    async with http.post(f"{base}/api/v1/tasks", json=body) as answer:
        task = await answer.json()
    accepted = time.monotonic()
    seen: dict[str, float] = {}
    async with http.get(base + task["events_url"]) as stream:
        async for raw in stream.content:
            if raw.startswith(b"event: "):
                seen.setdefault(raw[7:].strip().decode(), time.monotonic())
    ended = time.monotonic()
    request = (await model.seen())[-1]
    return {
        "POST sent to 202": (accepted - posted) * 1000,
        "POST sent to request at the model": (request["arrived"] - posted) * 1000,
        "POST sent to lot at the client": (seen["lot"] - posted) * 1000,
        "first token left the model to first section text": (seen["section_delta"] - request["first_piece"]) * 1000,
        "model's last byte to last event": (seen["completed"] - request["ended"]) * 1000,
        "cost outside the model": (ended - posted - (request["ended"] - request["arrived"])) * 1000,
        "whole reading": (ended - posted) * 1000,
    }


async def measure(base: str, model: WireProcess, options: argparse.Namespace) -> list[dict[str, float]]:
    """All runs, one after another."""
    default: dict[str, Any] = {
        "first_token_ms": options.first_token_ms,
        "tokens_per_second": options.tokens_per_second,
        "tokens": options.tokens,
    }
    await model.script(default=default)
    jar = aiohttp.CookieJar(unsafe=True)  # aiohttp keeps no cookies of bare addresses otherwise
    async with aiohttp.ClientSession(cookie_jar=jar, raise_for_status=True) as http:
        await one_reading(http, base, model, 0)  # warms connections and code, not counted
        return [await one_reading(http, base, model, place) for place in range(1, options.runs + 1)]


def main() -> None:
    """Run the service and the stand-in, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--first-token-ms", type=float, default=500)
    parser.add_argument("--tokens-per-second", type=float, default=100)
    parser.add_argument("--tokens", type=int, default=300)
    options = parser.parse_args()
    with wire_server("ollama") as model, tempfile.TemporaryDirectory() as folder:
        settings = {"JIEQIAN_DATA_DIR": folder, "JIEQIAN_LLM_BASE_URL": model.url, "JIEQIAN_RATE_LIMIT_PER_MINUTE": "0"}
        begun = time.monotonic()
        command = [sys.executable, "-m", "jieqian", "serve", "--port", "0"]
        with subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as service:
            assert service.stdout is not None
            found = re.search(r"http://\S+", service.stdout.readline())
            assert found, "the service did not start"
            started = time.monotonic() - begun
            try:
                runs = asyncio.run(measure(found[0], model, options))
                memory = _resident_mib(service.pid)
            finally:
                service.terminate()
    rows = {name: sorted(run[name] for run in runs) for name in runs[0]}
    print(f"{options.runs} runs, one at a time; milliseconds\n\n| figure | median | least | most |\n|---|---|---|---|")
    for name, values in rows.items():
        print(f"| {name} | {median(values):.1f} | {values[0]:.1f} | {values[-1]:.1f} |")
    print(f"\nstart-up {started:.2f} s; resident memory after the runs {memory} MiB")
    print(json.dumps({"options": vars(options), "runs": runs}), file=sys.stderr)


def _resident_mib(pid: int) -> int | None:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():  # no /proc outside Linux
        return None
    return int(re.findall(r"VmRSS:\s+(\d+)", status.read_text())[0]) // 1024


if __name__ == "__main__":
    main()

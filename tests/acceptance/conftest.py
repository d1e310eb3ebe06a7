"""Starts programs and model servers; ends just those."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from program import ModelServer, Program

from jieqian.testing.wire_process import wire_server


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> None:
    """A shell that runs the tests in the background lets them ignore it, and so every program that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start the program with settings; all are ended after the test."""
    programs: list[Program] = []

    def start_one(folder: str = "data", *, around: Mapping[str, str] | None = None, **settings: str) -> Program:
        # Most tests ask the same again and count the model's calls: kept answers and measuring are asked for too.
        # Six collections cost each start another; two are enough for most.
        usual = {"cache_entries": "0", "measure_models": "false", "collections": "guanyin,yuelao"}
        program = Program(tmp_path / folder, **{**usual, **settings})
        program.around.update(around or {})
        programs.append(program)
        return program.start()

    yield start_one
    for program in programs:
        program.kill()


@pytest.fixture(scope="module")
def ollama() -> Iterator[ModelServer]:
    """A server that speaks Ollama's API, in a process of its own."""
    with wire_server("ollama") as wire:
        yield ModelServer(wire)


@pytest.fixture
def say(record_property: Callable[[str, Any], None]) -> Callable[[str], None]:
    """Reports what was measured: in the test's output (`-rP`) and in the report file."""

    def say_it(told: str) -> None:
        sys.stdout.write(f"{told}\n")
        record_property("told", told)

    return say_it

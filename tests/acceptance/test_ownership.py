"""One process owns a data folder: while it lives, while it sleeps, and not a moment longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lasting import Watcher, check_whole
from program import Program, wait_until

Start = Callable[..., Program]
RACES = 10


def try_second(program: Program) -> subprocess.CompletedProcess[str]:
    """Another `serve` over the same folder."""
    return subprocess.run(
        [sys.executable, "-m", "jieqian", "serve", "--port", "0"],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_is_refused_and_told_who_has_it_until_the_first_is_gone(start: Start) -> None:
    program = start(llm_provider="commentary")
    client = program.client()
    watcher = Watcher(client, client.ask(question="會順利嗎？"))
    watcher.join()
    owner = program.pid
    for state in ("awake", "its lock's file removed", "asleep"):
        if state == "asleep":
            os.kill(owner, signal.SIGSTOP)
        elif state != "awake":
            (program.data_dir / "jieqian.lock").unlink()
        second = try_second(program)
        assert second.returncode == 1
        assert len(second.stderr.strip().splitlines()) == 1, second.stderr
        assert f"({owner})" in second.stderr
        assert second.stdout == ""
    os.kill(owner, signal.SIGCONT)
    assert client.call("GET", "/readyz").status == 200, "what was refused has touched nothing"
    program.kill()
    program.start()  # no lock is left behind
    check_whole(watcher)


def test_one_database_in_another_place_has_one_owner_too(start: Start, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    program = start(llm_provider="commentary", database_url=url)
    second = Program(tmp_path / "other", llm_provider="commentary", database_url=url)
    refused = try_second(second)
    assert refused.returncode == 1
    assert "Another jieqian process uses the database" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    program.kill()
    second.start()
    second.kill()


@pytest.mark.timeout(300)
def test_of_two_started_in_the_same_instant_exactly_one_wins(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for race in range(RACES):
        both = [Program(data, llm_provider="commentary") for _ in range(2)]
        for number, program in enumerate(both):
            program.log = tmp_path / f"{race}-{number}.log"
            program.launch()
        said = [
            str(program.process and program.process.stdout and program.process.stdout.readline()) for program in both
        ]
        won = [program for program, line in zip(both, said, strict=True) if "http://" in line]
        lost = next(program for program in both if program not in won)
        assert len(won) == 1, said
        assert lost.process is not None
        wait_until(lambda lost=lost: lost.process.poll() is not None)
        assert lost.process.returncode == 1
        refused = lost.log.read_text()
        assert "Another jieqian process" in refused
        assert "Traceback" not in refused
        for program in both:
            program.kill()

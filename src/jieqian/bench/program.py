"""The service as a process of its own, with data of its own, for the length of a benchmark."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jieqian.env_file import PREFIX
from jieqian.errors import UsageError

_END_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs: its address, its process, its data, its operator's token, and how long its start took."""

    url: str
    pid: int
    data_dir: Path
    token: str
    start_seconds: float

    def memory_mib(self) -> dict[str, float]:
        """Resident memory of the service and of each of its child processes, in MiB; empty outside Linux."""
        found = {}
        for pid in (self.pid, *_children(self.pid)):
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            except OSError:
                continue
            name = "service" if pid == self.pid else command[2] if command[1:2] == ["-m"] else command[0]
            found[name] = round(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024, 1)
        return found

    def cpu_seconds(self) -> float:
        """Processor time the service itself has used."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(
    settings: Mapping[str, str], *, data_dir: Path | None = None, source: Path | None = None, alone: bool = False
) -> Iterator[Running]:
    """Run `jieqian serve` with these settings (names without the prefix) over the caller's own environment.

    Its data lies in a folder that is thrown away, unless `data_dir` names one. `source`: the `src` folder of another
    state of the program to run in place of this one. `alone`: neither settings of the environment nor an `.env` are
    read. Raises `UsageError` where it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="jieqian-bench-") as folder:
        data = data_dir or Path(folder) / "data"
        token = secrets.token_hex(16)
        # Asked about are collections of the package and made ones, whichever the caller offers.
        own = {"COLLECTIONS": "", **settings, "DATA_DIR": str(data), "ADMIN_TOKEN": token, "RATE_LIMIT_PER_MINUTE": "0"}
        around = _without_settings(os.environ) if alone else os.environ
        environment = {**around, **{f"JIEQIAN_{name}": value for name, value in own.items()}}
        if source is not None:
            environment["PYTHONPATH"] = str(source.resolve())
        program = ["jieqian.bench.served"] if source is None else ["jieqian", "serve"]
        begun = time.monotonic()
        with (Path(folder) / "log").open("w+", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *program, "--port", "0"],
                env=environment,
                cwd=folder if alone else None,  # where there is no `.env`
                stdin=subprocess.PIPE,  # which ends it where we are killed
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            try:
                assert process.stdout is not None
                found = re.search(r"http://\S+", process.stdout.readline())
                if found is None:
                    log.seek(0)
                    said = (log.read().strip().splitlines() or ["it said nothing"])[-1]
                    raise UsageError(f"The service did not start: {said}")
                yield Running(found[0], process.pid, data, token, time.monotonic() - begun)
            finally:
                process.terminate()
                try:
                    process.wait(_END_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith(PREFIX) and name != "LLM_MODEL"}
    if "PYTHONPATH" in kept:  # a relative one means something else from another folder
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(each).resolve()) for each in kept["PYTHONPATH"].split(os.pathsep))
    return kept


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in listed for child in file.read_text(encoding="ascii").split()]

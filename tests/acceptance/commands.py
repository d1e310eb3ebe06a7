"""Commands of the real program, run as a person or a script runs them."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND_SECONDS = 60


@dataclass(frozen=True)
class Commands:
    """Runs `jieqian ARGUMENTS` in an empty folder."""

    folder: Path
    settings: Mapping[str, str]

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def environment(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("JIEQIAN_", "LLM_"))}
        own = {f"JIEQIAN_{name.upper()}": value for name, value in self.settings.items()}
        return {
            **clean,
            "JIEQIAN_DATA_DIR": str(self.data_dir),
            "LANG": "C.UTF-8",
            "JIEQIAN_EMBEDDER": "lexical",
            "JIEQIAN_COLLECTIONS": "guanyin,yuelao",  # the others cost each command a moment
            **own,
            **more,
        }

    def __call__(self, *arguments: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, everything piped."""
        return subprocess.run(
            [sys.executable, "-m", "jieqian", *arguments],
            cwd=self.folder,
            env=self.environment(**more),
            input=given,
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_SECONDS,
            check=False,
        )

    @contextmanager
    def begun(self, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
        """Run it beside the test; it is ended with the block."""
        command = [sys.executable, "-m", "jieqian", *arguments]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def on_a_terminal(
        self, *arguments: str, answers: Mapping[str, str] | None = None, columns: int = 80, **more: str
    ) -> Seen:
        """Run it on a terminal of its own; when a text of `answers` is shown, its answer is typed (^C too)."""
        return _on_a_terminal(
            [sys.executable, "-m", "jieqian", *arguments],
            self.folder,
            self.environment(**{"TERM": "xterm-256color", "COLUMNS": str(columns), **more}),
            dict(answers or {}),
        )


@dataclass(frozen=True)
class Seen:
    """All a terminal was sent, and how the command ended."""

    raw: str
    status: int

    @property
    def lines(self) -> list[str]:
        """What stands on the screen in the end: drawn-over parts of lines left out, and colours."""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw)
        return [_drawn_over(line) for line in plain.replace("\r\n", "\n").split("\n")]


def _drawn_over(line: str) -> str:
    screen: list[str] = []
    for part in line.split("\r"):
        screen[: len(part)] = part
    return "".join(screen).rstrip()


def _on_a_terminal(command: list[str], folder: Path, environment: dict[str, str], answers: dict[str, str]) -> Seen:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, preexec_fn=_own_terminal(slave)
    )
    os.close(slave)
    shown = b""
    until = time.monotonic() + COMMAND_SECONDS
    try:
        while time.monotonic() < until:
            if not select.select([master], [], [], 0.2)[0]:
                continue
            try:
                chunk = os.read(master, 65536)
            except OSError:  # Linux' way to say that the other end was closed
                break
            if not chunk:
                break
            shown += chunk
            for text in [text for text in answers if text in shown.decode("utf-8", "ignore")]:
                os.write(master, answers.pop(text).encode())
        return Seen(shown.decode("utf-8", "replace"), process.wait(timeout=20))
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _own_terminal(slave: int) -> Callable[[], None]:
    def take() -> None:
        os.setsid()
        os.login_tty(slave)

    return take

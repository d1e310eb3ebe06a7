"""A terminal that keeps what it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO, cast

import pytest


class Terminal:
    """A standard stream that is a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.shown = ""

    def write(self, text: str) -> int:
        self.shown += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


@contextmanager
def a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, term: str = "xterm") -> Iterator[Terminal]:
    """stdout and stderr are one terminal of so many columns."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = Terminal()
    with redirect_stdout(cast("TextIO", shown)), redirect_stderr(cast("TextIO", shown)):
        yield shown

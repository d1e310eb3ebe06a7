"""Notices when something blocks the event loop: a thread asks it for a sign of life, and looks where it stands."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

#: Where loops run their callbacks: module and function. uvloop's own frames are C and not seen; these stand below them.
_LOOP_MODULES = ("asyncio.base_events", "asyncio.runners", "uvloop")
_LOOP_FUNCTIONS = ("_run_once", "run_forever", "run_until_complete", "run")


@dataclass(frozen=True, slots=True)
class Block:
    """The loop gave no sign for `ms` milliseconds, so far; `stack` is where its thread stood then."""

    ms: float
    stack: str


class LoopWatch:
    """A running watch; `stop` ends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_ms: float, on_block: Callable[[Block], None]) -> None:
        self._loop = loop
        self._limit = limit_ms / 1000
        self._on_block = on_block
        self._thread_id: int | None = None
        self._native_id: int | None = None
        if _runs_here(loop):  # else its first sign tells
            self._thread_id, self._native_id = threading.get_ident(), threading.get_native_id()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch. Waits for its thread, at most as long as the limit."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._limit / 4) and not self._loop.is_closed():
            if not self._loop.is_running():  # between two runs; its thread may do what it likes
                continue
            sign = threading.Event()
            asked, in_line = time.monotonic(), seconds_in_line(self._native_id)
            try:
                self._loop.call_soon_threadsafe(self._answer, sign)
            except RuntimeError:  # closed meanwhile
                return
            rest = self._limit
            while rest > 0 and not sign.wait(max(rest, 0.01)):
                rest = self._limit - (time.monotonic() - asked) + seconds_in_line(self._native_id) - in_line
            if not sign.is_set():
                self._look(asked)
                while not (sign.wait(self._limit) or self._stopped.is_set() or self._loop.is_closed()):
                    pass  # one block is told of once

    def _answer(self, sign: threading.Event) -> None:
        self._thread_id, self._native_id = threading.get_ident(), threading.get_native_id()
        sign.set()

    def _look(self, asked: float) -> None:
        frame = sys._current_frames().get(self._thread_id) if self._thread_id is not None else None
        busy = frame is not None and self._loop.is_running() and not self._stopped.is_set()
        if frame is not None and busy and _in_a_callback(frame):
            stack = "".join(traceback.format_stack(frame))
            self._on_block(Block((time.monotonic() - asked) * 1000, stack))


def watch(loop: asyncio.AbstractEventLoop, limit_ms: float, on_block: Callable[[Block], None]) -> LoopWatch:
    """Call `on_block`, on a thread of its own, each time the loop does not answer within `limit_ms` milliseconds.

    A loop that merely waits is left alone, also on a machine too busy to give it a turn: time in line for a processor
    does not count (where the system tells of it). Costs one callback each quarter of the limit.
    """
    return LoopWatch(loop, limit_ms, on_block)


def seconds_in_line(thread: int | None) -> float:
    """How long a thread of this process, by its native id, was ready to run and had no processor; 0 outside Linux.

    https://docs.kernel.org/scheduler/sched-stats.html, the second figure of schedstat, in nanoseconds.
    """
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _in_a_callback(frame: FrameType) -> bool:
    """Whether the loop runs something just now, and does not wait for work (then it stands in `selectors`, or in C)."""
    at: FrameType | None = frame
    above: list[str] = []
    while at is not None:
        module = at.f_globals.get("__name__", "")
        if module in _LOOP_MODULES and at.f_code.co_name in _LOOP_FUNCTIONS:
            return any(name != "selectors" for name in above)
        above.append(module)
        at = at.f_back
    return False

"""The parent's side of the index's process: one request at a time, each with a limit; whoever hangs is ended."""

from __future__ import annotations

import asyncio
import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from jieqian.errors import IndexFailed

_Asked = tuple[str, asyncio.AbstractEventLoop, asyncio.Future[Any]]


class IndexProcess:
    """`index_child.py` as a subprocess. A daemon thread speaks to it, so that a child that hangs holds up nothing."""

    def __init__(self) -> None:
        self._asked: queue.PriorityQueue[tuple[int, int, _Asked | None]] = queue.PriorityQueue()
        self._count = itertools.count()
        self._process: subprocess.Popen[str] | None = None
        self._ended = False
        #: When it last answered, in monotonic seconds.
        self.answered_at = 0.0
        self._lock = threading.Lock()
        # The thread that starts the child lives as long as it: on Linux the child dies with that thread.
        self._thread = threading.Thread(target=self._exchange, name="jieqian-index", daemon=True)

    async def start(self) -> None:
        """Start the child; does not wait until it is there."""
        await asyncio.to_thread(self._thread.start)

    async def request(self, operation: str, seconds: float, *, urgent: bool = False, **values: Any) -> Any:
        """The child's result, `urgent` ones before others. Raises `IndexFailed`; what comes after `silent` is dropped.

        An answer that nobody waits for any more is not asked for.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._put((json.dumps({"op": operation, **values}), loop, answer), 0 if urgent else 1)
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise IndexFailed("silent", f"the index did not answer within {seconds:g} s") from None

    async def end(self) -> None:
        """End the child, whatever it does."""
        await asyncio.to_thread(self.kill)

    def kill(self) -> None:
        """End the child from any thread."""
        with self._lock:
            self._ended = True
            process = self._process
        if process is not None:
            with suppress(OSError):
                process.kill()
            with suppress(subprocess.TimeoutExpired):  # in the middle of a disk that does not answer
                process.wait(timeout=5)
        self._put(None, 2)

    def _put(self, asked: _Asked | None, rank: int) -> None:
        self._asked.put((rank, next(self._count), asked))

    def _exchange(self) -> None:
        try:
            with self._lock:
                if self._ended:
                    return
                process = self._process = subprocess.Popen(
                    [sys.executable, "-m", "jieqian.retrieval.index_child"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    encoding="utf-8",
                )
        except OSError as error:
            self._refuse_all(f"its process cannot be started: {error}")
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout:
            while (asked := self._asked.get()[2]) is not None:
                line, loop, answer = asked
                if answer.done():  # nobody waits for it any more
                    continue
                try:
                    process.stdin.write(line + "\n")
                    process.stdin.flush()
                    told = process.stdout.readline()
                except (OSError, ValueError):
                    told = ""
                if not told:
                    said = f"its process ended with status {process.wait()}"
                    _settle(loop, answer, IndexFailed("died", said))
                    self._refuse_all(said)
                    break
                self.answered_at = time.monotonic()
                _settle(loop, answer, _result_of(json.loads(told)))
            with suppress(OSError):
                process.stdin.close()
        process.wait()

    def _refuse_all(self, said: str) -> None:
        """Refuse what was asked until the owner ends us: no request may wait for nobody."""
        while (asked := self._asked.get()[2]) is not None:
            _settle(asked[1], asked[2], IndexFailed("died", said))


def _result_of(told: dict[str, Any]) -> Any:
    return IndexFailed(told["failed"], told["said"]) if "failed" in told else told["result"]


def _settle(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], result: Any) -> None:
    def set_it() -> None:
        if answer.done():
            return
        if isinstance(result, IndexFailed):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    with suppress(RuntimeError):  # the loop ended before the answer came
        loop.call_soon_threadsafe(set_it)

"""Pictures drawn by `drawing_child.py`, which is started when one is asked for and ended when none is for a while."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from importlib.util import find_spec
from typing import Any

from jieqian.web.charts import Spec

logger = logging.getLogger(__name__)

#: What `pip install` brings it.
EXTRA = "jieqian[dashboard]"
LIBRARY = "vl_convert"
#: Nobody looked for so long: the process ends, and its memory goes back.
IDLE_SECONDS = 600.0
#: The first drawing takes a second of a processor; one that takes longer than this hangs.
LONGEST_SECONDS = 20.0
#: Drawings kept: a page that is looked at again mostly shows the same.
_MOST_KEPT = 96
#: In place of a key: what only starts the process.
_NOTHING = ""
_CHILD = (sys.executable, "-m", "jieqian.web.drawing_child")


class Drawer:
    """Draws; one request at a time."""

    def __init__(
        self, *, idle_seconds: float = IDLE_SECONDS, command: Sequence[str] = _CHILD, library: str = LIBRARY
    ) -> None:
        #: Whether the library is installed.
        self.can_draw = find_spec(library) is not None
        self._idle_seconds = idle_seconds
        self._command = command
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._closed = False
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    async def draw(self, specs: Sequence[Spec], seconds: float) -> list[str | None]:
        """An SVG element for each; None for what is not drawn within so many seconds, or cannot be.

        What takes longer is drawn all the same, and there when it is asked for again.
        """
        keys = [_key(spec) for spec in specs]
        missing = {key: spec for key, spec in zip(keys, specs, strict=True) if key not in self._kept}
        if missing and self.can_draw:
            await asyncio.wait({self._begin(self._draw_missing(missing))}, timeout=seconds)
        return [self._look_up(key) for key in keys]

    def warm(self) -> None:
        """Have the process started: somebody will look at pictures in a moment."""
        if self.can_draw and not self.running:
            self._begin(self._draw_missing({_NOTHING: {"mark": "point", "data": {"values": []}}}))

    async def close(self) -> None:
        """End the process, whatever it draws; it is not started again."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        if self._idle is not None:
            self._idle.cancel()
        await self._rest()

    async def _rest(self) -> None:
        async with self._turn:
            await asyncio.to_thread(self._end)

    def _look_up(self, key: str) -> str | None:
        svg = self._kept.get(key)
        if svg is not None:
            self._kept.move_to_end(key)
        return svg

    async def _draw_missing(self, missing: dict[str, Spec]) -> None:
        async with self._turn:
            wanted = {key: spec for key, spec in missing.items() if key not in self._kept}
            if not wanted:
                return
            if self._idle is not None:
                self._idle.cancel()
            drawn = await asyncio.to_thread(self._drawn, list(wanted.values()))
            for key, svg in zip(wanted, drawn, strict=True):
                if svg is not None and key != _NOTHING:
                    self._kept[key] = svg
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_seconds, lambda: self._begin(self._rest()))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        under_way = asyncio.create_task(work, name="drawing")
        self._under_way.add(under_way)
        under_way.add_done_callback(self._under_way.discard)
        return under_way

    # -- in a thread

    def _drawn(self, specs: Sequence[Spec]) -> list[str | None]:
        """All at once; one by one where the process ended over them, so that one bad picture is one that is missing."""
        drawn = self._exchange(specs)
        if drawn is None and len(specs) > 1:
            drawn = [(self._exchange([spec]) or [None])[0] for spec in specs]
        return drawn or [None] * len(specs)

    def _exchange(self, specs: Sequence[Spec]) -> list[str | None] | None:
        """None where the process could not be started, ended, or was ended."""
        if self._closed:
            return None
        try:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            limit = threading.Timer(LONGEST_SECONDS, process.kill)
            limit.daemon = True
            limit.start()
            try:
                process.stdin.write(json.dumps(specs) + "\n")
                process.stdin.flush()
                told = process.stdout.readline()
            finally:
                limit.cancel()
        except (OSError, ValueError) as error:
            logger.error("pictures cannot be drawn: %s", error, extra={"action": "drawing_failed"})
            self._end()
            return None
        if not told:
            logger.error("the process that draws has ended", extra={"action": "drawing_failed"})
            self._end()
            return None
        drawn: list[str | None] = json.loads(told)
        return drawn

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process:  # closes the pipes, and waits
                pass


def _key(spec: Spec) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()

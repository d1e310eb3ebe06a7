"""A weak line between the browser and the program: it can be cut, mended, and gone silent without a word."""

from __future__ import annotations

import copy
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from browser.visiting import Site

_PIECE = 65_536


@dataclass(eq=False)
class _Pair:
    """One connection: the browser's end and the program's; `flows` cleared: what comes is kept from either."""

    ends: tuple[socket.socket, socket.socket]
    flows: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        self.flows.set()
        for each in self.ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class WeakLine:
    """Passes bytes on between a port of its own and the program's; `site` is the program as seen through it."""

    def __init__(self, site: Site) -> None:
        self._upstream = site.port
        self._pairs: set[_Pair] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.site = copy.copy(site)
        self.site.url = f"http://127.0.0.1:{self._port}"
        self.mend()

    def cut(self) -> None:
        """End every connection; new ones are refused."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for pair in tuple(self._pairs):
            pair.end()

    def mend(self) -> None:
        """Take connections again."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._run(self._accept, self._listener)

    def fall_silent(self) -> None:
        """Of the connections there are, none ends and none carries anything; new ones do."""
        for pair in tuple(self._pairs):
            pair.flows.clear()

    def close(self) -> None:
        """Leave nothing behind."""
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _run(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            try:
                onward = socket.create_connection(("127.0.0.1", self._upstream), timeout=5)
            except OSError:
                taken.close()
                continue
            onward.settimeout(None)
            pair = _Pair((taken, onward))
            pair.flows.set()
            self._pairs.add(pair)
            self._run(self._carry, pair)

    def _carry(self, pair: _Pair) -> None:
        back = threading.Thread(target=_pass_on, args=(pair, 1, 0), daemon=True)
        back.start()
        _pass_on(pair, 0, 1)
        back.join()
        for each in pair.ends:
            each.close()
        self._pairs.discard(pair)


def _pass_on(pair: _Pair, source: int, sink: int) -> None:
    with suppress(OSError):
        while piece := pair.ends[source].recv(_PIECE):
            pair.flows.wait()
            pair.ends[sink].sendall(piece)
    pair.end()

"""The service for a benchmark: `jieqian serve`, which ends when whoever started it is gone, also by `kill -9`."""

from __future__ import annotations

import os
import signal
import sys
import threading

from jieqian.entry import main


def _end_with_the_starter() -> None:
    while os.read(sys.stdin.fileno(), 1):  # nothing is ever sent: it comes back when the pipe's other end is closed
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    sys.argv = ["jieqian", "serve", *sys.argv[1:]]
    main()

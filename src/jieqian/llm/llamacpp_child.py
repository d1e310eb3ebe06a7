"""The process in which the embedded model lives: `python -m jieqian.llm.llamacpp_child`, started by `llamacpp.py`.

Why a process of its own and not a thread: xllamacpp's `Server(…)` holds the interpreter's lock while it loads (2 s for
135M parameters, 15 s for 1.5B from a cold disk, measured with 2026.10), so every stream would stand still; it puts its
own handlers on SIGINT and SIGTERM in place of ours; and a failed assertion in it ends the process.

It reads one line of JSON from stdin, prints `listening on URL` when the model is loaded, and ends when stdin is closed:
by `close`, or by the death of the parent, however it died.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import NoReturn

_ERRORS_ONLY = 1
_KEEP_PROMPTS_MIB = 512


def main() -> NoReturn:
    """Load, serve, wait for the end of stdin."""
    # Read when the library is loaded. By default a thread that waits for the others spins, on the core that other work
    # keeps them from: two threads on two cores beside a busy loop wrote 1 to 6 tokens/s, and 12 with this.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Imported here: the package is an extra, and only this process needs it.
    from xllamacpp import CommonParams, Server

    settings = json.loads(sys.stdin.readline())
    params = CommonParams()
    params.verbosity = _ERRORS_ONLY
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # Without a key any page open in a browser on this machine could use the server.
    params.api_keys = [settings["key"]]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["context_tokens"] * settings["slots"]
    params.n_threads_http = settings["slots"] + 2
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    params.cache_ram_mib = _KEEP_PROMPTS_MIB
    server = Server(params)
    with suppress(OSError):  # the parent died while we loaded
        sys.stdout.write(f"listening on {server.listening_address}\n")
        sys.stdout.flush()
        sys.stdin.read()
    # There is nothing to save, and taking the server down in order can wait for ever: for its own thread, where that
    # had only just begun (seen when a parent was killed during the load; the model then stayed in memory).
    os._exit(0)


if __name__ == "__main__":
    main()

"""`jieqian serve` and `jieqian worker`."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from typing import Annotated

import typer

from jieqian.errors import UsageError
from jieqian.loading import loading
from jieqian.settings import OURS_ALONE, load_settings


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Web and API only.")] = False,
) -> None:
    """Serve the web pages, the API and the workers in one process.

    Example: jieqian serve --host 0.0.0.0 --port 8000
    """
    if not host.strip():
        raise UsageError("--host is empty. Name an address, as 127.0.0.1, or 0.0.0.0 for all.", usage=True)
    settings = load_settings()
    with loading():
        from jieqian.cli.server import serve_on  # the whole service: what is wrong with the settings is told before

    os.umask(OURS_ALONE)
    listener = _listen(host, port)
    with listener:
        address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        for orderly in (signal.SIGTERM, signal.SIGINT):  # uvicorn sends itself the signal again once all is closed
            signal.signal(orderly, lambda *_: sys.exit(0))
        serve_on(listener, address, settings, with_worker=not no_worker)


def worker() -> None:
    """Run workers alone, for several machines.

    Example: jieqian worker
    """
    if (load_settings().database_url or "sqlite").startswith("sqlite"):
        raise UsageError(
            "Workers of their own need PostgreSQL (JIEQIAN_DATABASE_URL); beside SQLite `jieqian serve` works alone.",
            usage=True,
        )
    raise UsageError(
        "Workers on several machines are not there yet; `jieqian serve` has workers of its own.", usage=True
    )


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started, so that nothing is half-started if it is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    if os.name == "posix":  # on Windows it would let two servers take one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            advice = f"Choose another: --port {port + 1}, or make run PORT={port + 1}."
            raise UsageError(f"Port {port} is in use. {advice}") from error
        raise UsageError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener

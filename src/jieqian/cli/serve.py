"""`jieqian serve` and `jieqian worker`."""

from __future__ import annotations

import errno
import socket
from typing import Annotated

import typer
import uvicorn

from jieqian.api.app import create_app
from jieqian.errors import UsageError
from jieqian.logs import set_up_logging
from jieqian.settings import load_settings
from jieqian.wiring import House, database_url

#: How long open requests may take to end after the streams were closed, in seconds.
GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    """Uvicorn waits for open connections before it tells the application to stop; the event streams must end first."""

    def __init__(self, config: uvicorn.Config, house: House, address: str) -> None:
        super().__init__(config)
        self._house = house
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where the page is, once it is there."""
        await super().startup(sockets)
        if self.started:
            print(f"Jieqian: open {self._address} (stop with Ctrl-C)", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then the rest."""
        self._house.live.close()
        await super().shutdown(sockets)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Web and API only.")] = False,
) -> None:
    """Serve the web pages, the API and the workers in one process.

    Example: jieqian serve --host 0.0.0.0 --port 8000
    """
    settings = load_settings()
    set_up_logging(settings.log_format)
    listener = _listen(host, port)
    with listener:
        house = House(settings)
        config = uvicorn.Config(
            create_app(house, with_worker=not no_worker),
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        _Server(config, house, address).run(sockets=[listener])


def worker() -> None:
    """Run workers alone, for several machines."""
    settings = load_settings()
    if database_url(settings).startswith("sqlite"):
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

"""The running server behind `jieqian serve`."""

from __future__ import annotations

import socket

import uvicorn

from jieqian.api.app import create_app
from jieqian.logs import set_up_logging
from jieqian.settings import Settings
from jieqian.wiring import House

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


def serve_on(listener: socket.socket, address: str, settings: Settings, *, with_worker: bool) -> None:
    """Serve until a signal; raises `UsageError` where the settings or the data folder are of no use."""
    set_up_logging(settings.log_format)
    house = House(settings)
    config = uvicorn.Config(
        create_app(house, with_worker=with_worker),
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config, house, address).run(sockets=[listener])

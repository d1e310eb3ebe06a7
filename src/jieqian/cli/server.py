"""The running server behind `jieqian serve`."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from uvicorn.config import HTTPProtocolType

from jieqian.api.app import create_app
from jieqian.api.transport import Uploads
from jieqian.cli.model_settings import check_model_settings
from jieqian.cli.own_server import GRACE_SECONDS, OrderlyServer
from jieqian.cli.running import write_server_file
from jieqian.keeping.folder import expect_usable
from jieqian.loading import loading
from jieqian.logs import set_up_logging
from jieqian.settings import Settings
from jieqian.wiring import House

#: Longer than nginx (60 s) and browsers keep an idle connection: else they may send into one that is being closed.
KEEP_ALIVE_SECONDS = 75


#: How long one thread holds Python's lock while another waits for it. The writer's and the loop's work comes in pieces
#: of less than Python's 5 ms, and each hands over to the other some ten times a reading.
SWITCH_SECONDS = 0.0005


class _Server(OrderlyServer):
    """Says where the page is."""

    def __init__(self, config: uvicorn.Config, house: House, uploads: Uploads, address: str) -> None:
        super().__init__(config, house, uploads)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where the page is, once it is there."""
        await super().startup(sockets)
        if self.started:
            own = self._address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
            write_server_file(self._house.settings.data_dir, own, self._house.local_token)
            print(f"Jieqian: open {self._address}{self._house.settings.base_path} (stop with Ctrl-C)", flush=True)


def serve_on(listener: socket.socket, address: str, settings: Settings, *, with_worker: bool) -> None:
    """Serve until a signal; raises `UsageError` where the settings or the data folder are of no use."""
    expect_usable(settings.data_dir)
    check_model_settings(settings)
    set_up_logging(settings.log_format)
    sys.setswitchinterval(SWITCH_SECONDS)
    with loading():
        house = House(settings)
        app = create_app(house, with_worker=with_worker)
    config = uvicorn.Config(
        app,
        http=_http_protocol(),
        ws="none",  # there are none, and a protocol handed over would no longer be told of its connection's end
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    _Server(config, house, app.state.uploads, address).run(sockets=[listener])


def _http_protocol() -> type[asyncio.Protocol] | HTTPProtocolType:
    try:
        from jieqian.cli.bounded_http import BoundedHttp
    except ImportError:  # no httptools for this Python; h11 has a bound of its own
        return "h11"
    return BoundedHttp

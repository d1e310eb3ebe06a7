"""The running server behind `jieqian serve`."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn
from uvicorn.config import HTTPProtocolType

from jieqian.api.app import create_app
from jieqian.api.transport import Uploads
from jieqian.cli.own_server import GRACE_SECONDS, OrderlyServer
from jieqian.cli.running import write_server_file
from jieqian.errors import UsageError
from jieqian.fitting import choose, look_at_shelf
from jieqian.keeping.folder import expect_usable
from jieqian.llm.http import server_url
from jieqian.llm.llamacpp import LlamaCppClient
from jieqian.llm.selection import AtHand
from jieqian.loading import loading
from jieqian.logs import set_up_logging
from jieqian.settings import Provider, Settings
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


def check_model_settings(settings: Settings) -> None:
    """Raise `UsageError` for model settings that cannot be meant, before anything is started; asks no server."""
    provider, url, model = settings.llm_provider, settings.llm_base_url, settings.llm_model
    if url is not None:
        server_url(url)
    embedded = url is None and provider in (Provider.AUTO, Provider.LLAMACPP)
    file = Path(model) if embedded and model is not None and model.endswith(".gguf") else None
    if file is not None and not file.is_file():
        raise UsageError(f"LLM_MODEL: there is no model file {file}.")
    open_choice = embedded and provider is Provider.AUTO and model is None
    if (
        file is not None
        or provider is Provider.LLAMACPP
        or (provider is Provider.OPENAI and url is None)
        or (open_choice and _names_a_file(look_at_shelf(settings)))
    ):
        asyncio.run(_try_choice(settings))


def _names_a_file(at_hand: AtHand) -> bool:
    """Whether `jieqian model use` named a file, or what it named cannot be told."""
    return at_hand.fault is not None or (at_hand.picked is not None and at_hand.picked.file is not None)


async def _try_choice(settings: Settings) -> None:
    choice = await choose(settings)
    try:
        if choice.model is None:
            raise UsageError(choice.note)
        if isinstance(choice.client, LlamaCppClient):
            await choice.client.check()
    finally:
        if choice.client is not None:
            await choice.client.close()

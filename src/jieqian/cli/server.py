"""The running server behind `jieqian serve`."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import uvicorn

from jieqian.api.app import create_app
from jieqian.api.transport import Uploads
from jieqian.errors import UsageError
from jieqian.llm.http import server_url
from jieqian.logs import set_up_logging
from jieqian.settings import Provider, Settings
from jieqian.wiring import House, choose

#: How long open requests may take to end after the streams were closed, in seconds.
GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    """Uvicorn waits for open connections before it tells the application to stop; the event streams must end first."""

    def __init__(self, config: uvicorn.Config, house: House, uploads: Uploads, address: str) -> None:
        super().__init__(config)
        self._house = house
        self._uploads = uploads
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where the page is, once it is there."""
        await super().startup(sockets)
        if self.started:
            print(f"Jieqian: open {self._address} (stop with Ctrl-C)", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams and the bodies that are still on their way, then the rest."""
        self._house.live.close()
        self._uploads.close()
        await super().shutdown(sockets)


def serve_on(listener: socket.socket, address: str, settings: Settings, *, with_worker: bool) -> None:
    """Serve until a signal; raises `UsageError` where the settings or the data folder are of no use."""
    check_model_settings(settings)
    set_up_logging(settings.log_format)
    house = House(settings)
    app = create_app(house, with_worker=with_worker)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config, house, app.state.uploads, address).run(sockets=[listener])


def check_model_settings(settings: Settings) -> None:
    """Raise `UsageError` for model settings that cannot be meant, before anything is started; asks no server."""
    provider, url, model = settings.llm_provider, settings.llm_base_url, settings.llm_model
    if url is not None:
        server_url(url)
    embedded = url is None and provider in (Provider.AUTO, Provider.LLAMACPP)
    file = Path(model) if embedded and model is not None and model.endswith(".gguf") else None
    if file is not None and not file.is_file():
        raise UsageError(f"LLM_MODEL: there is no model file {file}.")
    if file is not None or provider is Provider.LLAMACPP or (provider is Provider.OPENAI and url is None):
        asyncio.run(_try_choice(settings))


async def _try_choice(settings: Settings) -> None:
    choice = await choose(settings)
    if choice.client is not None:
        await choice.client.close()
    if choice.model is None:
        raise UsageError(choice.note)

"""A server inside a command: it owns the data folder and serves on a free port of this machine, for the while."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from jieqian.api.app import create_app
from jieqian.api.transport import Uploads
from jieqian.cli.running import Service, remove_server_file, write_server_file
from jieqian.cli.screen import one_line
from jieqian.errors import JieqianError, UsageError
from jieqian.loading import loading
from jieqian.settings import OURS_ALONE, Settings
from jieqian.wiring import House

#: How long open requests may take to end after the streams were closed, in seconds.
GRACE_SECONDS = 5


class OrderlyServer(uvicorn.Server):
    """Uvicorn waits for open connections before it tells the application to stop; the event streams must end first."""

    def __init__(self, config: uvicorn.Config, house: House, uploads: Uploads) -> None:
        super().__init__(config)
        self._house = house
        self._uploads = uploads

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams and the bodies that are still on their way, then the rest."""
        remove_server_file(self._house.settings.data_dir)
        self._house.live.close()
        self._uploads.close()
        await super().shutdown(sockets)


class OwnServer:
    """A server in a thread of this process. Making it becomes the folder's owner; `stop` ends both.

    Raises `DataFolderOwned`, and the `JieqianError` that keeps the service from starting.
    """

    def __init__(self, settings: Settings, works: bool) -> None:
        os.umask(OURS_ALONE)
        quiet_logging()
        with loading():
            house = House(settings)
            app = create_app(house, with_worker=works)
        self._watched = _Lifespan(app)
        config = uvicorn.Config(
            self._watched,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._server = OrderlyServer(config, house, app.state.uploads)
        url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.service = Service(url, house.local_token, own=True, passing=True, works=works)
        self._thread = threading.Thread(target=self._serve, name="own-server")
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)
        if not self._server.started:
            self.stop()
            house.owner.release()
            raise self._failure()
        try:
            write_server_file(settings.data_dir, url, house.local_token, passing=True)
        except OSError:  # a full disk
            self.stop()
            raise

    def stop(self) -> None:
        """End in order."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except SystemExit:  # uvicorn's way to say that the start failed; `_failure` tells why
            return

    def _failure(self) -> JieqianError:
        error = self._watched.error
        if isinstance(error, JieqianError):
            return error
        told = "The service could not be started for this command"
        return UsageError(f"{told}: {error or 'no reason was given'}. `jieqian doctor` says more.")


class _Lifespan:
    """Remembers what kept the application from starting; uvicorn only logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.error: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            self.error = self.error or error if scope["type"] == "lifespan" else self.error
            raise


def quiet_logging() -> None:
    """A command's stderr gets warnings alone, each in one line, with its traceback only under `--debug`."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if "--debug" not in sys.argv:
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what it says, the command says


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if "--debug" in sys.argv:
            return f"jieqian: {super().format(record)}"
        return f"jieqian: {one_line(record.getMessage())}"

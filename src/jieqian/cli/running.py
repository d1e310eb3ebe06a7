"""How commands reach the data: through the server that owns DATA_DIR, or through one they run themselves for the while.

One process owns DATA_DIR. A server that runs writes `server.json` there (its address and a token, for this user alone);
without one, the command becomes the owner, serves itself on a free port of this machine, and ends with its work. So a
command is written once, over the API.

A `server.json` may be left by a process that was killed. It counts only where its pid is that of the folder's owner,
and the server at that address says the same; its token ended with its process, so nobody else can use it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from jieqian.cli.screen import Advance, note
from jieqian.errors import DataFolderOwned, JieqianError, ServiceUnreachable, UsageError
from jieqian.keeping.folder import PID, expect_usable, owners_pid
from jieqian.loading import loading
from jieqian.private_file import write_private
from jieqian.settings import Settings

if TYPE_CHECKING:
    from jieqian.cli.own_server import OwnServer

SERVER_FILE = "server.json"
#: How long the owner of the data folder may take until it can be spoken to: it may just be starting.
OWNER_SECONDS = 20.0
#: How long a command waits for another command that owns the folder for the while.
PASSING_SECONDS = 600.0
_CALL_SECONDS = 60.0
_ASK_SECONDS = 5.0
_POLL_SECONDS = 0.2
#: How many owners in turn may end while one request is made.
_MOST_OWNERS = 10
_BROKEN = (aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Told:
    """What `server.json` says. `passing`: the owner is a command, not `jieqian serve`, and ends with its work."""

    url: str
    token: str
    pid: int
    passing: bool


class Service:
    """The API of a running service, as its operator."""

    def __init__(self, url: str, token: str, *, own: bool = False, passing: bool = False, works: bool = True) -> None:
        self.url = url
        self.own = own
        self.passing = passing
        self.works = works
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None
        self.find_next: Callable[[], Awaitable[Service]] | None = None

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = _CALL_SECONDS,
    ) -> Any:
        """The JSON answered (None where there is none).

        Raises the error the service tells, as `JieqianError`, and `ServiceUnreachable`.
        """
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with await self._sent(method, path, timeout, json=body, headers=headers) as response:
                await _raise_problem(response)
                return json.loads(raw) if (raw := await response.read()) else None
        except (*_BROKEN, ValueError) as error:
            raise self._gone(error) from error

    async def carry_out(
        self, method: str, path: str, advance: Advance, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Have long work done (`api/progress.py`), its steps told to `advance`; answers its result.

        Raises the error the service tells, and `ServiceUnreachable` where it ends before the work does.
        """
        result: dict[str, Any] | None = None
        async with self.stream(method, path, body) as response:
            async for line in response.content:
                try:
                    step = json.loads(line)
                except ValueError as error:  # the server ended in the middle of a line
                    raise self._gone(error) from error
                if "error" in step:
                    raise told_error(step["error"])
                if "result" in step:
                    result = dict(step["result"])
                else:
                    advance(step["done"], step["of"], step["what"])
        if result is None:
            raise ServiceUnreachable("The service ended before its work was done. Run the same command again.")
        return result

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        silence: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response to be read as it comes, without a limit of time but that between two bytes (`silence`)."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CALL_SECONDS, sock_read=silence)
        try:
            async with await self._sent(method, path, timeout, json=body, headers=headers) as response:
                await _raise_problem(response)
                yield response
        except _BROKEN as error:
            raise self._gone(error) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _sent(
        self, method: str, path: str, timeout: aiohttp.ClientTimeout, **more: Any
    ) -> aiohttp.ClientResponse:
        """The response's beginning. A command that owns the folder for the while may end just now, and what it had not
        begun to answer it had not taken: the next owner is asked.
        """
        for _ in range(_MOST_OWNERS):
            try:
                return await self._open().request(method, self.url + path, timeout=timeout, **more)
            except aiohttp.ClientError as error:
                if self.find_next is None or not self.passing or self.own or isinstance(error, TimeoutError):
                    raise
            await self._take_over(await self.find_next())
        raise ServiceUnreachable

    async def _take_over(self, other: Service) -> None:
        """Speak to another owner from now on."""
        await self.close()
        self.url, self.own, self.passing, self.works = other.url, other.own, other.passing, other.works
        self._headers, self._session = other._headers, other._session

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers, read_bufsize=1 << 20)
        return self._session

    def _gone(self, error: Exception) -> ServiceUnreachable:
        why = str(error) or type(error).__name__
        return ServiceUnreachable(f"The service at {self.url} stopped answering ({why}). `jieqian doctor` says more.")


def quoted_id(written: str, lister: str) -> str:
    """An id as one part of a path. Raises `UsageError` for what would be no part, or lead elsewhere."""
    if "/" in written or not written.strip(" ."):
        raise UsageError(f"{written!r} is no id. `{lister}` shows the ids.", usage=True)
    return quote(written, safe="", errors="replace")


def told_error(problem: Mapping[str, Any]) -> JieqianError:
    """The error of a problem document, its `code` and `status` in `extra`."""
    told = str(problem.get("detail") or problem.get("title") or "The service answered with an error.")
    return JieqianError(told, told_code=problem.get("code"), told_status=problem.get("status"))


async def _raise_problem(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    try:
        problem = json.loads(await response.read())
    except ValueError:
        problem = None
    known = problem if isinstance(problem, dict) else {}
    plain = {"detail": f"The service answered with status {response.status}.", "status": response.status}
    raise told_error({**plain, **known})


@asynccontextmanager
async def running_service(
    settings: Settings, *, works: bool = False, may_own: bool = True, wait: float = OWNER_SECONDS
) -> AsyncIterator[Service]:
    """The service over this data folder: the one that runs, or one of our own until the block ends.

    With `works` our own one looks for models and works at readings; a server that runs does as it was started, and
    another command that owns the folder without working is waited for. Without `may_own` only a server of others
    serves. `wait` is how long an owner may take to answer, in seconds.
    Raises `UsageError` where the data folder cannot be used, `ServiceUnreachable` where nobody answers.
    """
    owned: list[OwnServer] = []

    async def find() -> Service:
        found, own = await _find(settings, works=works, may_own=may_own, wait=wait)
        if own is not None:
            owned.append(own)
        return found

    service = await find()
    service.find_next = find
    try:
        yield service
    finally:
        await service.close()
        for own in owned:
            await asyncio.to_thread(own.stop)


async def _find(settings: Settings, *, works: bool, may_own: bool, wait: float) -> tuple[Service, OwnServer | None]:
    """Ask the owner, become the owner, and so on in turn: either may end or begin at any moment."""
    data_dir = settings.data_dir
    await asyncio.to_thread(expect_usable, data_dir)
    until, waits_for_command = time.monotonic() + wait, False
    while True:
        service = await owners_service(data_dir)
        if service is not None and works and service.passing and not service.works:
            await service.close()
            if not waits_for_command:
                note(f"Another command{owners_pid(data_dir)} works on the data; waiting for it to end ...")
                until, waits_for_command = time.monotonic() + PASSING_SECONDS, True
        elif service is not None:
            return service, None
        elif may_own:
            with suppress(DataFolderOwned):
                own = await _become_owner(settings, works)
                return own.service, own
        if time.monotonic() > until:
            raise _nobody_answers(data_dir, may_own)
        await asyncio.sleep(_POLL_SECONDS)


async def _become_owner(settings: Settings, works: bool) -> OwnServer:
    with loading():
        from jieqian.cli.own_server import OwnServer  # loads the whole service, which a running server makes needless

    starting = asyncio.ensure_future(asyncio.to_thread(OwnServer, settings, works))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:  # a thread cannot be cancelled: end in order what it started
        with suppress(JieqianError):
            await asyncio.to_thread((await starting).stop)
        raise


def _nobody_answers(data_dir: Path, may_own: bool) -> JieqianError:
    if not may_own:
        return ServiceUnreachable("The server went away and did not come back. Start it again: jieqian serve")
    return UsageError(
        f"Another jieqian process{owners_pid(data_dir)} owns the data folder {data_dir} and does not answer. "
        "Wait for its work to end, stop it, or set JIEQIAN_DATA_DIR to another."
    )


def write_server_file(data_dir: Path, url: str, token: str, *, passing: bool = False) -> None:
    """Tell the commands of this user where the service is."""
    told = {"url": url, "token": token, "pid": os.getpid(), "passing": passing}
    write_private(data_dir / SERVER_FILE, json.dumps(told))


def remove_server_file(data_dir: Path) -> None:
    """The service ends."""
    with suppress(OSError):
        (data_dir / SERVER_FILE).unlink(missing_ok=True)


def read_server_file(data_dir: Path) -> Told | None:
    """What the owner tells; None where it tells nothing, or where it was told by a process that is not the owner."""
    try:
        told = json.loads((data_dir / SERVER_FILE).read_text(encoding="utf-8"))
        found = Told(str(told["url"]), str(told["token"]), int(told["pid"]), bool(told.get("passing", False)))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.pid == read_pid(data_dir) else None


def read_pid(data_dir: Path) -> int | None:
    """The pid of the folder's last owner, if any."""
    with suppress(OSError, ValueError):
        return int((data_dir / PID).read_text(encoding="ascii"))
    return None


async def owners_service(data_dir: Path) -> Service | None:
    """The API of the process that owns the folder, if it answers now and is who it says."""
    told = await asyncio.to_thread(read_server_file, data_dir)
    if told is None:
        return None
    service = Service(told.url, told.token, passing=told.passing)
    try:
        about = await service.call("GET", "/api/v1/admin/service", seconds=_ASK_SECONDS)
        if about["pid"] == told.pid:
            service.works = bool(about["works"])
            return service
    except (JieqianError, KeyError, TypeError):
        pass
    await service.close()
    return None

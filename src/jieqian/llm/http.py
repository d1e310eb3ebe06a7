"""What all model servers share over HTTP: one session, a stream read by lines, two patiences, errors told by kind."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from jieqian.errors import (
    FirstTokenTimeout,
    ModelBusy,
    ModelCutOff,
    ModelError,
    ModelNotFound,
    ModelRefused,
    ModelStalled,
    ModelUnreachable,
    PromptTooLong,
    UsageError,
)
from jieqian.llm.echo import without_echo
from jieqian.llm.server_text import as_sentence, message_of_bytes, one_line, parse_json

_CONNECT_SECONDS = 10.0
_LONGEST_LINE = 4 * 1024 * 1024
_LONGEST_ERROR = 64 * 1024
_LONGEST_WAIT_DIGITS = 9
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TOO_LONG = re.compile(
    r"context (length|size|window)|exceed_context|maximum context|longer than the context|too many tokens"
)


class ModelHttp:
    """The HTTP side of one model server. The session is made in the running loop at the first call.

    `again_if_lost`: a request whose connection breaks before the first byte of an answer is sent once more.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *, again_if_lost: bool = False) -> None:
        self.url = server_url(base_url)
        self.again_if_lost = again_if_lost
        #: The `Date` of the last whole answer; empty where the server sends none.
        self.date = ""
        self._api_key = api_key
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def shown_url(self) -> str:
        """The base URL without user name and password."""
        return str(self.url.with_user(None)).rstrip("/")

    async def get(self, path: str, *, seconds: float = 10.0) -> Any:
        """The JSON at `path`."""
        return await self._whole("GET", path, None, seconds)

    async def post(self, path: str, body: Mapping[str, Any], *, seconds: float = 10.0) -> Any:
        """The JSON answered to `body`."""
        return await self._whole("POST", path, body, seconds)

    def call(self, path: str, body: Mapping[str, Any], *, first: float, between: float, private: Iterable[str]) -> Call:
        """A streamed call: `async with` it, then take its lines. `private` texts are kept out of error messages."""
        return Call(self, path, body, first=first, between=between, private=tuple(private))

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None) -> aiohttp.ClientResponse:
        """The response's head; raises `ModelUnreachable` where none comes."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        tries_left = 2 if self.again_if_lost else 1
        while True:
            tries_left -= 1
            try:
                return await self._open_session().request(
                    method, self.url.joinpath(*path.strip("/").split("/")), data=data, allow_redirects=False
                )
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                raise ModelUnreachable(f"No model server answers at {self.shown_url}: {_reason(error)}.") from error
            except (aiohttp.ClientError, OSError) as error:
                lost = isinstance(error, aiohttp.ServerDisconnectedError | OSError)
                if not (lost and tries_left):
                    told = f"The model server at {self.shown_url} ended the connection before it answered"
                    raise ModelUnreachable(f"{told}: {_reason(error)}.") from error

    async def words_of(self, response: aiohttp.ClientResponse) -> str:
        """What a response other than 200 says, at most 64 kB of it; the connection is closed."""
        try:
            raw = await response.content.read(_LONGEST_ERROR)
        except (aiohttp.ClientError, OSError):
            raw = b""
        finally:
            response.close()
        return message_of_bytes(raw)

    def kind_of(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        private: Iterable[str] = (),
    ) -> ModelError:
        """The error of our tree for a status and the server's words, trimmed to one line."""
        if self._api_key:
            message = message.replace(self._api_key, "…")
        said = as_sentence(one_line(without_echo(message[:4000], private)), status)
        told = f"The model server at {self.shown_url} answered {status}" + (f": {said}" if said else ".")
        wait = (headers or {}).get("Retry-After", "")
        if status in (429, 503):
            seconds = int(wait) if wait.isdecimal() and len(wait) < _LONGEST_WAIT_DIGITS else None
            return ModelBusy(told, **({} if seconds is None else {"retry_after_seconds": seconds}))
        if status in (400, 413, 422, 500) and _TOO_LONG.search(message.lower()):
            return PromptTooLong(told)
        if status in (401, 403):
            return ModelRefused(f"{told} Check LLM_API_KEY.")
        if status == 404 and "model" in message.lower():
            return ModelNotFound(told)
        if status == 404 or 300 <= status < 400:
            return ModelRefused(f"{told} Check LLM_BASE_URL.", not_there=status == 404)
        if 400 <= status < 500 and status != 408:
            return ModelRefused(told)
        return ModelError(told)

    async def _whole(self, method: str, path: str, body: Mapping[str, Any] | None, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                async with await self.send(method, path, body) as response:
                    self.date = response.headers.get("Date", "")
                    if response.status != 200:
                        raise self.kind_of(response.status, await self.words_of(response), response.headers)
                    return parse_json(await response.read())
        except TimeoutError:
            told = f"The model server at {self.shown_url} did not answer {path} within {seconds:g} s."
            raise ModelUnreachable(told) from None
        except aiohttp.ClientError as error:
            raise ModelCutOff(f"The model server at {self.shown_url} broke off its answer to {path}.") from error
        except ValueError as error:
            raise ModelRefused(f"What {self.shown_url} answers to {path} is no JSON. Check LLM_BASE_URL.") from error

    def _open_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
            if self._api_key:
                headers["Authorization"] = f"Bearer {self._api_key}"
            if self._session is not None:
                # Made in a loop that is gone, where nothing can be awaited; it holds no connection.
                self._session.detach()
            self._loop = loop
            self._session = aiohttp.ClientSession(
                # A connection is never used twice: servers drop idle ones (uvicorn under vLLM after 5 s, llama.cpp at
                # once), and a POST written into one is lost. A new one costs 0.6 ms on one machine (measured).
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                headers=headers,
                # A proxy of the environment is for servers elsewhere, never for one on this machine.
                trust_env=self.url.host not in _LOOPBACK,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


class Call:
    """One streamed answer. Leaving the `async with` closes the connection at once, so that the server stops writing.

    `first` bounds, in seconds, the wait until `spoke` is called; `between` the wait from then to the next such call.
    Only time spent waiting for the server counts, never the reader's own. `refused_with` is what a refusal said, whole.
    """

    def __init__(
        self,
        http: ModelHttp,
        path: str,
        body: Mapping[str, Any],
        *,
        first: float,
        between: float,
        private: tuple[str, ...],
    ) -> None:
        self._http, self._path, self._body = http, path, body
        self._first, self._between = first, between
        self._left = first
        self._spoken = False
        self._begun = b""
        self._response: aiohttp.ClientResponse | None = None
        self.private = private
        self.refused_with = ""

    async def __aenter__(self) -> Call:
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._first):
                response = await self._http.send("POST", self._path, self._body)
                if response.status != 200:
                    self.refused_with = await self._http.words_of(response)
                    raise self._http.kind_of(response.status, self.refused_with, response.headers, self.private)
        except TimeoutError:
            raise self._too_slow() from None
        self._response = response
        self._left -= asyncio.get_running_loop().time() - started
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()

    def spoke(self) -> None:
        """The server gave a token: from now on the wait between two tokens counts."""
        self._spoken = True
        self._left = self._between

    def wait_at_most(self, seconds: float) -> None:
        """From now on wait no longer than this many seconds."""
        self._left = min(self._left, seconds)

    async def lines(self) -> list[bytes]:
        """The lines that are here by now, one at least, without their line feeds; none at the end.

        A last line without a line feed is given too.
        """
        while chunk := await self._read():
            *whole, self._begun = (self._begun + chunk).split(b"\n")
            if max(map(len, (*whole, self._begun))) > _LONGEST_LINE:
                raise ModelRefused(
                    f"The model server at {self._http.shown_url} sent a line of over {_LONGEST_LINE} bytes."
                )
            if whole:
                return whole
        left, self._begun = self._begun, b""
        return [left] if left else []

    def cut_off(self) -> ModelCutOff:
        """The error for an answer that ended before its end."""
        return ModelCutOff(
            f"The model server at {self._http.shown_url} ended the connection in the middle of its answer."
        )

    async def _read(self) -> bytes:
        assert self._response is not None
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(max(self._left, 0.0)):
                return await self._response.content.readany()
        except TimeoutError:
            raise self._too_slow() from None
        except (aiohttp.ClientError, OSError) as error:
            if here := self._came_before_the_break():
                return here
            raise self.cut_off() from error
        finally:
            self._left -= clock() - started

    def _came_before_the_break(self) -> bytes:
        """What lay there unread when the connection broke: aiohttp's reader tells of the break alone, and keeps it."""
        waiting = getattr(getattr(self._response, "content", None), "_buffer", None) or ()
        here = b"".join(waiting)
        if waiting:
            waiting.clear()
        return here

    def _too_slow(self) -> FirstTokenTimeout | ModelStalled:
        who = f"The model server at {self._http.shown_url}"
        if self._spoken:
            return ModelStalled(f"{who} fell silent for {self._between:g} s in the middle of its answer.")
        return FirstTokenTimeout(f"{who} gave no token within {self._first:g} s; the model may still be loading.")


def server_url(base_url: str) -> URL:
    """`base_url` as a URL; `http://` is understood where no scheme stands. Raises `UsageError` for what is none."""
    text = base_url.strip()
    with suppress(ValueError):
        url = URL((text if "://" in text else f"http://{text}").rstrip("/"))
        if url.scheme in ("http", "https") and url.host and not any(c.isspace() for c in text):
            return url.with_query(None).with_fragment(None)
    shown = one_line(re.sub(r"//[^/@\s]*@", "//…@", base_url))
    raise UsageError(f"LLM_BASE_URL is no address of a server: {shown!r}. Write it as http://HOST:PORT.")


def _reason(error: BaseException) -> str:
    """Why a connection failed, in the system's own words."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection within {_CONNECT_SECONDS:g} s"
    inner = getattr(error, "os_error", None) or error
    return one_line(getattr(inner, "strerror", None) or str(inner) or type(inner).__name__)

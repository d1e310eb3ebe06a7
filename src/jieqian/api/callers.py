"""Who asks: a browser by its signed session cookie, an integrator by an API key."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie

from itsdangerous import BadSignature, Signer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jieqian.api.problems import problem_response
from jieqian.errors import CrossSiteRequest, InvalidApiKey, JieqianError
from jieqian.tasks.keys import hash_key
from jieqian.tasks.store import ApiKey

COOKIE = "jieqian_session"
COOKIE_SECONDS = 365 * 24 * 3600
#: Answered without a cookie, to whoever asks.
WITHOUT_SESSION = ("/healthz", "/readyz", "/metrics", "/static/")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

FindKey = Callable[[str], Awaitable[ApiKey | None]]


def caller_of(request: HTTPConnection) -> str:
    """The caller's id: `session:…` or `key:…`. Each sees only its own tasks."""
    caller: str = request.state.caller
    return caller


def limited_as(request: HTTPConnection) -> str:
    """Whose rate limit counts: the caller's; of one without a session yet, their address, since every request of
    theirs would be a new caller. Addresses of this machine are not counted together: a proxy has them all.
    """
    host = request.client.host if request.client else ""
    if not request.state.new_session or not host or ipaddress.ip_address(host).is_loopback:
        return caller_of(request)
    return f"address:{host}"


class CallerMiddleware:
    """Finds out who asks; gives a caller who has no session one, with the first answer."""

    def __init__(self, app: ASGIApp, *, secret: str, find_key: FindKey, allowed_origins: tuple[str, ...] = ()) -> None:
        self._app = app
        self._signer = Signer(secret, salt="jieqian.session")
        self._find_key = find_key
        self._allowed_origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the caller in the request's state, or refuse them."""
        if scope["type"] != "http" or scope["path"].startswith(WITHOUT_SESSION):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            caller, new_session = await self._identify(scope, headers)
        except JieqianError as error:
            await problem_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {}).update(caller=caller, new_session=new_session is not None)
        if new_session is None:
            await self._app(scope, receive, send)
            return
        cookie = self._cookie(new_session, secure=scope["scheme"] == "https")

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)

    async def _identify(self, scope: Scope, headers: Headers) -> tuple[str, str | None]:
        """The caller, and the session to be set if it is a new one."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            found = await self._find_key(hash_key(key.strip()))
            if found is None:
                raise InvalidApiKey
            return f"key:{found.id}", None
        if scope["method"] not in _SAFE_METHODS:
            self._refuse_other_sites(scope, headers)
        session = self._session(headers.get("cookie", ""))
        if session is not None:
            return f"session:{session}", None
        session = secrets.token_urlsafe(18)
        return f"session:{session}", session

    def _refuse_other_sites(self, scope: Scope, headers: Headers) -> None:
        """A cookie is sent by the browser, whoever wrote the page: only our own pages (or allowed ones) may use it."""
        origin = headers.get("origin")
        if origin is None or origin in self._allowed_origins:
            return
        if origin.partition("://")[2] != headers.get("host", ""):
            raise CrossSiteRequest

    def _session(self, cookies: str) -> str | None:
        try:
            morsel = SimpleCookie(cookies).get(COOKIE)
        except CookieError:
            return None
        if morsel is None:
            return None
        try:
            return self._signer.unsign(morsel.value).decode("ascii")
        except (BadSignature, UnicodeDecodeError):
            return None

    def _cookie(self, session: str, *, secure: bool) -> str:
        value = self._signer.sign(session).decode("ascii")
        ending = "; Secure" if secure else ""
        return f"{COOKIE}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{ending}"

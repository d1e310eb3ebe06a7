"""Who asks: a browser by its signed session cookie, the widget by its token, an integrator by an API key."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs

from itsdangerous import BadSignature, Signer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jieqian.api.problems import problem_response
from jieqian.api.proxied import is_this_machine, network_of
from jieqian.api.visits import VISITOR, Visits
from jieqian.errors import CrossSiteRequest, InvalidApiKey, JieqianError, OperatorOnly
from jieqian.tasks.keys import hash_key
from jieqian.tasks.limits import SHARED
from jieqian.tasks.store import ApiKey

COOKIE = "jieqian_session"
COOKIE_SECONDS = 365 * 24 * 3600
#: Answered without a cookie, to whoever asks.
WITHOUT_SESSION = (
    "/healthz", "/readyz", "/metrics", "/static/", "/shared/", "/offline", "/manifest.webmanifest",
    "/service-worker.js", "/widget.js",
)  # fmt: skip
_HOST_NOT_PASSED = (
    "A page of another site may not act for this visitor. If it was the service's own page: the proxy in front has to "
    "pass on the Host header as the browser sent it."
)
_EVENTS = re.compile(r"/api/v1/tasks/([^/]+)/events")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

FindKey = Callable[[str], Awaitable[ApiKey | None]]


def caller_of(request: HTTPConnection) -> str:
    """The caller's id: `session:…`, `embed:…` or `key:…`. Each sees only its own tasks."""
    caller: str = request.state.caller
    return caller


def end_session(request: HTTPConnection) -> None:
    """The answer to this request gives its browser a new session: what was asked before is another caller's then."""
    request.state.session_ended = True


#: The caller behind ADMIN_TOKEN and behind the commands on the service's own machine.
OPERATOR = "operator"


def require_operator(request: HTTPConnection) -> None:
    """A route's dependency: refuses everybody but the operator with `OperatorOnly`."""
    if caller_of(request) != OPERATOR:
        raise OperatorOnly


def limited_as(request: HTTPConnection) -> tuple[str, ...]:
    """Whose rate limits count: the caller's and their address's; of one without a session yet, their address alone,
    since every request of theirs would be a new caller.
    """
    limited: tuple[str, ...] = request.state.limited_as
    return limited


def visit_token(request: HTTPConnection) -> str:
    """On a page of the widget: the token of the visitor who begins with this request; empty where it brought one."""
    token: str = request.state.visit_token
    return token


def ticket_for(request: HTTPConnection, task_id: str) -> str | None:
    """What a visitor of the widget needs in the address of the task's event stream; None for every other caller."""
    caller = caller_of(request)
    if not caller.startswith(VISITOR):
        return None
    visits: Visits = request.state.visits
    return visits.ticket(caller, task_id)


class CallerMiddleware:
    """Finds out who asks; gives a caller who has no session one, with the first answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        secret: str,
        find_key: FindKey,
        operator_tokens: tuple[str, ...] = (),
        allowed_origins: tuple[str, ...] = (),
        askers_addresses: bool = False,
        visits: Visits | None = None,
    ) -> None:
        self._app = app
        self._signer = Signer(secret, salt="jieqian.session")
        self._find_key = find_key
        self._operator_hashes = frozenset(hash_key(token) for token in operator_tokens)
        self._allowed_origins = frozenset(allowed_origins)
        #: Trusted proxies tell the askers' addresses. Without, one on this machine may be a proxy that has them all.
        self._askers_addresses = askers_addresses
        #: None: no page may embed the widget, and its tokens are nobody's.
        self._visits = visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the caller in the request's state, or refuse them."""
        if scope["type"] != "http" or _own_path(scope).startswith(WITHOUT_SESSION):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if self._visits is not None and is_embedded(scope):
                caller, token = self._visitor(self._visits, headers)
                new_session = None
                scope.setdefault("state", {})["visit_token"] = token
            else:
                caller, new_session = await self._identify(scope, headers)
        except JieqianError as error:
            await problem_response(error)(scope, receive, send)
            return
        limited = self._limited_as(scope, caller, is_new=new_session is not None)
        scope.setdefault("state", {}).update(caller=caller, limited_as=limited, visits=self._visits)

        async def send_as_this_callers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-store")  # a cache in front must give it to nobody else
                session = _new_session() if scope["state"].get("session_ended") else new_session
                if session is not None and caller.startswith("session:"):
                    headers.append("set-cookie", self._cookie(session, scope))
            await send(message)

        await self._app(scope, receive, send_as_this_callers)

    async def _identify(self, scope: Scope, headers: Headers) -> tuple[str, str | None]:
        """The caller, and the session to be set if it is a new one."""
        key = _bearer(headers)
        if key is not None:
            hashed = hash_key(key)
            if hashed in self._operator_hashes:
                return OPERATOR, None
            if self._visits is not None and (visitor := self._visits.caller_of(key)) is not None:
                return visitor, None
            found = await self._find_key(hashed)
            if found is None:
                raise InvalidApiKey
            return f"key:{found.id}", None
        if (listener := self._listener(scope)) is not None:
            return listener, None
        if scope["method"] not in _SAFE_METHODS:
            self._refuse_other_sites(scope, headers)
        session = self._session(headers.get("cookie", ""))
        if session is not None:
            return f"session:{session}", None
        session = _new_session()
        return f"session:{session}", session

    def _visitor(self, visits: Visits, headers: Headers) -> tuple[str, str]:
        """Who looks at a page of the widget, by their token, and else a new one with theirs; cookies do not count."""
        key = _bearer(headers)
        caller = None if key is None else visits.caller_of(key)
        return visits.begin() if caller is None else (caller, "")

    def _listener(self, scope: Scope) -> str | None:
        """The visitor of the widget who opens an event stream: a browser sends no header of ours with that."""
        found = _EVENTS.fullmatch(_own_path(scope))
        if self._visits is None or found is None or scope["method"] != "GET":
            return None
        ticket = parse_qs(scope.get("query_string", b"").decode("ascii", "replace")).get("ticket")
        return None if ticket is None else self._visits.caller_of_ticket(ticket[0], found[1])

    def _limited_as(self, scope: Scope, caller: str, *, is_new: bool) -> tuple[str, ...]:
        host = scope["client"][0] if scope.get("client") else ""
        known = bool(host) and (self._askers_addresses or not is_this_machine(host))
        if caller.startswith(VISITOR):  # any number of tokens is to be had: they count together
            return (f"address:{network_of(host)}",) if known else (caller, f"{SHARED}{VISITOR}")
        if not known or not caller.startswith("session:"):
            return (caller,)
        # Sessions cost nothing, so an address is counted too: alone where there is no session yet, else generously.
        network = network_of(host)
        return (f"address:{network}",) if is_new else (caller, f"{SHARED}{network}")

    def _refuse_other_sites(self, scope: Scope, headers: Headers) -> None:
        """A cookie is sent by the browser, whoever wrote the page: only our own pages (or allowed ones) may use it."""
        origin = headers.get("origin")
        if origin is None or origin in self._allowed_origins:
            return
        if origin.partition("://")[2] == headers.get("host", ""):
            return
        if "x-forwarded-for" in headers or "x-forwarded-host" in headers:
            raise CrossSiteRequest(_HOST_NOT_PASSED)
        raise CrossSiteRequest

    def _session(self, cookies: str) -> str | None:
        """The session of the first cookie that we signed: another service of this host may have set one too."""
        for cookie in cookies.split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == COOKIE:
                with suppress(BadSignature, UnicodeDecodeError):
                    return self._signer.unsign(value).decode("ascii")
        return None

    def _cookie(self, session: str, scope: Scope) -> str:
        value = self._signer.sign(session).decode("ascii")
        path = scope.get("root_path", "").rstrip("/") or "/"
        ending = "; Secure" if scope["scheme"] == "https" else ""
        return f"{COOKIE}={value}; Path={path}; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{ending}"


def _new_session() -> str:
    return secrets.token_urlsafe(18)


def is_embedded(scope: Scope) -> bool:
    """Whether this is a page of the widget, which other sites may have in a frame."""
    path = _own_path(scope)
    return path == "/embed" or path.startswith("/embed/")


def _bearer(headers: Headers) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _own_path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))

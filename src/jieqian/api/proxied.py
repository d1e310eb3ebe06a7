"""What a reverse proxy changes: the path the service is under, and who asks, which only a trusted proxy may say."""

from __future__ import annotations

import ipaddress
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_SCHEME = b"x-forwarded-proto"


class BasePath:
    """The service under a path. A proxy may take the path off before it passes a request on, or leave it there."""

    def __init__(self, app: ASGIApp, *, base_path: str) -> None:
        self._app = app
        self._base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the path where it was taken off, and tell the routes of it as ASGI's `root_path`."""
        if scope["type"] == "http":
            path, base = scope["path"], self._base_path
            if path == base:
                path = f"{base}/"
            elif not path.startswith(f"{base}/"):
                path = base + path
            scope = {**scope, "root_path": base, "path": path}
        await self._app(scope, receive, send)


class TrustedProxies:
    """Takes the asker's address and scheme from `X-Forwarded-For` and `X-Forwarded-Proto`, of these proxies alone."""

    def __init__(self, app: ASGIApp, *, proxies: tuple[str, ...]) -> None:
        inner: Any = app  # uvicorn's types of an application are its own
        self._app: Any = ProxyHeadersMiddleware(inner, list(proxies))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the scope's `client` and `scheme`."""
        client = scope.get("client") if scope["type"] == "http" else None
        if client is not None:
            headers = [(name, _plain_scheme(value) if name == _SCHEME else value) for name, value in scope["headers"]]
            scope = {**scope, "client": (plain_address(client[0]), client[1]), "headers": headers}
        await self._app(scope, receive, send)


def _plain_scheme(value: bytes) -> bytes:
    """Of a list that several proxies made, what the first of them saw; in small letters, as it is compared."""
    return value.partition(b",")[0].strip().lower()


def plain_address(host: str) -> str:
    """An IPv4 address seen by a socket that takes IPv6 too (`::ffff:192.0.2.1`) as it is; any other text unchanged."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return host if mapped is None else str(mapped)


def network_of(host: str) -> str:
    """Whom an address stands for: itself, or the /64 network of an IPv6 address, which one asker has whole."""
    plain = plain_address(host)
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return plain
    return plain if address.version == 4 else str(ipaddress.ip_network((int(address), 64), strict=False))


def is_this_machine(host: str) -> bool:
    """A loopback address."""
    try:
        return ipaddress.ip_address(plain_address(host)).is_loopback
    except ValueError:  # a proxy may name an asker it does not know as `unknown`
        return False

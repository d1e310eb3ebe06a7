"""The web application: routes, errors, and what stands before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jieqian import __version__
from jieqian.api import admin, draws, health, lots, shares, tasks
from jieqian.api.callers import CallerMiddleware, is_embedded
from jieqian.api.heads import BoundedHeads
from jieqian.api.problems import add_problem_handlers
from jieqian.api.proxied import BasePath, TrustedProxies
from jieqian.api.transport import HeadAsGet, TellsFaults, TimelyBodies, Uploads
from jieqian.api.visits import Visits
from jieqian.web.admin_door import AdminDoor
from jieqian.web.admin_pages import admin_pages_router
from jieqian.web.dashboard import dashboard_router
from jieqian.web.drawing import Drawer
from jieqian.web.experiment_pages import experiment_pages_router
from jieqian.web.faq_pages import faq_pages_router
from jieqian.web.pages import mount_static, nothing_here, pages_router
from jieqian.wiring import House

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "
)
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}

#: FastAPI's own spans and logs hold addresses with their query, and exceptions with their words; it would send them
#: where the environment sets a provider up. What is told of readings, `tracing/` tells.
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)


def create_app(house: House, *, with_worker: bool = True) -> FastAPI:
    """The application over a house, which it starts and stops."""
    drawer = Drawer()
    door = AdminDoor(house.secret, house.settings.admin_token)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await house.start(with_worker=with_worker)
        try:
            yield
        finally:
            await drawer.close()
            await house.stop()

    app = FastAPI(
        telemetry=NO_TELEMETRY,
        title="Jieqian",
        version=__version__,
        summary="Readings of temple oracle lots, streamed as a language model writes them.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would answer with the address the caller named as Host
    )
    app.state.house = house
    app.state.uploads = Uploads()
    add_problem_handlers(app, nothing_here)
    api = APIRouter(prefix="/api/v1")
    for router in (tasks.router, shares.router, draws.router, lots.router, admin.router):
        api.include_router(router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(pages_router(house))
    app.include_router(dashboard_router(house.dashboard, house.experiments, door, drawer))
    app.include_router(admin_pages_router(house, door))
    app.include_router(experiment_pages_router(house.experiments, door))
    app.include_router(faq_pages_router(house, door))
    mount_static(app)
    app.add_middleware(TellsFaults)
    app.add_middleware(TimelyBodies, uploads=app.state.uploads)
    app.add_middleware(
        CallerMiddleware,
        secret=house.secret,
        find_key=house.store.find_key,
        operator_tokens=house.operator_tokens,
        allowed_origins=house.settings.cors_origins,
        askers_addresses=bool(house.settings.trusted_proxies),
        visits=Visits(house.secret) if house.settings.embed_origins else None,
    )
    app.add_middleware(BoundedHeads)
    if house.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(house.settings.cors_origins),
            allow_credentials=True,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Location", "Retry-After"],
        )
    app.add_middleware(HeadAsGet)
    app.add_middleware(SecurityHeaders, embed_origins=house.settings.embed_origins)
    if house.settings.base_path:
        app.add_middleware(BasePath, base_path=house.settings.base_path)
    if house.settings.trusted_proxies:
        app.add_middleware(TrustedProxies, proxies=house.settings.trusted_proxies)
    return app


class SecurityHeaders:
    """What every answer says about how it may be used; of the widget's pages, also whose frames they may be in."""

    def __init__(self, app: ASGIApp, *, embed_origins: tuple[str, ...] = ()) -> None:
        self._app = app
        self._own = {**_SECURITY_HEADERS, "content-security-policy": f"{_CONTENT_POLICY}'none'"}
        framed = f"{_CONTENT_POLICY}{' '.join(embed_origins)}"
        self._embedded = {**_SECURITY_HEADERS, "content-security-policy": framed} if embed_origins else self._own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to whatever is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = self._embedded if is_embedded(scope) else self._own

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(said)
            await send(message)

        await self._app(scope, receive, send_with_headers)

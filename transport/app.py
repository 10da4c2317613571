"""Puts the wires together: one engine and one broker behind the routes of every wire that is served.

`asgi_app` is a whole ASGI application for any server of the MCP SDK; a door that has routes of its own takes a
`Transport`, adds its routes and enters it in its lifespan.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.audit import AuditTrail
from shared.identity import AuthProvider
from shared.telemetry import MAX_TENANTS, BoundedLabels, Counter, get_logger
from shared.throttled_audit import ThrottledAuditTrail
from transport import sse, streamable_http
from transport.base import Endpoint, TransportHandler
from transport.dispatch.dispatcher import Dispatcher
from transport.dispatch.policy import AccessPolicy, RequiredScope
from transport.dispatch.subscriptions import SharedBus
from transport.http import migration_guide
from transport.http.deprecation import GUIDE_PATH, Sunset
from transport.http.request_checks import RequestChecks
from transport.http.stream_slots import RECHECK_S, OpenStreams
from transport.rate_limit import Rates
from transport.sessions.broker import SessionBroker
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sse import MessageHandler, SSETransportHandler
from transport.streamable_http import StreamableHTTPTransportHandler

log = get_logger(__name__)

EXPOSED_HEADERS: Final = ("Mcp-Session-Id", "MCP-Protocol-Version", "WWW-Authenticate", "Retry-After")
"""What the script of a page may read of an answer."""
PREFLIGHT_S: Final = 600
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
LOOPBACK_ORIGINS: Final = tuple(f"http://{host}:*" for host in LOOPBACK_HOSTS)
WIRES: Final = frozenset({sse.WIRE, streamable_http.WIRE})


class Transport:
    """The routes of every wire, and what stands behind them.

    Args:
        server: any server of the SDK, high-level or low-level.
        auth_provider: proves who is calling.
        broker: keeps the sessions; by default in memory, for one instance.
        bus: the one that `server` publishes to, so that subscribers of all instances hear it; without one a
            server's events stay on the instance where they happen.
        allowed_hosts: names accepted in `Host`; loopback names by default.
        allowed_origins: origins accepted from browsers; loopback ones by default.
        limits: bounds of this instance.
        rates: how many requests principals and their organisations may make; None for any number. A request costs one
            token, unless it is `ping`, `initialize` or `server/discover`, or a repeat of one that was recorded. Of
            HTTP requests, whatever they carry, three times as many are let in as all reads and writes together.
        required_scope: tells from the method and the parameters of a request, malformed ones included, which scope it
            needs; None of none. Without it everybody may ask for everything, and handlers decide.
        audit: takes what is refused to principals that are known.
        recheck_s: seconds between two looks at the credential of a stream that is open. One that is revoked ends its
            streams within this and what the provider may remember.
        counter: counts streams, refusals, requests and clients.
        wires: which of `WIRES` are served. HTTP+SSE that is not answers 410 and says where to go, while a 404 would
            look like a wrong address. Streamable HTTP that is not is a 404: nobody was told its address yet.
        sse_sunset: the first day, in UTC, on which HTTP+SSE is not served any more.
        public_url: address that clients use, told to those who have to move; they are told paths without one.
        clock: returns the time in seconds since 1970.

    Raises:
        ValueError: there is no such wire, or `sse_sunset` would leave clients nowhere to go.
    """

    def __init__(
        self,
        server: "MCPServer[Any] | Server[Any]",
        *,
        auth_provider: AuthProvider,
        broker: SessionBroker | None = None,
        bus: SharedBus | None = None,
        allowed_hosts: Sequence[str] = LOOPBACK_HOSTS,
        allowed_origins: Sequence[str] = LOOPBACK_ORIGINS,
        limits: Limits | None = None,
        rates: Rates | None = None,
        required_scope: RequiredScope | None = None,
        audit: AuditTrail | None = None,
        recheck_s: float = RECHECK_S,
        counter: Counter | None = None,
        wires: Collection[str] = WIRES,
        sse_sunset: date | None = None,
        public_url: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not wires or not WIRES.issuperset(wires):
            raise ValueError(f"wires must be some of {', '.join(sorted(WIRES))}")
        if sse_sunset is not None and streamable_http.WIRE not in wires:
            raise ValueError(f"an end of {sse.WIRE} needs {streamable_http.WIRE} among the wires")
        self._limits = limits = limits if limits is not None else Limits()
        self._broker = broker = broker if broker is not None else InMemoryBroker(limits)
        self._trail = trail = ThrottledAuditTrail(audit)
        policy = AccessPolicy(rates=rates, required_scope=required_scope, trail=trail)
        tenants = BoundedLabels(MAX_TENANTS)
        self._dispatcher = Dispatcher(
            server, broker, limits=limits, bus=bus, policy=policy, tenants=tenants, counter=counter
        )
        self._streams = streams = OpenStreams(
            broker.streams, auth_provider, most=limits.max_streams_per_principal, recheck_s=recheck_s
        )
        self._draining = asyncio.Event()
        checks = RequestChecks(
            hosts=allowed_hosts,
            origins=allowed_origins,
            max_body_bytes=limits.max_body_bytes,
            body_s=limits.body_s,
        )
        handlers: dict[str, dict[str, TransportHandler]] = {
            sse.WIRE: {
                "/sse": SSETransportHandler(
                    self._dispatcher,
                    broker,
                    streams=streams,
                    limits=limits,
                    draining=self._draining,
                    message_path="/messages",
                    counter=counter,
                ),
                "/messages": MessageHandler(self._dispatcher, broker, checks=checks, draining=self._draining),
            },
            streamable_http.WIRE: {
                "/mcp": StreamableHTTPTransportHandler(
                    self._dispatcher,
                    broker,
                    checks=checks,
                    streams=streams,
                    limits=limits,
                    draining=self._draining,
                    counter=counter,
                )
            },
        }
        self._served = handlers.keys() & wires
        self._sunsets: dict[str, Sunset] = {}
        if sse_sunset is not None or sse.WIRE not in wires:
            day = sse_sunset if sse.WIRE in wires else None
            self._sunsets[sse.WIRE] = Sunset(day=day, public_url=public_url, clock=clock)
        self._public_url = public_url
        self.routes: list[BaseRoute] = []
        for wire, paths in handlers.items():
            if wire not in wires and wire not in self._sunsets:
                continue
            for path, handler in paths.items():
                endpoint = Endpoint(
                    handler,
                    checks=checks,
                    auth_provider=auth_provider,
                    policy=policy,
                    counter=counter,
                    tenants=tenants,
                    trail=trail,
                    sunset=self._sunsets.get(wire),
                )
                served = _ForBrowsers(endpoint, checks, handler.methods)
                self.routes += [Route(path, served), Route(f"{path}/", served)]  # no redirect: it would name a Host
        if streamable_http.WIRE in wires:
            self.routes.append(Route(GUIDE_PATH, self._guide, methods=["GET"]))

    async def _guide(self, request: Request) -> PlainTextResponse:
        """Tell whoever has to move how. No key is asked for: a header sends people here, and nothing here is secret."""
        base = self._public_url or request.scope.get("root_path", "")
        return PlainTextResponse(migration_guide.page(base, self._sunsets.get(sse.WIRE)))

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Serve until left. Streams that are still open then end, calls that still run are interrupted."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._trail.run())
            await stack.enter_async_context(self._dispatcher.usage.run())
            await stack.enter_async_context(self._broker.run(self._dispatcher))
            await stack.enter_async_context(self._dispatcher.run())
            await stack.enter_async_context(self._streams.run())
            try:
                yield
            finally:
                self._draining.set()
                self._broker.wake_streams()

    async def drain(self) -> None:
        """Take no new sessions, let calls in flight end, answer the rest; afterwards every stream ends by itself."""
        self._draining.set()
        log.info("drain_started", **self._broker.stats())
        self._broker.wake_streams()
        await self._dispatcher.stop(self._limits.drain_s)
        self._broker.wake_streams()
        log.info("drain_finished", **self._broker.stats())

    @property
    def limits(self) -> Limits:
        """Bounds of this instance."""
        return self._limits

    @property
    def wires(self) -> frozenset[str]:
        """Names of the wires that are served now."""
        return frozenset(wire for wire in self._served if wire not in self._sunsets or not self._sunsets[wire].is_over)

    @property
    def is_draining(self) -> bool:
        """Whether new sessions are refused because this instance is about to stop."""
        return self._draining.is_set()

    @property
    def is_up(self) -> bool:
        """Whether sessions can be reached now."""
        return self._broker.is_up

    def stats(self) -> Mapping[str, int]:
        """Return how many `sessions`, `streams` and `log_bytes` there are."""
        return self._broker.stats()


class _ForBrowsers:
    """Lets the pages of accepted origins call `app` and read what MCP says in headers.

    A browser asks before it sends a key, so that question is answered to whoever asks. No cookies: a key is a header.
    Who is no browser does not pass through it, which saves each open stream a kilobyte.
    """

    def __init__(self, app: ASGIApp, checks: RequestChecks, methods: Collection[str]) -> None:
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_origin_regex=checks.origins.pattern,
            allow_methods=sorted(methods),
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            allow_private_network=True,  # the page of an origin that was named may call a server on loopback
            max_age=PREFLIGHT_S,
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one HTTP request."""
        is_page = any(name == b"origin" for name, _ in scope["headers"])
        return (self._cors if is_page else self._app)(scope, receive, send)


def asgi_app(
    server: "MCPServer[Any] | Server[Any]",
    *,
    auth_provider: AuthProvider,
    broker: SessionBroker | None = None,
    **options: Any,
) -> Starlette:
    """Return an ASGI application that serves `server` on every wire, lifespan included.

    Args:
        server: any server of the SDK.
        auth_provider: proves who is calling.
        broker: keeps the sessions; by default in memory, for one instance.
        options: see `Transport`; every one has a safe default.
    """
    transport = Transport(server, auth_provider=auth_provider, broker=broker, **options)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:  # noqa: ARG001 - Starlette's signature
        async with transport.run():
            yield

    app = Starlette(routes=transport.routes, lifespan=lifespan)
    app.router.redirect_slashes = False  # a redirect would be built from `Host`, before it is checked
    return app

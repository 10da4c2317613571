"""Assembles a transport: every part, in order, on one page.

`asgi_app` is a whole ASGI application for any server of the MCP SDK. An entry point with routes of its own makes a
`Transport`, adds it to its application and enters `run()` in its lifespan.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from operator import attrgetter
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from shared.audit import AuditTrail
from shared.client_habits import ClientHabits
from shared.counting import MAX_TENANTS, BoundedLabels, Counter
from shared.direct_calls import DirectTools
from shared.identity import AuthProvider
from shared.telemetry import get_logger
from shared.throttled_audit import ThrottledAuditTrail
from transport import sse, streamable_http
from transport.base import TransportHandler
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.dispatcher import Dispatcher, RunningCalls
from transport.dispatch.envelope import EnvelopeChecks
from transport.dispatch.inbox import Inbox
from transport.dispatch.policy import AccessPolicy, RequiredScope
from transport.dispatch.sdk_kernel import SDKKernel
from transport.dispatch.stateless import StatelessDispatcher
from transport.dispatch.subscriptions import SharedBus
from transport.dispatch.usage import Usage
from transport.http import migration_guide
from transport.http.credential_recheck import RECHECK_S, CredentialRecheck
from transport.http.deprecation import GUIDE_PATH, Sunset
from transport.http.endpoint import NOT_FOUND, PLAIN_PAGE, Challenge, Edge, Endpoint, EndpointTable
from transport.http.event_stream import OpenStreams
from transport.http.public_address import base_of, prefix_of
from transport.http.request_checks import RequestChecks
from transport.rate_limit import Rates
from transport.sessions.broker import SessionBroker
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits, SessionView
from transport.sse import MessageHandler, SSETransportHandler
from transport.streamable_http import StreamableHTTPTransportHandler

log = get_logger(__name__)

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
LOOPBACK_ORIGINS: Final = tuple(f"http://{host}:*" for host in LOOPBACK_HOSTS)
FINAL_SLASH: Final = "final_slash"
WIRES: Final = frozenset({sse.WIRE.name, streamable_http.WIRE.name})


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """What may be set of a transport; every option has a safe default.

    Raises:
        ValueError: there is no such wire, or `sse_sunset` would leave clients nowhere to go.
    """

    allowed_hosts: Sequence[str] = LOOPBACK_HOSTS
    """Names accepted in `Host`."""
    allowed_origins: Sequence[str] = LOOPBACK_ORIGINS
    """Origins accepted from browsers."""
    limits: Limits = field(default_factory=Limits)
    """Bounds of this instance."""
    rates: Rates | None = None
    """How many requests principals and their organisations may make; None for any number. A request costs one token,
    unless it is `ping`, `initialize` or `server/discover`, or a repeat of one that was recorded. Of HTTP requests,
    whatever they carry, three times as many are let in as all reads and writes together."""
    required_scope: RequiredScope | None = None
    """Returns the scope that a request needs, by its method and parameters, malformed ones included; None for no
    scope. Without it every principal may ask for everything, and handlers decide."""
    recheck_s: float = RECHECK_S
    """Seconds between two checks of the credential of an open stream. A revoked one ends its streams within this and
    what the provider may remember."""
    audit: AuditTrail | None = None
    """Takes what is refused to known principals."""
    habits: ClientHabits = field(default_factory=ClientHabits)
    """What is served of clients that bend the protocol."""
    counter: Counter | None = None
    """Counts streams, refusals, requests and clients."""
    own_tools: DirectTools | None = None
    """Tools of the server that are called without the SDK; None where every call goes through it."""
    bus: SharedBus | None = None
    """The one that the server publishes to, so that subscribers of all instances hear it; without one a server's events
    stay on the instance where they happen."""
    wires: Collection[str] = WIRES
    """Which of `WIRES` are served. HTTP+SSE that is not answers 410 and says where to go, while a 404 would look like a
    wrong address. Streamable HTTP that is not is a 404: no client knows its address yet."""
    sse_sunset: date | None = None
    """The first day, in UTC, on which HTTP+SSE is not served any more."""
    public_url: str = ""
    """Address that clients use. Its path, or without one the ASGI `root_path`, stands before every path that is sent to
    a client. Requests are served with and without it."""
    challenge: Challenge | None = None
    """Returns the `WWW-Authenticate` of a 401 or 403; None where no client can sign in."""
    page: ASGIApp = PLAIN_PAGE
    """Serves a person whose browser opens the address of a wire."""
    clock: Callable[[], float] = time.time
    """Returns the time in seconds since 1970."""

    def __post_init__(self) -> None:
        if not self.wires or not WIRES.issuperset(self.wires):
            raise ValueError(f"wires must be some of {', '.join(sorted(WIRES))}")
        if self.sse_sunset is not None and streamable_http.WIRE.name not in self.wires:
            raise ValueError(f"an end of {sse.WIRE.name} needs {streamable_http.WIRE.name} among the wires")

    def sunset(self) -> Sunset | None:
        """Return the end of HTTP+SSE: on its day, or at once where it is not served; None when none is set."""
        is_served = sse.WIRE.name in self.wires
        if is_served and self.sse_sunset is None:
            return None
        return Sunset(day=self.sse_sunset if is_served else None, public_url=self.public_url, clock=self.clock)


class Transport:
    """The routes of every wire, and what stands behind them.

    Args:
        server: any server of the SDK, high-level or low-level.
        auth_provider: proves who is calling.
        broker: keeps the sessions; by default in memory, for one instance.
        options: everything else.

    Attributes:
        checks: checks requests and reads their bodies, for every handler.
        stateless: runs requests that belong to no session, for every handler.
    """

    def __init__(
        self,
        server: "MCPServer[Any] | Server[Any]",
        *,
        auth_provider: AuthProvider,
        broker: SessionBroker | None = None,
        options: TransportOptions | None = None,
    ) -> None:
        self._options = options = options if options is not None else TransportOptions()
        limits, counter = options.limits, options.counter
        self._broker = broker = broker if broker is not None else InMemoryBroker(limits)
        self._draining = draining = asyncio.Event()
        self._app: Starlette | None = None

        # Who may ask for what, and what is refused.
        tenants = BoundedLabels(MAX_TENANTS)
        self._trail = ThrottledAuditTrail(options.audit)
        policy = AccessPolicy(rates=options.rates, required_scope=options.required_scope, trail=self._trail)
        self._refusals = policy.refusals
        self.checks = checks = RequestChecks(
            hosts=options.allowed_hosts,
            origins=options.allowed_origins,
            max_body_bytes=limits.max_body_bytes,
            body_s=limits.body_s,
        )

        # From a message to its response.
        back_channel = ClientRequests(broker)
        self._usage = usage = Usage(counter)
        self._kernel = kernel = SDKKernel(
            server, back_channel, usage=usage, tenants=tenants, counter=counter, own_tools=options.own_tools
        )
        self._edge = Edge(
            checks=checks,
            auth_provider=auth_provider,
            policy=policy,
            habits=options.habits,
            tenants=tenants,
            counter=counter,
            refused=kernel.refused,
            challenge=options.challenge,
            page=options.page,
        )
        self._running = running = RunningCalls()
        self._inbox = inbox = Inbox(kernel, broker, back_channel, calls=running, bus=options.bus, counter=counter)
        self._dispatcher = dispatcher = Dispatcher(
            kernel, broker, back_channel, inbox, policy=policy, running=running, limits=limits
        )
        self.stateless = stateless = StatelessDispatcher(
            kernel, broker.buckets, policy=policy, running=running, limits=limits
        )

        # Streams that stay open.
        self._streams = streams = OpenStreams(most=limits.max_streams_per_principal, counter=counter)
        self._recheck = CredentialRecheck(streams, auth_provider, recheck_s=options.recheck_s)

        # The wires.
        self._sunset = sunset = options.sunset()
        self.routes: list[BaseRoute] = []
        if sse.WIRE.name in options.wires or sunset is not None:
            connect = SSETransportHandler(
                dispatcher,
                broker,
                back_channel,
                streams=streams,
                limits=limits,
                draining=draining,
                message_path="/messages",
                public_url=options.public_url,
            )
            self.add_route("/sse", connect, sunset=sunset)
            messages = MessageHandler(dispatcher, broker, checks=checks, draining=draining)
            self.add_route("/messages", messages, sunset=sunset)
        if streamable_http.WIRE.name in options.wires:
            handler = StreamableHTTPTransportHandler(
                dispatcher,
                stateless,
                EnvelopeChecks(kernel),
                broker,
                checks=checks,
                streams=streams,
                limits=limits,
                draining=draining,
                habits=options.habits,
                counter=counter,
            )
            self.add_route("/mcp", handler)
            self.routes.append(Route(GUIDE_PATH, self._guide, methods=["GET"]))

    def add_route(self, path: str, handler: TransportHandler, *, sunset: Sunset | None = None) -> None:
        """Serve `handler` at `path`, behind the same checks, authentication and limits as every other one.

        It may be called until the application starts, also after `add_to`.
        """
        endpoint = Endpoint(handler, self._edge, sunset=sunset)
        slashed: ASGIApp = NOT_FOUND
        if self._options.habits.serves(FINAL_SLASH):
            slashed = Endpoint(handler, self._edge, sunset=sunset, habit=FINAL_SLASH)
        routes = [Route(path, endpoint), Route(f"{path}/", slashed)]  # no redirect: it would name a Host
        self.routes += routes
        if self._app is not None:
            self._app.router.routes.extend(routes)

    def add_to(self, app: Starlette) -> None:
        """Give all routes to `app`, which owns them, and put the table of endpoints in front of its routing.

        It stands behind middleware that was added to `app`, until it starts, and before what every application has: an
        unexpected error of an endpoint is answered and logged by the HTTP server.
        """
        self._app = app
        app.router.routes.extend(self.routes)
        table = partial(EndpointTable, routes=self.routes, prefix=prefix_of(self._options.public_url))
        build = app.build_middleware_stack

        def stack_with_table() -> ASGIApp:
            if not app.user_middleware:
                return table(build())
            app.user_middleware.append(Middleware(table))
            return build()

        app.build_middleware_stack = stack_with_table  # type: ignore[method-assign]

    async def _guide(self, request: Request) -> PlainTextResponse:
        """Tell the author of a client how to move. No key is needed: nothing here is secret."""
        base = base_of(self._options.public_url, request.scope.get("root_path", ""))
        return PlainTextResponse(migration_guide.page(base, self._sunset))

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Serve until left. Streams that are still open then end, calls that still run are interrupted."""
        async with AsyncExitStack() as stack:
            stack.callback(self._refusals.flush)
            await stack.enter_async_context(self._trail.run())
            await stack.enter_async_context(self._usage.run())
            await stack.enter_async_context(self._broker.run(self._inbox))
            await stack.enter_async_context(self._kernel.run())
            await stack.enter_async_context(self._inbox.run())
            await stack.enter_async_context(self._dispatcher.run())
            await stack.enter_async_context(self._recheck.run())
            try:
                yield
            finally:
                self._draining.set()
                self._broker.wake_streams()

    async def drain(self) -> None:
        """Take no new sessions, let running calls end, answer the rest; afterwards every stream ends by itself."""
        self._draining.set()
        log.info("drain_started", **self._broker.stats())
        self._broker.wake_streams()
        await self._dispatcher.stop(self._options.limits.drain_s)
        self._broker.wake_streams()
        log.info("drain_finished", **self._broker.stats())

    @property
    def limits(self) -> Limits:
        """Bounds of this instance."""
        return self._options.limits

    @property
    def wires(self) -> frozenset[str]:
        """Names of the wires that are served now."""
        is_over = self._sunset is not None and self._sunset.is_over
        return frozenset(self._options.wires) - ({sse.WIRE.name} if is_over else set())

    @property
    def is_draining(self) -> bool:
        """Whether new sessions are refused because this instance is about to stop."""
        return self._draining.is_set()

    @property
    def is_up(self) -> bool:
        """Whether sessions can be reached now."""
        return self._broker.is_up

    @property
    def layout(self) -> int | None:
        """The form in which instances share sessions; see `InstanceHub`."""
        return self._broker.layout

    async def sessions(self, most: int) -> list[SessionView]:
        """Return who has a session, on whatever instance: at most `most`, the one that was opened last first.

        Raises:
            BrokerUnavailableError.
        """
        return sorted(await self._broker.view(most), key=attrgetter("opened_at"), reverse=True)

    def stats(self) -> Mapping[str, int]:
        """Return the numbers of this instance, by the names of their metrics; `broker_up` only with a shared broker."""
        broker_up = {"broker_up": int(self._broker.is_up)} if self._broker.is_shared else {}
        in_flight = len(self._running.all())
        limits = {"sessions_limit": self.limits.max_sessions, "instance_calls_in_flight": in_flight}
        return {**self._broker.stats(), **limits, **broker_up}

    def broker_calls(self) -> Mapping[str, int]:
        """Return how many calls of the session broker were `ok`, and how many `failed`; empty without a shared one."""
        return self._broker.calls


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
        options: see `TransportOptions`; every one has a safe default.
    """
    transport = Transport(server, auth_provider=auth_provider, broker=broker, options=TransportOptions(**options))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:  # noqa: ARG001 - Starlette's signature
        async with transport.run():
            yield

    app = Starlette(lifespan=lifespan)
    app.router.redirect_slashes = False  # a redirect would be built from `Host`, before it is checked
    transport.add_to(app)
    return app

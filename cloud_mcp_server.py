"""The HTTP entry point: tickets for a whole team, over Streamable HTTP and HTTP+SSE.

Wiring only: settings, ticket service, who may call, transport, what operators ask for. Start it with
`python cloud_mcp_server.py`. `uvicorn cloud_mcp_server:app` works too, but cuts calls in flight when it stops.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route

from auth.access import Access, AnonymousAccess, IdentityService, SharedKeyAccess, SignIn
from auth.authorization_server.clients.redirects import RedirectPolicy
from auth.authorization_server.server import AuthorizationServerOptions
from auth.oauth.challenge import Challenge
from auth.oauth.metadata import WELL_KNOWN, metadata_routes
from operations import Operations
from shared.client_habits import ClientHabits
from shared.config import CloudSettings, SettingsWithoutKeys, load, notes, service_context
from shared.config.greeting import Failing, greeting, ticket_api_of
from shared.counting import TallyCounter
from shared.environment import SettingsError
from shared.errors import TicketServerError, UpstreamUnavailableError
from shared.exporting import exporting
from shared.http.server import CannotListenError
from shared.identity import AuthProvider, provider_label
from shared.metrics.server import over_otlp, server_metrics
from shared.rate import Rate
from shared.scopes import required_scope
from shared.server import NAME, VERSION
from shared.storage.migrations import DatabaseNotReadyError
from shared.telemetry import configure_logging, get_logger
from shared.writes.recent_writes import RecentWrites
from ticket_service import TicketService
from transport import Limits, Transport, TransportOptions
from transport.http.errors import nothing_here
from transport.http.public_address import base_of
from transport.rate_limit import Rates
from transport.server import DrainingServer
from transport.sessions.broker import BrokerUnavailableError, SessionBroker
from transport.sessions.memory import InMemoryBroker
from web.page import PeoplePage, Situation

log = get_logger(__name__)

NO_REGISTRATION = (
    "Nothing is at this path. Clients cannot register themselves at this server (MCP_OAUTH_REGISTRATION): use one that "
    "has a metadata document of its own."
)
NO_SIGN_IN = "Nothing is at this path. This server has no OAuth sign-in: check the API key that your client sends."
SIGN_IN_ELSEWHERE = f"Nothing is at this path. Sign in at the identity provider that {WELL_KNOWN} names."
PATHS = {"streamable_http": "/mcp", "sse": "/sse"}
"""Where each wire is: a resource of its own for access tokens."""
READY_S = 2.0
CONNECTING_S = 0.05
RECHECKED = 1 / 6
"""The part of the time within which a revoked key is refused that goes by between two looks at open streams; for the
rest of it what is known of a key is remembered."""


class CloudMCPServer:
    """The HTTP entry point. Making one opens nothing; the lifespan of `app` does.

    Args:
        settings: by default those of the environment.
        auth_provider: a provider of your own, in place of the keys that the settings name.

    Raises:
        SettingsError: a setting is missing or wrong.
    """

    def __init__(self, settings: CloudSettings | None = None, *, auth_provider: AuthProvider | None = None) -> None:
        if settings is None:
            settings = load(CloudSettings if auth_provider is None else SettingsWithoutKeys)
        self._settings = settings
        self._asks_for_keys = auth_provider is not None or settings.asks_for_keys
        counter = TallyCounter()
        habits = ClientHabits(off=settings.client_habits_off, counter=counter)
        sign_in = sign_in_of(settings, counter)
        self._access = access = access_of(settings, habits, sign_in, counter)
        limits = Limits(
            max_sessions=settings.max_sessions,
            max_sessions_per_principal=settings.max_sessions_per_principal,
            max_streams_per_principal=settings.max_streams_per_principal,
            stream_s=settings.cloud_run_timeout,
        )
        sessions, recent_writes = broker(settings, limits)

        self._service = TicketService(
            settings,
            auth_provider=auth_provider,
            directory=access.directory,
            trail=access.trail,
            counter=counter,
            habits=habits,
            recent_writes=recent_writes,
            request_state_keys=[key.get_secret_value() for key in settings.request_state_keys],
        )
        page = PeoplePage(partial(self._situation, settings), is_ready=self._is_ready)
        self.transport = Transport(
            self._service.server,
            auth_provider=auth_provider or access.provider,
            broker=sessions,
            options=TransportOptions(
                allowed_hosts=settings.accepted_hosts,
                allowed_origins=settings.accepted_origins,
                limits=limits,
                # The only caller of an anonymous server may call as often as it likes.
                rates=rates(settings) if self._asks_for_keys else None,
                required_scope=required_scope,
                audit=access.trail,
                recheck_s=settings.revoke_within * RECHECKED,
                habits=habits,
                counter=counter,
                own_tools=self._service.server.own_tools,
                wires=settings.wires,
                sse_sunset=settings.sse_sunset,
                public_url=str(settings.public_url or ""),
                challenge=None if sign_in is None else Challenge(sign_in.public_url),
                page=page,
            ),
        )
        self.metrics = server_metrics(
            counter, self.transport, version=VERSION, revision=os.environ.get("K_REVISION", "")
        )
        self._operations = Operations(
            health=self.health,
            is_draining=lambda: self.transport.is_draining,
            is_up=lambda: self.transport.is_up,
            why_not=self.why_not,
            sessions=self.transport.sessions,
            counter=counter,
            metrics=self.metrics,
            operator_keys=[key.get_secret_value() for key in settings.operator_key],
            trail=access.trail,
            trusted_proxies=settings.trusted_proxies,
            habits=habits,
        )
        self.app = FastAPI(
            title="Ticket server",
            lifespan=self._lifespan,
            openapi_url=None,
            redirect_slashes=False,
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        if sign_in is not None:
            self.app.router.routes.extend(
                metadata_routes(sign_in.public_url, sign_in.issuers, map(PATHS.__getitem__, settings.wires))
            )
        self.app.router.routes.extend(access.routes)
        if (sentence := self._what_is_missing(has_own_provider=auth_provider is not None)) is not None:
            self.app.add_exception_handler(404, nothing_here(sentence))
        self.app.router.routes.append(Route("/", page))
        self.app.router.routes.extend(self._operations.routes)
        self.transport.add_to(self.app)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:  # one failing close does not skip the others
            try:
                await stack.enter_async_context(self._access.run())
            except DatabaseNotReadyError as error:
                raise SettingsError(str(error)) from error
            await stack.enter_async_context(self._operations.run())
            await stack.enter_async_context(self._service.run())
            await self._service.opened()
            await stack.enter_async_context(self.transport.run())
            yield

    def _what_is_missing(self, *, has_own_provider: bool) -> str | None:
        """Return what a client should know that looks for a way to sign in where none exists."""
        if self._settings.signs_in:
            if not self._settings.issues_tokens:
                return SIGN_IN_ELSEWHERE
            return None if self._settings.oauth_registration else NO_REGISTRATION
        return NO_SIGN_IN if self._asks_for_keys and not has_own_provider else None

    def health(self) -> Mapping[str, Any]:
        """Return what `GET /health` says of a running process."""
        transport = "all" if len(self.transport.wires) > 1 else "".join(self.transport.wires)  # as in the settings
        said = {"status": "healthy", "transport": transport, "auth_enabled": self._asks_for_keys}
        more = {"oauth_enabled": self._settings.signs_in, "layout": self.transport.layout}
        return said | {name: value for name, value in more.items() if value}

    def _situation(self, settings: CloudSettings, request: Request) -> Situation:
        """Return what the page for people says."""
        host = request.headers.get("host", "").lower()
        forwarded = request.headers.get("x-forwarded-proto") if settings.trusted_proxies else None
        scheme = forwarded if forwarded in {"http", "https"} else request.url.scheme
        reached = str(settings.public_url or f"{scheme}://{host}")
        return Situation(
            base=base_of(reached, request.scope.get("root_path", "")),
            is_known=settings.public_url is not None or self.transport.checks.is_known(host),
            asks_for_keys=self._asks_for_keys,
            signs_in=settings.signs_in,
            identity_provider=", ".join(map(provider_label, settings.sign_in_issuers))
            if settings.issues_tokens
            else "",
            wires=self.transport.wires,
        )

    async def _is_ready(self) -> bool:
        return await self._operations.is_ready()

    async def why_not(self) -> str | None:
        """Return why calls would fail now, in one word."""
        failing = await self.failing()
        return None if failing is None else failing.kind

    async def failing_at_start(self) -> Failing | None:
        """Return `failing`, once the connection to the session broker has had time to come up."""
        until = time.monotonic() + READY_S
        while not self.transport.is_up and time.monotonic() < until:  # noqa: ASYNC110 - brokers announce nothing
            await asyncio.sleep(CONNECTING_S)
        return await self.failing()

    async def failing(self) -> Failing | None:
        """Return what calls would fail without now: the session broker, the ticket API or the identity store."""
        if not self.transport.is_up:
            return Failing("the session broker (MCP_BROKER_URL)", BrokerUnavailableError.kind)
        probes = (
            (ticket_api_of(self._settings), UpstreamUnavailableError.kind, self._check_api),
            ("the identity store (MCP_DATABASE_URL)", "identity_unavailable", self._access.check),
        )
        for what, late, probe in probes:
            try:
                async with asyncio.timeout(READY_S):
                    await probe()
            except TicketServerError as error:
                return Failing(what, error.kind)
            except TimeoutError:
                return Failing(what, late)
        return None

    async def _check_api(self) -> None:
        """See that the ticket API answers, and where it can tell, that its database takes writes."""
        health = await self._service.probe.get("/health")
        features = health.get("features") if isinstance(health, dict) else None
        if isinstance(features, list) and "readiness" in features:
            await self._service.probe.get("/ready")


def sign_in_of(settings: CloudSettings, counter: TallyCounter) -> SignIn | None:
    """Return whose access tokens are accepted; None for those of nobody.

    Raises:
        SettingsError: an address of `MCP_OAUTH_REDIRECTS` cannot be one of a client.
    """
    if not settings.signs_in:
        return None
    base = base_of(str(settings.public_url), "")
    if settings.oauth_client_id is None or settings.oauth_client_secret is None:
        return SignIn(issuers=settings.oauth_issuer, public_url=base, audiences=frozenset(settings.oauth_audience))
    try:
        RedirectPolicy(settings.oauth_redirects)
    except ValueError as error:
        raise SettingsError(f"MCP_OAUTH_REDIRECTS: {error}") from None
    ((issuer, tenants),) = settings.sign_in_issuers.items()
    server = AuthorizationServerOptions(
        public_url=base,
        client_id=settings.oauth_client_id,
        client_secret=settings.oauth_client_secret.get_secret_value(),
        issuer=issuer,
        tenants=tenants,
        paths=tuple(path for wire, path in PATHS.items() if wire in settings.wires),
        registration=settings.oauth_registration,
        redirects=frozenset(settings.oauth_redirects),
        hosted_ranges=settings.oauth_hosted_ranges,
        trusted_proxies=settings.trusted_proxies,
        signing_keys=tuple(key.get_secret_value() for key in settings.oauth_signing_keys),
        counter=counter,
    )
    return SignIn(issuers={base: tenants}, public_url=base, server=server)


def access_of(settings: CloudSettings, habits: ClientHabits, sign_in: SignIn | None, counter: TallyCounter) -> Access:
    """Return who may call. The settings have refused what would be open by accident.

    Raises:
        SettingsError: the URL does not name a database.
    """
    keys = [key.get_secret_value() for key in settings.mcp_api_key]
    if not settings.identity_keys:
        if not keys:
            return AnonymousAccess()
        return SharedKeyAccess(keys, trusted_proxies=settings.trusted_proxies, habits=habits)
    try:
        return IdentityService(
            settings.identity_database_url,
            [secret.get_secret_value() for secret in settings.identity_keys],
            shared_keys=keys,
            trusted_proxies=settings.trusted_proxies,
            cache_s=settings.revoke_within * (1 - RECHECKED),
            habits=habits,
            sign_in=sign_in,
            counter=counter,
        )
    except ValueError as error:
        raise SettingsError(f"MCP_DATABASE_URL: {error}") from None


def rates(settings: CloudSettings) -> Rates:
    """Return how often callers may call: with a burst of one minute's worth."""
    limits = (
        settings.reads_per_minute,
        settings.writes_per_minute,
        settings.tenant_reads_per_minute,
        settings.tenant_writes_per_minute,
    )
    return Rates(*(Rate(limit, limit) for limit in limits))


def broker(settings: CloudSettings, limits: Limits) -> tuple[SessionBroker, RecentWrites | None]:
    """Return what keeps the sessions, this process or the server that several instances share, and their writes."""
    if settings.broker_url is None:
        return InMemoryBroker(limits), None
    from transport.sessions.valkey.broker import ValkeyBroker  # noqa: PLC0415 - its client takes a tenth of a start

    shared = ValkeyBroker.from_url(settings.broker_url.get_secret_value(), limits=limits)
    return shared, shared.recent_writes


def create_app(settings: CloudSettings) -> FastAPI:
    """Return the application for `settings`. It opens nothing before its lifespan."""
    return CloudMCPServer(settings).app


def __getattr__(name: str) -> Any:
    """Make `app` on first access, for `uvicorn cloud_mcp_server:app`; importing the module reads and opens nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = load(CloudSettings)
    configure_logging(level=settings.log_level, service=service_context(NAME, VERSION))
    log.warning("no_drain", hint="start python cloud_mcp_server.py instead: uvicorn alone cuts calls when it stops")
    globals()["app"] = app = create_app(settings)
    return app


def main() -> int:
    """Run the server until SIGTERM or Ctrl-C; return the exit code."""
    announcements: list[asyncio.Task[None]] = []

    def started(port: int) -> None:
        gc.freeze()  # what the start made stays: to look at it for garbage again would stall all calls for 0.1 s
        log.info("http_started", host=settings.host, port=port)
        announcements.append(asyncio.get_running_loop().create_task(announce(port)))

    async def announce(port: int) -> None:
        said = greeting(settings, port, server.transport.wires, await server.failing_at_start())
        print(said, file=sys.stderr, flush=True)  # noqa: T201 - for the person who started it

    try:
        settings = load(CloudSettings)
        service = service_context(NAME, VERSION)
        configure_logging(level=settings.log_level, service=service)
        for sentence in notes(settings):
            log.warning("settings_note", hint=sentence)
        with exporting(settings.otlp_endpoint, service) as begin:
            server = CloudMCPServer(settings)
            begin(over_otlp(server.metrics))
            listener = DrainingServer(
                server.app,
                server.transport,
                host=settings.host,
                port=settings.port,
                is_behind_proxy=settings.trusted_proxies > 0,
                on_started=started,
            )
            listener.run()
    except (SettingsError, CannotListenError) as error:
        print(f"The ticket server cannot start.\n{error}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return 2
    log.info("http_ended")
    return 0


if __name__ == "__main__":
    code = main()
    gc.freeze()  # else the interpreter looks for garbage everywhere before it ends, which takes half a second
    sys.exit(code)

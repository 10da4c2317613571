"""The common part of both servers: clients of ticket APIs, in this process or remote, behind one MCP server."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import anyio
from starlette.types import Receive, Scope, Send

from shared.api_client import APIClient
from shared.audit import AuditTrail
from shared.client_habits import ClientHabits
from shared.concurrency import finish
from shared.config import CHECKOUT, IS_INSTALLED, ToolSettings
from shared.counting import Counter
from shared.embedded.in_process import InProcessTransport
from shared.embedded.tenant_keys import TenantKeys
from shared.environment import SettingsError
from shared.errors import UpstreamNotSetError
from shared.fair_queue import FairQueue
from shared.http.hosts import may_carry_key
from shared.identity import DEFAULT_TENANT, AuthProvider, Tenant, TenantDirectory, Upstream
from shared.localization import localized
from shared.mcp_tools.tenant_tools import SingleToolsProvider, TenantToolsProvider
from shared.server import build_server
from shared.storage.connections import CONNECTIONS
from shared.telemetry import get_logger
from shared.time_zones import zone_named
from shared.tools import TicketTools
from shared.upstream.proxies import Proxies
from shared.writes.recent_writes import MemoryRecentWrites, RecentWrites

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy import URL

    from shared.upstream.google_identity import GoogleIdentity

log = get_logger(__name__)

_EMBEDDED_URL: Final = "http://embedded.invalid"
_SQLITE_FILE: Final = re.compile(r"sqlite(?:\+aiosqlite)?:///(?!:memory:)([^?]+)(?:\?.*)?", re.DOTALL)
"""The URL of an SQLite file, and its path."""


class _OneUpstream:
    """The directory of tenants that are known by nothing but who calls: each has the ticket API of the deployment.

    In it they stay apart: by their key of the embedded API, or because only the default tenant may use it.
    """

    async def upstream_of(self, tenant: Tenant) -> Upstream:  # noqa: ARG002 - all have the same
        """Return the ticket API of the deployment."""
        return Upstream()


class EmbeddedTicketAPI:
    """The ticket API in this process: an ASGI application whose requests wait until it is open.

    Its program and the database libraries take a third of a start over STDIO, whose client needs none of them before
    its first call. So they are imported when it opens, in a thread.

    Args:
        settings: of the server.
        keys: those by which it tells organisations apart.

    Raises:
        SettingsError: the database URL does not name a supported database.
    """

    def __init__(self, settings: ToolSettings, keys: TenantKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._url = settings.database_url.get_secret_value()
        if not _SQLITE_FILE.fullmatch(self._url):
            _checked_url(self._url)
        self._opened: asyncio.Future[FastAPI]

    @property
    def connections(self) -> int:
        """How many requests may be in flight: as many as it has database connections."""
        return CONNECTIONS["sqlite" if self._url.startswith("sqlite") else "postgresql"]

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Open it beside the block. Raises: SettingsError: at the end, as `opened` does."""
        self._opened = asyncio.get_running_loop().create_future()
        over = asyncio.Event()
        task = asyncio.create_task(self._run_until(over, self._opened))
        task.add_done_callback(partial(_pass_failure, self._opened))
        try:
            yield
        finally:
            over.set()
            await finish(task)

    async def opened(self) -> "FastAPI":
        """Return the application once it is open. Raises: SettingsError: the database cannot be used."""
        return self._opened.result() if self._opened.done() else await asyncio.shield(self._opened)

    async def _run_until(self, over: asyncio.Event, opened: "asyncio.Future[FastAPI]") -> None:
        app = await anyio.to_thread.run_sync(self._load)
        from shared.storage.migrations import DatabaseNotReadyError  # noqa: PLC0415 - imported with the rest

        async with AsyncExitStack() as stack:
            # Nothing else runs the lifespan of an application that no server serves.
            try:
                await stack.enter_async_context(app.router.lifespan_context(app))
            except DatabaseNotReadyError as error:
                raise SettingsError(str(error)) from error
            await self._report_unused_samples(app)
            opened.set_result(app)
            await over.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        app = await self.opened()
        await app(scope, receive, send)

    def _load(self) -> "FastAPI":
        """Import the program and return its application."""
        from ticket_api import create_app  # noqa: PLC0415 - see above

        settings = self._settings
        return create_app(
            database_url=self._url,
            tenant_of=self._keys.tenant_of,
            sample_data=settings.sample_data,
            zone=None if settings.time_zone is None else zone_named(settings.time_zone),
        )

    async def _report_unused_samples(self, app: "FastAPI") -> None:
        from ticket_api.sample import why_unused  # noqa: PLC0415 - see above

        if "sample_data" not in self._settings.model_fields_set:
            return
        why = await app.state.tenants.read(DEFAULT_TENANT.id, partial(why_unused, self._settings.sample_data))
        if why is not None:
            log.warning("settings_note", hint=f"MCP_SAMPLE_DATA has no effect: {why}.")


class TicketService:
    """The ticket API of `settings`, those of the tenants in `directory`, and the MCP server that offers them.

    Constructing it opens nothing; `run()` does.

    Args:
        settings: of the server.
        auth_provider: your own proof of who calls. Its principals may belong to several tenants, so each tenant gets
            clients of its own.
        directory: finds the ticket API of each tenant; without one and without `auth_provider`, every caller belongs to
            the default tenant.
        trail: records writes and refusals; see `build_server`.
        counter: counts the outcomes of calls and requests.
        habits: what is served of clients that bend the protocol; by default all that is known.
        recent_writes: recognises repeated writes of all tenants; by default those of this process.
        request_state_keys: see `build_server`.
        says_whose_tickets: whether to say whose tickets these are; see `build_server`.

    Raises:
        SettingsError: the database URL does not name a supported database, or the environment names a proxy that cannot
            be used.
    """

    def __init__(
        self,
        settings: ToolSettings,
        *,
        auth_provider: AuthProvider | None = None,
        directory: TenantDirectory | None = None,
        trail: AuditTrail | None = None,
        counter: Counter | None = None,
        habits: ClientHabits | None = None,
        recent_writes: RecentWrites | None = None,
        request_state_keys: Sequence[str] = (),
        says_whose_tickets: bool = False,
    ) -> None:
        self._counter = counter
        self._keys = TenantKeys()
        self._address = _EMBEDDED_URL if settings.is_embedded else str(settings.api_base_url).rstrip("/")
        self._key = settings.api_key.get_secret_value() if settings.api_key is not None else None
        self._embedded = EmbeddedTicketAPI(settings, self._keys) if settings.is_embedded else None
        self._settings = settings
        self._queues: WeakValueDictionary[str, FairQueue] = WeakValueDictionary()
        """The request slots of each address, kept as long as a client for it exists."""
        self._proxies = Proxies(os.environ)
        self._identity = _identity(self._address) if settings.api_google_identity else None
        try:
            self._api = self._connect(DEFAULT_TENANT, Upstream())
            self.probe = self._reach(DEFAULT_TENANT, Upstream(), FairQueue(1))
        except UpstreamNotSetError as error:
            raise SettingsError(str(error)) from None
        """A client of the default tenant's ticket API that does not wait behind calls."""
        tools = partial(
            TicketTools,
            completed_status_id=settings.completed_status_id,
            counter=counter,
            recent_writes=recent_writes or MemoryRecentWrites(),
            zone=None if settings.time_zone is None else zone_named(settings.time_zone),
            ticket_user=settings.ticket_user or "",
        )
        if directory is None and auth_provider is not None:
            directory = _OneUpstream()
        self._tenants = (
            None if directory is None else TenantToolsProvider(directory, connect=self._connect, tools=tools)
        )
        self.server = build_server(
            self._tenants or SingleToolsProvider(tools(self._api)),
            trail=trail,
            counter=counter,
            habits=habits,
            request_state_keys=request_state_keys,
            read_only=settings.read_only,
            language=settings.language,
            whose_tickets=partial(whose_tickets, settings) if says_whose_tickets else None,
        )

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Open the embedded API, if used, and the connections to ticket APIs; close them in reverse order.

        Raises:
            SettingsError: the database cannot be used.
        """
        async with AsyncExitStack() as stack:
            if self._embedded is not None:
                await stack.enter_async_context(self._embedded.run())
            if self._identity is not None:
                stack.push_async_callback(self._identity.aclose)
            await stack.enter_async_context(self._api)
            await stack.enter_async_context(self.probe)
            if self._tenants is not None:
                await stack.enter_async_context(self._tenants.run())
            yield

    async def opened(self) -> None:
        """Wait until the embedded API is open, if it is used. Raises: SettingsError: the database cannot be used."""
        if self._embedded is not None:
            await self._embedded.opened()

    def _connect(self, tenant: Tenant, upstream: Upstream) -> APIClient:
        """Return the client for the tickets of `tenant`; all clients of one address share its request slots.

        Raises:
            UpstreamNotSetError: see `_reach`.
        """
        address = (upstream.address or self._address).rstrip("/")
        queue = self._queues.setdefault(address, FairQueue(self._places(address)))
        return self._reach(tenant, upstream, queue)

    def _places(self, address: str) -> int:
        """Return how many requests may be in flight at `address`."""
        if address == _EMBEDDED_URL and self._embedded is not None:
            return self._embedded.connections
        return self._settings.api_concurrency

    def _reach(self, tenant: Tenant, upstream: Upstream, queue: FairQueue) -> APIClient:
        """Return a client for the tickets of `tenant` whose calls take slots of `queue`.

        Raises:
            UpstreamNotSetError: it would reach the default tenant's tickets, since the key identifies the tenant; its
                key would be sent in clear; or the environment names a proxy that cannot be used.
        """
        shares = upstream.address is None
        client = partial(APIClient, counter=self._counter, queue=queue, organisation=tenant.id)
        if shares and self._embedded is not None:
            transport = InProcessTransport(self._embedded)
            return client(_EMBEDDED_URL, api_key=self._keys.key_of(tenant.id), transport=transport)
        address, key = (upstream.address or self._address).rstrip("/"), upstream.api_key
        if tenant == DEFAULT_TENANT:
            key = key or (self._key if shares else None)  # the configured key is for no other address
        elif (shares and key is None) or (address, key) == (self._address, self._key):
            raise UpstreamNotSetError(
                localized(
                    "Your organisation has no ticket system of its own here. Nothing was changed; the operator must "
                    "set its address, or its own key for the ticket system of this server."
                )
            )
        if shares and key is not None and not may_carry_key(address, allow_private=self._settings.allow_private):
            raise UpstreamNotSetError(
                localized(
                    "The key of your organisation is not sent by http:// to another machine. Nothing was changed; the "
                    "operator must set an https:// address, or MCP_ALLOW_PRIVATE=true for a private one."
                )
            )
        identity = self._identity if address == self._address else None  # which is for no other address either
        return client(address, api_key=key, proxy=self._proxies.of(address), identity=identity)


def _identity(address: str) -> "GoogleIdentity":
    """Return the Google identity of this server for the ticket API at `address`.

    `GCE_METADATA_HOST` names another metadata server, as for Google's own libraries.
    """
    from shared.upstream.google_identity import METADATA_HOST, GoogleIdentity  # noqa: PLC0415 - most servers have none

    return GoogleIdentity(address, metadata_host=os.environ.get("GCE_METADATA_HOST") or METADATA_HOST)


def whose_tickets(settings: ToolSettings) -> str:
    """Return a sentence that says where the tickets are, without secrets. Raises: SettingsError: the URL is none."""
    if not settings.is_embedded:
        address = urlsplit(str(settings.api_base_url))
        return localized("These tickets are those of the ticket API at {host}.", host=address.netloc)
    url = settings.database_url.get_secret_value()
    file = _SQLITE_FILE.fullmatch(url)
    if file is None:
        server = _checked_url(url)
        where = localized("{database} at {host}", database=server.database, host=server.host)
    else:
        path = Path(file[1])
        where = path.relative_to(CHECKOUT).as_posix() if path.is_relative_to(CHECKOUT) else str(path)
    if settings.sample_data == "none":
        return localized("These tickets are in the database of this server itself ({where}).", where=where)
    return localized(
        "These tickets are in the database of this {here} itself ({where}), which begins with sample data unless its "
        "people begin with their own. They are not those of another ticket system; MCP_API_BASE_URL connects one.",
        here=localized("installation" if IS_INSTALLED else "checkout"),
        where=where,
    )


def _pass_failure(opened: "asyncio.Future[FastAPI]", task: "asyncio.Task[None]") -> None:
    """Have those who wait learn that it does not open."""
    if not opened.done() and not task.cancelled() and (error := task.exception()) is not None:
        opened.set_exception(error)
    opened.cancel()


def _checked_url(url: str) -> "URL":
    """Return the database URL as the embedded API reads it. Raises: SettingsError."""
    from shared.storage.database import resolve_url  # noqa: PLC0415 - only for what is not the URL of an SQLite file

    try:
        return resolve_url(url)
    except ValueError as error:
        raise SettingsError(f"MCP_DATABASE_URL: {error}") from None

"""Chooses the tools for a call: each tenant has tools of its own, with its own client for its own ticket API.

Tenants share nothing: no connections, no cookies, no cached lists for checking ids. A directory response is used for
at most 30 seconds, so a new address or key needs no restart.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.api_client import APIClient
from shared.errors import UpstreamUnavailableError
from shared.identity import DEFAULT_TENANT, Principal, Tenant, TenantDirectory, Upstream
from shared.localization import localized
from shared.telemetry import get_logger
from shared.tools import TicketTools

log = get_logger(__name__)

ASK_AGAIN_S: Final = 30.0
ASK_S: Final = 5.0
"""How long a call waits for the directory, in seconds."""
MAX_CONNECTED: Final = 200


class ToolsProvider(Protocol):
    """Provides the caller's tools.

    `SingleToolsProvider` and `TenantToolsProvider` pass tests/shared/mcp_tools/test_tenant_tools.py.
    """

    def acquire(self, caller: Principal | None) -> AbstractAsyncContextManager[TicketTools]:
        """Provide the tools of `caller`, None over STDIO, for one call. Raises: TicketServerError: unavailable now."""
        ...


class SingleToolsProvider:
    """The same tools for every caller, for a server with one tenant."""

    def __init__(self, tools: TicketTools) -> None:
        self._tools = tools

    def acquire(self, caller: Principal | None) -> AbstractAsyncContextManager[TicketTools]:  # noqa: ARG002 - same for all
        """Provide them."""
        return nullcontext(self._tools)


@dataclass(slots=True, eq=False)
class _ConnectedTools:
    upstream: Upstream
    api: APIClient
    tools: TicketTools
    calls: int = 0
    is_replaced: bool = False
    """Whether new calls use a replacement; this one closes after its last call."""


@dataclass(slots=True, eq=False)
class _TenantEntry:
    """The state kept for one tenant."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    callers: int = 0
    connected: _ConnectedTools | None = None
    asked_at: float = -math.inf


class TenantToolsProvider:
    """Opens a tenant's API client and tools at its first call, and keeps them.

    Args:
        directory: returns the upstream of each tenant.
        connect: creates the client for a tenant's ticket API, unopened. May raise TicketServerError.
        tools: creates the tools over a client.
        most: the number kept open; beyond it, the least recently used closes.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        directory: TenantDirectory,
        *,
        connect: Callable[[Tenant, Upstream], APIClient],
        tools: Callable[[APIClient], TicketTools],
        most: int = MAX_CONNECTED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._connect = connect
        self._tools = tools
        self._most = most
        self._clock = clock
        self._entries: OrderedDict[str, _TenantEntry] = OrderedDict()
        self._open: dict[_ConnectedTools, None] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Close everything at the end, in reverse order of opening."""
        async with AsyncExitStack() as stack:  # one failing close does not skip the others
            try:
                yield
            finally:
                for connected in self._open:
                    stack.push_async_exit(connected.api)
                await asyncio.gather(*self._closing)

    def acquire(self, caller: Principal | None) -> AbstractAsyncContextManager[TicketTools]:
        """Provide the tools of the caller's tenant; a call keeps them to its end, whatever changes in the meantime.

        Raises:
            TicketServerError: the directory refuses the tenant or does not respond.
        """
        return _Acquired(self, DEFAULT_TENANT if caller is None else caller.tenant)

    async def begin(self, tenant: Tenant) -> tuple[_TenantEntry, _ConnectedTools]:
        """Begin one call of a tenant. Raises: as `acquire`."""
        key = tenant.id
        if (entry := self._entries.get(key)) is None:
            entry = self._entries[key] = _TenantEntry()
        self._entries.move_to_end(key)
        entry.callers += 1
        try:
            self._make_room()
            connected = self._fresh(entry) or await self._connected_tools(tenant, entry)
        except BaseException:
            entry.callers -= 1
            raise
        connected.calls += 1
        return entry, connected

    def end(self, entry: _TenantEntry, connected: _ConnectedTools) -> None:
        """End a call."""
        entry.callers -= 1
        connected.calls -= 1
        self._close_if_done(connected)

    def _fresh(self, entry: _TenantEntry) -> _ConnectedTools | None:
        """Return the tenant's tools if the directory was asked less than `ASK_AGAIN_S` ago."""
        return entry.connected if self._clock() - entry.asked_at < ASK_AGAIN_S else None

    async def _connected_tools(self, tenant: Tenant, entry: _TenantEntry) -> _ConnectedTools:
        """Return the tenant's tools by a directory response at most `ASK_AGAIN_S` old; fail without one."""
        try:
            async with asyncio.timeout(ASK_S), entry.asking:  # waiting calls reuse the first one's response
                connected = self._fresh(entry)
                if connected is None:
                    connected = entry.connected = await self._ask(tenant, entry)
                return connected
        except TimeoutError:
            log.warning("directory_late", tenant=tenant.id)
            raise UpstreamUnavailableError(
                localized(
                    "The ticket API of your organisation cannot be looked up at the moment. Nothing was changed; try "
                    "again in a moment."
                )
            ) from None

    async def _ask(self, tenant: Tenant, entry: _TenantEntry) -> _ConnectedTools:
        asked_at, old = self._clock(), entry.connected
        upstream = await self._directory.upstream_of(tenant)
        if old is not None and old.upstream == upstream:
            entry.asked_at = asked_at
            return old
        api = await self._connect(tenant, upstream).__aenter__()
        connected = _ConnectedTools(upstream, api, self._tools(api))
        self._open[connected] = None
        entry.asked_at = asked_at
        if old is not None:
            old.is_replaced = True
            self._close_if_done(old)
        return connected

    def _make_room(self) -> None:
        """Evict the least recently used tenants that have no call in progress."""
        spare = len(self._entries) - self._most
        if spare <= 0:
            return
        idle = [tenant for tenant, entry in self._entries.items() if not entry.callers]
        for tenant in idle[:spare]:
            connected = self._entries.pop(tenant).connected
            if connected is not None:
                connected.is_replaced = True
                self._close_if_done(connected)

    def _close_if_done(self, connected: _ConnectedTools) -> None:
        """Close it if it is replaced and idle, in a task of its own so that no caller waits."""
        if connected.calls or not connected.is_replaced:
            return
        del self._open[connected]
        closing = asyncio.create_task(connected.api.__aexit__(None, None, None))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


class _Acquired:
    """The tools of a tenant during one call; a generator would cost three times as much."""

    __slots__ = ("_begun", "_provider", "_tenant")

    def __init__(self, provider: TenantToolsProvider, tenant: Tenant) -> None:
        self._provider = provider
        self._tenant = tenant

    async def __aenter__(self) -> TicketTools:
        self._begun = await self._provider.begin(self._tenant)
        return self._begun[1].tools

    async def __aexit__(self, *_: object) -> None:
        self._provider.end(*self._begun)

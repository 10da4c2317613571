"""Whose tools answer a call: there is one connected for each tenant, with its own way to its own ticket API.

Nothing of one tenant is shared with another: neither connections nor cookies, nor the lists that ids are checked
against. The directory of tenants is asked again every half minute, so that a new address or key needs no restart.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.api_client import APIClient
from shared.errors import UpstreamUnavailableError
from shared.identity import DEFAULT_TENANT, Principal, Tenant, TenantDirectory, Upstream
from shared.telemetry import get_logger
from shared.tools import TicketTools

log = get_logger(__name__)

ASK_AGAIN_S: Final = 30.0
ASK_S: Final = 5.0
"""How long a call waits for the directory."""
MAX_CONNECTED: Final = 200


class ToolsProvider(Protocol):
    """Lends each caller the tools of their tenant.

    `SingleToolsProvider` and `TenantToolsProvider` pass tests/shared/mcp_tools/test_tenant_tools.py.
    """

    def acquire(self, caller: Principal | None) -> AbstractAsyncContextManager[TicketTools]:
        """Lend the tools of `caller`, None over STDIO, for one call. Raises: TicketServerError: there are none now."""
        ...


class SingleToolsProvider:
    """The same tools for everybody: where there is one tenant."""

    def __init__(self, tools: TicketTools) -> None:
        self._tools = tools

    @asynccontextmanager
    async def acquire(self, caller: Principal | None) -> AsyncGenerator[TicketTools]:  # noqa: ARG002 - that is its point
        """Lend them."""
        yield self._tools


@dataclass(slots=True, eq=False)
class _ConnectedTools:
    upstream: Upstream
    api: APIClient
    tools: TicketTools
    calls: int = 0
    is_replaced: bool = False
    """Whether new calls go elsewhere; it closes after its last one."""


@dataclass(slots=True, eq=False)
class _TenantEntry:
    """What is kept of one tenant."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    callers: int = 0
    connected: _ConnectedTools | None = None
    asked_at: float = -math.inf


class TenantToolsProvider:
    """A desk for each tenant that calls, opened when it first does.

    Args:
        directory: knows where the tickets of each tenant are.
        connect: makes the client for a tenant's ticket API, unopened. May raise TicketServerError.
        tools: makes the tools over it.
        most: how many stay open; of more, the one that nobody has used for longest closes.
        clock: counts seconds and never goes back.
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
        """Close every desk at the end, the last one that was opened first."""
        async with AsyncExitStack() as stack:  # one failing close does not skip the others
            try:
                yield
            finally:
                for connected in self._open:
                    stack.push_async_exit(connected.api)
                await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def acquire(self, caller: Principal | None) -> AsyncGenerator[TicketTools]:
        """Lend the tools of the caller's tenant; a call that has begun ends with them, whatever is changed meanwhile.

        Raises:
            TicketServerError: the directory says so, or does not answer.
        """
        tenant = DEFAULT_TENANT if caller is None else caller.tenant
        entry = self._entries.setdefault(tenant.id, _TenantEntry())
        self._entries.move_to_end(tenant.id)
        entry.callers += 1
        self._make_room()
        try:
            connected = await self._connected_tools(tenant, entry)
            connected.calls += 1
            try:
                yield connected.tools
            finally:
                connected.calls -= 1
                self._close_if_done(connected)
        finally:
            entry.callers -= 1

    async def _connected_tools(self, tenant: Tenant, entry: _TenantEntry) -> _ConnectedTools:
        """Return the desk as the directory knew it at most `ASK_AGAIN_S` ago; without its word, none."""
        try:
            async with asyncio.timeout(ASK_S), entry.asking:  # whoever waited finds what the first one brought
                if entry.connected is None or self._clock() - entry.asked_at >= ASK_AGAIN_S:
                    entry.connected = await self._ask(tenant, entry)
                return entry.connected
        except TimeoutError:
            log.warning("directory_late", tenant=tenant.id)
            raise UpstreamUnavailableError(
                "Where the tickets of your organisation are cannot be told at the moment. Nothing was changed; try "
                "again in a moment."
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
        """Let go of the tenants that called longest ago, and do not call now."""
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
        """Close a replaced desk after its last call, in a task of its own: no caller waits for it."""
        if connected.calls or not connected.is_replaced:
            return
        del self._open[connected]
        closing = asyncio.create_task(connected.api.__aexit__(None, None, None))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

"""The way from the server to the client, as handlers and the SDK's kernel see it.

`DispatchContext` is that of one message, `SessionOutbound` that of a session outside of any request. Both send through
a `Channel`: for sessions that is `transport.dispatch.client_requests.ClientRequests`.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, Protocol

import anyio
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import RequestId

from shared.identity import Principal


class Caller(NamedTuple):
    """What handlers may know of the HTTP request behind a message; it reaches them as `ctx.request_context.request`."""

    principal: Principal
    headers: Mapping[str, str]
    """Lower-case names, without credentials."""
    takes_json: bool = True
    """Whether the response may be JSON."""
    takes_events: bool = True
    """Whether the response may be a stream: without one, nothing reaches the client before it."""
    received: float | None = None
    """When the message was read, by `time.perf_counter`; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A transport that has sessions."""

    name: str
    own_streams: bool
    """Whether the responses to a POST come on a stream of its own, else on the one of the session."""


class Address(NamedTuple):
    """Where a message to a client belongs."""

    session: str
    stream: str = ""
    """Empty for the standalone stream."""


class Channel(Protocol):
    """A way to a client."""

    async def notify(self, to: Address, method: str, params: Mapping[str, Any] | None) -> None:
        """Send a notification. Never raises: the SDK's handlers do not expect it."""
        ...

    async def send_request(
        self, to: Address, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None
    ) -> dict[str, Any]:
        """Send a request and return its result. Raises: MCPError."""
        ...


@dataclass(slots=True, eq=False)
class DispatchContext:
    """The context of one message: what its handler may send to the client while it runs."""

    channel: Channel
    address: Address
    wire: str
    message_metadata: ServerMessageMetadata
    """With the `Caller`."""
    request_id: RequestId | None = None
    progress_token: RequestId | None = None
    _: KW_ONLY
    can_ask: bool = False
    """Whether a request to the client can be delivered while it runs."""
    is_modern: bool = False
    """Whether it carries the envelope of 2026-07-28."""
    revision: str | None = None
    """The revision of a request that belongs to no session, though its revision has sessions."""
    closed: bool = False
    is_cancelled: bool = False
    """Whether its client cancelled it."""
    _cancel_requested: anyio.Event | None = None

    @property
    def transport(self) -> TransportContext:
        """What the SDK's kernel may know of the wire; made when it asks."""
        caller: Caller = self.message_metadata.request_context
        return TransportContext(kind=self.wire, can_send_request=self.can_ask, headers=caller.headers)

    @property
    def cancel_requested(self) -> anyio.Event:
        """Set once its client cancels it; made when a handler asks for it, which few do."""
        if self._cancel_requested is None:
            self._cancel_requested = anyio.Event()
            if self.is_cancelled:
                self._cancel_requested.set()
        return self._cancel_requested

    def cancel(self) -> None:
        """Take note that its client cancelled it."""
        self.is_cancelled = True
        if self._cancel_requested is not None:
            self._cancel_requested.set()

    @property
    def can_send_request(self) -> bool:
        """Whether a request to the client could be delivered now."""
        return self.can_ask and not self.closed

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Send a request to the client and wait for its result."""
        if not self.can_send_request:
            raise NoBackChannelError(method)
        return await self.channel.send_request(self.address, method, params, opts)

    async def notify(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        opts: CallOptions | None = None,  # noqa: ARG002 - the SDK's signature; no option concerns a notification
    ) -> None:
        """Send a notification to the client, as long as the call runs."""
        if not self.closed:
            await self.channel.notify(self.address, method, params)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress, if the client asked for it."""
        if self.progress_token is None:
            return
        said = {"progressToken": self.progress_token, "progress": progress, "total": total, "message": message}
        await self.notify("notifications/progress", {name: value for name, value in said.items() if value is not None})


@dataclass(frozen=True, slots=True)
class SessionOutbound:
    """What is sent to the client of a session outside of any request."""

    channel: Channel
    address: Address

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Send a request to the client and wait for its result."""
        return await self.channel.send_request(self.address, method, params, opts)

    async def notify(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        opts: CallOptions | None = None,  # noqa: ARG002 - the SDK's signature; no option concerns a notification
    ) -> None:
        """Send a notification to the client."""
        await self.channel.notify(self.address, method, params)

"""Notifications to clients, and requests that wait for the client's response."""

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from mcp.shared.dispatcher import CallOptions, ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, ErrorData, RequestId

from shared.identity import PrincipalKey
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.dispatch.context import Address
from transport.sessions.broker import InstanceMessage, SessionBroker
from transport.sessions.event_log import Kind

log = get_logger(__name__)

CLIENT_TIMEOUT_S: Final = 900.0  # a person may have to answer; no client keeps a call open for longer
RECOGNISE_S: Final = 2.0
"""How long a client may take to answer a ping by which it is known again; seen: 2 to 11 ms."""
PINGS: Final = 4
"""How many it gets in that time: its answer may go to an instance that dies, over a connection that is dead."""
_LAST_WORDS_S: Final = 1.0
_OUR_ID: Final = re.compile(r"([0-9a-f]{8}):[0-9a-z]+")
"""The id of a request to a client: the instance that waits for the answer, and a name."""


@dataclass(slots=True, eq=False)
class _Waiter:
    session: str | None
    """Whose answer counts; None while it is the answer that tells."""
    owner: PrincipalKey | None = None
    """Where no session is known: whose sessions count."""
    on_progress: ProgressFnT | None = None
    arrived: anyio.Event = field(default_factory=anyio.Event)
    outcome: dict[str, Any] | ErrorData | None = None

    def accepts(self, message: InstanceMessage) -> bool:
        return message.session == self.session if self.session is not None else message.owner == self.owner

    def settle(self, outcome: dict[str, Any] | ErrorData) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.arrived.set()


class ClientRequests:
    """Sends to clients through `broker`, and hands their answers to whoever waits."""

    def __init__(self, broker: SessionBroker) -> None:
        self._broker = broker
        self._ids = itertools.count(1)
        self._waiters: dict[RequestId, _Waiter] = {}

    async def notify(self, to: Address, method: str, params: Mapping[str, Any] | None) -> None:
        """Send a notification to a client."""
        message = jsonrpc.notification(method, params)
        await self._broker.append(to.session, Kind.NOTIFICATION, message, stream=to.stream)

    async def send_request(
        self, to: Address, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None
    ) -> dict[str, Any]:
        """Send a request to a client and return its answer.

        Raises:
            MCPError: the client's own error, no answer in time, or the session ended.
        """
        opts = opts or {}
        # The id carries the instance: the SDK counts from 0 per connection, and two instances would collide.
        request = f"{self._broker.instance}:{next(self._ids)}"
        waiter = self._waiters[request] = _Waiter(to.session, on_progress=opts.get("on_progress"))
        said = dict(params or {})
        if waiter.on_progress is not None:
            said["_meta"] = {**(said.get("_meta") or {}), "progressToken": request}
        try:
            with anyio.fail_after(min(opts.get("timeout") or CLIENT_TIMEOUT_S, CLIENT_TIMEOUT_S)):
                message = jsonrpc.request(request, method, said or None)
                await self._broker.append(to.session, Kind.REQUEST, message, stream=to.stream)
                await waiter.arrived.wait()
        except TimeoutError:
            await self._abandon(to, request, opts, "timed out")
            raise MCPError(REQUEST_TIMEOUT, f"The client did not answer {method} in time.") from None
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_LAST_WORDS_S, shield=True):
                await self._abandon(to, request, opts, "the call behind it ended")
            raise
        finally:
            del self._waiters[request]
        if isinstance(waiter.outcome, ErrorData):
            raise MCPError.from_error_data(waiter.outcome)
        return waiter.outcome or {}

    async def _abandon(self, to: Address, request: RequestId, opts: CallOptions, reason: str) -> None:
        if opts.get("cancel_on_abandon", True):
            await self.notify(to, "notifications/cancelled", {"requestId": request, "reason": reason})

    async def recognise(self, owner: PrincipalKey, write: Callable[[bytes], Awaitable[None]]) -> str | None:
        """Return the session of the client that reads what `write` sends; None when it does not tell in time.

        A client that comes again answers a ping at the endpoint it had, whichever instance that reaches. The answer
        counts only when it comes from a session of `owner`. Seen with the TypeScript client, which sends no
        `Last-Event-ID`; clients that are new never get here.
        """
        requests = [f"{self._broker.instance}:{secrets.token_hex(16)}" for _ in range(PINGS)]
        waiter = _Waiter(None, owner)
        self._waiters |= dict.fromkeys(requests, waiter)
        try:
            for request in requests:
                await write(jsonrpc.request(request, "ping", None))
                with anyio.move_on_after(RECOGNISE_S / PINGS):
                    await waiter.arrived.wait()
                    break
        finally:
            for request in requests:
                del self._waiters[request]
        return waiter.session

    async def forward(self, message: InstanceMessage) -> None:
        """Bring a client's answer or progress to the instance that asked; a forged or late id finds nobody.

        Raises:
            BrokerUnavailableError: it is on another instance, which cannot be reached now.
        """
        ours = _OUR_ID.fullmatch(message.request) if isinstance(message.request, str) else None
        if ours is None:
            return
        if ours[1] == self._broker.instance:
            await self.on_message(message)
        else:
            await self._broker.publish(message, instance=ours[1])

    async def on_message(self, message: InstanceMessage) -> None:
        """Hand a client's answer or progress to whoever waits for it here."""
        waiter = self._waiters.get(message.request) if message.request is not None else None
        if waiter is None or not waiter.accepts(message):
            return
        if message.kind == "answered":
            waiter.session = message.session
            error = message.body.get("error")
            waiter.settle(ErrorData.model_validate(error) if error is not None else message.body.get("result") or {})
        elif waiter.on_progress is not None:
            await self._report(waiter.on_progress, message.body)

    async def _report(self, on_progress: ProgressFnT, params: Mapping[str, Any]) -> None:
        progress = params.get("progress")
        if not isinstance(progress, int | float):
            return
        total, said = params.get("total"), params.get("message")
        try:
            await on_progress(
                progress,
                total if isinstance(total, int | float) else None,
                said if isinstance(said, str) else None,
            )
        except Exception:
            log.exception("progress_callback_failed")

    def close(self, session: str) -> None:
        """Tell whoever waits for the client of `session` that it is gone."""
        for waiter in self._waiters.values():
            if waiter.session == session:
                waiter.settle(ErrorData(code=CONNECTION_CLOSED, message="Connection closed"))

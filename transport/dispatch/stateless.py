"""Requests of 2026-07-28, which belong to no session: admitted, run here, and answered on their own POST."""

import itertools
from collections import Counter as Tally
from dataclasses import dataclass

from mcp_types import INTERNAL_ERROR, JSONRPCRequest

from shared.errors import TicketServerError
from shared.telemetry import LogContext
from transport import jsonrpc
from transport.dispatch.answering import Answering
from transport.dispatch.context import Address, Caller, Channel
from transport.dispatch.policy import AccessPolicy
from transport.dispatch.running_calls import Running, RunningCalls
from transport.dispatch.sdk_kernel import Kernel
from transport.sessions.broker import SessionBroker
from transport.sessions.session import Limits, has_room


class TooBusyError(TicketServerError):
    """So many requests run that a further one would only make all of them slow."""

    kind = "busy"

    def __init__(self) -> None:
        super().__init__("This server is busy or about to stop. Nothing was done; try again in a moment.")


@dataclass(frozen=True, slots=True)
class StatelessCall:
    """A request that was admitted and has a place."""

    request: JSONRPCRequest
    caller: Caller
    writes: bool


class StatelessDispatcher:
    """Runs requests of no session. They share the running calls, and their end, with those of sessions.

    Args:
        kernel: runs requests through the server.
        broker: keeps the buckets that they are paid from.
        policy: decides what one costs and who may ask.
        answering: makes the one response of a request.
        running: every call that runs here.
        limits: bounds of this instance.
    """

    def __init__(
        self,
        kernel: Kernel,
        broker: SessionBroker,
        *,
        policy: AccessPolicy,
        answering: Answering,
        running: RunningCalls,
        limits: Limits,
    ) -> None:
        self.kernel = kernel
        self._broker = broker
        self._policy = policy
        self._answering = answering
        self._running = running
        self._limits = limits
        self._numbers = itertools.count(1)
        self._places: Tally[str] = Tally()
        """Requests that were admitted and have no response yet, by organisation."""

    async def submit(self, request: JSONRPCRequest, caller: Caller) -> StatelessCall:
        """Admit a request; it keeps its place until `respond` has returned.

        Raises:
            InsufficientScopeError, RateLimitedError: it is refused to this caller.
            TooBusyError: too many run.
        """
        access = self._policy.access(
            caller.principal, request, writes=self.kernel.writes(request.method, request.params)
        )
        if access.missing_scope is not None:
            raise await self._policy.scope_error(caller, request, access.missing_scope)
        if access.costs and (wait := await self._broker.buckets.spend(access.costs)) is not None:
            raise await self._policy.rate_error(caller, request, wait)
        tenant = caller.principal.tenant.id
        has_place = has_room(self._places[tenant], self._places.total(), self._limits.max_exchanges)
        if self._running.is_stopping or not has_place:
            error = TooBusyError()
            error.request_id = request.id
            raise error
        self._places[tenant] += 1
        return StatelessCall(request, caller, access.writes)

    async def respond(self, call: StatelessCall, channel: Channel, *, wire: str) -> tuple[bytes, int | None]:
        """Run an admitted request; to cancel it, cancel the caller of this.

        Args:
            call: it.
            channel: takes what its handler sends while it runs.
            wire: name of the wire.

        Returns:
            The response, and the code of the error that it is.
        """
        request, name = call.request, f"{wire} {next(self._numbers)}"
        context = self.kernel.exchange(Address(name), call.caller, wire, request, channel=channel)
        this = Running(0, call.writes, request.method == "subscriptions/listen", context)
        self._running.add(name, request.id, this)
        response: tuple[bytes, int | None] | None = None
        try:
            with this.scope, LogContext(request_id=request.id):
                response = await self._answering.answer(None, request, context)
        finally:
            context.closed = True
            self._places -= Tally([call.caller.principal.tenant.id])  # an organisation without any is forgotten
            self._running.settle(name, request.id, this)
        return response or (jsonrpc.interrupted(request.id, writes=call.writes), INTERNAL_ERROR)

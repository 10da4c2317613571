"""Requests of 2026-07-28, which belong to no session: paid for, run here, and answered to whoever waits for it."""

import itertools
from collections import Counter as Tally

import structlog
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCRequest
from starlette.datastructures import Headers

from shared.errors import TicketServerError
from transport import jsonrpc
from transport.dispatch.context import Address, Caller, Channel
from transport.dispatch.policy import AccessPolicy
from transport.dispatch.responder import Responder
from transport.dispatch.running_calls import RunningCall, RunningCalls
from transport.dispatch.sdk_kernel import SDKKernel
from transport.sessions.broker import SessionBroker
from transport.sessions.session import Limits, has_room


class TooBusyError(TicketServerError):
    """So many requests run that a further one would only make all of them slow."""

    kind = "busy"

    def __init__(self) -> None:
        super().__init__("This server is busy or about to stop. Nothing was done; try again in a moment.")


class StatelessDispatcher:
    """Runs them. They share the calls that run, and their end, with those of sessions.

    Args:
        kernel: runs requests through the server.
        broker: keeps the buckets that they are paid from.
        policy: says what one costs.
        responder: makes the one answer of a request.
        running: every call that runs here.
        limits: bounds of this instance.
    """

    def __init__(
        self,
        kernel: SDKKernel,
        broker: SessionBroker,
        *,
        policy: AccessPolicy,
        responder: Responder,
        running: RunningCalls,
        limits: Limits,
    ) -> None:
        self._kernel = kernel
        self._broker = broker
        self._policy = policy
        self._responder = responder
        self._running = running
        self._limits = limits
        self._numbers = itertools.count(1)
        self._of_tenant: Tally[str] = Tally()

    def rejection(self, request: JSONRPCRequest, headers: Headers) -> ErrorData | None:
        """Return why a request may not be served; see `SDKKernel.rejection`."""
        return self._kernel.rejection(request, headers)

    async def consume_rate(self, request: JSONRPCRequest, caller: Caller) -> None:
        """Have a request paid for, before it runs. Raises: RateLimitedError."""
        costs = self._policy.costs(caller.principal, request, writes=self._writes(request))
        if costs:
            await self._policy.check_rate(caller, request, await self._broker.buckets.consume(costs))

    async def respond(
        self, request: JSONRPCRequest, caller: Caller, channel: Channel, *, kind: str
    ) -> tuple[bytes, int | None]:
        """Serve one request; to cancel it, cancel the caller.

        Args:
            request: it.
            caller: who sent it.
            channel: takes what its handler says while it runs.
            kind: name of the wire.

        Returns:
            The answer, and the code of the error that it is.

        Raises:
            TooBusyError: too many run.
        """
        name = f"{kind} {next(self._numbers)}"
        tenant = caller.principal.tenant.id
        has_place = has_room(self._of_tenant[tenant], self._of_tenant.total(), self._limits.max_exchanges)
        if self._running.is_stopping or not has_place:
            raise TooBusyError
        context = self._kernel.context(Address(name), caller, kind, request, channel=channel)
        writes = self._writes(request)
        this = RunningCall(0, writes, request.method == "subscriptions/listen", context)
        self._running.add(name, request.id, this)
        self._of_tenant[tenant] += 1
        response: tuple[bytes, int | None] | None = None
        try:
            with this.scope, structlog.contextvars.bound_contextvars(request_id=request.id):
                response = await self._responder.respond(None, request, context)
        finally:
            context.closed = True
            self._of_tenant -= Tally([tenant])  # who has none left is forgotten
            self._running.remove(name, request.id, this)
        return response or (jsonrpc.interrupted(request.id, writes=writes), INTERNAL_ERROR)

    def _writes(self, request: JSONRPCRequest) -> bool:
        return self._kernel.writes(request.method, request.params)

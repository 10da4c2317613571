"""Requests of 2026-07-28, which belong to no session: admitted, run here, and answered on their own POST."""

import itertools
from collections import Counter as Tally

from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCRequest
from starlette.datastructures import Headers

from shared.errors import TicketServerError
from shared.telemetry import LogContext
from transport import jsonrpc
from transport.dispatch.context import Address, Caller, Channel, DispatchContext
from transport.dispatch.dispatcher import RunningCall, RunningCalls
from transport.dispatch.policy import AccessPolicy
from transport.dispatch.sdk_kernel import RequestOutcome, SDKKernel, progress_token_from_params
from transport.rate_limit import Buckets
from transport.sessions.session import Limits, has_room


class TooBusyError(TicketServerError):
    """So many requests run that a further one would only make all of them slow."""

    kind = "busy"

    def __init__(self) -> None:
        super().__init__("This server is busy or about to stop. Nothing was done; try again in a moment.")


class StatelessDispatcher:
    """Runs requests of no session. They share the running calls, and their end, with those of sessions.

    Args:
        kernel: serves requests with the MCP server.
        buckets: what requests are paid from.
        policy: decides what one costs and which are refused.
        running: every call that runs here.
        limits: bounds of this instance.
    """

    def __init__(
        self, kernel: SDKKernel, buckets: Buckets, *, policy: AccessPolicy, running: RunningCalls, limits: Limits
    ) -> None:
        self._kernel = kernel
        self._buckets = buckets
        self._policy = policy
        self._running = running
        self._limits = limits
        self._numbers = itertools.count(1)
        self._places: Tally[str] = Tally()
        """Requests that were admitted and have no response yet, by organisation."""

    async def rejection(
        self, request: JSONRPCRequest, headers: Headers, caller: Caller, *, wire: str
    ) -> ErrorData | None:
        """Return why a request may not be served; see `SDKKernel.rejection`."""
        return await self._kernel.rejection(request, headers, caller, wire=wire)

    async def submit(self, request: JSONRPCRequest, caller: Caller, channel: Channel, *, wire: str) -> RunningCall:
        """Admit a request; it has to be given to `respond`.

        Args:
            request: it.
            caller: who sent it.
            channel: takes what its handler sends while it runs.
            wire: name of the wire.

        Raises:
            InsufficientScopeError, RateLimitedError: it is refused to this caller.
            TooBusyError: too many run.
        """
        access = self._policy.access(caller.principal, request, writes=self._kernel.writes(request))
        if access.missing_scope is not None:
            raise await self._policy.scope_error(caller, request, access.missing_scope)
        if access.costs and (wait := await self._buckets.consume(access.costs)) is not None:
            raise await self._policy.rate_error(caller, request, wait)
        tenant = caller.principal.tenant.id
        has_place = has_room(self._places[tenant], self._places.total(), self._limits.max_exchanges)
        if self._running.is_stopping or not has_place:
            error = TooBusyError()
            error.request_id = request.id
            raise error
        self._places[tenant] += 1
        name = f"{wire} {next(self._numbers)}"
        context = DispatchContext(
            channel,
            Address(name),
            TransportContext(kind=wire, can_send_request=False, headers=caller.headers),
            ServerMessageMetadata(request_context=caller),
            request.id,
            progress_token_from_params(request.params),
            is_modern=True,
        )
        call = RunningCall(name, name, 0, access.writes, request, context)
        self._running.add(call)
        return call

    async def respond(self, call: RunningCall) -> RequestOutcome:
        """Run a submitted request to its response; to cancel it, cancel the caller of this."""
        response: RequestOutcome | None = None
        caller: Caller = call.context.message_metadata.request_context
        try:
            with call.scope, LogContext(request_id=call.request.id):
                response = await self._kernel.respond(None, call.context, call.request)
        finally:
            call.context.closed = True
            self._places -= Tally([caller.principal.tenant.id])  # an organisation without any is forgotten
            self._running.remove(call)
        return response or RequestOutcome(jsonrpc.interrupted(call.request.id, writes=call.writes), INTERNAL_ERROR)

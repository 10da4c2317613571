"""Requests that belong to no session: admitted, run here, and answered on their own POST.

Those of 2026-07-28, which has no sessions, and those of other revisions that name none.
"""

import itertools
from collections import Counter as Tally
from collections.abc import Sequence

from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCRequest
from starlette.datastructures import Headers

from shared.errors import TicketServerError
from shared.telemetry import LogContext
from transport import jsonrpc
from transport.dispatch.context import Address, Caller, Channel, DispatchContext
from transport.dispatch.dispatcher import RunningCall, RunningCalls
from transport.dispatch.policy import AccessDecision, AccessPolicy, refusal_response
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

    async def submit(
        self,
        requests: Sequence[JSONRPCRequest],
        caller: Caller,
        channel: Channel,
        *,
        wire: str,
        revision: str | None = None,
    ) -> "list[RunningCall | RequestOutcome]":
        """Admit the requests of one POST.

        Args:
            requests: they; several only where a revision has batches.
            caller: who sent them.
            channel: takes what their handlers send while they run.
            wire: name of the wire.
            revision: theirs; None for 2026-07-28.

        Returns:
            For each the call, which has to be given to `respond`; or, where the revision has no HTTP status for it, the
            response to one that is over its rate.

        Raises:
            InsufficientScopeError, RateLimitedError: one is refused to this caller, and none runs.
            TooBusyError: too many run.
        """
        accesses = [self._policy.access(caller.principal, one, writes=self._kernel.writes(one)) for one in requests]
        for request, access in zip(requests, accesses, strict=True):
            if access.missing_scope is not None:
                raise await self._policy.scope_error(caller, request, access.missing_scope)
        refused = [
            await self._over_rate(request, access, caller, has_status=revision is None)
            for request, access in zip(requests, accesses, strict=True)
        ]
        tenant, more = caller.principal.tenant.id, refused.count(None) - 1
        has_place = has_room(self._places[tenant] + more, self._places.total() + more, self._limits.max_exchanges)
        if self._running.is_stopping or not has_place:
            error = TooBusyError()
            error.request_id = requests[0].id if len(requests) == 1 else None
            raise error
        return [
            response or self._begin(request, caller, channel, writes=access.writes, wire=wire, revision=revision)
            for request, access, response in zip(requests, accesses, refused, strict=True)
        ]

    async def _over_rate(
        self, request: JSONRPCRequest, access: AccessDecision, caller: Caller, *, has_status: bool
    ) -> RequestOutcome | None:
        """Return the response to a request that cannot be paid for. Raises: RateLimitedError, which `has_status`."""
        wait = await self._buckets.consume(access.costs) if access.costs else None
        if wait is None:
            return None
        error = await self._policy.rate_error(caller, request, wait)
        if has_status:
            raise error
        self._kernel.count(request, error.kind, caller.principal)
        return RequestOutcome(refusal_response(error, request, is_modern=False))

    def _begin(
        self,
        request: JSONRPCRequest,
        caller: Caller,
        channel: Channel,
        *,
        writes: bool,
        wire: str,
        revision: str | None,
    ) -> RunningCall:
        self._places[caller.principal.tenant.id] += 1
        name = f"{wire} {next(self._numbers)}"
        context = DispatchContext(
            channel,
            Address(name),
            TransportContext(kind=wire, can_send_request=False, headers=caller.headers),
            ServerMessageMetadata(request_context=caller),
            request.id,
            progress_token_from_params(request.params),
            is_modern=revision is None,
            revision=revision,
        )
        call = RunningCall(name, name, 0, writes, request, context)
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

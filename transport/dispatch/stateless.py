"""Requests that belong to no session: admitted, run here, and answered on their own POST.

Those of 2026-07-28, which has no sessions, and those of other revisions that name none.
"""

import itertools
from collections.abc import Sequence

from mcp.shared.message import ServerMessageMetadata
from mcp_types import INTERNAL_ERROR

from shared.errors import TicketServerError
from shared.json_rpc import JSONRPCRequest
from shared.request_log import RequestLog
from transport import jsonrpc
from transport.dispatch.context import Address, Caller, Channel, DispatchContext
from transport.dispatch.dispatcher import RunningCall, RunningCalls
from transport.dispatch.policy import AccessDecision, AccessPolicy, refusal_response
from transport.dispatch.refused_requests import Spoken
from transport.dispatch.sdk_kernel import RequestOutcome, SDKKernel, progress_token_from_params
from transport.rate_limit import Buckets
from transport.sessions.claims import Attempt
from transport.sessions.session import Limits, has_room


class TooBusyError(TicketServerError):
    """So many requests run that a further one would only make all of them slow."""

    kind = "busy"

    def __init__(self) -> None:
        super().__init__("This server is busy or about to stop. Nothing was changed; try again in a moment.")


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
        self._places: dict[str, int] = {}
        """Requests that were admitted and have no response yet, by organisation."""

    async def submit(self, request: JSONRPCRequest, caller: Caller, channel: Channel, *, wire: str) -> RunningCall:
        """Admit a request of 2026-07-28; it has to be given to `respond`.

        Args:
            request: it.
            caller: who sent it.
            channel: takes what its handler sends while it runs.
            wire: name of the wire.

        Raises:
            InsufficientScopeError, RateLimitedError: it is refused to this caller.
            TooBusyError: too many run.
        """
        try:
            access = self._access(request, caller)
            if access.missing_scope is not None:
                raise await self._policy.scope_error(caller, request, access.missing_scope)
            if access.costs and (wait := await self._buckets.consume(access.costs)) is not None:
                raise await self._policy.rate_error(caller, request, wait)
            self._require_room([request], caller)
        except TicketServerError as error:
            self._policy.refusals.of_requests(error, [request], caller, wire)
            raise
        return self._begin(request, access, caller, channel, wire=wire)

    async def submit_all(
        self, requests: Sequence[JSONRPCRequest], caller: Caller, channel: Channel, *, wire: str, revision: str
    ) -> "list[RunningCall | RequestOutcome]":
        """Admit the requests of one POST of another revision, as `submit` does.

        Returns:
            For each the call, which has to be given to `respond`; or the response to one that is over its rate, which
            in these revisions is no matter of the POST.

        Raises:
            InsufficientScopeError: one is refused to this caller, and none runs.
            TooBusyError: too many run.
        """
        accesses = [self._access(one, caller) for one in requests]
        left = list(requests)
        try:
            for request, access in zip(requests, accesses, strict=True):
                if access.missing_scope is not None:
                    raise await self._policy.scope_error(caller, request, access.missing_scope)
            spoken = Spoken(wire, revision)
            refused = [await self._over_rate(*one, caller, spoken) for one in zip(requests, accesses, strict=True)]
            left = [one for one, response in zip(requests, refused, strict=True) if response is None]
            self._require_room(left, caller)
        except TicketServerError as error:
            self._policy.refusals.of_requests(error, left, caller, wire)
            raise
        return [
            response or self._begin(request, access, caller, channel, wire=wire, revision=revision)
            for request, access, response in zip(requests, accesses, refused, strict=True)
        ]

    def count_rejected(self, request: JSONRPCRequest, code: str, caller: Caller, *, wire: str) -> None:
        """Count a request of 2026-07-28 whose envelope was answered with the error `code`."""
        self._kernel.refused.observe(request, code, Spoken(wire), caller.received)

    def _access(self, request: JSONRPCRequest, caller: Caller) -> AccessDecision:
        return self._policy.access(caller.principal, request, writes=self._kernel.writes(request))

    async def _over_rate(
        self, request: JSONRPCRequest, access: AccessDecision, caller: Caller, spoken: Spoken
    ) -> RequestOutcome | None:
        """Return the response to a request that came too soon; None when it was paid for."""
        wait = await self._buckets.consume(access.costs) if access.costs else None
        if wait is None:
            return None
        error = await self._policy.rate_error(caller, request, wait)
        self._kernel.refused.count(request, error.kind, caller, spoken)
        self._policy.refusals.of_request(error.kind, request, caller, spoken.wire)
        return RequestOutcome(refusal_response(error, request, is_modern=False))

    def _require_room(self, requests: Sequence[JSONRPCRequest], caller: Caller) -> None:
        """Pass if all of `requests` may begin now. Raises: TooBusyError."""
        mine, more = self._places.get(caller.principal.tenant.id, 0), len(requests) - 1
        has_places = has_room(mine + more, sum(self._places.values()) + more, self._limits.max_exchanges)
        if self._running.is_stopping or not has_places:
            error = TooBusyError()
            error.request_id = requests[0].id if len(requests) == 1 else None
            raise error

    def _begin(
        self,
        request: JSONRPCRequest,
        access: AccessDecision,
        caller: Caller,
        channel: Channel,
        *,
        wire: str,
        revision: str | None = None,
    ) -> RunningCall:
        tenant = caller.principal.tenant.id
        self._places[tenant] = self._places.get(tenant, 0) + 1
        name = f"{wire} {next(self._numbers)}"
        context = DispatchContext(
            channel,
            Address(name),
            wire,
            ServerMessageMetadata(request_context=caller),
            request.id,
            progress_token_from_params(request.params),
            is_modern=revision is None,
            revision=revision,
        )
        call = RunningCall(Attempt(name, 0, request.id, name, "", access.writes), request, context)
        self._running.add(call)
        return call

    async def respond(self, call: RunningCall) -> RequestOutcome:
        """Run a submitted request to its response; to cancel it, cancel the caller of this."""
        response: RequestOutcome | None = None
        caller: Caller = call.context.message_metadata.request_context
        try:
            with call.scope, RequestLog(call.request, caller.principal, caller.headers, call.context.wire) as line:
                line.durations = self._kernel.durations, caller.received
                line.response = response = await self._kernel.respond(None, call.context, call.request)
        finally:
            call.context.closed = True
            self._give_back(caller.principal.tenant.id)
            self._running.remove(call)
        return response or RequestOutcome(
            jsonrpc.interrupted(call.request.id, writes=call.attempt.writes), INTERNAL_ERROR
        )

    def _give_back(self, tenant: str) -> None:
        """Free the place of a request; an organisation without any is forgotten."""
        self._places[tenant] -= 1
        if not self._places[tenant]:
            del self._places[tenant]

"""One request through the kernel, and its one answer as bytes: the result, or an error without any secret."""

from mcp_types import INTERNAL_ERROR, JSONRPCRequest
from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.identity import Principal
from shared.telemetry import OTHER, BoundedLabels, Counter, get_logger
from transport import jsonrpc
from transport.dispatch.context import Caller, DispatchContext
from transport.dispatch.sdk_kernel import SDKKernel, error_of
from transport.dispatch.usage import Usage
from transport.sessions.broker import SessionBroker
from transport.sessions.session import SessionRecord

log = get_logger(__name__)


class Responder:
    """Answers requests.

    Args:
        kernel: serves them.
        broker: keeps the sessions.
        usage: counts who uses this instance.
        tenants: organisations that counters tell apart.
        counter: counts `mcp_requests` by method, outcome and tenant.
    """

    def __init__(
        self, kernel: SDKKernel, broker: SessionBroker, usage: Usage, *, tenants: BoundedLabels, counter: Counter | None
    ) -> None:
        self._kernel = kernel
        self._broker = broker
        self._usage = usage
        self._tenants = tenants
        self._counter = counter

    async def respond(
        self, session: SessionRecord | None, request: JSONRPCRequest, context: DispatchContext
    ) -> tuple[bytes, int | None]:
        """Return the answer to a request, and the code of the error that it is."""
        outcome, code = "ok", None
        try:
            result = await self._kernel.respond(session, context, request)
            if request.method == "initialize" and session is not None:
                await self._broker.save(session)
            self._usage.served(request, session, wire=context.transport.kind)
            response = jsonrpc.result(request.id, result)
        except Exception as exc:
            problem = error_of(exc)
            outcome, code = str(problem.code), problem.code
            if problem.code == INTERNAL_ERROR:
                log.exception("request_handler_failed", method=request.method)
            response = jsonrpc.error(request.id, problem.code, problem.message, problem.data)
        if len(response) > jsonrpc.MAX_RESPONSE_BYTES:
            outcome = "too_large"
            log.warning("answer_too_large", method=request.method, bytes=len(response))
            response = jsonrpc.too_large(request.id, request.method, len(response))
        caller: Caller = context.message_metadata.request_context
        self.count(request, outcome, caller.principal)
        return response, code

    def count(self, request: JSONRPCRequest, outcome: str, principal: Principal) -> None:
        """Count a request that has its answer."""
        if self._counter is not None:
            method = request.method if request.method in SPEC_CLIENT_METHODS else OTHER
            tenant = self._tenants.label(principal.tenant.id)
            self._counter.count("mcp_requests", method=method, outcome=outcome, tenant=tenant)

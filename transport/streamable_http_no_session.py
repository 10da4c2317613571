"""POSTs of revisions with sessions that name no session: each is served by itself, as one of 2026-07-28 is.

Clients that never send back `Mcp-Session-Id` are common (`no_session_id` in `shared.client_habits`). Results and errors
are those of the revision that `MCP-Protocol-Version` names. What needs a session is not there: the server can ask the
client nothing, nothing is resumed, and a cancellation has no effect, for a request id alone does not tell whose it is.
As before 2026-07-28 in general, a client that leaves cancels nothing.
"""

from collections.abc import Sequence

from mcp_types import DEFAULT_NEGOTIATED_VERSION, JSONRPCNotification
from starlette.types import ASGIApp

from shared.counting import Counter
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import get_logger
from transport.dispatch.context import Caller
from transport.dispatch.stateless import StatelessDispatcher
from transport.http.endpoint import HTTPResponse
from transport.http.errors import HTTPRefusalError
from transport.http.event_stream import OpenStreams
from transport.http.exchange_response import ExchangeResponse
from transport.http.request_checks import check_batching
from transport.http.request_head import RequestHead
from transport.jsonrpc import Inbound
from transport.sessions.session import Limits

log = get_logger(__name__)


class NoSessionHandler:
    """Answers POSTs that name no session and open none.

    Args:
        dispatcher: runs requests.
        streams: those that are open.
        limits: heartbeat and time for one write.
        wire: name of the wire.
        counter: counts cancellations that have no effect.
    """

    def __init__(
        self,
        dispatcher: StatelessDispatcher,
        streams: OpenStreams,
        *,
        limits: Limits,
        wire: str,
        counter: Counter | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._streams = streams
        self._limits = limits
        self._wire = wire
        self._counter = counter

    async def respond(
        self, head: RequestHead, messages: Sequence[Inbound], caller: Caller, *, is_batch: bool
    ) -> ASGIApp:
        """Return the response to one POST.

        Raises:
            HTTPRefusalError: it holds a response, or is a batch of a revision without batches.
            InsufficientScopeError, TooBusyError: it is refused as a whole.
        """
        revision = head.protocol_version or DEFAULT_NEGOTIATED_VERSION
        if is_batch:
            check_batching(revision)
        requests = list[JSONRPCRequest]()
        for message in [one.message for one in messages]:
            if isinstance(message, JSONRPCRequest):
                requests.append(message)
            elif not isinstance(message, JSONRPCNotification):
                text = (
                    "A response belongs to the session of its request: send that Mcp-Session-Id. Nothing was changed."
                )
                raise HTTPRefusalError(400, "no_session", text)
            elif message.method == "notifications/cancelled":
                log.info("cancellation_ignored")
                if self._counter is not None:
                    self._counter.count("mcp_cancellations_ignored")
        if not requests:
            return HTTPResponse(202)
        with self._streams.slot(caller.principal) as slot:
            exchange = ExchangeResponse(
                self._dispatcher, slot, limits=self._limits, revision=revision, is_batch=is_batch
            )
            await exchange.submit(requests, caller, wire=self._wire)
            return exchange

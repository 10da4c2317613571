"""Requests of 2026-07-28 over Streamable HTTP: each POST is a whole exchange, and nothing is remembered of it.

The response is JSON, or a stream as soon as its handler sends something before. A client that leaves cancels.
Where headers repeat what the body says, the two have to agree, since proxies route by the headers.
Source: modelcontextprotocol.io/specification/2026-07-28/basic/transports; SEP-2243 for the headers.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from mcp_types import CLIENT_INFO_META_KEY, HEADER_MISMATCH, ErrorData, JSONRPCNotification, RequestId
from mcp_types.version import LATEST_MODERN_VERSION
from starlette.types import ASGIApp

from shared.client_habits import ClientHabits
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.dispatch.context import Caller
from transport.dispatch.envelope import ERROR_CODE_HTTP_STATUS, EnvelopeChecks, RawHeaders, unserved_version
from transport.dispatch.stateless import StatelessDispatcher
from transport.http.endpoint import HTTPResponse
from transport.http.errors import HTTPRefusalError
from transport.http.event_stream import OpenStreams, StreamSlot, TooManyStreamsError
from transport.http.exchange_response import ExchangeResponse
from transport.http.request_head import HTTPRequest, RequestHead
from transport.jsonrpc import Inbound
from transport.sessions.session import Limits

log = get_logger(__name__)

CONNECTORS: Final = frozenset({"claude-ai", "claude-code", "Anthropic/ClaudeAI", "Anthropic/Toolbox"})
"""What Claude's clients call themselves: Claude Desktop, Claude Code, and the connector service between them and a
server, for calls and for its look at the tools. Their requests pass the connector, which sends the revision of its own
session in the header and the client's envelope in the body (anthropics/claude-code#93290)."""
CONNECTOR_REVISION: Final = "2025-11-25"
_VERSION_HEADER: Final = b"mcp-protocol-version"


class StatelessHandler:
    """Answers POSTs of 2026-07-28.

    Args:
        dispatcher: runs requests.
        envelopes: checks them before they run.
        streams: those that are open.
        limits: heartbeat and time for one write.
        habits: what is served of clients that bend the protocol.
        wire: name of the wire.
    """

    def __init__(
        self,
        dispatcher: StatelessDispatcher,
        envelopes: EnvelopeChecks,
        streams: OpenStreams,
        *,
        limits: Limits,
        habits: ClientHabits,
        wire: str,
    ) -> None:
        self._dispatcher = dispatcher
        self._envelopes = envelopes
        self._streams = streams
        self._limits = limits
        self._habits = habits
        self._wire = wire

    async def respond(
        self, request: HTTPRequest, messages: Sequence[Inbound], caller: Caller, *, is_batch: bool
    ) -> ASGIApp:
        """Return the response to one POST.

        Raises:
            HTTPRefusalError: it is neither one request nor one notification.
            InsufficientScopeError, RateLimitedError, TooManyStreamsError, TooBusyError: it is refused.
        """
        message = messages[0].message
        if isinstance(message, JSONRPCNotification) and not is_batch:  # none is defined for a server to act upon
            problem = unserved_version(request.head.protocol_version)
            return HTTPResponse(202) if problem is None else _error(None, problem)
        if is_batch or not isinstance(message, JSONRPCRequest):
            raise HTTPRefusalError(400, "malformed", "Send one request or one notification.")
        problem = await self._rejection(message, request, caller)
        if problem is not None:
            self._dispatcher.count_rejected(message, str(problem.code), caller, wire=self._wire)
            return _error(message.id, problem)
        with self._streams.slot(caller.principal) as slot:
            if message.method == "subscriptions/listen":  # the only one that is a stream for certain
                self._acquire(slot, message.id, caller)
            exchange = ExchangeResponse(self._dispatcher, slot, limits=self._limits)
            await exchange.submit([message], caller, wire=self._wire)
            return exchange

    async def _rejection(self, message: JSONRPCRequest, request: HTTPRequest, caller: Caller) -> ErrorData | None:
        """Return why a request may not be served."""
        head = request.head
        headers: RawHeaders = request.scope["headers"]
        if head.is_version_joined:
            headers = _with_version(headers, head.protocol_version)
        problem = await self._envelopes.rejection(message, headers, caller, wire=self._wire)
        if problem is None or problem.code != HEADER_MISMATCH or not _is_of_connector(message, head):
            return problem
        corrected = _with_version(headers, LATEST_MODERN_VERSION)
        if await self._envelopes.rejection(message, corrected, caller, wire=self._wire) is not None:
            return problem
        return None if self._habits.admits("connector_envelope") else problem

    @staticmethod
    def _acquire(slot: StreamSlot, request_id: RequestId, caller: Caller) -> None:
        if not caller.takes_events:
            refusal = HTTPRefusalError(406, "accept", "Send Accept: text/event-stream; a subscription is a stream.")
            refusal.request_id = request_id
            raise refusal
        try:
            slot.acquire()
        except TooManyStreamsError as error:
            error.request_id = request_id
            raise


def _with_version(headers: RawHeaders, version: str) -> RawHeaders:
    """Return headers that name this one revision."""
    others = [(name, value) for name, value in headers if name != _VERSION_HEADER]
    return [*others, (_VERSION_HEADER, version.encode("latin-1"))]


def _is_of_connector(message: JSONRPCRequest, head: RequestHead) -> bool:
    """Whether a request has the envelope of a client of `CONNECTORS`, and the revision of the connector in its head."""
    meta = (message.params or {}).get("_meta")
    client = meta.get(CLIENT_INFO_META_KEY) if isinstance(meta, Mapping) else None
    name = client.get("name") if isinstance(client, Mapping) else None
    return head.protocol_version == CONNECTOR_REVISION and isinstance(name, str) and name in CONNECTORS


def _error(request: RequestId | None, problem: ErrorData) -> HTTPResponse:
    body = jsonrpc.error(request, problem.code, problem.message, problem.data)
    return HTTPResponse(ERROR_CODE_HTTP_STATUS[problem.code], body)

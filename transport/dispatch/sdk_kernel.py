"""Drives the MCP SDK's kernel, one message at a time.

What is called here in `mcp.server.runner`, `mcp.server.connection` and `mcp.shared` is public by name, yet not all of
it is promised by the SDK: this is the file that an SDK upgrade touches. tests/transport/test_parity.py sends the same
scripts through the SDK's own loop and through ours, and is the alarm.

Two eras share a session's wire, decided per message: a request that carries the 2026-07-28 envelope is served on its
own; everything else by the session's handshake-era runner, which can be rebuilt from the session's record at any time.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from mcp.server import MCPServer
from mcp.server.connection import Connection, NotifyOnlyOutbound
from mcp.server.lowlevel import Server
from mcp.server.runner import ServerRunner, aclose_shielded, serve_one
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
    x_mcp_header_map,
)
from mcp.shared.jsonrpc_dispatcher import (
    cancelled_request_id_from_params,
    handler_exception_to_error_data,
    progress_token_from_params,
)
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    InitializeRequestParams,
    JSONRPCNotification,
    JSONRPCRequest,
)
from mcp_types.methods import SPEC_CLIENT_METHODS
from mcp_types.version import LATEST_MODERN_VERSION
from starlette.datastructures import Headers

from shared.identity import Principal
from shared.labels import OTHER, Names
from shared.lru import LRUCache
from shared.telemetry import Counter, get_logger
from transport import jsonrpc
from transport.dispatch.context import Address, Caller, Channel, DispatchContext, SessionOutbound
from transport.dispatch.usage import ClientTally, Usage
from transport.sessions.session import SessionRecord

__all__ = (
    "ERROR_CODE_HTTP_STATUS",
    "SDKKernel",
    "cancelled_request_id_from_params",
    "coerce_request_id",
    "progress_token_from_params",
    "unserved_version",
)

log = get_logger(__name__)

MAX_INITIALIZE_BYTES: Final = 16 * 1024
KEPT_RUNNERS: Final = 1024


_State = tuple[int, str | None]


def _state(session: SessionRecord) -> _State:
    """Return what tells whether a runner still fits its session: another instance may have initialized it again."""
    return session.epoch, session.version


def lowlevel(server: "MCPServer[Any] | Server[Any]") -> Server[Any]:
    """Return the low-level server behind `server`: for `MCPServer` by the one public way there is in SDK 2.3."""
    if isinstance(server, Server):
        return server
    server.streamable_http_app()
    return server.session_manager.app


class _SessionRunner(NamedTuple):
    """What is kept of a session that is served here."""

    state: _State
    runner: ServerRunner[Any]
    client: ClientTally


class RequestOutcome(NamedTuple):
    """The response to a request."""

    body: bytes
    code: int | None = None
    """Of the error that it is."""


def _error_response(request: JSONRPCRequest, exc: Exception) -> RequestOutcome:
    """Return what the client is told of an exception: the SDK's own errors as they are, nothing of any other."""
    problem = handler_exception_to_error_data(exc) or ErrorData(code=INTERNAL_ERROR, message="Internal server error")
    if problem.code == INTERNAL_ERROR:
        log.error("request_handler_failed", method=request.method, exc_info=exc)
    return RequestOutcome(jsonrpc.error(request.id, problem.code, problem.message, problem.data), problem.code)


class SDKKernel:
    """Serves messages of any session with one MCP server.

    Args:
        server: any server of the SDK.
        channel: the way to the clients of sessions.
        usage: counts which clients are served.
        tenants: organisations that counters tell apart.
        counter: counts `mcp_requests` by method, outcome and tenant.
    """

    def __init__(
        self,
        server: "MCPServer[Any] | Server[Any]",
        channel: Channel,
        *,
        usage: Usage,
        tenants: Names,
        counter: Counter | None,
    ) -> None:
        self._server = lowlevel(server)
        self._channel = channel
        self._usage = usage
        self._tenants = tenants
        self._counter = counter
        self._runners: LRUCache[str, _SessionRunner] = LRUCache(KEPT_RUNNERS)
        self._tools: dict[str, Mapping[str, Any]] = {}
        self._mirrored: dict[str, Mapping[str, Any]] = {}
        """Input schemas of the tools that have arguments which clients repeat in headers."""
        self._state: Any = None

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Enter the server's lifespan, once for all sessions."""
        async with self._server.lifespan(self._server) as self._state:
            self._tools = await self._tools_for_anybody()
            schemas = {name: tool["inputSchema"] for name, tool in self._tools.items()}
            self._mirrored = {name: schema for name, schema in schemas.items() if x_mcp_header_map(schema)}
            yield

    async def respond(
        self, session: SessionRecord | None, context: DispatchContext, request: JSONRPCRequest
    ) -> RequestOutcome:
        """Run one request to its response: a result, or an error without any secret.

        `initialize` also fills in the session's record.

        Args:
            session: whose request it is; None for one of 2026-07-28 that belongs to no session.
            context: its context.
            request: it.
        """
        outcome = "ok"
        try:
            if session is None or context.is_modern:
                result = await self._serve_modern(session, context, request)
            elif request.method == "initialize":
                result = await self._initialize(session, context, request)
            else:
                kept = self._runner(session)
                result = await kept.runner.on_request(context, request.method, request.params)
                kept.client.requests += 1
            response = RequestOutcome(jsonrpc.result(request.id, result))
        except Exception as exc:  # noqa: BLE001 - whatever a handler raises becomes an error
            response = _error_response(request, exc)
            outcome = str(response.code)
        if len(response.body) > jsonrpc.MAX_ANSWER_BYTES:
            outcome = "too_large"
            log.warning("answer_too_large", method=request.method, bytes=len(response.body))
            response = RequestOutcome(jsonrpc.too_large(request.id, request.method, len(response.body)), response.code)
        caller: Caller = context.message_metadata.request_context
        self.count(request, outcome, caller.principal)
        return response

    def count(self, request: JSONRPCRequest, outcome: str, principal: Principal) -> None:
        """Count a request that has its response."""
        if self._counter is not None:
            method = request.method if request.method in SPEC_CLIENT_METHODS else OTHER
            tenant = self._tenants.label(principal.tenant.id)
            self._counter.count("mcp_requests", method=method, outcome=outcome, tenant=tenant)

    async def notification(self, session: SessionRecord, caller: Caller, notification: JSONRPCNotification) -> None:
        """Serve one notification; `initialized` also marks the session's record. A fault of a handler is logged."""
        transport = TransportContext(kind=session.wire, can_send_request=True, headers=caller.headers)
        metadata = ServerMessageMetadata(request_context=caller)
        context = DispatchContext(self._channel, Address(session.id), transport, metadata)
        runner = self._runner(session).runner
        try:
            await runner.on_notify(context, notification.method, notification.params)
        except Exception:
            log.exception("notification_handler_failed", method=notification.method)
        session.initialized = runner.connection.initialized.is_set()

    def writes(self, request: JSONRPCRequest) -> bool:
        """Whether a request may change something: a call of any tool that does not say it only reads."""
        if request.method != "tools/call":
            return False
        tool = self._tools.get(str((request.params or {}).get("name")), {})
        return not (tool.get("annotations") or {}).get("readOnlyHint")

    def rejection(self, request: JSONRPCRequest, headers: Headers) -> ErrorData | None:
        """Return why a request of 2026-07-28 may not be served: its headers have to say what its body says.

        Args:
            request: it.
            headers: of the HTTP request, without white space around their values.
        """
        duplicated = find_duplicated_routing_header(headers.items())
        if duplicated is not None:
            return ErrorData(code=HEADER_MISMATCH, message=f"The header {duplicated} was sent more than once.")
        body = {"method": request.method, "params": request.params}
        route = classify_inbound_request(body, headers=dict(headers))
        if isinstance(route, InboundLadderRejection):
            return _problem(route)
        if request.method != "tools/call":
            return None
        return _problem(self._mirror_rejection(request.params or {}, headers))

    def _mirror_rejection(self, params: Mapping[str, Any], headers: Headers) -> InboundLadderRejection | None:
        schema = self._mirrored.get(str(params.get("name")))
        arguments = params.get("arguments") or {}
        if schema is None or not isinstance(arguments, Mapping):
            return None
        return validate_mcp_param_headers(schema, arguments, headers)

    def forget(self, session: str) -> None:
        """Drop what is kept of a session; its record is enough to go on."""
        self._runners.discard(session)

    def end_subscriptions(self) -> None:
        """End `subscriptions/listen` streams with their result, as 2026-07-28 asks of a graceful end."""
        listen = self._server.get_request_handler("subscriptions/listen")
        close = getattr(listen.handler, "close", None) if listen is not None else None
        if close is not None:
            close()

    async def _initialize(
        self, session: SessionRecord, context: DispatchContext, request: JSONRPCRequest
    ) -> dict[str, Any]:
        params = {name: value for name, value in (request.params or {}).items() if name != "_meta"}
        if len(jsonrpc.encode(params)) > MAX_INITIALIZE_BYTES:
            raise MCPError(INVALID_PARAMS, f"The parameters of initialize are over {MAX_INITIALIZE_BYTES:,} bytes.")
        self.forget(session.id)
        runner = self._runner(replace(session, version=None, client_params=None, initialized=False)).runner
        try:
            result = await runner.on_request(context, request.method, request.params)
        except BaseException:
            self.forget(session.id)  # what the session was before still stands in its record
            raise
        session.version, session.client_params = runner.connection.protocol_version, params
        session.initialized = False
        client = self._usage.initialized(session)
        self._runners.put(session.id, _SessionRunner(_state(session), runner, client))
        return result

    async def _serve_modern(
        self, session: SessionRecord | None, context: DispatchContext, request: JSONRPCRequest
    ) -> dict[str, Any]:
        route = classify_inbound_request({"method": request.method, "params": request.params})
        if isinstance(route, InboundLadderRejection):
            raise MCPError(route.code, route.message, route.data)
        connection = Connection.from_envelope(
            route.protocol_version,
            route.client_info,
            route.client_capabilities,
            **({} if session is None else {"outbound": NotifyOnlyOutbound(self._outbound(session))}),
        )
        result = await serve_one(
            self._server, context, request.method, request.params, connection=connection, lifespan_state=self._state
        )
        self._usage.stands_alone(request, wire=context.transport.kind)
        return result

    def _runner(self, session: SessionRecord) -> _SessionRunner:
        """Return the session's runner, rebuilt from its record when it is not kept here or has fallen behind."""
        kept = self._runners.get(session.id)
        if kept is None or kept.state != _state(session):
            connection = Connection.for_loop(
                self._outbound(session), session_id=session.id, protocol_version_hint=session.version
            )
            if session.client_params is not None:
                connection.client_params = InitializeRequestParams.model_validate(session.client_params)
            runner = ServerRunner(self._server, connection, self._state)
            kept = _SessionRunner(_state(session), runner, self._usage.client_of(session))
            self._runners.put(session.id, kept)
        if session.initialized:
            kept.runner.connection.initialized.set()
        return kept

    def _outbound(self, session: SessionRecord) -> SessionOutbound:
        return SessionOutbound(self._channel, Address(session.id))

    async def _tools_for_anybody(self) -> dict[str, Mapping[str, Any]]:
        """Return the tools by their name, as they are listed to nobody in particular."""
        if self._server.get_request_handler("tools/list") is None:
            return {}
        envelope = {PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION, CLIENT_CAPABILITIES_META_KEY: {}}
        connection = Connection.from_envelope(LATEST_MODERN_VERSION, None, {})
        transport = TransportContext(kind="internal", can_send_request=False)
        context = DispatchContext(self._channel, Address(""), transport, ServerMessageMetadata())
        try:
            runner = ServerRunner(self._server, connection, self._state)
            listed = await runner.on_request(context, "tools/list", {"_meta": envelope})
        except Exception:
            log.warning("tools_not_listed_at_start", exc_info=True)
            return {}
        finally:
            await aclose_shielded(connection)
        return {tool["name"]: tool for tool in listed["tools"]}


def unserved_version(version: str) -> ErrorData | None:
    """Return why messages of revision `version` are not served, which has no handshake; None when they are."""
    return _problem(unsupported_protocol_version_rejection(version))


def _problem(rejection: InboundLadderRejection | None) -> ErrorData | None:
    if rejection is None:
        return None
    return ErrorData(code=rejection.code, message=rejection.message, data=rejection.data)

"""Drives the MCP SDK's kernel, one message at a time.

What is called here in `mcp.server.runner`, `mcp.server.connection` and `mcp.shared` is public by name, yet not all of
it is promised by the SDK: this is the file that an SDK upgrade touches. tests/transport/test_parity.py sends the same
scripts through the SDK's own loop and through ours, and is the alarm.

Two eras share a session's wire, decided per message: a request that carries the 2026-07-28 envelope is served on its
own; everything else by the session's handshake-era runner, which can be rebuilt from the session's record at any time.
A request of a handshake revision without a session is served on its own as well.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from mcp.server import MCPServer, ServerRequestContext
from mcp.server.connection import Connection, NotifyOnlyOutbound
from mcp.server.lowlevel import Server
from mcp.server.runner import ServerRunner, serve_one
from mcp.server.session import ServerSession
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp.shared.jsonrpc_dispatcher import (
    cancelled_request_id_from_params,
    handler_exception_to_error_data,
    progress_token_from_params,
)
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    ErrorData,
    InitializeRequestParams,
    JSONRPCNotification,
)
from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.counting import OTHER, BoundedLabels, Counter
from shared.direct_calls import DirectCalls, DirectTools
from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.lru import LRUCache
from shared.params_problem import params_problem
from shared.plain_calls import check_plain_calls_once
from shared.prompts import prompt_problem
from shared.telemetry import add_fields, get_logger
from shared.tracing import trace_where_needed
from shared.wire_json import encode
from transport import jsonrpc
from transport.dispatch.context import Address, Caller, Channel, DispatchContext, SessionOutbound
from transport.dispatch.refused_requests import RefusedRequests
from transport.dispatch.usage import ClientTally, Usage
from transport.sessions.session import SessionRecord

__all__ = (
    "SDKKernel",
    "cancelled_request_id_from_params",
    "coerce_request_id",
    "progress_token_from_params",
)

log = get_logger(__name__)

MAX_INITIALIZE_BYTES: Final = 16 * 1024
KEPT_RUNNERS: Final = 1024
KEPT_TOOLS: Final = 10_000
MAX_LIST_PAGES: Final = 100
"""Pages of one list of tools that are read: a server may make a mistake with its cursors."""
_OF_SESSIONS: Final = frozenset({"logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""Methods that change a session and nothing else: alone they would have no effect."""


_State = tuple[int, str | None]


def _state(session: SessionRecord) -> _State:
    """Return what differs when a runner no longer fits its session: another instance may have initialized it again."""
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


class SDKKernel:
    """Serves messages of any session with one MCP server.

    Args:
        server: any server of the SDK.
        channel: the way to the clients of sessions.
        usage: counts which clients are served.
        tenants: organisations that counters tell apart.
        counter: counts `mcp_requests` by method, outcome and tenant, and takes the durations of `operations`.
        own_tools: tools of the server that are called without the SDK.
    """

    def __init__(
        self,
        server: "MCPServer[Any] | Server[Any]",
        channel: Channel,
        *,
        usage: Usage,
        tenants: BoundedLabels,
        counter: Counter | None,
        own_tools: DirectTools | None = None,
    ) -> None:
        self._high_level = server if isinstance(server, MCPServer) else None
        self._server = lowlevel(server)
        trace_where_needed(self._server)
        if own_tools is None:
            check_plain_calls_once(self._server)
        self._channel = channel
        self._usage = usage
        self._direct = DirectCalls(own_tools)
        self._bare: dict[str, Connection] = {}
        """By revision: a connection that knows nothing else. Direct calls only read it, so that one does for all."""
        self._signature = {"_meta": {SERVER_INFO_META_KEY: self._server.server_info_stamp}}
        self._runners: LRUCache[str, _SessionRunner] = LRUCache(KEPT_RUNNERS)
        self._tools: LRUCache[str, Mapping[str, Any]] = LRUCache(KEPT_TOOLS)
        """Tools as the server listed them last."""
        self._tenants = tenants
        self._requests = None if counter is None else counter.labelled("mcp_requests", "method", "outcome", "tenant")
        self.durations = None if counter is None else counter.histogram("operations")
        """Takes how long requests took; see `RequestLog`."""
        self.refused = RefusedRequests(self.durations, count=self.count, is_tool=lambda name: name in self._tools)
        self._state: Any = None

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Enter the server's lifespan, once for all sessions."""
        async with self._server.lifespan(self._server) as self._state:
            if self._high_level is not None:
                tools = await self._high_level.list_tools()  # its registry; no handler and no middleware runs
                self._learn([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools])
            yield

    async def respond(
        self, session: SessionRecord | None, context: DispatchContext, request: JSONRPCRequest
    ) -> RequestOutcome:
        """Run one request to its response: a result, or an error without any secret.

        `initialize` also fills in the session's record.

        Args:
            session: whose request it is; None for one that belongs to no session.
            context: its context.
            request: it.
        """
        outcome, method = "ok", request.method
        try:
            if session is None or context.is_modern:
                client = self._usage.client_alone(request, wire=context.wire, revision=context.revision)
                add_fields(client.labels)
                result = await self._serve_alone(session, context, request)
                self._usage.stands_alone(client)
            elif method == "initialize":
                result = await self._initialize(session, context, request)
            else:
                kept = self._runner(session)
                add_fields(kept.client.labels)
                connection = kept.runner.connection
                own = self._direct.tools_for(request, is_modern=False) if connection.initialize_accepted else None
                if own is not None:
                    result = await own.call(self._plain_context(context, request, connection))
                else:
                    result = await kept.runner.on_request(context, method, request.params)
                kept.client.requests += 1
            if method == "tools/list":
                self._learn(result["tools"])
            response = RequestOutcome(jsonrpc.result(request.id, result))
        except Exception as exc:  # noqa: BLE001 - whatever a handler raises becomes an error
            response = await self._error_response(request, exc)
            outcome = str(response.code)
        if len(response.body) > jsonrpc.MAX_RESPONSE_BYTES:
            outcome = "too_large"
            add_fields({"outcome": outcome})
            log.warning("answer_too_large", bytes=len(response.body))
            response = RequestOutcome(jsonrpc.too_large(request.id, method, len(response.body)), response.code)
        caller: Caller = context.message_metadata.request_context
        self.count(request, outcome, caller.principal)
        return response

    async def _error_response(self, request: JSONRPCRequest, exc: Exception) -> RequestOutcome:
        """Return the response for an exception: the SDK's own errors in full, nothing of any other."""
        problem = params_problem(exc, request.params) or handler_exception_to_error_data(exc)
        if problem is None and request.method == "prompts/get" and self._high_level is not None:
            problem = await prompt_problem(self._high_level, request.params or {})  # the SDK raises what any fault is
        if problem is None:
            problem = ErrorData(code=INTERNAL_ERROR, message="Internal server error")
        if problem.code == INTERNAL_ERROR:
            log.error("request_handler_failed", exc_info=exc)
        return RequestOutcome(jsonrpc.error(request.id, problem.code, problem.message, problem.data), problem.code)

    def count(self, request: JSONRPCRequest, outcome: str, principal: Principal) -> None:
        """Count a request that has its response."""
        if self._requests is not None:
            asked = request.method
            method = asked if asked in SPEC_CLIENT_METHODS else OTHER
            self._requests.add(method, outcome, self._tenants.label(principal.tenant.id))

    async def on_notification(self, session: SessionRecord, caller: Caller, notification: JSONRPCNotification) -> None:
        """Serve one notification; `initialized` also marks the session's record. A fault of a handler is logged."""
        metadata = ServerMessageMetadata(request_context=caller)
        context = DispatchContext(self._channel, Address(session.id), session.wire, metadata, can_ask=True)
        runner = self._runner(session).runner
        try:
            await runner.on_notify(context, notification.method, notification.params)
        except Exception:
            log.exception("notification_handler_failed")
        session.initialized = runner.connection.initialized.is_set()

    def writes(self, request: JSONRPCRequest) -> bool:
        """Whether a request may change something: a call of any tool that is not known to only read.

        A tool is known once it was listed, by this server's registry or to any client of this instance.
        """
        if request.method != "tools/call":
            return False
        tool = self._tools.get(str((request.params or {}).get("name")))
        return tool is None or not (tool.get("annotations") or {}).get("readOnlyHint")

    def _learn(self, tools: Sequence[Mapping[str, Any]]) -> None:
        for tool in tools:
            self._tools.put(tool["name"], tool)

    async def input_schema(
        self, name: str, request: JSONRPCRequest, caller: Caller, *, wire: str
    ) -> Mapping[str, Any] | None:
        """Return the input schema of the tool that `request` calls, or None when it is not known.

        A server that has no lookup of its own is asked for its tools, once, by this very caller: with the envelope of
        its request. Where that fails, headers are not compared, as in the SDK's own server.
        """
        if self._server.get_tool_input_schema is not None:
            return self._server.get_tool_input_schema(name)
        if self._tools.get(name) is None and self._server.get_request_handler("tools/list") is not None:
            metadata = ServerMessageMetadata(request_context=caller)
            context = DispatchContext(self._channel, Address(""), wire, metadata, request.id, closed=True)
            params: dict[str, Any] = {"_meta": (request.params or {})["_meta"]}
            try:
                for _ in range(MAX_LIST_PAGES):
                    listed = JSONRPCRequest(id=request.id, method="tools/list", params=params)
                    result = await self._serve_alone(None, context, listed)
                    self._learn(result["tools"])
                    if "nextCursor" not in result:
                        break
                    params["cursor"] = result["nextCursor"]
            except Exception:
                log.warning("tools_not_listed", exc_info=True)
        return (self._tools.get(name) or {}).get("inputSchema")

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
        if len(encode(params)) > MAX_INITIALIZE_BYTES:
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
        add_fields(client.labels)
        self._runners.put(session.id, _SessionRunner(_state(session), runner, client))
        return result

    async def _serve_alone(
        self, session: SessionRecord | None, context: DispatchContext, request: JSONRPCRequest
    ) -> dict[str, Any]:
        """Serve a request with nothing but what it says itself."""
        revision = context.revision
        is_modern = revision is None
        if (own := self._direct.tools_for(request, is_modern=is_modern)) is not None:
            version = revision or (request.params or {})["_meta"][PROTOCOL_VERSION_META_KEY]
            connection = self._bare.get(version)
            if connection is None:
                connection = self._bare[version] = Connection.from_envelope(version, None, None)
            result = await own.call(self._plain_context(context, request, connection))
            return result | self._signature if is_modern else result
        if revision is None:
            connection = self._modern_connection(session, request)
        else:
            if request.method in _OF_SESSIONS and self._server.get_request_handler(request.method) is not None:
                text = f"{request.method} changes a session, and this request names none: send Mcp-Session-Id."
                raise MCPError(INVALID_REQUEST, text, {"kind": "no_session"})
            connection = Connection.from_envelope(revision, None, None)  # as the SDK's stateless mode does
        result = await serve_one(
            self._server, context, request.method, request.params, connection=connection, lifespan_state=self._state
        )
        if is_modern:
            self._direct.served(request)
        return result

    def _plain_context(
        self, context: DispatchContext, request: JSONRPCRequest, connection: Connection
    ) -> ServerRequestContext[Any, Any]:
        """Return what the SDK's runner makes for a request whose `_meta` concerns nothing but progress."""
        return ServerRequestContext(
            session=ServerSession(context, connection),
            lifespan_context=self._state,
            protocol_version=connection.protocol_version,
            method=request.method,
            params=request.params,
            request_id=context.request_id,
            request=context.message_metadata.request_context,
        )

    def _modern_connection(self, session: SessionRecord | None, request: JSONRPCRequest) -> Connection:
        """Return the connection that the envelope of a request describes. Raises: MCPError."""
        route = classify_inbound_request({"method": request.method, "params": request.params})
        if isinstance(route, InboundLadderRejection):
            raise MCPError(route.code, route.message, route.data)
        return Connection.from_envelope(
            route.protocol_version,
            route.client_info,
            route.client_capabilities,
            **({} if session is None else {"outbound": NotifyOnlyOutbound(self._outbound(session))}),
        )

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

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
from typing import Any, Final

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
from mcp_types.version import LATEST_MODERN_VERSION
from starlette.datastructures import Headers

from shared.lru import LRUCache
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Address, Caller, Channel, DispatchContext, SessionOutbound
from transport.sessions.session import SessionRecord

__all__ = (
    "ERROR_CODE_HTTP_STATUS",
    "SDKKernel",
    "cancelled_request_id_from_params",
    "coerce_request_id",
    "error_of",
    "is_modern",
    "unserved_version",
)

log = get_logger(__name__)

MAX_INITIALIZE_BYTES: Final = 16 * 1024
KEPT_RUNNERS: Final = 1024


def error_of(exc: Exception) -> ErrorData:
    """Return what the outside is told of an exception: the SDK's own errors as they are, nothing of any other."""
    return handler_exception_to_error_data(exc) or ErrorData(code=INTERNAL_ERROR, message="Internal server error")


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


class SDKKernel:
    """Serves messages of any session with one MCP server.

    Args:
        server: any server of the SDK.
        channel: the way to the clients.
    """

    def __init__(self, server: "MCPServer[Any] | Server[Any]", channel: ClientRequests) -> None:
        self._server = lowlevel(server)
        self._channel = channel
        self._runners: LRUCache[str, tuple[_State, ServerRunner[Any]]] = LRUCache(KEPT_RUNNERS)
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

    def context(
        self,
        address: Address,
        caller: Caller,
        kind: str,
        request: JSONRPCRequest | None = None,
        *,
        channel: Channel | None = None,
    ) -> DispatchContext:
        """Return the context in which one message is served.

        Args:
            address: where what its handler says belongs.
            caller: who sent it.
            kind: name of the wire.
            request: it, when it is a request.
            channel: the way to the client, where it is not that of a session.
        """
        transport = TransportContext(
            kind=kind, can_send_request=request is None or not is_modern(request), headers=caller.headers
        )
        context = DispatchContext(
            channel or self._channel, address, transport, ServerMessageMetadata(request_context=caller)
        )
        if request is not None:
            context.request_id = request.id
            context.progress_token = progress_token_from_params(request.params)
        return context

    async def respond(
        self, session: SessionRecord | None, context: DispatchContext, request: JSONRPCRequest
    ) -> dict[str, Any]:
        """Serve one request and return its result; `initialize` also fills in the session's record.

        Args:
            session: whose request it is; None for one of 2026-07-28 that belongs to no session.
            context: its context.
            request: it.

        Raises:
            Exception: whatever the handler raised; see `error_of`.
        """
        if session is None or is_modern(request):
            return await self._serve_modern(session, context, request)
        if request.method == "initialize":
            return await self._initialize(session, context, request)
        return await self._runner(session).on_request(context, request.method, request.params)

    async def on_notification(
        self, session: SessionRecord, context: DispatchContext, notification: JSONRPCNotification
    ) -> None:
        """Serve one notification; `initialized` also marks the session's record. A fault of a handler is logged."""
        runner = self._runner(session)
        try:
            await runner.on_notify(context, notification.method, notification.params)
        except Exception:
            log.exception("notification_handler_failed", method=notification.method)
        session.initialized = runner.connection.initialized.is_set()

    def writes(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Whether a request may change something: a call of any tool that does not say it only reads."""
        if method != "tools/call":
            return False
        tool = self._tools.get(str((params or {}).get("name")), {})
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
        runner = self._runner(replace(session, version=None, client_params=None, initialized=False))
        try:
            result = await runner.on_request(context, request.method, request.params)
        except BaseException:
            self.forget(session.id)  # what the session was before still stands in its record
            raise
        session.version, session.client_params = runner.connection.protocol_version, params
        session.initialized = False
        self._runners.put(session.id, (_state(session), runner))
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
        return await serve_one(
            self._server, context, request.method, request.params, connection=connection, lifespan_state=self._state
        )

    def _runner(self, session: SessionRecord) -> ServerRunner[Any]:
        """Return the session's runner, rebuilt from its record when it is not kept here or has fallen behind."""
        state, runner = self._runners.get(session.id) or (None, None)
        if runner is None or state != _state(session):
            connection = Connection.for_loop(
                self._outbound(session), session_id=session.id, protocol_version_hint=session.version
            )
            if session.client_params is not None:
                connection.client_params = InitializeRequestParams.model_validate(session.client_params)
            if session.initialized:
                connection.initialized.set()
            runner = ServerRunner(self._server, connection, self._state)
            self._runners.put(session.id, (_state(session), runner))
        elif session.initialized:
            runner.connection.initialized.set()
        return runner

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


def is_modern(request: JSONRPCRequest) -> bool:
    """Whether a request carries the 2026-07-28 envelope; `initialize` never does, whatever it is stamped with."""
    meta = (request.params or {}).get("_meta")
    return request.method != "initialize" and isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta


def unserved_version(version: str) -> ErrorData | None:
    """Return why messages of revision `version` are not served, which has no handshake; None when they are."""
    return _problem(unsupported_protocol_version_rejection(version))


def _problem(rejection: InboundLadderRejection | None) -> ErrorData | None:
    if rejection is None:
        return None
    return ErrorData(code=rejection.code, message=rejection.message, data=rejection.data)

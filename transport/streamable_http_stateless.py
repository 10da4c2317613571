"""Requests of 2026-07-28 over Streamable HTTP: each POST is a whole exchange, and nothing is remembered of it.

The response is JSON, or a stream as soon as its handler sends something before. A client that leaves cancels.
Where headers repeat what the body says, the two have to agree, since proxies route by the headers.
Source: modelcontextprotocol.io/specification/2026-07-28/basic/transports; SEP-2243 for the headers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp_types import ErrorData, JSONRPCNotification, JSONRPCRequest, RequestId
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.identity import AuthenticationError
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.dispatch.context import Address, Caller
from transport.dispatch.sdk_kernel import ERROR_CODE_HTTP_STATUS, unserved_version
from transport.dispatch.stateless import StatelessDispatcher
from transport.http import sse_format
from transport.http.endpoint import HTTPResponse
from transport.http.errors import HTTPRefusalError, http_error
from transport.http.event_stream import EVENT_STREAM, OpenStreams, StreamSlot, TooManyStreamsError
from transport.http.request_checks import check_version
from transport.http.request_head import HTTPRequest
from transport.jsonrpc import Inbound
from transport.sessions.session import Limits

log = get_logger(__name__)


class StatelessHandler:
    """Answers POSTs of 2026-07-28.

    Args:
        dispatcher: runs requests.
        streams: those that are open.
        limits: heartbeat and time for one write.
        wire: name of the wire.
    """

    def __init__(self, dispatcher: StatelessDispatcher, streams: OpenStreams, *, limits: Limits, wire: str) -> None:
        self._dispatcher = dispatcher
        self._streams = streams
        self._limits = limits
        self._wire = wire

    async def respond(
        self, request: HTTPRequest, messages: Sequence[Inbound], caller: Caller, *, is_batch: bool
    ) -> ASGIApp:
        """Return the response to one POST.

        Raises:
            UnsupportedVersionError: its version is not served.
            HTTPRefusalError: it is neither one request nor one notification.
            InsufficientScopeError, RateLimitedError, TooManyStreamsError, TooBusyError: it is refused.
        """
        check_version(request.head.protocol_version, messages)
        message = messages[0].message
        if is_batch or not isinstance(message, JSONRPCRequest | JSONRPCNotification):
            raise HTTPRefusalError(400, "malformed", "Send one request or one notification.")
        if isinstance(message, JSONRPCNotification):  # the revision defines none for a server to act upon
            problem = unserved_version(request.head.protocol_version)
            return HTTPResponse(202) if problem is None else _error(None, problem)
        # Not every HTTP parser takes white space off the end of a value; the comparison is with the body.
        headers = Headers(raw=[(name, value.strip()) for name, value in request.headers.raw])
        problem = await self._dispatcher.rejection(message, headers, caller, wire=self._wire)
        if problem is not None:
            return _error(message.id, problem)
        with self._streams.slot(caller.principal) as slot:
            if message.method == "subscriptions/listen":  # the only one that is a stream for certain
                self._acquire(slot, message.id)
            exchange = _StatelessResponse(self._dispatcher, slot, limits=self._limits)
            await exchange.submit(message, caller, wire=self._wire)
            return exchange

    @staticmethod
    def _acquire(slot: StreamSlot, request_id: RequestId) -> None:
        try:
            slot.acquire()
        except TooManyStreamsError as error:
            error.request_id = request_id
            raise


def _error(request: RequestId | None, problem: ErrorData) -> HTTPResponse:
    body = jsonrpc.error(request, problem.code, problem.message, problem.data)
    return HTTPResponse(ERROR_CODE_HTTP_STATUS[problem.code], body)


class _StatelessResponse:
    """One request and its response. It is also the channel of its handler."""

    def __init__(self, dispatcher: StatelessDispatcher, slot: StreamSlot, *, limits: Limits) -> None:
        self._dispatcher = dispatcher
        self._slot = slot
        self._limits = limits
        self._turn = anyio.Lock()  # each writer writes the whole of what it has
        self._is_stream = False
        self._is_over = False
        self._is_cut = False

    async def submit(self, request: JSONRPCRequest, caller: Caller, *, wire: str) -> None:
        """Have it admitted; see `StatelessDispatcher.submit`."""
        self._call = await self._dispatcher.submit(request, caller, self, wire=wire)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it. It is cancelled when its client leaves, does not read, or may not read any more."""
        try:
            await self._serve(scope, receive, send)
            if self._is_cut and not self._is_over:
                await self._end_cut_off(scope, receive)
        finally:
            self._slot.release()
            del self._call  # the two keep each other, and a request may have megabytes

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            self._slot.cut = self._cut
            tasks.start_soon(self._watch, receive)
            # Few requests take so long that they need a task to be kept alive.
            silence = asyncio.get_running_loop().call_later(
                self._limits.heartbeat_s, tasks.start_soon, self._keep_alive
            )
            try:
                body, code = await self._dispatcher.respond(self._call)
                await self._finish(body, code, scope, receive)
            finally:
                silence.cancel()
            tasks.cancel_scope.cancel()

    async def notify(self, to: Address, method: str, params: Mapping[str, Any] | None) -> None:  # noqa: ARG002 - there is one place
        """Send a notification, which makes the response a stream."""
        await self._write(sse_format.event(jsonrpc.notification(method, params)))

    async def send_request(
        self,
        to: Address,  # noqa: ARG002 - the channel's signature
        method: str,
        params: Mapping[str, Any] | None,  # noqa: ARG002 - likewise
        opts: CallOptions | None,  # noqa: ARG002 - likewise
    ) -> dict[str, Any]:
        """Refuse: in this revision a server asks by its result. Raises: NoBackChannelError."""
        raise NoBackChannelError(method)

    async def _finish(self, body: bytes, code: int | None, scope: Scope, receive: Receive) -> None:
        async with self._turn:
            is_stream, self._is_over = self._is_stream, not self._is_stream
        if is_stream:
            await self._write(sse_format.event(body), is_last=True)
        else:
            status = 200 if code is None else ERROR_CODE_HTTP_STATUS.get(code, 200)
            await HTTPResponse(status, body)(scope, receive, self._send)

    def _cut(self) -> None:
        self._is_cut = True
        self._scope.cancel()

    async def _end_cut_off(self, scope: Scope, receive: Receive) -> None:
        """Say, in the way that is left, that the credential of this request is not valid any more."""
        if self._is_stream:
            await self._write(b"", is_last=True)
            return
        error = AuthenticationError("What this request was sent with is not valid any more. Its call was cancelled.")
        error.request_id = self._call.request.id
        status, headers, body = http_error(error)
        await HTTPResponse(status, body, headers)(scope, receive, self._send)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_over:  # else the server says by this that the response is out
            log.info("exchange_left", method=self._call.request.method)
        self._scope.cancel()

    async def _keep_alive(self) -> None:
        while True:
            await self._write(sse_format.HEARTBEAT)
            await anyio.sleep(self._limits.heartbeat_s)

    async def _write(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Send some bytes; a client that does not take them in time counts as gone."""
        with anyio.move_on_after(self._limits.write_s) as patience:
            async with self._turn:
                if self._is_over:
                    return
                self._is_over = is_last
                if not self._is_stream:
                    self._is_stream = True
                    self._slot.occupy()
                    await self._send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
                await self._send({"type": "http.response.body", "body": chunk, "more_body": not is_last})
        if patience.cancelled_caught:
            log.warning("stream_not_read", after_s=self._limits.write_s)
            self._scope.cancel()

"""Requests of 2026-07-28 over Streamable HTTP: each POST is a whole exchange, and nothing is remembered of it.

The answer is JSON, or a stream as soon as its handler has something to say first. A client that leaves cancels.
Where headers repeat what the body says, the two have to agree, since proxies route by the headers.
Source: modelcontextprotocol.io/specification/2026-07-28/basic/transports; SEP-2243 for the headers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp_types import ErrorData, JSONRPCNotification, JSONRPCRequest, RequestId
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.identity import AuthenticationError
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.base import Reply
from transport.dispatch.context import Address, Caller
from transport.dispatch.sdk_kernel import ERROR_CODE_HTTP_STATUS, unserved_version
from transport.dispatch.stateless import StatelessDispatcher, TooBusyError
from transport.http import errors, sse_format
from transport.http.event_stream import EVENT_STREAM
from transport.http.request_checks import HTTPRefusalError
from transport.http.stream_slots import OpenStreams, StreamSlot, TooManyStreamsError
from transport.jsonrpc import Inbound
from transport.rate_limit import RateLimitedError
from transport.sessions.session import Limits

log = get_logger(__name__)

VERSION_HEADER: Final = "mcp-protocol-version"


class StatelessHandler:
    """Answers POSTs of 2026-07-28.

    Args:
        stateless: runs requests.
        streams: those that are open.
        limits: heartbeat and patience.
        kind: name of the wire.
    """

    def __init__(self, stateless: StatelessDispatcher, streams: OpenStreams, *, limits: Limits, kind: str) -> None:
        self._stateless = stateless
        self._streams = streams
        self._limits = limits
        self._kind = kind

    async def respond(self, request: Request, inbound: Sequence[Inbound], caller: Caller, *, batch: bool) -> ASGIApp:
        """Return the answer to one POST.

        Raises:
            HTTPRefusalError: it is neither one request nor one notification (400), or one too many (429).
        """
        message = inbound[0].message
        # Not every HTTP parser takes white space off the end of a value; the comparison is with the body.
        headers = Headers(raw=[(name, value.strip()) for name, value in request.headers.raw])
        if batch or not isinstance(message, JSONRPCRequest | JSONRPCNotification):
            raise HTTPRefusalError(400, "malformed", "Send one request or one notification.")
        if isinstance(message, JSONRPCNotification):  # the revision defines none for a server to act upon
            problem = unserved_version(headers.get(VERSION_HEADER, ""))
            return Reply(202, b"") if problem is None else _error(None, problem)
        problem = self._stateless.rejection(message, headers)
        if problem is not None:
            return _error(message.id, problem)
        with self._streams.new_slot(caller.principal) as slot:
            try:
                if message.method == "subscriptions/listen":  # the only one that is a stream for certain
                    await slot.reserve()
                await self._stateless.consume_rate(message, caller)
            except TooManyStreamsError as error:
                raise errors.too_many_streams(error, message.id) from None
            except RateLimitedError as error:
                raise errors.rate_limited(error, message.id) from None
            return _StatelessResponse(self._stateless, message, caller, slot, limits=self._limits, kind=self._kind)


def _error(request: RequestId | None, problem: ErrorData) -> Reply:
    body = jsonrpc.error(request, problem.code, problem.message, problem.data)
    return Reply(ERROR_CODE_HTTP_STATUS[problem.code], body)


class _StatelessResponse:
    """One request and its answer. It is also the channel of its handler."""

    def __init__(
        self,
        stateless: StatelessDispatcher,
        request: JSONRPCRequest,
        caller: Caller,
        slot: StreamSlot,
        *,
        limits: Limits,
        kind: str,
    ) -> None:
        self._stateless = stateless
        self._request = request
        self._caller = caller
        self._slot = slot
        self._limits = limits
        self._kind = kind
        self._turn = anyio.Lock()  # whoever writes, writes the whole of it
        self._is_stream = False
        self._is_over = False
        self._is_cut = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it; a client that leaves, does not read, or may not any more, cancels it."""
        try:
            await self._serve(scope, receive, send)
            if self._is_cut and not self._is_over:
                await self._end_cut_off(scope, receive)
        finally:
            self._slot.release()

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
                response, code = await self._stateless.respond(self._request, self._caller, self, kind=self._kind)
            except TooBusyError as error:
                self._is_over = True
                body = jsonrpc.refusal(error.kind, str(error), request_id=self._request.id)
                await Reply(503, body, {"retry-after": "1"})(scope, receive, send)
            else:
                await self._finish(response, code, scope, receive)
            finally:
                silence.cancel()
            tasks.cancel_scope.cancel()

    async def notify(self, to: Address, method: str, params: Mapping[str, Any] | None) -> None:  # noqa: ARG002 - one place
        """Send a notification, which makes the answer a stream."""
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

    async def _finish(self, response: bytes, code: int | None, scope: Scope, receive: Receive) -> None:
        async with self._turn:
            is_stream, self._is_over = self._is_stream, not self._is_stream
        if is_stream:
            await self._write(sse_format.event(response), is_last=True)
        else:
            status = 200 if code is None else ERROR_CODE_HTTP_STATUS.get(code, 200)
            await Reply(status, response)(scope, receive, self._send)

    def _cut(self) -> None:
        self._is_cut = True
        self._scope.cancel()

    async def _end_cut_off(self, scope: Scope, receive: Receive) -> None:
        """Say in what way is left that the credential of this request is not valid any more."""
        if self._is_stream:
            await self._write(b"", is_last=True)
            return
        error = AuthenticationError("What this request was sent with is not valid any more. Its call was cancelled.")
        body = jsonrpc.refusal(error.kind, str(error), request_id=self._request.id)
        await Reply(error.status, body)(scope, receive, self._send)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_over:  # else it is the server's word that the answer is out
            log.info("exchange_left", method=self._request.method)
        self._scope.cancel()

    async def _keep_alive(self) -> None:
        while True:
            await self._write(sse_format.HEARTBEAT)
            await anyio.sleep(self._limits.heartbeat_s)

    async def _write(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Send some bytes; whoever does not take them in time has left."""
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

"""The response to a POST whose requests belong to no session: JSON, or a stream once a handler sends something before.

In 2026-07-28 a client that leaves cancels, and errors have an HTTP status. In earlier revisions neither applies: a call
goes on, and its response is dropped.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from anyio.lowlevel import checkpoint_if_cancelled
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from starlette.types import Receive, Scope, Send

from shared.concurrency import Begun, gather_all, within
from shared.identity import AuthenticationError
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.dispatch.context import Address, Caller
from transport.dispatch.dispatcher import RunningCall
from transport.dispatch.envelope import ERROR_CODE_HTTP_STATUS
from transport.dispatch.sdk_kernel import RequestOutcome
from transport.dispatch.stateless import StatelessDispatcher
from transport.http import sse_format
from transport.http.endpoint import HTTPResponse
from transport.http.errors import http_error
from transport.http.event_stream import EVENT_STREAM, StreamSlot
from transport.sessions.session import Limits

log = get_logger(__name__)


class ExchangeResponse:
    """The requests of one POST and their responses. It is also the channel of their handlers.

    Args:
        dispatcher: runs them.
        slot: of the stream that this may become.
        limits: heartbeat and time for one write.
        revision: theirs; None for 2026-07-28.
        is_batch: whether they came as a batch, so that their responses are one.
    """

    def __init__(
        self,
        dispatcher: StatelessDispatcher,
        slot: StreamSlot,
        *,
        limits: Limits,
        revision: str | None = None,
        is_batch: bool = False,
    ) -> None:
        self._dispatcher = dispatcher
        self._slot = slot
        self._limits = limits
        self._revision = revision
        self._is_batch = is_batch
        self._kept_bytes = 0
        self._turn = asyncio.Lock()  # each writer writes the whole of what it has
        self._is_stream = False
        self._is_over = False
        self._is_cut = False

    async def submit(self, requests: Sequence[JSONRPCRequest], caller: Caller, *, wire: str) -> None:
        """Have them admitted; see `StatelessDispatcher.submit`."""
        self._requests = requests
        self._takes_json, self._takes_events = caller.takes_json, caller.takes_events
        self._calls: list[RunningCall | RequestOutcome]
        if self._revision is not None:
            self._calls = await self._dispatcher.submit_all(requests, caller, self, wire=wire, revision=self._revision)
        else:
            self._calls = [await self._dispatcher.submit(requests[0], caller, self, wire=wire)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve them. They are cancelled when their client may not read any more; in 2026-07-28 also when it leaves."""
        self._send = send
        try:
            serving = Begun(self._serve(scope, receive))
            if serving.is_done:
                return
            self._slot.open(self._cut)
            async with self._attending(receive):
                await serving
        finally:
            self._slot.release()
            del self._calls  # they and this keep each other, and a request may have megabytes

    async def _serve(self, scope: Scope, receive: Receive) -> None:
        calls = self._calls
        outcomes = [await self._outcome(calls[0])] if len(calls) == 1 else await gather_all(*map(self._outcome, calls))
        if self._is_cut and not self._is_over:
            await self._end_cut_off(scope, receive)
        else:
            await self._finish(outcomes, scope, receive)

    @asynccontextmanager
    async def _attending(self, receive: Receive) -> AsyncGenerator[None]:
        """Notice inside this context when the client leaves, and let it hear something from time to time."""
        beside = [asyncio.ensure_future(self._watch(receive))]
        # Few requests take so long that they need a task to be kept alive.
        silence = asyncio.get_running_loop().call_later(
            self._limits.heartbeat_s, lambda: beside.append(asyncio.ensure_future(self._keep_alive()))
        )
        try:
            yield
        finally:
            silence.cancel()
            for task in beside:
                task.cancel()

    async def notify(self, to: Address, method: str, params: Mapping[str, Any] | None) -> None:  # noqa: ARG002 - there is one place
        """Send a notification, which makes the response a stream; none to a client that takes no stream."""
        if self._takes_events:
            await self._write(sse_format.event(jsonrpc.notification(method, params)))

    async def send_request(
        self,
        to: Address,  # noqa: ARG002 - the channel's signature
        method: str,
        params: Mapping[str, Any] | None,  # noqa: ARG002 - likewise
        opts: CallOptions | None,  # noqa: ARG002 - likewise
    ) -> dict[str, Any]:
        """Refuse: 2026-07-28 has servers ask by their result, and others need a session. Raises: NoBackChannelError."""
        raise NoBackChannelError(method)

    async def _outcome(self, call: RunningCall | RequestOutcome) -> RequestOutcome:
        if isinstance(call, RequestOutcome):
            return call
        outcome = await self._dispatcher.respond(call)
        self._kept_bytes += len(outcome.body)
        if self._kept_bytes > jsonrpc.MAX_RESPONSE_BYTES:  # of a batch, whose responses wait for each other
            return RequestOutcome(jsonrpc.result_lost(call.request.id, writes=call.attempt.writes))
        return outcome

    async def _finish(self, outcomes: Sequence[RequestOutcome], scope: Scope, receive: Receive) -> None:
        body, code = outcomes[0]
        status = 200 if code is None or self._revision is not None else ERROR_CODE_HTTP_STATUS.get(code, 200)
        if self._is_stream or not (self._takes_json or status != 200):
            await self._write(b"".join(sse_format.event(one.body) for one in outcomes), is_last=True)
        elif not self._is_over:
            self._is_over = True
            if self._is_batch:
                body = b"[%b]" % b",".join(one.body for one in outcomes)
            response = HTTPResponse(status, body)
            if not response.sent_at_once(self._send):
                await self._in_time(response(scope, receive, self._send))

    def _left(self) -> None:
        """Take note that nothing more reaches the client: in 2026-07-28 that cancels, before it never did."""
        if self._revision is None:
            self._cancel()
        self._is_over = True

    def _cut(self) -> None:
        self._is_cut = True
        self._cancel()

    def _cancel(self) -> None:
        for call in self._calls:
            if isinstance(call, RunningCall):
                call.scope.cancel()

    async def _end_cut_off(self, scope: Scope, receive: Receive) -> None:
        """Say, in the way that is left, that the credential of this request is not valid any more."""
        if self._is_stream:
            await self._write(b"", is_last=True)
            return
        error = AuthenticationError("What this request was sent with is not valid any more. Its call was cancelled.")
        error.request_id = None if self._is_batch else self._requests[0].id
        status, headers, body = http_error(error)
        self._is_over = True
        await self._in_time(HTTPResponse(status, body, headers)(scope, receive, self._send))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_over:  # else the server says by this that the response is out
            log.info("exchange_left", method=self._requests[0].method)
        self._left()

    async def _keep_alive(self) -> None:
        while self._takes_events:
            await self._write(sse_format.HEARTBEAT)
            await asyncio.sleep(self._limits.heartbeat_s)

    async def _write(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Send some bytes of the stream."""
        await self._in_time(self._write_in_turn(chunk, is_last=is_last))

    async def _write_in_turn(self, chunk: bytes, *, is_last: bool) -> None:
        async with self._turn:
            if self._is_over:
                return
            self._is_over = is_last
            if not self._is_stream:
                self._is_stream = True
                self._slot.occupy()
                await self._send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
            await self._send({"type": "http.response.body", "body": chunk, "more_body": not is_last})

    async def _in_time(self, write: Coroutine[Any, Any, None]) -> None:
        """Finish a write; a client that does not take it in time counts as gone."""
        try:
            await within(self._limits.write_s, write)
        except TimeoutError:
            log.warning("stream_not_read", after_s=self._limits.write_s)
            self._left()
            await checkpoint_if_cancelled()  # the handler that wrote ends here, not at its next wait

"""The response to a POST of one request of a session: JSON if it is there soon, else what its client can wait for.

The request runs in the task of its POST. As soon as it takes longer, or sends something to its client, the response
becomes another one beside it, most often a stream. A client that leaves cancels nothing. JSON has no event id: a
client whose connection is cut before then cannot ask for the response again.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mcp.shared.dispatcher import CallOptions
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.concurrency import Begun, within
from shared.telemetry import get_logger
from transport.dispatch.context import Address
from transport.dispatch.dispatcher import Dispatcher, SessionCall
from transport.http.endpoint import HTTPResponse
from transport.sessions.broker import StreamReader
from transport.sessions.event_log import Kind
from transport.sessions.session import Limits

log = get_logger(__name__)


class SingleResponse:
    """Runs a request and sends its response. It is also the channel of its handler.

    Args:
        dispatcher: runs it.
        call: the request; None when it has its response.
        reader: reads the stream of the POST, and is closed here or by the other response.
        otherwise: returns the other response, which reads the same stream.
        limits: time until it takes over, and for one write.
        is_batch: whether the request came as a batch, so that an array is expected.
        headers: of the response.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        call: SessionCall | None,
        reader: StreamReader,
        *,
        otherwise: Callable[[], ASGIApp],
        limits: Limits,
        is_batch: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._call = call
        self._reader = reader
        self._otherwise = otherwise
        self._limits = limits
        self._is_batch = is_batch
        self._headers = headers
        self._other: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run and respond."""
        self._asgi = scope, receive, send
        if self._call is not None:
            await self._run(self._call)
        if self._other is None and not await self._send_json():
            self._become_other()
        if self._other is not None:
            await self._other

    async def _run(self, call: SessionCall) -> None:
        self._channel, call.context.channel = call.context.channel, self
        running = Begun(self._dispatcher.respond(call))
        try:
            if not running.is_done:
                patience = asyncio.get_running_loop().call_later(self._limits.json_s, self._become_other)
                try:
                    await running
                finally:
                    patience.cancel()
        except asyncio.CancelledError:
            if self._other is not None:
                self._other.cancel()
            raise
        finally:
            self._call = None  # the two keep each other, and a request may have megabytes

    def _become_other(self) -> None:
        if self._other is None:
            self._other = asyncio.ensure_future(self._otherwise()(*self._asgi))

    async def _send_json(self) -> bool:
        """Send the response as JSON if it is there; return whether it was."""
        self._reader.wake()  # not to wait, should there be none
        events = () if self._reader.ended else await self._reader.events()
        responses = [event.text() for event in events if event.kind is Kind.RESPONSE]
        if not responses:  # its client repeated the request, or the session ended, or the broker is away
            return False
        body = b"[%b]" % responses[0] if self._is_batch else responses[0]
        try:
            whole = HTTPResponse(200, body, self._headers)
            if not whole.sent_at_once(self._asgi[2]):
                await within(self._limits.write_s, whole(*self._asgi))
            self._reader.delivered(events)
        except TimeoutError:
            # Returning with the response unfinished makes the server cut the connection.
            log.warning("stream_not_read", after_s=self._limits.write_s)
        finally:
            await self._reader.close()
        return True

    # ---- the channel of the handler

    async def notify(self, to: Address, method: str, params: Mapping[str, Any] | None) -> None:
        """Send a notification, for which there has to be a stream."""
        self._become_other()
        await self._channel.notify(to, method, params)

    async def send_request(
        self, to: Address, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None
    ) -> dict[str, Any]:
        """Send a request, for which there has to be a stream. Raises: MCPError."""
        self._become_other()
        return await self._channel.send_request(to, method, params, opts)

"""The responses to a POST as one JSON body: for a client of a session that does not take a stream.

It reads what a stream would have read, so no response can be missed, and it waits as long as a stream is open. Whatever
else the calls send is dropped. A client that leaves cancels nothing, as with a stream, but it cannot resume.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from mcp_types import INTERNAL_ERROR, RequestId
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.concurrency import within
from shared.identity import AuthenticationError
from shared.json_rpc import LOOK_FIRST
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.http.endpoint import HTTPResponse
from transport.http.errors import http_error
from transport.http.event_stream import StreamSlot
from transport.sessions.broker import StreamReader
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import Limits

log = get_logger(__name__)


class CollectedResponse:
    """Waits for every response, then sends them.

    Args:
        reader: reads the stream of the POST, and is closed here.
        requests: the id of each request of the POST, and whether it may change something.
        is_batch: whether they came as a batch, so that an array is expected.
        limits: the time that a stream may take.
        slot: of this response; it is released when the response was sent.
        headers: of the response.
    """

    def __init__(
        self,
        reader: StreamReader,
        requests: Sequence[tuple[RequestId, bool]],
        *,
        is_batch: bool,
        limits: Limits,
        slot: StreamSlot,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._reader = reader
        self._requests = requests
        self._is_batch = is_batch
        self._limits = limits
        self._slot = slot
        self._headers = headers
        self._kept_bytes = 0
        self._is_cut = False
        self._is_gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait and respond."""
        self._slot.open(self._cut)
        watch = asyncio.create_task(self._watch(receive))
        try:
            responses = await self._collect()
            if self._is_gone:
                return
            await within(self._limits.write_s, self._response(responses)(scope, receive, send))
        except TimeoutError:
            # Returning with the response unfinished makes the server cut the connection.
            log.warning("stream_not_read", after_s=self._limits.write_s)
        finally:
            watch.cancel()
            self._slot.release()
            await self._reader.close()

    async def _collect(self) -> list[Event]:
        responses = list[Event]()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stream_s):
                while not await self._is_over():
                    events = await self._reader.events()
                    self._reader.delivered(events)  # no client can come back for them, so others may take their place
                    responses += [self._kept(event) for event in events if event.kind is Kind.RESPONSE]
        return responses

    def _kept(self, response: Event) -> Event:
        """Return a response, without its message if those of its batch together become too large."""
        self._kept_bytes += response.cost
        is_too_much = self._is_batch and self._kept_bytes > jsonrpc.MAX_RESPONSE_BYTES
        return replace(response, message=None) if is_too_much else response

    async def _is_over(self) -> bool:
        if self._is_gone or self._is_cut or self._reader.ended:
            return True
        return not self._reader.has_news and await self._reader.is_settled()

    def _response(self, responses: Sequence[Event]) -> ASGIApp:
        answered = {event.request for event in responses}
        missing = [(request, writes) for request, writes in self._requests if request not in answered]
        if missing and self._is_cut:
            error = AuthenticationError("What this request was sent with is not valid any more. Its calls go on.")
            status, headers, body = http_error(error)
            return HTTPResponse(status, body, headers)
        bodies = [event.text() for event in responses]
        bodies += [_no_response(request, writes=writes) for request, writes in missing]
        body = b"[" + b",".join(bodies) + b"]" if self._is_batch else bodies[0]
        return HTTPResponse(200, body, self._headers)

    async def _watch(self, receive: Receive) -> None:
        """Notice that the client left."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        self._reader.wake()

    def _cut(self) -> None:
        self._is_cut = True
        self._reader.wake()


def _no_response(request: RequestId, *, writes: bool) -> bytes:
    text = (
        "There is no response here: the same request was sent again and is answered there, its session ended, or it "
        "took too long."
    )
    if writes:
        return jsonrpc.error(
            request, INTERNAL_ERROR, f"{text} It may have been done. {LOOK_FIRST}", {"kind": "outcome_unknown"}
        )
    return jsonrpc.error(request, INTERNAL_ERROR, f"{text} Nothing was changed; ask again.", {"kind": "interrupted"})

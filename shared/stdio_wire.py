"""One MCP client over stdin and stdout: every line that it sends is answered, the last ones too.

The SDK's own transport drops what it cannot read, and cancels calls when the input ends. Here `shared.json_lines` reads
the lines, as it would bodies of POST requests. After the end of input, what was read is answered; what still runs after
`end_s` is answered as interrupted.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, Final

import anyio
from anyio import from_thread, lowlevel, to_thread
from anyio.abc import AsyncResource, ObjectReceiveStream, ObjectSendStream
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter

from shared.json_body import MalformedMessageError
from shared.json_lines import QUIET_S, JsonLines
from shared.json_rpc import Message, interruption, refusals
from shared.telemetry import get_logger
from shared.wire_json import encode

log = get_logger(__name__)

END_S: Final = 10.0
"""How long what was read may take after the end of input: longer than a call waits for the ticket API."""
_CHUNK_BYTES: Final = 64 * 1024


async def serve(
    server: Server[Any],
    *,
    writes: Callable[[JSONRPCRequest], bool],
    stdin: int = 0,
    stdout: int = 1,
    end_s: float = END_S,
) -> None:
    """Serve one client until its input ends, or it reads no more.

    Args:
        server: what is served.
        writes: returns whether a request may change something.
        stdin: descriptor that is read.
        stdout: descriptor that gets the messages; whatever else is printed there goes to stderr, for good.
        end_s: how long what was read may take after the end of input.
    """
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    with _messages_alone(stdout) as descriptor, _chunks(stdin) as chunks:
        async with anyio.create_task_group() as tasks:
            client = _Client(descriptor, writes, on_gone=tasks.cancel_scope.cancel)
            tasks.start_soon(_read, chunks, to_server, client, end_s)
            await server.run(from_client, client, server.create_initialization_options())
            tasks.cancel_scope.cancel()


class _Client(AsyncResource):
    """The way to the client, one line a message, and the requests that it waits for."""

    def __init__(
        self, descriptor: int, writes: Callable[[JSONRPCRequest], bool], *, on_gone: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._writes = writes
        self._on_gone = on_gone
        self._line = anyio.Lock()
        self._is_gone = False
        self._waiting: list[JSONRPCRequest] = []
        self._sending = 0
        """How many responses are being written: their requests wait no more, as the client may use an id again."""
        self._none_waits = anyio.Event()

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message of the server, unless it is a response that the client does not wait for.

        Raises:
            BrokenResourceError: the client is gone.
        """
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError) and not self._forget(message.id):
            return
        self._sending += 1
        try:
            await self._write(message.model_dump(by_alias=True, exclude_unset=True))
        finally:
            self._sending -= 1
            self._note()

    async def refuse(self, error: MalformedMessageError) -> None:
        """Answer what may not be served. Raises: BrokenResourceError."""
        log.warning("stdio_message_refused", kind=error.kind, request_id=error.request_id, why=str(error))
        for response in refusals(error):
            await self._write(response)

    def waits_for(self, request: JSONRPCRequest) -> None:
        """Note that a request was read."""
        self._waiting.append(request)

    def cancels(self, params: Message) -> None:
        """Note that the client waits for a request no more: a cancelled one has no response."""
        self._forget(params.get("requestId"))
        self._note()

    async def settle(self, within_s: float) -> None:
        """Return when all requests are answered; after `within_s` seconds, answer the others as interrupted."""
        with anyio.move_on_after(within_s):
            while self._waiting or self._sending:
                self._none_waits = anyio.Event()
                await self._none_waits.wait()
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            await self._write({"jsonrpc": "2.0", "id": request.id, "error": interruption(writes=self._writes(request))})

    async def aclose(self) -> None:
        """Do nothing: the descriptor belongs to `serve`."""

    def _forget(self, request_id: object) -> bool:
        """Wait no more for the first request with this id; return whether there is one."""
        request = next((one for one in self._waiting if one.id == request_id), None)
        self._waiting = [one for one in self._waiting if one is not request]
        return request is not None

    def _note(self) -> None:
        if not self._waiting and not self._sending:
            self._none_waits.set()

    async def _write(self, message: Message) -> None:
        line = encode(message) + b"\n"
        async with self._line:
            try:
                await to_thread.run_sync(_write_all, self._descriptor, line)
            except OSError:
                if not self._is_gone:
                    log.warning("stdio_broken", hint="the client is gone: stdout is closed")
                self._is_gone = True
                self._on_gone()
                raise anyio.BrokenResourceError from None


async def _read(
    chunks: ObjectReceiveStream[bytes],
    to_server: ObjectSendStream[SessionMessage | Exception],
    client: _Client,
    end_s: float,
) -> None:
    """Pass the client's messages to the server, refuse the rest, and keep the server up until all is answered."""
    lines = JsonLines()
    with suppress(anyio.BrokenResourceError):  # the client reads no more
        async with to_server:
            with suppress(anyio.EndOfStream):
                while True:
                    chunk = None
                    with anyio.move_on_after(QUIET_S if lines.is_waiting else None):
                        chunk = await chunks.receive()
                    await _take(lines.quiet() if chunk is None else lines.feed(chunk), to_server, client)
            await _take(lines.end(), to_server, client)
            await client.settle(end_s)


async def _take(
    received: Iterator[Message | MalformedMessageError],
    to_server: ObjectSendStream[SessionMessage | Exception],
    client: _Client,
) -> None:
    for one in received:
        if isinstance(one, MalformedMessageError):
            await client.refuse(one)
            continue
        message = jsonrpc_message_adapter.validate_python(one)
        if isinstance(message, JSONRPCRequest):
            client.waits_for(message)
        await to_server.send(SessionMessage(message))
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            client.cancels(message.params or {})


@contextmanager
def _chunks(descriptor: int) -> Iterator[ObjectReceiveStream[bytes]]:
    """Give what is read from `descriptor`.

    The thread is a daemon: nothing can end a read, and the process must not wait for one.
    """
    chunks, received = anyio.create_memory_object_stream[bytes](0)
    token = lowlevel.current_token()

    def read() -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.RunFinishedError):  # served no more
            with suppress(OSError):  # a terminal that is gone
                while chunk := os.read(descriptor, _CHUNK_BYTES):
                    from_thread.run(chunks.send, chunk, token=token)
            from_thread.run_sync(chunks.close, token=token)

    Thread(target=read, daemon=True).start()
    with chunks, received:
        yield received


def _write_all(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


@contextmanager
def _messages_alone(stdout: int) -> Iterator[int]:
    """Give a descriptor for what `stdout` is. From now on, what else is printed to `stdout` goes to stderr."""
    descriptor = os.dup(stdout)
    with suppress(OSError):  # there may be no stderr
        os.dup2(2, stdout)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

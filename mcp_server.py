"""The STDIO server: tickets for an assistant on the user's own machine.

Settings, API client, tools, and the MCP server over stdin and stdout. Only MCP goes to stdout; logs go to stderr.
Starts without contacting the ticket API, so tools return a clear error until the API is up.
"""

import gc
import json
import signal
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any, cast

import anyio
from anyio.abc import AsyncResource
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage

from shared.client_habits import ClientHabits
from shared.config import StdioSettings, load, notes
from shared.environment import SettingsError
from shared.telemetry import configure_logging, get_logger
from shared.wire_json import encode
from ticket_service import TicketService

log = get_logger(__name__)


async def message_lines(lines: AsyncIterable[str]) -> AsyncIterator[str]:
    """Yield `lines`, with batches split: the SDK reads one message per line and drops anything else.

    Revision 2025-03-26 requires servers to accept batches; their responses may be sent one by one.
    """
    async for line in lines:
        for message in taken_apart(line):
            yield message


def taken_apart(line: str) -> Iterable[str]:
    """Return the messages of a batch; any other line unchanged."""
    if not line.lstrip().startswith("["):
        return (line,)
    try:
        return [json.dumps(message) for message in json.loads(line)]
    except (ValueError, RecursionError):
        return (line,)


class WireLine:
    """A message as the SDK's writer takes it: what it writes is this, and nothing else of a message."""

    def __init__(self, message: JSONRPCMessage) -> None:
        self._message = message

    def model_dump_json(self, **chosen: Any) -> str:
        """Return the message as one line for any reader; `chosen` is which fields the SDK sends."""
        return encode(self._message.model_dump(**chosen)).decode()


class WireLines(AsyncResource):
    """The stream of messages to the SDK's writer, whose own JSON has line ends for some readers (U+2028).

    The writer stays in use: it keeps everything else that is printed off stdout.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    async def send(self, item: SessionMessage, /) -> None:
        """Send one message."""
        await self._writer.send(SessionMessage(cast("JSONRPCMessage", WireLine(item.message))))

    async def aclose(self) -> None:
        """Close the stream."""
        await self._writer.aclose()


async def serve(settings: StdioSettings) -> None:
    """Serve one client over stdin and stdout until it closes stdin. Raises: SettingsError."""
    habits = ClientHabits(off=settings.client_habits_off)
    service = TicketService(settings, habits=habits, says_whose_tickets=True)
    service.server.streamable_http_app()  # in SDK 2.3 the only public way to the low-level server
    server = service.server.session_manager.app
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service.run())
        # Opened again, because the platform's default encoding may differ.
        stdin = await stack.enter_async_context(
            await anyio.open_file(0, encoding="utf-8", errors="replace", closefd=False)
        )
        log.info("stdio_started", api="embedded" if settings.is_embedded else "remote")
        try:
            async with stdio_server(stdin=cast("Any", message_lines(stdin))) as (read, write):
                await server.run(read, WireLines(write), server.create_initialization_options())
        except* OSError:
            log.warning("stdio_broken", hint="the client is gone: stdout is closed")
    log.info("stdio_ended")


def main() -> int:
    """Run the server; return the exit code."""
    try:
        settings = load(StdioSettings)
        configure_logging(level=settings.log_level)
        for sentence in notes(settings):
            log.warning("settings_note", hint=sentence)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would wait for another line of stdin
        anyio.run(serve, settings)
    except SettingsError as error:
        print(f"The ticket server cannot start.\n{error}", file=sys.stderr)  # noqa: T201 - for the user who started it
        return 2
    return 0


if __name__ == "__main__":
    code = main()
    gc.freeze()  # otherwise the interpreter collects garbage before it exits, which takes half a second
    sys.exit(code)

# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""The STDIO server: tickets for an assistant on the user's own machine.

Settings, API client, tools, and the MCP server over stdin and stdout. Only MCP goes to stdout; logs go to stderr.
Starts without contacting the ticket API, so tools return a clear error until the API is up.

Started by a Python without the packages (`python mcp_server.py`, `uv run mcp_server.py`), it starts again in the
environment that run.py makes. The first lines tell uv that it needs to bring no packages.
"""

import gc

if __name__ == "__main__":
    gc.disable()  # until `main`: nothing that is imported is garbage, and looking for some takes a seventh of the start

    import run  # noqa: F401 - refuses a Python that is too old
    from bootstrap.first_start import require_packages

    require_packages()

import os
import signal
import sys
from typing import Final

import anyio
from mcp_types import JSONRPCRequest

from shared import stdio_wire
from shared.client_habits import ClientHabits
from shared.config import StdioSettings, load, notes, service_context
from shared.environment import SettingsError
from shared.identity import Scope
from shared.request_lines import RequestLines
from shared.scopes import required_scope
from shared.server import NAME, VERSION
from shared.telemetry import configure_logging, get_logger
from ticket_service import TicketService

log = get_logger(__name__)

WAITS: Final = (
    "The ticket server waits for an MCP client on its standard input; what you type here is read as MCP messages.\n"
    "Usually a client starts it: README.md has the lines for each. Ctrl-C or Ctrl-D (Windows: Ctrl-Z, Enter) ends it."
)


async def serve(settings: StdioSettings) -> None:
    """Serve one client over stdin and stdout until it closes stdin. Raises: SettingsError."""
    habits = ClientHabits(off=settings.client_habits_off)
    service = TicketService(settings, habits=habits, says_whose_tickets=True)
    service.server.streamable_http_app()  # in SDK 2.3 the only public way to the low-level server

    async def see_it_open() -> None:
        await service.opened()
        log.info("stdio_started", api="embedded" if settings.is_embedded else "remote")

    try:
        async with service.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(see_it_open)  # a client waits for the first response meanwhile, which needs no tickets
            if os.isatty(0):
                print(WAITS, file=sys.stderr, flush=True)  # noqa: T201 - for the user who started it
            server = service.server.session_manager.app
            server.middleware.insert(0, RequestLines())
            await stdio_wire.serve(server, writes=_writes)
    except* SettingsError as errors:
        raise errors.exceptions[0] from None
    log.info("stdio_ended")


def _writes(request: JSONRPCRequest) -> bool:
    return required_scope(request.method, request.params) is Scope.TICKETS_WRITE


def main() -> int:
    """Run the server; return the exit code."""
    gc.freeze()
    gc.enable()
    try:
        settings = load(StdioSettings)
        configure_logging(level=settings.log_level, service=service_context(NAME, VERSION))
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

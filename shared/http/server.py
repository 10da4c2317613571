"""The HTTP server of both programs, MCP server and ticket API: bounded connections and a bounded shutdown.

Signals end it with exit code 0; uvicorn itself would raise the signal again. Everything between a signal and the end of
the process happens within one deadline, whatever hangs: timeouts inside it are shorter, and late tasks are cancelled.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from signal import SIGINT
from types import FrameType
from typing import Final

import anyio
import uvicorn
from starlette.applications import Starlette

from shared.errors import TicketServerError
from shared.http.protocol import BoundedProtocol, Connections
from shared.telemetry import get_logger

if sys.platform != "win32":
    import resource

log = get_logger(__name__)

MAX_CONNECTIONS: Final = 4_096
FILES_KEPT: Final = 256
"""File descriptors reserved for other uses than clients: databases, brokers, ticket APIs."""
END_S: Final = 8.0
"""Seconds from a signal until pending tasks are cancelled; 9 s are promised (S6 in docs/sessions.md)."""
CANCELLED_AGAIN_S: Final = 0.1
CANCELLATIONS: Final = 4
"""How many times a task is cancelled: libraries catch the first cancellation and wait for a hanging close."""
UNREAD_S: Final = 60.0


class CannotListenError(TicketServerError):
    """The address is in use, or is not an address of this machine."""


class Server(uvicorn.Server):
    """Serves `app` until SIGTERM or SIGINT, then ends within `END_S`.

    Args:
        app: the application, served within its lifespan.
        host: address to listen on.
        port: port to listen on; 0 for any free port.
        finish_s: seconds that requests in flight may take after the listeners have closed.
        unread_s: seconds a connection may hold data that its client does not read.
        most_connections: maximum connections, if the system allows as many file descriptors.
        is_behind_proxy: whether connections come from trusted proxies, so that many may share one address.
        on_started: called with the port once the server listens.
    """

    server_state: Connections

    def __init__(
        self,
        app: Starlette,
        *,
        host: str,
        port: int,
        finish_s: int,
        unread_s: float = UNREAD_S,
        most_connections: int = MAX_CONNECTIONS,
        is_behind_proxy: bool = False,
        on_started: Callable[[int], None] | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=BoundedProtocol,
            lifespan="off",  # `serve` runs it: a refusal to start is then one sentence, not uvicorn's traceback
            log_config=None,  # all logs use one format
            access_log=False,  # paths carry session ids; transports log what matters
            server_header=False,
            proxy_headers=False,  # `X-Forwarded-*` is not trusted here
            ws="none",
            timeout_keep_alive=65,  # longer than front ends keep idle connections, so they never reuse a closed one
            timeout_graceful_shutdown=finish_s,
        )
        super().__init__(config)
        most = connections_allowed(most_connections)
        self.server_state = Connections(most=most, counts_addresses=not is_behind_proxy)
        self._app = app
        self._unread_s = unread_s
        self._on_started = on_started
        self._unread_since: dict[BoundedProtocol, float] = {}

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve in a new event loop, and leave no task behind. Raises: see `serve`."""

        async def life() -> None:
            try:
                await self.serve(sockets)
            finally:
                await _cancel_the_rest()

        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            runner.run(life())

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, serve it, and shut it down.

        Raises:
            CannotListenError: the server cannot listen.
            Exception: any error of the application's startup.
        """
        with anyio.CancelScope() as self._whole:
            async with self._app.router.lifespan_context(self._app):
                with suppress(SystemExit):  # uvicorn exits, after logging the reason, if it cannot listen
                    await super().serve(sockets)
        if self._whole.cancelled_caught:
            log.warning("ended_by_deadline", seconds=END_S)
        if not self.started:
            where = f"{self.config.host}:{self.config.port}"
            raise CannotListenError(
                f"It cannot listen on {where}: MCP_HOST must be an address of this machine, and PORT must be free."
            )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then call `on_started`."""
        await super().startup(sockets)
        if self.started and self._on_started is not None:
            self._on_started(self.servers[0].sockets[0].getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        """Close late connections every 0.1 s, and return whether to stop."""
        self.server_state.close_late()
        self._cut_unread()
        return await super().on_tick(counter)

    def _cut_unread(self) -> None:
        """Abort connections, closing or open, whose clients do not read the written data in time."""
        now, before = time.monotonic(), self._unread_since
        unread = [one for one in self.server_state.connections if one.transport.is_closing() or one.flow.write_paused]
        self._unread_since = {one: before.get(one, now) for one in unread}
        for one in unread:
            if now - self._unread_since[one] > self._unread_s:
                one.transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Set the deadline, drain, then shut down as usual."""
        self._whole.deadline = anyio.current_time() + END_S
        await self.drain()
        await super().shutdown(sockets)

    async def drain(self) -> None:
        """Do any work required before the listeners close; a hook for subclasses."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop at the first signal; a second Ctrl-C stops without waiting.

        uvicorn's own version raises the signal again at the end, which gives exit code 143 instead of 0.
        """
        if self.should_exit and sig == SIGINT:
            self.force_exit = True
        self.should_exit = True


def connections_allowed(most: int) -> int:
    """Return the number of allowed connections: at most `most`, and fewer than file descriptors.

    The soft limit of file descriptors is raised as far as needed and the hard limit allows. Windows has neither limit.
    """
    if sys.platform == "win32":
        return most
    needed = most + FILES_KEPT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):  # macOS has its own limit below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = needed if soft == resource.RLIM_INFINITY else min(needed, soft)
    return min(most, files - min(FILES_KEPT, files // 2))


async def _cancel_the_rest() -> None:
    for _ in range(CANCELLATIONS):
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if not rest:
            return
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=CANCELLED_AGAIN_S)

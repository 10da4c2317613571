"""A uvicorn that lets calls in flight end before it closes anything.

uvicorn itself closes listeners first and runs the lifespan's end only when every connection is gone, which an open SSE
stream never is: the platform then kills the process. Here a signal first drains the transport, with the listeners still
open because a call in flight may need another POST of its client, and only then stops as usual.

A close, too, waits for ever for a reader that does not read. Here it waits as long as one write does.
"""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from signal import SIGINT
from types import FrameType
from typing import Final

import uvicorn
from starlette.applications import Starlette

from transport.app import Transport

CLOSE_S: Final = 1
"""Seconds for connections to close after the drain; with the drain's 7 s the process is gone within 9 s."""


class DrainingServer(uvicorn.Server):
    """Serves `app` until SIGTERM or SIGINT, drains `transport`, stops. The exit code is then 0.

    Args:
        app: what is served, inside of its lifespan.
        transport: what is drained.
        on_started: called with the port once it listens.
    """

    def __init__(
        self,
        app: Starlette,
        transport: Transport,
        *,
        host: str,
        port: int,
        on_started: Callable[[int], None],
    ) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            lifespan="off",  # `serve` runs it: a refusal to start is one sentence then, not uvicorn's traceback
            log_config=None,  # everything goes through the one log format
            access_log=False,  # paths carry session ids; transports log what matters
            server_header=False,
            proxy_headers=False,  # nothing here believes X-Forwarded-*
            ws="none",
            timeout_keep_alive=65,  # longer than front ends keep idle connections, so that they never meet a closed one
            timeout_graceful_shutdown=CLOSE_S,
        )
        super().__init__(config)
        self._app = app
        self._transport = transport
        self._on_started = on_started
        self._closing_since: dict[object, float] = {}

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application, serve it, close it; `started` tells whether it could listen.

        Raises: what the application raises as it opens.
        """
        async with self._app.router.lifespan_context(self._app):
            with suppress(SystemExit):  # uvicorn's way to say, after logging why, that it cannot listen
                await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_started(self.servers[0].sockets[0].getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        """Look after connections every 0.1 s, until it is time to stop."""
        self._cut_unread()
        return await super().on_tick(counter)

    def _cut_unread(self) -> None:
        """Cut connections that were closed, but whose last bytes nobody takes."""
        now, before = time.monotonic(), self._closing_since
        closing = [one for one in self.server_state.connections if one.transport.is_closing()]
        self._closing_since = {one: before.get(one, now) for one in closing}
        for one in closing:
            if now - self._closing_since[one] > self._transport.limits.write_s:
                one.transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop as usual."""
        await self._transport.drain()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop at the first signal; a second Ctrl-C does not wait.

        uvicorn's own version remembers the signal and raises it again at the end: exit code 143 instead of 0.
        """
        if self.should_exit and sig == SIGINT:
            self.force_exit = True
        self.should_exit = True

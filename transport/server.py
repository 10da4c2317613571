"""A server that lets calls in flight end before it closes anything.

uvicorn itself closes listeners first and runs the lifespan's end only when every connection is gone, which an open SSE
stream never is: the platform then kills the process. Here a signal first drains the transport, with the listeners still
open because a call in flight may need another POST of its client, and only then stops as usual.
"""

from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette

from shared.http.server import MAX_CONNECTIONS, Server
from transport.app import Transport

CLOSE_S: Final = 1
"""Seconds for connections to close after the drain of 7 s."""
PER_SESSION: Final = 4
"""Connections that the clients of one session may have: its stream, and messages."""


class DrainingServer(Server):
    """Serves `app` until SIGTERM or SIGINT, drains `transport`, stops. The exit code is then 0.

    Args:
        app: what is served, inside of its lifespan.
        transport: what is drained.
        host: address to listen on.
        port: its port; 0 for any that is free.
        is_behind_proxy: see `Server`.
        on_started: called with the port once it listens.
    """

    def __init__(
        self,
        app: Starlette,
        transport: Transport,
        *,
        host: str,
        port: int,
        is_behind_proxy: bool = False,
        on_started: Callable[[int], None],
    ) -> None:
        super().__init__(
            app,
            host=host,
            port=port,
            finish_s=CLOSE_S,
            unread_s=transport.limits.write_s,
            most_connections=max(MAX_CONNECTIONS, PER_SESSION * transport.limits.max_sessions),
            is_behind_proxy=is_behind_proxy,
            on_started=on_started,
        )
        self._transport = transport

    async def drain(self) -> None:
        """Let calls in flight end, and answer the rest."""
        await self._transport.drain()

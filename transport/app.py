"""Puts the wires together: one engine and one broker behind the routes of every wire.

`asgi_app` is a whole ASGI application for any server of the MCP SDK; a door that has routes of its own takes a
`Transport`, adds its routes and enters it in its lifespan.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from shared.identity import AuthProvider
from shared.telemetry import Counter, get_logger
from transport.base import Endpoint
from transport.broker import SessionBroker
from transport.broker_memory import InMemoryBroker
from transport.engine import Engine
from transport.guard import Guard
from transport.session import Limits
from transport.sse import MessageHandler, SSETransportHandler
from transport.streamable_http import StreamableHTTPTransportHandler

log = get_logger(__name__)

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
LOOPBACK_ORIGINS: Final = tuple(f"http://{host}:*" for host in LOOPBACK_HOSTS)


class Transport:
    """The routes of every wire, and what stands behind them.

    Args:
        server: any server of the SDK, high-level or low-level.
        auth_provider: proves who is calling.
        broker: keeps the sessions; by default in memory, for one instance.
        allowed_hosts: names accepted in `Host`; loopback names by default.
        allowed_origins: origins accepted from browsers; loopback ones by default.
        limits: bounds of this instance.
        counter: counts streams, refusals and requests.
    """

    def __init__(
        self,
        server: "MCPServer[Any] | Server[Any]",
        *,
        auth_provider: AuthProvider,
        broker: SessionBroker | None = None,
        allowed_hosts: Sequence[str] = LOOPBACK_HOSTS,
        allowed_origins: Sequence[str] = LOOPBACK_ORIGINS,
        limits: Limits | None = None,
        counter: Counter | None = None,
    ) -> None:
        self._limits = limits = limits if limits is not None else Limits()
        self._broker = broker = broker if broker is not None else InMemoryBroker(limits)
        self._engine = Engine(server, broker, limits=limits, counter=counter)
        self._draining = asyncio.Event()
        guard = Guard(
            hosts=allowed_hosts,
            origins=allowed_origins,
            max_body_bytes=limits.max_body_bytes,
            body_s=limits.body_s,
        )
        handlers = {
            "/sse": SSETransportHandler(
                self._engine,
                broker,
                limits=limits,
                draining=self._draining,
                message_path="/messages",
                counter=counter,
            ),
            "/messages": MessageHandler(self._engine, broker, guard=guard, draining=self._draining),
            "/mcp": StreamableHTTPTransportHandler(
                self._engine, broker, guard=guard, limits=limits, draining=self._draining, counter=counter
            ),
        }
        self.routes: list[BaseRoute] = [
            Route(path, Endpoint(handler, guard=guard, auth_provider=auth_provider, counter=counter))
            for path, handler in handlers.items()
        ]

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Serve until left. Streams that are still open then end, calls that still run are interrupted."""
        async with self._broker.run(self._engine), self._engine.run():
            try:
                yield
            finally:
                self._draining.set()
                self._broker.wake_all()

    async def drain(self) -> None:
        """Take no new sessions, let calls in flight end, answer the rest; afterwards every stream ends by itself."""
        self._draining.set()
        log.info("drain_started", **self._broker.figures())
        self._broker.wake_all()
        await self._engine.stop(self._limits.drain_s)
        self._broker.wake_all()
        log.info("drain_finished", **self._broker.figures())

    @property
    def limits(self) -> Limits:
        """Bounds of this instance."""
        return self._limits

    @property
    def is_draining(self) -> bool:
        """Whether new sessions are refused because this instance is about to stop."""
        return self._draining.is_set()

    @property
    def is_up(self) -> bool:
        """Whether sessions can be reached now."""
        return self._broker.is_up

    def figures(self) -> Mapping[str, int]:
        """Return how many `sessions`, `streams` and `log_bytes` there are."""
        return self._broker.figures()


def asgi_app(
    server: "MCPServer[Any] | Server[Any]",
    *,
    auth_provider: AuthProvider,
    broker: SessionBroker | None = None,
    **options: Any,
) -> Starlette:
    """Return an ASGI application that serves `server` on `/sse`, `/messages` and `/mcp`, lifespan included.

    Args:
        server: any server of the SDK.
        auth_provider: proves who is calling.
        broker: keeps the sessions; by default in memory, for one instance.
        options: see `Transport`; every one has a safe default.
    """
    transport = Transport(server, auth_provider=auth_provider, broker=broker, **options)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:  # noqa: ARG001 - Starlette's signature
        async with transport.run():
            yield

    return Starlette(routes=transport.routes, lifespan=lifespan)

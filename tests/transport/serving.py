"""Serves an ASGI application on a loopback port inside the test's own event loop."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from shared.client_habits import ClientHabits
from shared.counting import TallyCounter
from shared.identity import AuthenticationError, AuthProvider, Principal, Tenant
from tests.transport.gated_server import Gates, gated_server
from transport.app import LOOPBACK_ORIGINS, Transport, TransportOptions
from transport.http.event_stream import OpenStreams, StreamSlot
from transport.sessions.broker import SessionBroker
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits


async def until(done: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something outside of this test's own events; fail if it takes longer than `seconds`."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - what is waited for here has no event of its own
            await asyncio.sleep(0.005)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the test runner."""
        yield


@asynccontextmanager
async def serve(app: Any, **options: Any) -> AsyncGenerator[str]:
    """Serve `app` and yield its address; `options` are those of uvicorn."""
    options = {"log_config": None, "access_log": False, "ws": "none", "timeout_graceful_shutdown": 1} | options
    options.setdefault("timeout_keep_alive", 65)  # a client may pause for longer than uvicorn's 5 s
    config = uvicorn.Config(app, port=0, **options)
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started or task.done())
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


class KeyPerPerson(AuthProvider):
    """Every key that starts with `key-` is a principal: `key-me`, or `key-me@acme` in another organisation."""

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal of the key."""
        key = request.headers.get("x-api-key", "")
        if not key.startswith("key-"):
            raise AuthenticationError("Send the server's API key in the header x-api-key.")
        person, _, tenant = key.removeprefix("key-").partition("@")
        return Principal(id=person, tenant=Tenant(tenant or "default"), proof="api_key", credential=key[-20:])


def a_slot() -> StreamSlot:
    """Return the slot of a stream that is served by hand."""
    return OpenStreams(most=100).slot(Principal("me"))


def application_of(transport: Transport) -> Starlette:
    """Return an application with the routes of `transport`, lifespan included."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with transport.run():
            yield

    app = Starlette(lifespan=lifespan)
    app.router.redirect_slashes = False
    transport.add_to(app)
    return app


@dataclass
class Bench:
    """A served transport with everything a test inspects."""

    url: str
    server: MCPServer[Any]
    transport: Transport
    gates: Gates
    counter: TallyCounter

    def limit(self, **changed: float) -> None:
        """Change limits from now on: a time-out is short only while it is meant to end something."""
        for name, value in changed.items():
            object.__setattr__(self.transport.limits, name, value)


def in_memory(limits: Limits) -> SessionBroker:
    """Return the broker of a single instance."""
    return InMemoryBroker(limits)


make_broker: Callable[[Limits], SessionBroker] = in_memory
"""The broker that `bench` uses; the fixture `any_broker` changes it."""


@asynccontextmanager
async def bench(
    hosts: Sequence[str] = ("127.0.0.1",),
    origins: Sequence[str] = LOOPBACK_ORIGINS,
    broker: SessionBroker | None = None,
    more: Mapping[str, Any] | None = None,
    is_up: bool = True,
    **limits: Any,
) -> AsyncGenerator[Bench]:
    """Serve the gated server, for `KeyPerPerson` unless `more` (arguments of `Transport`) has another provider.

    Waits for the broker, unless it is expected to be down.
    """
    server, gates = gated_server()
    counter = TallyCounter()
    given = {"limits": Limits(**limits), "counter": counter, "allowed_hosts": hosts, "allowed_origins": origins}
    chosen: dict[str, Any] = {**given, "habits": ClientHabits(counter=counter), **(more or {})}
    transport = Transport(
        server,
        auth_provider=chosen.pop("auth_provider", KeyPerPerson()),
        broker=broker if broker is not None else make_broker(Limits(**limits)),
        options=TransportOptions(**chosen),
    )
    async with serve(application_of(transport)) as url:
        await until(lambda: transport.is_up or not is_up)
        yield Bench(url, server, transport, gates, counter)

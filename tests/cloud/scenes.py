"""What goes wrong on purpose, so that each alert fires; it clears when the scene is over.

A scene is a context manager: inside its block the fault is there, and so are the calls that feel it.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from tests.cloud.load import asking
from tests.cloud.prometheus import Prometheus
from tests.cloud.stage import Image, Stage
from tests.shared.given import TICKET
from tests.transport.http_client import MODERN, http_client
from tests.transport.sse_client import initialize_params

SLOW_S: Final = 1.3
"""Longer than the objective of 1 s; less than half of what a call may wait."""
MOST: Final = 10
CROWDED: Final = 9
"""Sessions of one organisation that an instance with room for MOST takes."""
UNREAD: Final = 500
"""Responses that are more than all buffers on the way take."""
MEDDLED: Final = "meddled with"
REPEATED: Final = TICKET | {"summary": "created once", "idempotencyKey": "created-once"}
"""A write that is recognised as a repeat without asking the ticket API."""
_PAUSE_S: Final = 0.1
_ENDPOINT: Final = re.compile(rb"data: (/messages\S+)")


@dataclass
class Set:
    """What a scene may touch."""

    stage: Stage
    image: Image
    key: str
    serving: str
    """Name of the revision with the traffic."""
    observer: Prometheus

    async def until_scraped(self, port: int) -> None:
        """Wait until Prometheus has seen an instance."""
        await self.observer.until_number(f'up{{instance="127.0.0.1:{port}"}}', lambda up: up == 1, 30)


Scene = Callable[[Set], contextlib.AbstractAsyncContextManager[None]]


@asynccontextmanager
async def callers(
    address: str, key: str, number: int, tool: str = "get_statuses", **arguments: Any
) -> AsyncGenerator[None]:
    """Call a tool again and again from so many clients side by side; whatever comes back."""

    async def call() -> None:
        while True:
            with contextlib.suppress(httpx2.TransportError, AssertionError, IndexError):  # refused by HTTP
                async with asking("streamable_http", MODERN, address, {"x-api-key": key}) as ask:
                    while True:
                        await ask("tools/call", {"name": tool, "arguments": arguments}, {})
                        await asyncio.sleep(_PAUSE_S)
            await asyncio.sleep(_PAUSE_S)

    tasks = [asyncio.create_task(call()) for _ in range(number)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def ticket_api_is_gone(here: Set) -> AsyncGenerator[None]:
    """The ticket API does not run."""
    await asyncio.to_thread(here.stage.stop_ticket_api)
    try:
        async with callers(here.stage.balancer.address, here.key, 10):
            yield
    finally:
        await asyncio.to_thread(here.stage.start_ticket_api, here.image)


@asynccontextmanager
async def slow_ticket_api(here: Set, number: int) -> AsyncGenerator[None]:
    """Let its responses take SLOW_S longer, with so many callers."""
    here.stage.pipe.delay_s = SLOW_S
    try:
        async with callers(here.stage.balancer.address, here.key, number):
            yield
    finally:
        here.stage.pipe.delay_s = 0.0


def ticket_api_is_slow(here: Set) -> contextlib.AbstractAsyncContextManager[None]:
    """Each of its responses takes SLOW_S longer."""
    return slow_ticket_api(here, 24)


def too_many_calls(here: Set) -> contextlib.AbstractAsyncContextManager[None]:
    """More calls than a slow ticket API can serve."""
    return slow_ticket_api(here, 100)


@asynccontextmanager
async def broker_is_gone(here: Set) -> AsyncGenerator[None]:
    """Valkey does not run."""
    await asyncio.to_thread(here.stage.valkey.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(here.stage.valkey.start)


@asynccontextmanager
async def sessions_fill_an_instance(here: Set) -> AsyncGenerator[None]:
    """An instance has as many sessions and streams as one organisation may take of it."""
    async with (
        beside(here, "crowded", MCP_MAX_SESSIONS=str(MOST)) as address,
        AsyncExitStack() as stack,
    ):
        for _ in range(CROWDED):
            client = await stack.enter_async_context(http_client(address, {"x-api-key": here.key}))
            stack.push_async_callback(client.delete)
            await stack.enter_async_context(client.listen())
        yield


@asynccontextmanager
async def someone_guesses_keys(here: Set) -> AsyncGenerator[None]:
    """Requests with a wrong key."""

    async def guess() -> None:
        async with httpx2.AsyncClient(timeout=10) as http:
            while True:
                await http.post(f"{here.stage.balancer.address}/mcp", headers={"x-api-key": "a-guess"}, json={})
                await asyncio.sleep(_PAUSE_S)

    task = asyncio.create_task(guess())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def callers_are_too_fast(here: Set) -> AsyncGenerator[None]:
    """An instance whose limits are low for its callers."""
    async with beside(here, "limited", MCP_READS_PER_MINUTE="60") as address, callers(address, here.key, 3):
        yield


@asynccontextmanager
async def audit_cannot_be_stored(here: Set) -> AsyncGenerator[None]:
    """Another program holds the table of the audit trail, until more events wait than an instance keeps."""
    async with (
        beside(here, "audited") as address,
        here.stage.locked("identity.audit_events"),
        callers(address, here.key, 20, "create_ticket"),
    ):
        yield


@asynccontextmanager
async def writes_are_changed(here: Set) -> AsyncGenerator[None]:
    """The database stores something else than what was written."""
    meddled = TICKET | {"summary": MEDDLED, "allowDuplicate": True}
    async with (
        here.stage.meddling(MEDDLED),
        callers(here.stage.balancer.address, here.key, 1, "create_ticket", **meddled),
    ):
        yield


@asynccontextmanager
async def instances_come_and_go(here: Set) -> AsyncGenerator[None]:
    """Five instances end soon after their start."""
    revision = await asyncio.to_thread(here.stage.start, "restless", here.image, 5)
    for port in revision.instances:
        await here.until_scraped(port)
    await asyncio.to_thread(here.stage.end, "restless")
    yield


@asynccontextmanager
async def a_client_does_not_read(here: Set) -> AsyncGenerator[None]:
    """Clients ask for much over HTTP+SSE and read nothing of it."""
    async with beside(here, "unread") as address, AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(unread_stream(address, here.key))
        yield


@asynccontextmanager
async def a_revision_is_worse(here: Set) -> AsyncGenerator[None]:
    """A second revision, whose ticket API is nowhere."""
    async with beside(here, "worse", MCP_API_BASE_URL="http://127.0.0.1:9") as address, callers(address, here.key, 5):
        yield


@asynccontextmanager
async def nobody_serves(here: Set) -> AsyncGenerator[None]:
    """No instance runs."""
    revision = here.stage.revisions[here.serving]
    await asyncio.to_thread(here.stage.stop_all, here.serving)
    try:
        yield
    finally:
        await asyncio.to_thread(here.stage.start, here.serving, revision.image)


@asynccontextmanager
async def broker_stutters(here: Set) -> AsyncGenerator[None]:
    """Valkey answers only from time to time, and calls that ask it wait. None of them needs the ticket API for long."""

    async def stutter() -> None:
        while True:
            here.stage.valkey.pause()
            await asyncio.sleep(0.45)
            here.stage.valkey.resume()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(stutter())
    try:
        async with callers(here.stage.balancer.address, here.key, 10, "create_ticket", **REPEATED):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        here.stage.valkey.resume()


@asynccontextmanager
async def unread_stream(address: str, key: str) -> AsyncGenerator[None]:
    """Open a stream of HTTP+SSE, ask for more than the buffers take, and read nothing."""
    url = httpx2.URL(address)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (url.host, url.port))
        await loop.sock_sendall(
            raw, f"GET /sse HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nx-api-key: {key}\r\n\r\n".encode()
        )
        head = b""
        while not (found := _ENDPOINT.search(head)):
            head += await loop.sock_recv(raw, 1024)
        async with httpx2.AsyncClient(headers={"x-api-key": key}, timeout=10) as http:
            at = f"{address}{found[1].decode()}"
            await http.post(at, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params()})
            for number in range(1, UNREAD):
                await http.post(at, json={"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": {}})
        yield


@asynccontextmanager
async def beside(here: Set, name: str, **settings: str) -> AsyncGenerator[str]:
    """Run another instance without a share of the traffic; yield its address."""
    revision = await asyncio.to_thread(here.stage.start, name, here.image, 1, **settings)
    try:
        yield f"http://127.0.0.1:{next(iter(revision.instances))}"
    finally:
        await asyncio.to_thread(here.stage.end, name)


SCENES: Final[Mapping[Scene, frozenset[str]]] = {
    ticket_api_is_gone: frozenset(
        {"TicketApiFails", "AvailabilityBurnsFast", "AvailabilityBurns", "AvailabilityBurnsSlowly"}
    ),
    a_revision_is_worse: frozenset({"RevisionWorse"}),
    too_many_calls: frozenset({"CallsQueue"}),
    ticket_api_is_slow: frozenset({"TicketApiSlow", "LatencyBurnsFast", "LatencyBurns", "LatencyBurnsSlowly"}),
    broker_stutters: frozenset({"OwnTimeSlow"}),
    broker_is_gone: frozenset({"BrokerUnreachable"}),
    sessions_fill_an_instance: frozenset({"SessionsNearLimit", "StreamsNearLimit"}),
    someone_guesses_keys: frozenset({"KeysRefused"}),
    callers_are_too_fast: frozenset({"RateLimitsReached"}),
    audit_cannot_be_stored: frozenset({"AuditEventsLost"}),
    writes_are_changed: frozenset({"WritesUnconfirmed"}),
    instances_come_and_go: frozenset({"RestartsOften"}),
    nobody_serves: frozenset({"NoInstanceServes"}),
}
"""Each scene and the alerts that must fire in it."""
COSTLY: Final = tuple(SCENES)[:5]
"""The scenes that cost so much of an objective that its slowest alert needs its whole window to clear."""
UNREAD_ENDS: Final = frozenset({"StreamsEndBadly"})
"""What fires in `a_client_does_not_read`, after as long as a client may take to read."""

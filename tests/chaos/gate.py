"""The ticket API behind a gate: requests wait there while it is closed, and it knows whose and how many.

An HTTP forwarder in the event loop of the test. Each instance of the server has an address of its own here, so that a
fault can be aimed at one whose call is certainly running.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx2
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tests.transport.serving import serve

WAIT_S: Final = 15.0
_DROPPED: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_METHODS: Final = ["GET", "POST", "PUT"]
_LONGEST_WAIT_S: Final = 60.0


class Gate:
    """Forwards to the ticket API at `api`; while closed it holds all but master data and health."""

    def __init__(self, api: str) -> None:
        self.writes: Counter[str] = Counter()
        """How often each `Idempotency-Key` came: what was really carried out by some instance."""
        self._api = api
        self._address = ""
        self._opened = asyncio.Event()
        self._opened.set()
        self._held: Counter[int] = Counter()
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Listen until left."""
        route = Route("/{instance:int}/{path:path}", self._forward, methods=_METHODS)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=32)
        client = httpx2.AsyncClient(base_url=self._api, timeout=20, limits=limits)
        async with client as self._client, serve(Starlette(routes=[route])) as self._address:
            try:
                yield
            finally:
                self._opened.set()

    def address(self, instance: int) -> str:
        """Return the address of the ticket API for one instance of the server."""
        return f"{self._address}/{instance}"

    def close(self) -> None:
        """Hold what comes from now on."""
        self._opened.clear()
        self._held.clear()

    def open(self) -> None:
        """Let go of what is held, and of what comes."""
        self._opened.set()

    def held(self) -> dict[int, int]:
        """Return how many requests are held since the gate was closed, for each instance that sent any."""
        return dict(self._held)

    async def until_held(self, requests: int) -> None:
        """Wait until so many requests are held at the same time."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: self._held.total() >= requests)

    async def _forward(self, request: Request) -> Response:
        path = request.path_params["path"]
        try:
            body = await request.body()
        except ClientDisconnect:  # its sender was killed
            return Response(status_code=400)
        if not self._opened.is_set() and path.startswith("tickets") and not path.startswith("tickets/master"):
            await self._hold(request.path_params["instance"])
        if request.method != "GET":
            self.writes[request.headers["idempotency-key"]] += 1
        headers = {name: value for name, value in request.headers.items() if name not in _DROPPED}
        try:
            response = await self._client.request(
                request.method, path, params=request.query_params, headers=headers, content=body
            )
        except httpx2.TransportError:
            return Response(status_code=502)
        return Response(response.content, response.status_code, {"content-type": response.headers["content-type"]})

    async def _hold(self, instance: int) -> None:
        """Wait for the gate to open. What waited is forwarded even when its sender is dead by then: it was sent."""
        async with self._news:
            self._held[instance] += 1
            self._news.notify_all()
        async with asyncio.timeout(_LONGEST_WAIT_S):
            await self._opened.wait()

"""The ticket API behind a gate: requests wait while it is closed, and are counted by instance.

An HTTP forwarder in the event loop of the test. It has a separate address for each instance of the server, so that a
fault can hit an instance whose call is certainly running.
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

WAIT_S: Final = 30.0
_DROPPED: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_METHODS: Final = ["GET", "POST", "PUT"]
_LONGEST_WAIT_S: Final = 60.0


class Gate:
    """Forwards to the ticket API at `api`; while closed it holds everything but master data and health checks."""

    def __init__(self, api: str) -> None:
        self.writes: Counter[str] = Counter()
        """How often each `Idempotency-Key` arrived: the writes that instances really carried out."""
        self._api = api
        self._address = ""
        self._opened = asyncio.Event()
        self._opened.set()
        self._held: Counter[int] = Counter()
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Listen inside the block."""
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
        """Hold new requests from now on."""
        self._opened.clear()
        self._held.clear()

    def open(self) -> None:
        """Release all held requests, and forward new ones."""
        self._opened.set()

    def held(self) -> dict[int, int]:
        """Return how many requests each instance has had held since the gate closed."""
        return dict(self._held)

    async def until_held(self, requests: int) -> None:
        """Wait until that many requests are held at the same time."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: self._held.total() >= requests)

    async def _forward(self, request: Request) -> Response:
        path = request.path_params["path"]
        try:
            body = await request.body()
        except ClientDisconnect:  # the sending instance was killed
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
        """Wait for the gate to open. A held request is forwarded even if its sender is dead by then: it was sent."""
        async with self._news:
            self._held[instance] += 1
            self._news.notify_all()
        async with asyncio.timeout(_LONGEST_WAIT_S):
            await self._opened.wait()

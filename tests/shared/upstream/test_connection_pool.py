"""Direct connections to a ticket API: what is sent over them, and which responses end them."""

import asyncio
import gzip
import json
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import pytest

from shared.api_client import APIClient
from shared.errors import Effect, OutcomeUnknownError, UpstreamFaultError, UpstreamUnavailableError
from shared.upstream import connection_pool
from shared.upstream.transport import MAX_BODY_BYTES
from tests.kills import kills
from tests.shared.faulty_server import GUARD_S, listening, response, sends, serving

WELL = sends(response(b'{"id": "T1"}'), then_open=True)


async def test_a_request_is_sent_as_rfc_9112_writes_it() -> None:
    heads: list[list[str]] = []
    bodies: list[bytes] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"))
            length = next((line.split(": ")[1] for line in heads[-1] if line.startswith("content-length")), "0")
            bodies.append(await reader.readexactly(int(length)))
            writer.write(response(b"{}"))

    async with listening(keeps) as port, APIClient(f"http://127.0.0.1:{port}/api", api_key="our-key") as api:
        await api.get("/tickets", params={"searchQuery": "50% & 画面", "statusId": ("s1", "s2"), "open": True})
        await api.post("/tickets", {"summary": "画面"}, idempotency_key="mine-1")

    common = [
        "accept: application/json",
        "accept-encoding: gzip",
        "user-agent: mcp-ticket-server",
        "x-api-key: our-key",
    ]
    asked = "/api/tickets?searchQuery=50%25+%26+%E7%94%BB%E9%9D%A2&statusId=s1&statusId=s2&open=true"
    assert heads[0] == [f"GET {asked} HTTP/1.1", f"host: 127.0.0.1:{port}", *common, "", ""]
    own = ["idempotency-key: mine-1", "content-type: application/json", f"content-length: {len(bodies[1])}"]
    assert heads[1] == ["POST /api/tickets HTTP/1.1", f"host: 127.0.0.1:{port}", *common, *own, "", ""]
    assert json.loads(bodies[1]) == {"summary": "画面"}


async def test_a_header_cannot_end_its_line() -> None:
    async with serving(WELL) as server, APIClient(server.url) as api:
        with pytest.raises(ValueError, match="control character"):
            await api.post("/tickets", {}, idempotency_key="mine\r\nx-api-key: other")

        assert server.requests == []


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + response(b'{"id": "T1"}'), id="interim"),
        pytest.param(b'HTTP/1.1 200 OK\r\n\r\n{"id": "T1"}', id="ended-by-close"),
        pytest.param(b'HTTP/1.0 200 OK\r\ncontent-length: 12\r\n\r\n{"id": "T1"}', id="old-version"),
    ],
)
async def test_every_form_of_a_response_is_read(raw: bytes) -> None:
    async with serving(sends(raw, then_open=False)) as server, APIClient(server.url) as api:
        assert await api.post("/tickets/T1", {}) == {"id": "T1"}

        assert server.requests == ["POST"]


@kills(
    "shared/upstream/connection.py",
    "if self.received.done():\n            self.may_follow = False",
    "if False:\n            pass",
)
async def test_a_response_that_nobody_asked_for_is_never_taken_for_the_next_one() -> None:
    two = sends(response(b'{"id": "T1"}') + response(b'{"id": "of-another-call"}'), then_open=True)

    async with serving(two, WELL) as server, APIClient(server.url) as api:
        await api.get("/tickets/T1")

        assert await api.get("/tickets/T1") == {"id": "T1"}
        assert server.connections == 2


async def test_a_late_response_that_nobody_asked_for_ends_the_connection() -> None:
    release = asyncio.Event()

    async def then_more(writer: asyncio.StreamWriter) -> bool:
        writer.write(response(b'{"id": "T1"}'))
        await release.wait()
        writer.write(response(b'{"id": "of-another-call"}'))
        return True

    async with serving(then_more, WELL) as server, APIClient(server.url) as api:
        await api.get("/tickets/T1")
        release.set()
        await asyncio.sleep(0.05)

        assert await api.get("/tickets/T1") == {"id": "T1"}
        assert server.connections == 2


async def test_an_endless_head_is_not_read_on() -> None:
    async def endless(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x: " + b"y" * 10_000 + b"\r\n")
            await writer.drain()

    async with serving(endless) as server, APIClient(server.url, deadline_s=GUARD_S) as api:
        with pytest.raises(OutcomeUnknownError):
            await api.post("/tickets", {})


@pytest.mark.parametrize(
    "body", [gzip.compress(b" " * 2 * MAX_BODY_BYTES), gzip.compress(b'{"id": "T1"}')[:-4]], ids=["bomb", "cut"]
)
async def test_a_compressed_body_is_bounded_and_must_be_whole(body: bytes) -> None:
    raw = response(body, "200 OK", "content-encoding: gzip")

    async with serving(sends(raw, then_open=True)) as server, APIClient(server.url) as api:
        with pytest.raises(UpstreamFaultError):
            await api.get("/tickets/T1")


async def test_an_address_that_does_not_answer_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = connection_pool._connected

    async def silent(*found: Any) -> socket.socket:
        if found[-1] == "silent":
            await asyncio.Event().wait()
        return await connected(*found)

    async with serving(WELL) as server, APIClient(server.url.replace("127.0.0.1", "two.invalid")) as api:
        port = int(server.url.rpartition(":")[2])
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(*stream, "silent"), (*stream, ("127.0.0.1", port))]
        )
        monkeypatch.setattr(connection_pool, "_connected", silent)

        assert await api.get("/tickets/T1") == {"id": "T1"}


def on_uvloop(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` on the event loop that the HTTP server has, where there is one."""
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop

        uvloop.run(work)


def test_the_event_loop_of_the_http_server_does_the_same() -> None:
    async def calls() -> None:
        once = sends(response(b"[]"), then_open=False)
        async with serving(once, WELL) as server, APIClient(server.url) as api:
            await api.get("/tickets")
            await server.until(lambda: server.ended == 1)
            assert await api.post("/tickets/T1", {}) == {"id": "T1"}
            assert await api.get("/tickets/T1") == {"id": "T1"}
            assert (server.connections, server.requests) == (2, ["GET", "POST", "GET"])
        async with APIClient(server.url) as api:
            with pytest.raises(UpstreamUnavailableError) as caught:
                await api.post("/tickets", {})
            assert caught.value.effect == Effect.NOTHING_CHANGED

    on_uvloop(calls())

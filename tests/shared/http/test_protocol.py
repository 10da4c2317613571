"""What an unauthenticated client can do to the HTTP server: bytes, pipelined requests, silence."""

import asyncio
import socket
import struct
from types import SimpleNamespace
from typing import cast

import pytest

from shared.http import protocol as http_protocol
from shared.http.cycle import ResponseWrites
from shared.http.protocol import HEAD_S, MAX_HEAD_BYTES
from tests.kills import kills
from tests.shared.served import CHUNKED, Bench, connections, get, served
from tests.transport.serving import until

MOST_SENT = 200
"""Pieces of 64 kB: 13 MB, far more than sockets buffer."""
ENDLESS = {
    "header lines": (b"GET /health HTTP/1.1\r\n", b"a: b\r\n"),
    "one header value": (b"GET /health HTTP/1.1\r\na: ", b"b"),
    "one header name": (b"GET /health HTTP/1.1\r\n", b"a"),
    "the URL": (b"GET /", b"a"),
    "the query": (b"GET /?a=", b"%41"),
    "empty lines before it": (b"", b"\r\n"),
    "white space in a value": (b"GET /health HTTP/1.1\r\na:", b" "),
}
ENDLESS_BODIES = {
    "trailer lines": (CHUNKED + b"0\r\n", b"a: b\r\n"),
    "one trailer": (CHUNKED + b"0\r\na: ", b"b"),
    "a chunk extension": (CHUNKED + b"1;", b"b"),
}


def padded(size: int) -> bytes:
    """Return a request whose head has exactly `size` bytes."""
    return get("/health", f"a: {'b' * (size - len(get('/health', 'a: ')))}")


@pytest.mark.parametrize(("start", "piece"), ENDLESS.values(), ids=ENDLESS)
async def test_a_head_without_end_is_answered_431_and_closed(start: bytes, piece: bytes) -> None:
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(start, *[piece * (MAX_HEAD_BYTES // len(piece))] * MOST_SENT)
        said = await stranger.rest()
        async with connections(bench) as (other,):
            await other.send(get())
            assert await other.response() == 200
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b'{"kind": "head_too_large", "error": "The head of a request may have at most 65,536 bytes."}' in said
    assert bench.called == 1


@pytest.mark.parametrize(("start", "piece"), ENDLESS_BODIES.values(), ids=ENDLESS_BODIES)
async def test_what_goes_with_a_body_has_an_end_too(start: bytes, piece: bytes) -> None:
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(start, *[piece * (MAX_HEAD_BYTES // len(piece))] * MOST_SENT)
        await stranger.rest()
        assert not bench.server.server_state.connections


@kills("shared/http/protocol.py", "MAX_HEAD_BYTES: Final = 65_536", "MAX_HEAD_BYTES: Final = 655_360")
@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_a_head_of_64_kib_is_served_and_one_byte_more_is_not(pieces: int) -> None:
    async with served() as bench, connections(bench, 2) as both:
        for size, connection in zip((64 * 1024, 64 * 1024 + 1), both, strict=True):
            head = padded(size)
            step = -(-size // pieces)
            await connection.send(*[head[start : start + step] for start in range(0, size, step)])
        assert [await connection.response() for connection in both] == [200, 431]


async def test_a_short_head_may_come_with_a_large_body_in_one_read() -> None:
    body = b"b" * 1_000_000
    head = b"POST /body HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n"
    chunk = b"%x;name=value\r\n%b\r\n" % (len(body), body)
    async with served() as bench, connections(bench) as (client,):
        await client.send(head % len(body) + body)
        assert await client.response() == 200
        await client.send(CHUNKED + chunk + b"0\r\nchecksum: 1\r\n\r\n")
        assert await client.response() == 200
        await client.send(get() + head % len(body) + body)  # pipelined
        assert [await client.response(), await client.response()] == [200, 200]


@kills("shared/http/protocol.py", "while self._held > MAX_HELD_BYTES:", "while False:")
async def test_all_unfinished_heads_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_HELD_BYTES", 100_000)
    async with served() as bench, connections(bench, 3) as (first, second, third):
        for number, connection in enumerate((first, second, third)):
            await connection.send(get()[:-2] + b"a: " + b"b" * (40_000 + number))
            await until_held(bench, 40_000 + number)
        await first.rest()  # it is closed
        for connection in (second, third):
            await connection.send(b"\r\n\r\n")
            assert await connection.response() == 200


async def until_held(bench: Bench, size: int) -> None:
    """Wait until a connection holds more than `size` bytes of a head."""
    await until(lambda: any(one.held > size for one in bench.server.server_state.connections))


async def test_a_third_request_while_two_are_unanswered_closes_the_connection() -> None:
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(get("/slow") * 2)
        assert not await stranger.is_closed()
        await stranger.send(get("/slow"))
        await stranger.rest()  # it is closed
    assert bench.called == 1


async def test_two_pipelined_requests_are_answered_in_order_and_two_more_after_them() -> None:
    async with served() as bench, connections(bench) as (client,):
        for _ in range(3):
            await client.send(get("/slow") + get("/missing"))
            bench.opened.set()
            assert [await client.response(), await client.response()] == [200, 404]


async def test_a_handler_that_goes_on_after_its_response_is_not_in_flight() -> None:
    async with served() as bench, connections(bench) as (client,):
        for _ in range(5):
            await client.send(get("/after"))
            assert await client.response() == 200
        assert len(bench.server.server_state.tasks) == 5
        await client.send(get("/after") * 2)
        assert [await client.response(), await client.response()] == [200, 200]


async def test_a_client_that_leaves_while_it_pipelines_is_noticed() -> None:
    async with served() as bench, connections(bench) as (client,):
        await client.send(get("/slow") * 2)
        assert not await client.is_closed()
        client.socket.close()
        await until_connections(bench, 0)


async def until_connections(bench: Bench, count: int) -> None:
    await until(lambda: len(bench.server.server_state.connections) == count)


@pytest.mark.parametrize("count", [3, 100_000])
async def test_more_requests_than_two_in_one_read_close_the_connection(count: int) -> None:
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(get() * count)
        assert await stranger.rest() == b""
        assert not bench.server.server_state.connections
    assert bench.called <= 2


@kills("shared/http/server.py", "self.server_state.close_late()", "pass")
async def test_a_client_that_is_silent_is_closed_and_one_with_half_a_head_is_told_why() -> None:
    async with served() as bench, connections(bench, 3) as (silent, half, dripping):
        await half.send(get()[:-2])
        await until_held(bench, len(get()) - 3)
        for letter in get()[:9]:
            await dripping.send(bytes([letter]))
            bench.now += HEAD_S / 10
        assert not any([await one.is_closed() for one in (silent, half, dripping)])
        bench.now += HEAD_S / 10
        said = [await one.rest() for one in (silent, half, dripping)]
    assert said[0] == b""
    assert said[1].startswith(b"HTTP/1.1 408 ")
    assert b'"kind": "head_too_slow"' in said[1]


@pytest.mark.parametrize("begun", [b"G", b"\r\n", get()[:-1]])
async def test_a_later_request_has_as_long_from_its_first_byte(begun: bytes) -> None:
    async with served() as bench, connections(bench, 2) as (client, idle):
        for connection in (client, idle):
            await connection.send(get())
            assert await connection.response() == 200
        bench.now += 2 * HEAD_S
        assert not await client.is_closed(), "nothing is owed between two requests"
        await client.send(begun)
        await until_held(bench, len(begun) - 1)
        bench.now += HEAD_S - 1
        assert not await client.is_closed()
        bench.now += 1
        await client.rest()  # it is closed
        await idle.send(get())
        assert await idle.response() == 200


async def test_a_request_begun_before_the_response_has_as_long_from_its_end() -> None:
    async with served() as bench, connections(bench) as (client,):
        await client.send(get("/slow") + get()[:-1])
        await until(lambda: bench.called == 1)
        bench.now += 2 * HEAD_S
        assert not await client.is_closed(), "the response is not complete"
        bench.opened.set()
        assert await client.response() == 200
        assert not await client.is_closed()
        bench.now += HEAD_S
        await client.rest()  # it is closed


async def test_a_body_that_is_not_read_any_more_has_an_end() -> None:
    head = b"POST /health HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000000000\r\n\r\n"
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(head + b"b" * 1000)
        assert await stranger.response() == 200
        for _ in range(9):
            await stranger.send(b"b" * 1000)
            bench.now += HEAD_S / 10
        assert not await stranger.is_closed()
        bench.now += HEAD_S / 10
        await stranger.send(b"b" * 1000)
        await until_connections(bench, 0)


async def test_bodies_and_responses_take_longer_than_heads() -> None:
    head = b"POST /body HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n"
    async with served() as bench, connections(bench, 2) as (body, stream):
        await stream.send(get("/stream"))
        await body.send(head + b"a")
        await until(lambda: bench.called == 2)
        bench.now += 2 * HEAD_S
        assert not await body.is_closed()
        await body.send(b"b")
        assert await body.response() == 200
        bench.opened.set()
        assert await stream.receives(b"last")


async def test_an_idle_connection_is_closed_after_a_while() -> None:
    async with served() as bench, connections(bench, 2) as (idle, busy):
        for connection in (idle, busy):
            await connection.send(get())
            assert await connection.response() == 200
        bench.now += 64
        await busy.send(get())
        assert await busy.response() == 200
        bench.now += 2
        assert await idle.rest() == b""
        assert not await busy.is_closed()


async def test_a_client_that_closed_its_side_is_closed() -> None:
    async with served() as bench, connections(bench) as (half,):
        half.socket.shutdown(socket.SHUT_WR)
        assert await half.rest() == b""
        await until_connections(bench, 0)


@kills("shared/http/server.py", " or one.flow.write_paused]", "]")
async def test_a_client_that_does_not_read_is_cut() -> None:
    async with served(unread_s=0.2) as bench, connections(bench) as (stranger,):
        await stranger.send(get("/large"))
        await until_connections(bench, 0)


@pytest.mark.parametrize("path", ["/health", "/nothing", "/large"])
async def test_nothing_is_kept_of_a_connection_that_was_reset(path: str) -> None:
    """A client that closes with unread bytes resets its connection, for example one that reads only the status."""
    async with served() as bench, connections(bench) as (client,):
        await until_connections(bench, 1)
        (protocol,) = bench.server.server_state.connections
        await client.send(get(path))
        await asyncio.get_running_loop().sock_recv(client.socket, 1)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        await until_connections(bench, 0)
        assert protocol.timeout_keep_alive_task is None, "a timer holds on to what it would close"
        assert not bench.server.server_state.is_idle(protocol)


@pytest.mark.parametrize(
    ("head", "body", "writes"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", [b"{}"], 1),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", [b""], 1),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n", [b"{", b"HTTP/1.1 \r\ncontent-length: 2"], 2),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", [b"2\r\n{}\r\n"], 2),
    ],
    ids=["short", "empty", "parts", "stream"],
)
def test_a_head_with_a_length_is_written_with_its_body(head: bytes, body: list[bytes], writes: int) -> None:
    written: list[bytes] = []
    response = ResponseWrites(cast("asyncio.Transport", SimpleNamespace(write=written.append)))
    response.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert written == [b"HTTP/1.1 100 Continue\r\n\r\n"], "the client waits for it"
    for part in (head, *body):
        response.write(part)
    assert b"".join(written[1:]) == b"".join((head, *body))
    assert len(written) == 1 + writes


async def test_one_packet_brings_a_short_response() -> None:
    async with served() as bench, connections(bench) as (client,):
        await client.send(get())
        said = await asyncio.get_running_loop().sock_recv(client.socket, 65_536)
    assert said.endswith(b'\r\n\r\n{"status":"healthy"}')


async def test_a_head_without_a_body_is_written() -> None:
    async with served() as bench, connections(bench, 2) as (asks, given_up):
        await asks.send(get().replace(b"GET", b"HEAD"))
        assert await asks.receives(b"\r\n\r\n")
        await given_up.send(get("/given-up"))
        assert (await given_up.rest()).endswith(b"content-length: 2\r\n\r\n")

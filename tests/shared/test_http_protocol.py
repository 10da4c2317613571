"""What a stranger can do to the HTTP server before anything asks who they are: bytes, pipelined requests, silence."""

import asyncio

import pytest

from shared import http_protocol
from shared.http_protocol import MAX_HEAD_BYTES
from tests.shared.served import CHUNKED, Bench, connections, get, served

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
    assert b'{"kind": "head_too_large", "error": "The head of a request may have 65,536 bytes at most."}' in said
    assert bench.called == 1


@pytest.mark.parametrize(("start", "piece"), ENDLESS_BODIES.values(), ids=ENDLESS_BODIES)
async def test_what_goes_with_a_body_has_an_end_too(start: bytes, piece: bytes) -> None:
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(start, *[piece * (MAX_HEAD_BYTES // len(piece))] * MOST_SENT)
        await stranger.rest()
        assert not bench.server.server_state.connections


@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_a_head_of_64_kib_is_served_and_one_byte_more_is_not(pieces: int) -> None:
    async with served() as bench, connections(bench, 2) as both:
        for size, connection in zip((MAX_HEAD_BYTES, MAX_HEAD_BYTES + 1), both, strict=True):
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


async def test_all_unfinished_heads_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_HELD_BYTES", 100_000)
    async with served() as bench, connections(bench, 3) as (first, second, third):
        for connection in (first, second, third):
            await connection.send(get()[:-2] + b"a: " + b"b" * 40_000)
            await until_held(bench, 40_000)
        assert await first.is_closed()
        for connection in (second, third):
            await connection.send(b"\r\n\r\n")
            assert await connection.response() == 200


async def until_held(bench: Bench, size: int) -> None:
    while not any(one.held > size for one in list(bench.server.server_state.connections)[-1:]):
        await asyncio.sleep(0.001)


async def test_a_third_request_while_two_are_unanswered_closes_the_connection() -> None:
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(get("/slow") * 2)
        assert not await stranger.is_closed()
        await stranger.send(get("/slow"))
        bench.opened.set()
        # The server reads the third one only when there is room for it.
        assert (await asyncio.gather(stranger.response(), stranger.response())) == [200, 200]


@pytest.mark.parametrize("count", [3, 100_000])
async def test_more_requests_than_two_in_one_read_close_the_connection(count: int) -> None:
    async with served() as bench, connections(bench) as (stranger,):
        await stranger.send(get() * count)
        assert await stranger.rest() == b""
        assert not bench.server.server_state.connections
    assert bench.called <= 2

"""Faults of the wire, with the shipped transport, against a real server on loopback.

What a fault means for a read (retried) and for a write (sent once, with the unknown outcome reported).
"""

import asyncio
import gzip
import json
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest

from shared.api_client import MAX_PLACES, APIClient
from shared.counting import TallyCounter
from shared.errors import (
    Effect,
    InvalidInputError,
    OutcomeUnknownError,
    TicketServerError,
    UpstreamBusyError,
    UpstreamFaultError,
    UpstreamUnavailableError,
)
from shared.fair_queue import MAX_WAITING, FairQueue
from shared.upstream.transport import MAX_BODY_BYTES
from tests.kills import kills
from tests.shared.faulty_server import (
    GUARD_S,
    Behaviour,
    listening,
    resets,
    response,
    sends,
    sends_and_stalls,
    serving,
    stalls,
    trickles,
)
from tests.shared.test_fair_queue import ImpatientQueue

WRITES = ("POST", "PUT")
UNREACHABLE = "The ticket API cannot be reached. Nothing was changed; try again in a moment."
BUSY = "Too many calls wait for the ticket API. Nothing was changed; try again in a moment."
DROPPED = "The ticket API dropped the connection before it answered"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda least, _: least)


WELL = sends(response(b'{"id": "T1"}'), then_open=True)
LOST = {
    "before any byte": sends(b"", then_open=False),
    "in the status line": sends(b"HTTP/1.1 2", then_open=False),
    "in the headers": sends(b"HTTP/1.1 200 OK\r\ncontent-le", then_open=False),
    "in the body": sends(response(b"{}" * 50)[:-60], then_open=False),
    "in a chunk": sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{", then_open=False),
    "by a reset": resets,
    "by nonsense": sends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", then_open=False),
}
STALLED = {
    "before the answer": stalls,
    "in the headers": sends_and_stalls(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "after half an answer": sends_and_stalls(response(b"{}" * 50)[:-60]),
    "by a trickle of body": trickles(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"),
    "by a trickle of headers": trickles(b"HTTP/1.1 200 OK\r\nx: "),
}
lost = pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
stalled = pytest.mark.parametrize("fault", STALLED.values(), ids=STALLED.keys())
writes = pytest.mark.parametrize("method", WRITES)


async def call(api: APIClient, method: str) -> Any:
    if method == "GET":
        return await api.get("/tickets/T1")
    return await (api.post if method == "POST" else api.put)("/tickets/T1", {"summary": "x" * 1000})


async def error_of(api: APIClient, method: str) -> TicketServerError:
    with pytest.raises(TicketServerError) as caught:
        await call(api, method)
    return caught.value


# --- lost connections


@lost
async def test_a_read_that_was_lost_is_repeated(fault: Behaviour) -> None:
    async with serving(fault, WELL) as server, APIClient(server.url) as api:
        assert await call(api, "GET") == {"id": "T1"}

        assert server.requests == ["GET", "GET"]


@lost
async def test_a_read_that_is_lost_three_times_is_given_up(fault: Behaviour) -> None:
    async with serving(fault) as server, APIClient(server.url) as api:
        error = await error_of(api, "GET")

        assert type(error) is UpstreamUnavailableError
        assert str(error) == f"{DROPPED}. Nothing was changed; try again in a moment."
        assert server.requests == ["GET"] * 3


@kills("shared/api_client.py", 'attempts = _ATTEMPTS if request.method == "GET" else 1', "attempts = _ATTEMPTS")
@kills("shared/api_client.py", "return OutcomeUnknownError(what)", "return UpstreamUnavailableError(what)")
@writes
@lost
async def test_a_write_that_was_lost_is_sent_once_and_unknown(fault: Behaviour, method: str) -> None:
    async with serving(fault, WELL) as server, APIClient(server.url) as api:
        error = await error_of(api, method)

        assert isinstance(error, OutcomeUnknownError)
        assert str(error) == f"{DROPPED}."
        assert error.effect == Effect.UNKNOWN
        assert not error.settled
        assert await call(api, "GET") == {"id": "T1"}  # the client continues on another connection
        assert server.requests == [method, "GET"]


# --- no connection at all


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections and that no other process can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_a_refused_connection_changed_nothing(closed_port: int, method: str) -> None:
    async with APIClient(f"http://127.0.0.1:{closed_port}") as api:
        error = await error_of(api, method)

    assert (type(error), str(error)) == (UpstreamUnavailableError, UNREACHABLE)
    assert error.effect == Effect.NOTHING_CHANGED


@writes
async def test_a_host_that_refuses_on_each_of_its_addresses_changed_nothing(
    closed_port: int, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", closed_port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found, found])
    async with APIClient(f"http://two.invalid:{closed_port}") as api:
        error = await error_of(api, method)

    assert (type(error), str(error)) == (UpstreamUnavailableError, UNREACHABLE)


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_an_unknown_host_changed_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # a real look-up queries the network, and may wait for it
    async with APIClient("http://nowhere.invalid") as api:
        error = await error_of(api, method)

    assert (type(error), str(error)) == (UpstreamUnavailableError, UNREACHABLE)


@writes
async def test_a_server_that_speaks_no_tls_changed_nothing(method: str) -> None:
    async def greets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 this is no TLS\r\n")
        await writer.drain()

    async with listening(greets) as port, APIClient(f"https://127.0.0.1:{port}") as api:
        error = await error_of(api, method)

    assert (type(error), str(error)) == (UpstreamUnavailableError, UNREACHABLE)


# --- the deadline


@kills("shared/api_client.py", "async with asyncio.timeout(self._deadline_s):", "async with asyncio.timeout(None):")
@stalled
async def test_a_read_that_stalls_ends_at_the_deadline(fault: Behaviour) -> None:
    async with serving(fault) as server, APIClient(server.url, deadline_s=0.5) as api:
        started = time.monotonic()
        error = await error_of(api, "GET")

        assert time.monotonic() - started >= 0.5
        assert type(error) is UpstreamUnavailableError
        assert str(error) == ("The ticket API did not answer within 0.5 s. Nothing was changed; try again in a moment.")
        assert len(server.requests) <= 1, "none, if the server did not get round to reading it"


@writes
@stalled
async def test_a_write_that_stalls_ends_at_the_deadline_and_is_unknown(fault: Behaviour, method: str) -> None:
    async with serving(fault) as server, APIClient(server.url, deadline_s=0.5) as api:
        started = time.monotonic()
        error = await error_of(api, method)

        assert time.monotonic() - started >= 0.5
        assert isinstance(error, OutcomeUnknownError)
        assert str(error) == "The ticket API did not answer within 0.5 s."
        assert not error.settled
        assert len(server.requests) <= 1, "none, if the server did not get round to reading it"


async def test_repeats_share_one_deadline() -> None:
    """Each attempt ends in time, but three of them do not."""

    async def loses_it_late(_: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0.2)
        return False

    async with serving(loses_it_late) as server, APIClient(server.url, deadline_s=0.5) as api:
        error = await error_of(api, "GET")

        assert "did not answer within 0.5 s" in str(error)


async def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    release = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> bool:
        await release.wait()
        return await sends(response(b'"of the first call"'), then_open=True)(writer)

    async with serving(late, WELL) as server, APIClient(server.url) as api:
        given_up = asyncio.create_task(call(api, "GET"))
        await server.until(lambda: server.requests == ["GET"])
        given_up.cancel()
        await asyncio.wait([given_up])
        release.set()

        assert await call(api, "GET") == {"id": "T1"}
        assert server.connections == 2


async def test_a_cancelled_write_is_counted_and_leaves_the_client_usable() -> None:
    counter = TallyCounter()
    async with serving(stalls, WELL) as server, APIClient(server.url, counter=counter) as api:
        writing = asyncio.create_task(call(api, "POST"))
        await server.until(lambda: server.requests == ["POST"])
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

        assert await call(api, "GET") == {"id": "T1"}
        assert counter.total("api_requests", method="POST", outcome="cancelled") == 1
        assert server.requests == ["POST", "GET"]


@writes
async def test_a_write_that_got_none_of_64_busy_slots_changed_nothing(method: str) -> None:
    """Half the deadline is for the slot, so that the wait ends in certainty, not in doubt."""
    queue = ImpatientQueue(MAX_PLACES)
    async with serving(stalls) as server, APIClient(server.url, deadline_s=GUARD_S, queue=queue) as busy:
        holding = [asyncio.create_task(call(busy, "GET")) for _ in range(64)]
        await server.until(lambda: len(server.requests) == 64)
        async with APIClient(server.url, deadline_s=GUARD_S, queue=queue) as api:
            write = await error_of(api, method)
            read = await error_of(api, "GET")
            assert queue.patience_s == GUARD_S / 2
            for task in holding:
                task.cancel()
            await asyncio.gather(*holding, return_exceptions=True)

        for error in (write, read):
            assert (type(error), str(error), error.kind) == (UpstreamBusyError, BUSY, "busy")
            assert error.effect == Effect.NOTHING_CHANGED
        assert server.requests == ["GET"] * 64


@writes
async def test_a_write_that_finds_a_hundred_waiting_is_refused_at_once(method: str) -> None:
    queue = FairQueue(1)
    async with serving(stalls) as server, APIClient(server.url, deadline_s=10 * GUARD_S, queue=queue) as api:
        calls = [asyncio.create_task(call(api, "GET")) for _ in range(1 + MAX_WAITING)]
        await server.until(lambda: len(server.requests) == 1)

        async with asyncio.timeout(GUARD_S):
            error = await error_of(api, method)

        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (type(error), str(error)) == (UpstreamBusyError, BUSY)
        assert server.requests == ["GET"]


async def test_a_call_that_fails_gives_its_slot_back() -> None:
    faults = (LOST["before any byte"], LOST["in the body"], WELL)
    async with serving(*faults) as server, APIClient(server.url, queue=FairQueue(1)) as api:
        await error_of(api, "POST")
        await error_of(api, "POST")

        assert await call(api, "POST") == {"id": "T1"}


# --- reused connections


async def test_a_connection_is_used_again() -> None:
    async with serving(WELL) as server, APIClient(server.url) as api:
        for method in ("GET", "POST", "PUT", "GET"):
            assert await call(api, method) == {"id": "T1"}

        assert server.connections == 1


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_an_idle_connection_that_the_server_closed_is_not_used(method: str) -> None:
    once = sends(response(b"[]"), then_open=False)  # announces keep-alive, then closes
    async with serving(once, WELL) as server, APIClient(server.url) as api:
        await call(api, "GET")
        await server.until(lambda: server.ended == 1)

        assert await call(api, method) == {"id": "T1"}
        assert server.requests == ["GET", method]


async def test_a_read_that_meets_the_closing_of_its_connection_is_repeated() -> None:
    async with serving(WELL, LOST["before any byte"], WELL) as server, APIClient(server.url) as api:
        await call(api, "GET")

        assert await call(api, "GET") == {"id": "T1"}
        assert (server.requests, server.connections) == (["GET"] * 3, 2)


@writes
@pytest.mark.parametrize("closing", ["before any byte", "by a reset"])
async def test_a_write_that_meets_the_closing_of_its_connection_is_unknown(method: str, closing: str) -> None:
    """The client cannot distinguish a server that was gone from one that did the work first, so it claims neither."""
    async with serving(WELL, LOST[closing], WELL) as server, APIClient(server.url) as api:
        await call(api, "GET")

        assert isinstance(await error_of(api, method), OutcomeUnknownError)
        assert server.requests == ["GET", method]


# --- bodies


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_a_body_in_tiny_pieces_is_put_together(method: str) -> None:
    pieces = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in json.dumps({"id": "票"}).encode())
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"

    async with serving(sends(raw, then_open=True)) as server, APIClient(server.url) as api:
        assert await call(api, method) == {"id": "票"}


@kills("shared/upstream/transport.py", "if len(self._body) > MAX_BODY_BYTES:", "if False:")
@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_an_answer_over_the_bound_is_a_fault_and_not_read_on(method: str) -> None:
    block = b" " * (MAX_BODY_BYTES // 8)
    read_on = asyncio.Event()

    async def far_too_much(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for part in (b"[", *[block] * 3 * 8, b"]"):
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
        read_on.set()
        writer.write(b"0\r\n\r\n")
        return True

    async with serving(far_too_much) as server, APIClient(server.url, deadline_s=GUARD_S) as api:
        error = await error_of(api, method)

        assert not read_on.is_set()
        assert "answered with something that is not JSON" in str(error)
        assert isinstance(error, UpstreamFaultError if method == "GET" else OutcomeUnknownError)
        assert server.requests == [method]


async def test_an_answer_just_within_the_bound_is_read() -> None:
    text = "x" * (MAX_BODY_BYTES - 2)

    async with serving(sends(response(f'"{text}"'.encode()), then_open=True)) as server, APIClient(server.url) as api:
        assert await call(api, "GET") == text


async def test_a_compressed_answer_is_read() -> None:
    raw = response(gzip.compress(b'{"id": "T1"}'), "200 OK", "content-encoding: gzip")

    async with serving(sends(raw, then_open=True)) as server, APIClient(server.url) as api:
        assert await call(api, "GET") == {"id": "T1"}


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_an_answer_that_cannot_be_decoded_is_a_fault(method: str) -> None:
    raw = response(b"this was never compressed", "200 OK", "content-encoding: gzip")

    async with serving(sends(raw, then_open=True)) as server, APIClient(server.url) as api:
        error = await error_of(api, method)

        assert "answered with something that is not JSON" in str(error)
        assert error.effect == (Effect.NOTHING_CHANGED if method == "GET" else Effect.UNKNOWN)
        assert server.requests == [method]


async def test_a_refusal_before_the_request_was_read_is_taken_for_what_it_says() -> None:
    async def refuses_unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b'{"error": "too large"}', "413 Content Too Large", "connection: close"))
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with listening(refuses_unread) as port, APIClient(f"http://127.0.0.1:{port}") as api:
        assert isinstance(await error_of(api, "POST"), InvalidInputError)


# --- the embedded API


async def test_the_deadline_holds_over_a_transport_that_knows_no_time() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    with anyio.fail_after(GUARD_S):
        async with APIClient("http://embedded.invalid", transport=transport, deadline_s=0.1) as api:
            assert isinstance(await error_of(api, "POST"), OutcomeUnknownError)
            assert isinstance(await error_of(api, "GET"), UpstreamUnavailableError)

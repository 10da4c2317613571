"""What is read and written at once, against the steps of ASGI: the same bytes, and only if nothing stands between."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.cycle import cycle_of
from shared.http.protocol import BoundedProtocol, Connections
from transport.http.endpoint import HTTPResponse

POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody"
RESPONSE = HTTPResponse(200, b"{}", {"x-more": "1"})


class Client:
    """A connection in memory to a server of `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False
        config = uvicorn.Config(app, http=BoundedProtocol, lifespan="off", log_config=None, access_log=False)
        config.load()
        state = Connections(most=16, counts_addresses=False)
        state.default_headers = [(b"date", b"today")]
        self.protocol = BoundedProtocol(config, state, {})
        transport: Any = SimpleNamespace(
            write=self.writes.append,
            close=self._close,
            is_closing=lambda: self.is_closed,
            get_extra_info=lambda _: None,
            pause_reading=lambda: None,
            resume_reading=lambda: None,
        )
        self.protocol.connection_made(transport)

    def _close(self) -> None:
        self.is_closed = True

    async def send(self, request: bytes) -> None:
        """Send a request, and wait until its handler has ended."""
        self.protocol.data_received(request)
        await asyncio.gather(*self.protocol.tasks)


def in_steps(app: ASGIApp) -> ASGIApp:
    """Return `app` behind a middleware that changes nothing."""

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        async def passed_on(message: Any) -> None:
            await send(message)

        await app(scope, receive, passed_on)

    return behind


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: POST,
        lambda: POST * 2,
        lambda: POST.replace(b"POST", b"HEAD"),
        lambda: POST.replace(b"/1.1", b"/1.0"),
        lambda: POST.replace(b"host", b"connection: close\r\nhost"),
        lambda: POST.replace(b"host", b"expect: 100-continue\r\nhost"),
    ],
    ids=["one", "pipelined", "head", "old", "last", "expecting"],
)
@pytest.mark.parametrize("headers", [None, {"x-more": "1"}, {"X-More": "1"}, {"connection": "close"}], ids=str)
async def test_a_whole_response_has_the_bytes_that_its_steps_have(
    request_of: Callable[[], bytes], headers: dict[str, str] | None
) -> None:
    response = HTTPResponse(200, b'{"a":1}', headers)
    at_once, stepwise = Client(response), Client(in_steps(response))
    for client in (at_once, stepwise):
        await client.send(request_of())
        await client.send(b"")  # what was queued behind it

    assert b"".join(at_once.writes) == b"".join(stepwise.writes) != b""
    assert at_once.is_closed is stepwise.is_closed


async def test_a_header_that_would_break_out_of_its_line_is_refused() -> None:
    client = Client(HTTPResponse(200, b"{}", {"x-more": "1\r\nset-cookie: a=b"}))
    await client.send(POST)

    assert (client.writes, client.is_closed) == ([], True)


async def test_who_stands_between_sees_the_response() -> None:
    seen = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def looks(message: Any) -> None:
            seen.append(message["type"])
            await send(message)

        assert not RESPONSE.sent_at_once(looks)
        await RESPONSE(scope, receive, looks)

    await Client(app).send(POST)

    assert seen == ["http.response.start", "http.response.body"]


async def test_a_client_that_does_not_read_or_left_gets_nothing_at_once() -> None:
    asked = list[bool]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client.protocol.pause_writing()
        asked.append(RESPONSE.sent_at_once(send))
        client.protocol.resume_writing()
        await RESPONSE(scope, receive, send)
        asked.append(RESPONSE.sent_at_once(send))

    client = Client(app)
    await client.send(POST)

    assert asked == [False, False]


async def test_a_part_is_written_at_once_only_in_a_stream_that_has_begun() -> None:
    sent = list[bool]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cycle = cycle_of(send)
        assert cycle is not None
        sent.append(cycle.send_part(b"early"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        sent.append(cycle.send_part(b"in time"))
        client.protocol.pause_writing()
        sent.append(cycle.send_part(b"not read"))
        client.protocol.resume_writing()
        await send({"type": "http.response.body", "body": b"!"})
        sent.append(cycle.send_part(b"late"))

    client = Client(app)
    await client.send(POST)

    assert sent == [False, True, False, False]
    assert b"".join(client.writes).endswith(b"\r\n\r\n7\r\nin time\r\n1\r\n!\r\n0\r\n\r\n")


async def test_a_body_is_there_at_once_when_all_of_it_has_arrived() -> None:
    read = list[bytes | None]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cycle = cycle_of(receive)
        assert cycle is not None
        read.append(cycle.whole_body())
        if read[-1] is None:
            read.append((await receive())["body"])
        await RESPONSE(scope, receive, send)
        read.append(cycle.whole_body())

    await Client(app).send(POST)
    await Client(app).send(POST[:-2])

    assert read == [b"body", None, None, b"bo", None]

"""The ceiling: the same bytes over SSE, with nothing of MCP behind them: `python -m bench.servers.ceiling PORT`."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from secrets import token_hex
from typing import Any, Final

from bench.servers.serving import serve

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

streams: Final[dict[str, asyncio.Queue[bytes]]] = {}
EVENT_STREAM: Final = [(b"content-type", b"text/event-stream")]


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Serve `GET /sse` and the messages that it names."""
    if scope["method"] == "GET":
        await stream(send)
    else:
        await message(scope["query_string"].decode(), await receive(), send)


async def stream(send: Send) -> None:
    """Send what is put into the queue of a new session."""
    session = token_hex()
    events = streams[session] = asyncio.Queue()
    await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
    events.put_nowait(b"event: endpoint\ndata: /messages?%s\n\n" % session.encode())
    while True:
        await send({"type": "http.response.body", "body": await events.get(), "more_body": True})


async def message(session: str, received: Message, send: Send) -> None:
    """Accept a message and put the response into the session's stream."""
    request = json.loads(received["body"])
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
    if "id" in request:
        content = [{"type": "text", "text": request["params"].get("arguments", {}).get("text")}]
        response = {"jsonrpc": "2.0", "id": request["id"], "result": {"content": content}}
        streams[session].put_nowait(b"event: message\ndata: %s\n\n" % json.dumps(response).encode())


async def lifespan_or_http(scope: Message, receive: Receive, send: Send) -> None:
    """Pass HTTP on; a lifespan needs nothing."""
    if scope["type"] == "http":
        await app(scope, receive, send)


if __name__ == "__main__":
    serve(lifespan_or_http, sys.argv[1])

"""Requests over a plain socket: those an HTTP library would not send, and clients that stop reading."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.transport.http_client import ACCEPT, JSON, HttpClient

LIMIT_S = 30.0


@asynccontextmanager
async def posted(
    client: HttpClient, message: Any, headers: Mapping[str, str], receive_bytes: int | None = None
) -> AsyncGenerator[asyncio.StreamReader]:
    """Post a message with exactly these headers; yield the reader of its response.

    Args:
        client: caller and address.
        message: what to post.
        headers: added to those of the client, or replacing them.
        receive_bytes: receive buffer of the response in the system; by default the system's choice.
    """
    url = urlsplit(client.url)
    connection = socket.socket()
    connection.setblocking(False)
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(connection, (url.hostname, url.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    body = json.dumps(message)
    sent = {"host": url.netloc, "content-length": f"{len(body)}"} | ACCEPT | JSON | client.headers | dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    writer.write(f"POST /mcp HTTP/1.1\r\n{head}\r\n{body}".encode())
    try:
        async with asyncio.timeout(LIMIT_S):
            yield reader
    finally:
        writer.transport.abort()


@asynccontextmanager
async def unread(client: HttpClient, message: Any, **headers: str) -> AsyncGenerator[str]:
    """Post a message and read only the first event of the response; yield the id of that event, if it has one."""
    async with posted(client, message, headers, receive_bytes=4096) as reader:
        seen = b""
        while b"data: " not in seen:
            seen += await reader.read(256)
        first = re.search(rb"id: (\S+)\n", seen)
        yield first[1].decode() if first is not None else ""


async def status_of(client: HttpClient, message: Any, **headers: str) -> int:
    """Post a message and return the status of its response."""
    async with posted(client, message, headers) as reader:
        return int((await reader.readline()).split()[1])

"""A server that does nothing but respond: `python -m tests.attacks.bystander`, until its standard input ends.

If its responses are late, the machine is stalled, and the delays of an attacked server at that time prove nothing.
Standard library only; the first line of the output is its port.
"""

import asyncio
import sys
from typing import Final

RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request without a body, and close the connection."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(RESPONSE)
    writer.close()


async def serve() -> None:
    """Serve on a free loopback port."""
    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())

"""A proxy that adds a key to each request, since the suite cannot send one.

Every connection carries one request, so each request goes to the next backend, and only its head must be parsed.
`Host` and `Origin` stay unchanged, bytes are forwarded as they arrive, and a client's disconnect reaches the backend.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from tests.chaos.proxy import Proxy

_END_OF_HEAD: Final = b"\r\n\r\n"
_CONNECTION: Final = re.compile(rb"\r\n(?:connection|keep-alive):[^\r\n]*", re.IGNORECASE)


class KeyProxy(Proxy):
    """Forwards to `ports` of loopback, round-robin, with `key` in the header `x-api-key`."""

    def __init__(self, ports: Sequence[int], key: str) -> None:
        super().__init__(ports)
        self._added = f"\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n".encode()

    async def opening(self, client: asyncio.StreamReader) -> bytes:
        """Return the head of the request with the key, and marked as the last one of its connection."""
        head = await client.readuntil(_END_OF_HEAD)
        return _CONNECTION.sub(b"", head.removesuffix(_END_OF_HEAD)) + self._added

"""One connection to a Valkey or Redis server: redis-py's, narrowed to what is used here, with time-outs that hold.

redis-py reads the URL, does TLS and signs in. Its own time-outs are off: on Python 3.11 they swallow a cancellation.
Ours cut the connection instead, which ends whatever waits for it and leaves nothing of it behind, also when the other
side has stopped reading.
"""

import asyncio
import random
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import anyio
import hiredis
from redis.asyncio.connection import Connection, parse_url
from redis.exceptions import ResponseError

CONNECT_S: Final = 1.0
OPERATION_S: Final = 2.0
"""For everything sent to have its answers."""
_OURS: Final = MappingProxyType({
    "protocol": 2,
    "decode_responses": False,
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "health_check_interval": 0,
    "driver_info": None,  # saves a round trip for each connection
})  # fmt: skip


def pack(*parts: str | bytes | float) -> bytes:
    """Return one command as it travels.

    Raises:
        TypeError: a part is something else.
    """
    packed: bytes = hiredis.pack_command(parts)  # type: ignore[arg-type]  # its stub has tuples of one element only
    return packed


def pause_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row: 0.25 s at most, and not all instances at once."""
    longest = min(0.25, 0.01 * 2.0 ** min(failures, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret


class ValkeyConnection:
    """A connection that can be opened again; one task at a time may use it.

    Raises (from `open`, `exchange`, `send`, `read`): any exception means that the connection is unusable; the caller
    then calls `cut`.
    """

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = dict(parse_url(url))
        kind = options.pop("connection_class", Connection)
        self._connection: Any = kind(**options | _OURS)
        self._transport: asyncio.WriteTransport | None = None

    async def open(self) -> None:
        """Connect and sign in, unless that is done already, within `CONNECT_S`."""
        if self._transport is not None:
            return
        try:
            with anyio.fail_after(CONNECT_S):
                await self._connection.connect()
        finally:
            writer = self._connection._writer  # noqa: SLF001 - only its transport can end without being read first
            self._transport = None if writer is None else writer.transport

    async def exchange(self, commands: Sequence[bytes], replies: list[Any]) -> None:
        """Send packed commands at once and add what the server answers to `replies`, all of it within `OPERATION_S`.

        When it fails half-way, `replies` has what came until then.
        """
        timer = asyncio.get_running_loop().call_later(OPERATION_S, self.abort)
        try:
            await self.send(*commands)
            for _ in commands:
                replies.append(await self.read())  # noqa: PERF401 - a comprehension would lose them on failure
        finally:
            timer.cancel()

    async def send(self, *commands: bytes) -> None:
        """Send packed commands."""
        await self._connection.send_packed_command(commands, check_health=False)

    async def read(self, within: float | None = None) -> Any:
        """Return the next thing the server says: bytes, an integer, a list, None, or an error; None after `within`."""
        try:
            return await self._connection.read_response(timeout=within)
        except ResponseError as error:
            return error

    async def cut(self) -> None:
        """End the connection at once, whatever is under way; `open` makes a new one."""
        self.abort()
        self._transport = None
        with anyio.CancelScope(shield=True):
            await self._connection.disconnect(nowait=True)

    def abort(self) -> None:
        """Make whatever is under way fail; any task may call this."""
        if self._transport is not None:
            self._transport.abort()

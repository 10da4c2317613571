"""What a client does over a wire, again and again: the unit that is counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol

from bench.http import Connection
from bench.wires import Session, Wire


class Work(Protocol):
    """A unit of work."""

    async def prepare(self, wire: Any) -> None:
        """Do what comes before the first unit and is not counted."""

    async def __call__(self, wire: Any) -> None:
        """Do one unit. Raises: RuntimeError: the response is not the right one."""


@dataclass(frozen=True)
class Call:
    """One request in an open session."""

    method: str
    params: Callable[[int], Mapping[str, Any]]
    """Gets a number that no other call has."""
    expected: bytes
    """Occurs in every right response."""

    async def prepare(self, wire: Wire) -> None:
        """Open the session."""
        await wire.open()

    async def __call__(self, wire: Wire) -> None:
        """Make the call."""
        _check(await wire.request(self.method, self.params(next(_numbers))), self.expected)


@dataclass(frozen=True)
class WholeSession:
    """A session from `initialize` to its end, with one call: what a function in a cloud pays each time."""

    call: Call

    async def prepare(self, _: Session) -> None:
        """Nothing comes before."""

    async def __call__(self, wire: Session) -> None:
        """Open a session, make the call, end the session."""
        await wire.open()
        await self.call(wire)
        await wire.end()


class Direct:
    """The ticket API itself in place of a wire: what the same answer costs without MCP."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self.connection = Connection(port, headers)

    async def renew(self) -> None:
        """Make a new connection."""
        await self.connection.renew()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


@dataclass(frozen=True)
class Get:
    """Reads that follow each other on the ticket API."""

    paths: Callable[[int], tuple[str, ...]]

    async def prepare(self, _: Direct) -> None:
        """Nothing comes before."""

    async def __call__(self, wire: Direct) -> None:
        """Make the reads."""
        number = next(_numbers)
        for path in self.paths(number):
            await wire.connection.exchange("GET", path)


def _check(response: bytes, expected: bytes) -> None:
    if expected not in response:
        raise RuntimeError(f"not the right response: {response[:1000]!r}")


def tool_call(name: str, arguments: Callable[[int], Mapping[str, Any]], expected: bytes) -> Call:
    """Return the call of a tool."""
    return Call("tools/call", lambda number: {"name": name, "arguments": arguments(number)}, expected)


_numbers: Final = count(1)
ECHO: Final = tool_call("echo", lambda _: {"text": "hello"}, b"hello")
REFUSED: Final = tool_call("get_ticket_detail", lambda _: {}, b'"isError":true')
"""Refused before the ticket API is asked: the trivial call of a server that has no trivial tool."""
TOOLS: Final = Call("tools/list", lambda _: {}, b"get_ticket_list")

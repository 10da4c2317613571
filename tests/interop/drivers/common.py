"""What the drivers share: their argument, their report, and how they end.

A driver is one small program that runs in its client's environment (`python -m tests.interop.drivers.NAME JSON`).
Its argument has an address, a transport, a mode, headers and calls; it connects, lists the tools, makes the calls, and
prints one line of JSON: `revision`, `tools` (names) and `results`, each as in MCP. The argument "$ticketId" stands for
the ticket named by the latest result. A driver that is refused prints `refused` and exits with 3. Standard library
only.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

TICKET_ID: Final = re.compile(r"TCK-[0-9]+")
REFUSED: Final = 3
Call = Callable[[str, dict[str, Any]], Awaitable[tuple[str, bool]]]
"""Calls a tool; returns the text of its result and whether it is an error."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The argument of a driver. `wire` is sse or http, `mode` is the client's own term."""

    url: str
    wire: str
    mode: str | None
    headers: Mapping[str, str]
    calls: Sequence[tuple[str, Mapping[str, Any]]]
    command: Sequence[str] = ()
    """For the bridges: how to start one."""


@dataclass(frozen=True)
class Connection:
    """A connected client: the revision it negotiated, the tools it sees, and how it calls one."""

    revision: str
    tools: Sequence[str]
    call: Call


Connect = Callable[[Reported], AbstractAsyncContextManager[Connection]]


async def talk(connect: Connect, received: Reported) -> dict[str, Any]:
    """Connect, make the calls and return what was seen."""
    results: list[dict[str, Any]] = []
    ticket_id = ""
    async with connect(received) as client:
        for tool, arguments in received.calls:
            given = {name: ticket_id if value == "$ticketId" else value for name, value in arguments.items()}
            text, is_error = await client.call(tool, given)
            named = TICKET_ID.search(text)
            ticket_id = named[0] if named else ticket_id
            results.append({"content": [{"type": "text", "text": text}], "isError": is_error})
    return {"revision": client.revision, "tools": list(client.tools), "results": results}


def reasons(error: BaseException) -> Iterator[str]:
    """Yield the messages of all errors in a group, including nested groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from reasons(inner)
    else:
        yield f"{type(error).__name__}: {error}"


def run(connect: Connect) -> None:
    """Run a driver."""
    received = Reported(**json.loads(sys.argv[1]))
    try:
        seen = asyncio.run(talk(connect, received))
    except Exception as error:  # noqa: BLE001 - whatever a client makes of a refusal is what is asked for
        print(json.dumps({"refused": {"text": "; ".join(reasons(error))}}))
        sys.exit(REFUSED)
    print(json.dumps(seen))

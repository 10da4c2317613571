"""What the drivers share: their argument, their report, and how they end.

A driver is one small program that runs in its client's environment (`python -m tests.interop.drivers.NAME JSON`).
Its argument has an address, a transport, a mode, headers and calls; it connects, lists the tools, makes the calls, and
prints one line of JSON: `revision`, `tools` (names) and `results`, each as in MCP. The argument "$ticketId" stands for
the ticket named by the latest result. It then waits for the end of stdin, which says that the server was restarted,
repeats the first call, connects again and repeats it once more, and prints the report with `after` and `again`: the two
results. A driver that is refused prints `refused` and exits with 3. Standard library only.
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
AFTER_S: Final = 20.0
"""Seconds that a client may take for a call after the restart before it counts as hung."""
RECOVERY_S: Final = 20.0
"""Seconds that a client may take to recover: one over SSE opens its stream again after some seconds."""
BETWEEN_S: Final = 0.2
Calls = Sequence[tuple[str, Mapping[str, Any]]]
Call = Callable[[str, dict[str, Any]], Awaitable[tuple[str, bool]]]
"""Calls a tool; returns the text of its result and whether it is an error."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The argument of a driver. `wire` is sse or http, `mode` is the client's own term."""

    url: str
    wire: str
    mode: str | None
    headers: Mapping[str, str]
    calls: Calls
    recovers: bool = False
    """Whether the client must be served again after the restart, if not by its first call."""
    command: Sequence[str] = ()
    """For the bridges: how to start one."""


@dataclass(frozen=True)
class Connection:
    """A connected client: the revision it negotiated, the tools it sees, and how it calls one."""

    revision: str
    tools: Sequence[str]
    call: Call


Connect = Callable[[Reported], AbstractAsyncContextManager[Connection]]


async def talk(connect: Connect, received: Reported) -> None:
    """Do all that a driver does. Raises: what the client raises when it is refused."""
    seen: dict[str, Any] = {}
    try:
        async with connect(received) as client:
            seen |= {"revision": client.revision, "tools": list(client.tools)}
            seen["results"] = await results(client, received.calls)
            print(json.dumps(seen), flush=True)
            restarted = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
            await asyncio.shield(restarted)  # a client that notices the restart may cancel what runs in its connection
            seen["after"] = await recovered(client, received)
    except Exception as error:
        if "results" not in seen:
            raise
        seen.setdefault("after", failure(error))
        await restarted
    async with connect(received) as client:
        seen["again"] = await repeated(client, received.calls)
    print(json.dumps(seen))


async def results(client: Connection, calls: Calls) -> list[dict[str, Any]]:
    """Make the calls."""
    made: list[dict[str, Any]] = []
    ticket_id = ""
    for tool, arguments in calls:
        given = {name: ticket_id if value == "$ticketId" else value for name, value in arguments.items()}
        text, is_error = await client.call(tool, given)
        named = TICKET_ID.search(text)
        ticket_id = named[0] if named else ticket_id
        made.append(result(text, is_error=is_error))
    return made


async def recovered(client: Connection, received: Reported) -> dict[str, Any]:
    """Repeat the first call; if the client recovers, until it is served."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECOVERY_S if received.recovers else 0.0
    while True:
        made = await repeated(client, received.calls)
        if not made["isError"] or loop.time() > deadline:
            return made
        await asyncio.sleep(BETWEEN_S)


async def repeated(client: Connection, calls: Calls) -> dict[str, Any]:
    """Repeat the first call. What the client raises is the text of a result with `isError`, too."""
    try:
        async with asyncio.timeout(AFTER_S):
            (made,) = await results(client, calls[:1])
    except Exception as error:  # noqa: BLE001 - what a client makes of a restart is what is asked for
        return failure(error)
    return made


def result(text: str, *, is_error: bool) -> dict[str, Any]:
    """Return a result as in MCP."""
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def failure(error: Exception) -> dict[str, Any]:
    """Return what a client raised as a result."""
    return result("; ".join(reasons(error)), is_error=True)


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
        asyncio.run(talk(connect, received))
    except Exception as error:  # noqa: BLE001 - whatever a client makes of a refusal is what is asked for
        print(json.dumps({"refused": {"text": "; ".join(reasons(error))}}))
        sys.exit(REFUSED)

"""A support day over one API and one wire: a server, its client, and all tasks one after the other."""

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.o200k import o200k
from tests.processes import API_KEY, ROOT, environment, started
from tests.tasks.desk import Desk, open_desk
from tests.tasks.play import Outcome, play
from tests.tasks.task import ME, Kind, Language, Task, tasks

Wire = Literal["stdio", "sse", "http"]
DOOR: Final = ("-m", "tests.tasks.door")


@asynccontextmanager
async def client_over(wire: Wire, desk: Desk, folder: Path) -> AsyncGenerator[Client]:
    """Connect to a server over the desk."""
    settings = {
        "MCP_API_BASE_URL": desk.url, "MCP_API_KEY": API_KEY, "MCP_TICKET_USER": ME, "MCP_TIME_ZONE": "UTC",
        "MCP_LANGUAGE": desk.language,
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        if wire == "stdio":
            log = stack.enter_context((folder / "log").open("w"))
            door = StdioServerParameters(
                command=sys.executable, args=[*DOOR, wire], cwd=ROOT, env=environment(**settings)
            )
            streams = stdio_client(door, errlog=log)
        else:
            address, _ = stack.enter_context(started((*DOOR, "http"), PORT="0", MCP_ALLOW_ANONYMOUS="true", **settings))
            streams = sse_client(f"{address}/sse") if wire == "sse" else streamable_http_client(f"{address}/mcp")
        yield await stack.enter_async_context(Client(streams))


async def played(
    wire: Wire, kind: Kind, language: Language, folder: Path, *, chosen: Callable[[Task], bool] = lambda _: True
) -> list[tuple[Outcome, int]]:
    """Play all tasks that are chosen; return their outcomes with the tokens of all results of each."""
    if not (some := [task.over(kind) for task in tasks(language) if chosen(task)]):
        return []
    async with open_desk(kind, language, folder) as desk, client_over(wire, desk, folder) as client:
        async with desk.with_tickets_of(some[0]):
            await client.call_tool("get_statuses", {})  # the first result also says whose tickets these are
        outcomes = [await play(client, task, desk) for task in some]
    counts = iter(await o200k([text for one in outcomes for text in one.texts], folder))
    return [(one, sum(next(counts) for _ in one.texts)) for one in outcomes]

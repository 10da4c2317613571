"""`update_tickets` over every wire: the client hears of each ticket, and may cancel; the same call then goes on."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests import processes
from tests.processes import KEY, ROOT
from tests.shared.writes.bulk.given import AS_USER, SEVEN, TO_ONE

pytestmark = pytest.mark.long
ME: Final = {"x-api-key": KEY}


@asynccontextmanager
async def client_over(wire: str, folder: Path) -> AsyncGenerator[Client]:
    """Connect to a server of its own, with the sample tickets."""
    if wire == "stdio":
        env = processes.environment(MCP_DATABASE_URL=processes.sqlite(folder))
        server = StdioServerParameters(command=sys.executable, args=list(processes.STDIO_DOOR), cwd=ROOT, env=env)
        with (folder / "log").open("w") as log:
            async with Client(stdio_client(server, errlog=log)) as client:
                yield client
        return
    with processes.http_door(folder, MCP_DATABASE_URL=processes.sqlite(folder)) as (address, _):
        if wire == "sse":
            async with Client(sse_client(f"{address}/sse", headers=ME)) as client:
                yield client
            return
        async with (
            httpx2.AsyncClient(headers=ME, timeout=60) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http), mode=wire) as client,
        ):
            yield client


async def call(client: Client, **more: Any) -> dict[str, Any]:
    result = await client.call_tool("update_tickets", {**AS_USER, **TO_ONE, **more})
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


@pytest.mark.parametrize("wire", ["stdio", "sse", "legacy", "auto"])
async def test_a_client_hears_of_each_ticket_and_cancels(wire: str, tmp_path: Path) -> None:
    async with client_over(wire, tmp_path) as client:
        confirm = (await call(client))["confirm"]
        heard: list[str | None] = []
        with anyio.CancelScope() as scope:

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                assert total == len(SEVEN)
                heard.append(message)
                if progress == 2:
                    scope.cancel()

            await client.call_tool("update_tickets", {**AS_USER, **TO_ONE, "confirm": confirm}, progress_callback=hear)

        assert heard[:2] == ["1 of 7: TCK-0001 done", "2 of 7: TCK-0002 done"]
        rest = await call(client, confirm=confirm)  # waits until the ticket in progress is written
        histories = [await client.call_tool("get_ticket_detail", {"ticketId": one}) for one in SEVEN]
        assert rest["counts"]["done before"] >= 2
        assert sum(rest["counts"].values()) == len(SEVEN)
        assert [str(one.content).count("Handed over.") for one in histories] == [1] * len(SEVEN)

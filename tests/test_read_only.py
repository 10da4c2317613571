"""`MCP_READ_ONLY`: on every wire, tools that write are neither listed nor run. STDIO says whose tickets these are."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cloud_mcp_server import CloudMCPServer
from shared.config import CHECKOUT, CloudSettings, StdioSettings
from shared.mcp_tools.catalog import TOOLS
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.processes import KEY, sqlite
from tests.stdio_door import stdio_door
from tests.transport.serving import serve
from tests.wires import WIRES, Ask, asking
from ticket_service import whose_tickets

READERS = [spec.name for spec in TOOLS if spec.read_only]
WRITES: dict[str, dict[str, Any]] = {
    "create_ticket": {"summary": "x", "requesterId": "user1"},
    "update_ticket": {"ticketId": "TCK-0001", "summary": "x", "updatedById": "user1"},
    "add_ticket_history": {"ticketId": "TCK-0001", "comment": "x", "userId": "user1"},
}


@pytest.fixture
async def ask(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ask]:
    """Connect over one wire, with the key that has every scope, to a server that only reads."""
    async with AsyncExitStack() as stack:
        if request.param == "stdio":
            door = await stack.enter_async_context(stdio_door(tmp_path, MCP_READ_ONLY="true"))
            yield (await door.initialize()).request
            return
        settings = CloudSettings(
            mcp_api_key=SecretStr(KEY), database_url=SecretStr(sqlite(tmp_path)), read_only=True, port=0
        )
        url = await stack.enter_async_context(serve(CloudMCPServer(settings).app))
        yield await stack.enter_async_context(asking(request.param, url, {"x-api-key": KEY}, tmp_path))


@kills("shared/mcp_tools/read_only.py", "if spec is None:", "if True:")
@pytest.mark.parametrize("ask", WIRES, indirect=True)
async def test_writes_are_neither_listed_nor_run(ask: Ask) -> None:
    listed = await ask("tools/list", {})
    assert [tool["name"] for tool in listed["result"]["tools"]] == READERS

    before = (await ask("tools/call", {"name": "get_ticket_detail", "arguments": {"ticketId": "TCK-0001"}}))["result"]
    for name, arguments in WRITES.items():
        error = (await ask("tools/call", {"name": name, "arguments": arguments}))["error"]
        assert error["message"] == (
            f"{name} writes, and this server only reads (MCP_READ_ONLY). Nothing was changed; only its operator can "
            "allow writes."
        )
        assert error["data"]["kind"] == "server_read_only"
    after = (await ask("tools/call", {"name": "get_ticket_detail", "arguments": {"ticketId": "TCK-0001"}}))["result"]
    newest = await ask("tools/call", {"name": "get_ticket_list", "arguments": {"limit": 1}})

    assert after["structuredContent"]["ticket"] == before["structuredContent"]["ticket"]
    assert "TCK-0051" not in str(newest)


@pytest.mark.parametrize("ask", ["sse"], indirect=True)
async def test_arguments_as_text_and_tools_of_no_such_name_do_not_get_past_it(ask: Ask) -> None:
    said = await ask("tools/call", {"name": "create_ticket", "arguments": '{"summary": "x"}'})
    assert said["error"]["data"]["kind"] == "server_read_only"

    overview = await ask("resources/read", {"uri": "docs://overview"})
    assert "## This server is read-only" in overview["result"]["contents"][0]["text"]
    for params in ({"name": "delete_ticket"}, {"name": ["create_ticket"]}, {}):
        assert "error" in await ask("tools/call", params)


async def test_a_refused_write_is_audited(tmp_path: Path) -> None:
    settings = CloudSettings(mcp_api_key=SecretStr(KEY), database_url=SecretStr(sqlite(tmp_path)), read_only=True)
    with capture_logs() as logs:
        async with (
            serve(CloudMCPServer(settings).app) as url,
            asking("2025-11-25", url, {"x-api-key": KEY}, tmp_path) as ask,
        ):
            await ask("tools/call", {"name": "update_ticket", "arguments": WRITES["update_ticket"]})

    (audited,) = [line for line in logs if line["message"] == "audit"]
    assert (audited["tool"], audited["object"], audited["outcome"]) == ("update_ticket", "TCK-0001", "server_read_only")


async def test_over_stdio_instructions_and_the_first_result_say_whose_tickets_these_are(tmp_path: Path) -> None:
    said = (
        f"These tickets are in the database of this checkout itself ({tmp_path}/tickets.sqlite3), which begins with "
        "sample data unless its people begin with their own. They are not those of another ticket system; "
        "MCP_API_BASE_URL connects one."
    )
    async with stdio_door(tmp_path) as door:
        started = await door.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {
            "name": "test", "version": "1"}})  # fmt: skip
        await door.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        failed = await door.call("get_ticket_detail", ticketId="TCK-9999")
        first = await door.call("get_ticket_list", limit=1)
        second = await door.call("get_ticket_list", limit=1)

    assert started["result"]["instructions"].endswith(said)
    assert failed["isError"]
    assert first["content"][0]["text"].endswith(f"\n\n{said}")
    assert first["structuredContent"]["notes"][-1] == said
    assert said not in str(failed) + str(second)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"api_base_url": "https://api.example.com:8443/x"}, "those of the ticket API at api.example.com:8443."),
        ({}, "in the database of this checkout itself (data/tickets.sqlite3), which begins with sample data unless"),
        ({"sample_data": "none"}, "in the database of this server itself (data/tickets.sqlite3)."),
        (
            {"database_url": "postgresql://u:hush@db.example.com/tickets", "sample_data": "none"},
            "in the database of this server itself (tickets at db.example.com).",
        ),
    ],
    ids=["remote", "samples", "empty", "postgresql"],
)
def test_whose_tickets_these_are_is_said_without_secrets(given: dict[str, Any], sentence: str) -> None:
    database = f"sqlite:///{(CHECKOUT / 'data' / 'tickets.sqlite3').as_posix()}"
    settings: dict[str, Any] = {"database_url": SecretStr(database), "api_base_url": "embedded"} | given

    said = whose_tickets(StdioSettings(**settings))

    assert said.startswith(f"These tickets are {sentence}")
    assert "hush" not in said

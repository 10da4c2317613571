"""Prompts, resources and completion through clients that people use: the Python and TypeScript SDKs, the Inspector."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from shared.mcp_prompts.catalog import PROMPTS
from shared.mcp_resources.catalog import TEMPLATES
from tests import processes
from tests.javascript import node
from tests.processes import KEY, ROOT
from tests.test_clients import INSPECTOR

OFFERS: Final = ROOT / "tests" / "clients" / "offers.mjs"
WIRES: Final = ("sse", "http", "stdio")
NEW: Final = "2026-07-28"
ERROR: Final = "There is no ticket TCK-9999; get_ticket_list finds ids."


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the HTTP server."""
    with processes.http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


def check(seen: dict[str, Any]) -> None:
    """Check what a client reports; see tests/clients/offers.mjs."""
    assert seen["prompts"] == [spec.name for spec in PROMPTS]
    assert seen["prompt"].startswith("チケットをエスカレーションしてください。")
    assert '`get_ticket_detail {"ticketId": "TCK-0041"}`' in seen["prompt"]
    assert seen["templates"] == [spec.uri_template for spec in TEMPLATES]
    assert seen["ticket"].startswith("# Ticket TCK-0041")
    assert "| stat1 | New | no |" in seen["list"]
    assert seen["people"] == ["user3 (Tomas Okoro)"]
    assert {"TCK-0040", "TCK-0041", "TCK-0049"} <= {*seen["tickets"]}
    assert ERROR in seen["error"]


def stdio(folder: Path) -> dict[str, Any]:
    """Return what starts the STDIO server, with a database of its own."""
    return {
        "command": sys.executable,
        "args": [str(ROOT / name) for name in processes.STDIO_DOOR],
        "env": processes.environment(MCP_DATABASE_URL=processes.sqlite(folder)),
    }


@asynccontextmanager
async def python(wire: str, door: str, mode: Any, folder: Path) -> AsyncIterator[Client]:
    headers = {"x-api-key": KEY}
    async with AsyncExitStack() as stack:
        if wire == "sse":
            transport: Any = sse_client(f"{door}/sse", headers=headers)
        elif wire == "http":
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=20))
            transport = streamable_http_client(f"{door}/mcp", http_client=http)
        else:
            log = stack.enter_context((folder / "log").open("w"))
            transport = stdio_client(StdioServerParameters(**stdio(folder)), errlog=log)
        yield await stack.enter_async_context(Client(transport, mode=mode))


async def text(client: Client, uri: str) -> str:
    (content,) = (await client.read_resource(uri)).contents
    return str(getattr(content, "text", ""))


@pytest.mark.long
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("wire", WIRES)
async def test_the_python_client_reads_all_that_is_offered(door: str, wire: str, mode: Any, tmp_path: Path) -> None:
    person, ticket = PromptReference(name="escalation"), ResourceTemplateReference(uri="ticket://{id}")
    async with python(wire, door, mode, tmp_path) as client:
        given = await client.get_prompt("escalation", {"ticketId": "TCK-0041", "language": "ja"})
        seen = {
            "prompts": [one.name for one in (await client.list_prompts()).prompts],
            "prompt": getattr(given.messages[0].content, "text", ""),
            "templates": [one.uri_template for one in (await client.list_resource_templates()).resource_templates],
            "ticket": await text(client, "ticket://TCK-0041"),
            "list": await text(client, "tickets://master/statuses"),
            "people": (await client.complete(person, {"name": "toId", "value": "okoro"})).completion.values,
            "tickets": (await client.complete(ticket, {"name": "id", "value": "TCK-004"})).completion.values,
        }
        with pytest.raises(MCPError) as caught:
            await client.read_resource("ticket://TCK-9999")

    check(seen | {"error": str(caught.value)})


@pytest.mark.long
@pytest.mark.parametrize(("sdk", "mode"), [("v1", None), ("v2", {"pin": NEW})])
@pytest.mark.parametrize("wire", WIRES)
async def test_the_typescript_client_reads_all_that_is_offered(  # noqa: PLR0917 - fixtures and parameters
    door: str, node_modules: Path, wire: str, sdk: str, mode: Any, tmp_path: Path
) -> None:
    paths = {"sse": "/sse", "http": "/mcp"}
    where = stdio(tmp_path) if wire == "stdio" else {"url": door + paths[wire], "headers": {"x-api-key": KEY}}
    told = {"nodeModules": node_modules.as_posix(), "sdk": sdk, "mode": mode, wire: where}
    done = await node(str(OFFERS), json.dumps(told))

    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout))


@pytest.mark.long
@pytest.mark.parametrize(("wire", "era"), [("sse", "auto"), ("http", "legacy")])
async def test_the_inspector_reads_all_that_it_can(
    door: str, node_modules: Path, wire: str, era: str, tmp_path: Path
) -> None:
    path = {"sse": "/sse", "http": "/mcp"}[wire]
    where = ("--server-url", f"{door}{path}", "--transport", wire, "--header", f"x-api-key: {KEY}")
    homes = {name: str(tmp_path) for name in ("HOME", "USERPROFILE")}

    async def inspect(method: str, *arguments: str) -> dict[str, Any]:
        how = ("--method", method, *arguments, "--protocol-era", era, "--format", "json", "-q")
        done = await node(str(node_modules / INSPECTOR), "--cli", *where, *how, **homes)
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)["result"]
        return result

    prompts, given, templates, ticket = await asyncio.gather(
        inspect("prompts/list"),
        inspect("prompts/get", "--prompt-name", "escalation", "--prompt-args", "ticketId=TCK-0041", "language=ja"),
        inspect("resources/templates/list"),
        inspect("resources/read", "--uri", "ticket://TCK-0041"),
    )

    assert [one["name"] for one in prompts["prompts"]] == [spec.name for spec in PROMPTS]
    assert given["messages"][0]["content"]["text"].startswith("チケットをエスカレーションしてください。")
    assert [one["uriTemplate"] for one in templates["resourceTemplates"]] == [spec.uri_template for spec in TEMPLATES]
    assert ticket["contents"][0]["text"].startswith("# Ticket TCK-0041")

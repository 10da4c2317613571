"""The programs of docs/extending.md run as they are written there, for real clients on loopback."""

import json
import re
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from auth.providers import APIKeyAuthProvider
from tests.databases import add_filled_tenant
from tests.processes import KEY, ROOT, sqlite
from tests.transport.http_client import http_client
from tests.transport.serving import application_of, serve
from transport import Transport

GUIDE: Final = (ROOT / "docs" / "extending.md").read_text("utf-8")
PROGRAMS: Final = dict(re.findall(r"`(\w+\.py)`[^`]*:\n\n```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
MARY: Final = {"x-api-key": "the-key-of-mary-in-the-guide-of-extensions"}
AUDITOR: Final = {"x-api-key": "the-key-of-the-auditor-in-that-same-guide"}
Program = Callable[[str], Mapping[str, Any]]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Run a program of the guide up to its end; return its global names."""
    monkeypatch.setenv("MCP_DATABASE_URL", sqlite(tmp_path))
    for name in ("MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS"):
        monkeypatch.delenv(name, raising=False)

    def run(name: str) -> Mapping[str, Any]:
        (tmp_path / name).write_text(PROGRAMS[name], "utf-8")
        return runpy.run_path(str(tmp_path / name), run_name=name.removesuffix(".py"))

    return run


def test_the_guide_has_these_programs() -> None:
    assert set(PROGRAMS) == {"hello.py", "staff_server.py", "plain_server.py"}


async def test_a_server_of_your_own_is_served_over_every_transport(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_KEY", KEY)
    headers = {"x-api-key": KEY}
    async with serve(program("hello.py")["app"]) as url, httpx2.AsyncClient(headers=headers) as http:
        for transport in (
            sse_client(f"{url}/sse", headers=headers),
            streamable_http_client(f"{url}/mcp", http_client=http),
        ):
            async with Client(transport) as client:
                result = await client.call_tool("hello", {"name": "Ada"})
                assert result.content[0].text == "Hello, Ada!"  # type: ignore[union-attr]
        assert (await http.get(f"{url}/mcp", headers={"x-api-key": "wrong"})).status_code == 401


async def test_a_server_of_your_own_is_mounted_as_the_guide_says(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_KEY", KEY)
    (code,) = re.findall(r"`(Starlette\([^`]*\))`", GUIDE)
    outer = eval(code, {"Starlette": Starlette, "Mount": Mount, "app": program("hello.py")["app"]})  # noqa: S307 - our own page
    async with serve(outer) as url, Client(sse_client(f"{url}/tools/sse", headers={"x-api-key": KEY})) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["hello"]


async def test_an_auth_provider_of_your_own_says_who_calls_and_what_they_may_do(
    program: Program, tmp_path: Path
) -> None:
    await add_filled_tenant(sqlite(tmp_path), "acme")
    names = program("staff_server.py")
    async with serve(names["app"]) as url:
        async with http_client(url, MARY) as mary:
            await mary.call(1, "update_ticket", ticketId="TCK-0050", summary="Of acme alone", updatedById="user1")
            assert "Of acme alone" in await mary.call(2, "get_ticket_detail", ticketId="TCK-0050")
        async with httpx2.AsyncClient(headers=AUDITOR) as http:
            async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as auditor:
                tools = {tool.name for tool in (await auditor.list_tools()).tools}
                assert "get_ticket_detail" in tools
                assert "update_ticket" not in tools
            refused = await http.post(f"{url}/mcp", headers={"x-api-key": "wrong"})
            assert (refused.status_code, refused.json()["error"]["data"]["kind"]) == (401, "unauthenticated")
    provider, staff = names["StaffKeys"](names["STAFF"]), names["STAFF"]
    (digest, principal), *_ = staff.items()
    assert await provider.is_still_valid(principal)
    del staff[digest]
    assert not await provider.is_still_valid(principal)


async def test_a_transport_of_your_own_answers_behind_the_same_checks(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_MCP_API_KEY", KEY)
    names = program("plain_server.py")
    assert {"/plain", "/plain/"} <= {route.path for route in names["app"].routes if isinstance(route, Route)}
    (message,) = re.findall(r"-d '\n(.*?)'\n```", GUIDE, re.DOTALL)
    headers = {"x-api-key": KEY, "content-type": "application/json"}
    async with serve(names["app"]) as url, httpx2.AsyncClient(base_url=url, headers=headers) as client:
        response = await client.post("/plain", content=message)
        assert response.status_code == 200
        assert "In progress" in json.dumps(response.json()["result"]["content"])
        slashed = (await client.post("/plain/", content=message)).json()["result"]["structuredContent"]
        assert slashed["rows"] == response.json()["result"]["structuredContent"]["rows"]

        for content, status in (("[]", 400), ('{"jsonrpc": "2.0", "method": "x"}', 400), ("no JSON", 400)):
            assert (await client.post("/plain", content=content)).status_code == status
        for changed, status in (
            ({"x-api-key": "wrong"}, 401),
            ({"host": "foreign.example"}, 421),
            ({"origin": "http://foreign.example"}, 403),
            ({"content-type": "text/plain"}, 415),
        ):
            assert (await client.post("/plain", content=message, headers=changed)).status_code == status
        assert (await client.get("/plain")).status_code == 405


async def test_it_serves_any_server_and_drops_notifications(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_MCP_API_KEY", KEY)
    handler = program("plain_server.py")["PlainHandler"]
    server = MCPServer("chatty", log_level="CRITICAL")

    @server.tool()
    async def chat(ctx: Context) -> str:
        """Notify the client, which does not listen."""
        await ctx.session.send_resource_updated("docs://overview")
        return "done"

    transport = Transport(server, auth_provider=APIKeyAuthProvider(KEY))
    transport.add_route("/plain", handler(transport))
    message = {"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "chat", "arguments": {}}}
    async with serve(application_of(transport)) as url, httpx2.AsyncClient(headers={"x-api-key": KEY}) as client:
        said = (await client.post(f"{url}/plain", json=message)).json()
    assert (said["id"], said["result"]["content"][0]["text"]) == ("a", "done")

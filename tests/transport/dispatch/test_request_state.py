"""What a client carries between the rounds of a request: opened by every instance, and for its owner alone."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from starlette.applications import Starlette

from shared.mcp_tools import request_state
from tests.kills import kills
from tests.transport.serving import KeyPerPerson, serve
from transport.app import asgi_app

VERSION: Final = "2026-07-28"
OLD, NEW = "o" * 32, "n" * 32
FORM: Final = ElicitRequest(
    params=ElicitRequestFormParams(
        message="Which colour?", requested_schema={"type": "object", "properties": {"colour": {"type": "string"}}}
    )
)


def two_rounds(*keys: str) -> Starlette:
    """Return an instance whose only tool asks once, and says then what it had noted."""
    server: MCPServer[Any] = MCPServer(
        "rounds", log_level="CRITICAL", request_state_security=request_state.security(keys)
    )

    @server.tool()
    async def paint(ctx: Context) -> str | InputRequiredResult:
        """Ask for a colour, then use it."""
        if ctx.request_state is None:
            return InputRequiredResult(input_requests={"colour": FORM}, request_state="noted")
        return f"{ctx.request_state}, and answered"

    return asgi_app(server, auth_provider=KeyPerPerson())


async def call(url: str, person: str, **more: Any) -> dict[str, Any]:
    headers = {
        "x-api-key": f"key-{person}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": "paint",
    }
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    }
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "paint", "arguments": {}, "_meta": meta, **more},
    }
    async with httpx2.AsyncClient() as http:
        responded: dict[str, Any] = (await http.post(f"{url}/mcp", json=message, headers=headers)).json()
    return responded


@asynccontextmanager
async def asked(*keys: str) -> AsyncGenerator[dict[str, Any]]:
    """Yield what a client sends in the second round, after the first one at an instance with these keys."""
    async with serve(two_rounds(*keys)) as url:
        result = (await call(url, "me"))["result"]
    assert "noted" not in result["requestState"]
    responses = {"colour": {"action": "accept", "content": {"colour": "blue"}}}
    yield {"requestState": result["requestState"], "inputResponses": responses}


async def test_another_instance_with_the_same_keys_goes_on() -> None:
    async with asked(OLD) as second_round, serve(two_rounds(OLD)) as url:
        response = await call(url, "me", **second_round)
    assert response["result"]["content"][0]["text"] == "noted, and answered"


async def test_keys_can_be_changed_while_requests_are_on_their_way() -> None:
    async with asked(OLD) as second_round, serve(two_rounds(NEW, OLD)) as url:
        response = await call(url, "me", **second_round)
    assert response["result"]["content"][0]["text"] == "noted, and answered"


async def test_a_key_that_was_taken_out_opens_nothing() -> None:
    async with asked(OLD) as second_round, serve(two_rounds(NEW)) as url:
        response = await call(url, "me", **second_round)
    assert response["error"]["code"] == -32602


async def test_without_keys_no_other_process_goes_on() -> None:
    async with asked() as second_round, serve(two_rounds()) as url:
        response = await call(url, "me", **second_round)
    assert response["error"]["code"] == -32602


@kills("shared/mcp_tools/request_state.py", "bind_principal=_owner", "bind_principal=None")
async def test_no_one_goes_on_for_someone_else() -> None:
    async with asked(OLD) as second_round, serve(two_rounds(OLD)) as url:
        response = await call(url, "you", **second_round)
    assert response["error"]["code"] == -32602

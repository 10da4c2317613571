"""Events of a server reach the subscribers of every instance, each once."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio
import httpx2
import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.subscriptions import ToolsListChanged

from tests.kills import kills
from tests.transport.serving import KeyPerPerson, serve, until
from transport import SharedBus, asgi_app
from transport.sessions.broker import InstanceMessage
from transport.sessions.valkey.broker import ValkeyBroker

VERSION: Final = "2026-07-28"
ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}


@asynccontextmanager
async def instances(url: str) -> AsyncGenerator[list[str]]:
    """Serve on two instances a server whose tool says that a resource changed."""
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with AsyncExitStack() as stack:
        urls, brokers = [], []
        for _ in range(2):
            bus = SharedBus()
            server: MCPServer[Any] = MCPServer("events", log_level="CRITICAL", subscriptions=bus)

            @server.tool()
            async def change(ctx: Context, uri: str) -> str:
                """Say that it changed."""
                await ctx.notify_resource_updated(uri)
                return uri

            brokers.append(broker := ValkeyBroker(url, prefix=prefix))
            app = asgi_app(server, auth_provider=KeyPerPerson(), broker=broker, bus=bus)
            urls.append(await stack.enter_async_context(serve(app)))
        await until(lambda: all(one.is_up for one in brokers))
        yield urls


def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return how to send one request of 2026-07-28."""
    headers = {
        "x-api-key": "key-me",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": method,
        **({"mcp-name": params["name"]} if "name" in params else {}),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": ENVELOPE}}
    return {"json": body, "headers": headers}


@asynccontextmanager
async def listening(url: str) -> AsyncGenerator[AsyncIterator[dict[str, Any]]]:
    """Yield what a subscriber to two resources hears, from the first event on."""
    listen = request("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["ticket://1", "ticket://2"]}})
    async with (
        httpx2.AsyncClient(timeout=10) as http,
        http.stream("POST", f"{url}/mcp", **listen) as response,
    ):
        lines = response.aiter_lines()
        messages = (json.loads(line[6:]) async for line in lines if line.startswith("data: "))
        assert (await anext(messages))["method"] == "notifications/subscriptions/acknowledged"
        yield messages


@pytest.mark.usefixtures("patience")
@kills("transport/dispatch/subscriptions.py", "await self._spread(InstanceMessage(", "_ = (InstanceMessage(")
@pytest.mark.parametrize("publishes", [0, 1], ids=["here", "there"])
async def test_a_subscriber_hears_each_event_once_wherever_it_happens(broker_url: str, publishes: int) -> None:
    async with instances(broker_url) as urls, listening(urls[0]) as heard, httpx2.AsyncClient(timeout=10) as http:
        for number, at in (("1", publishes), ("3", publishes), ("2", 1)):  # the last comes after all echoes
            change = request("tools/call", {"name": "change", "arguments": {"uri": f"ticket://{number}"}})
            assert (await http.post(f"{urls[at]}/mcp", **change)).json()["result"]["isError"] is False
        uris = [(await anext(heard))["params"]["uri"] for _ in range(2)]
    assert uris == ["ticket://1", "ticket://2"]


async def test_word_that_no_one_understands_is_passed_over() -> None:
    bus, heard = SharedBus(), list[object]()
    bus.subscribe(heard.append)
    await bus.on_message(
        InstanceMessage("published", "", ("", ""), body={"method": "notifications/of/a/later/version"})
    )
    await bus.on_message(
        InstanceMessage("published", "", ("", ""), body={"method": "notifications/tools/list_changed"})
    )
    assert len(heard) == 1


async def test_who_is_here_hears_at_once_however_long_others_are_waited_for() -> None:
    bus, heard, never = SharedBus(), list[object](), asyncio.Event()
    bus.subscribe(heard.append)

    async def spread(_: InstanceMessage) -> None:
        await never.wait()

    bus.connect(spread)
    with anyio.move_on_after(0):
        await bus.publish(ToolsListChanged())
    assert heard == [ToolsListChanged()]

"""Any server of the SDK, mounted; and sessions that another instance rebuilds from their records."""

from typing import Any

import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp_types import ListToolsResult, NotificationParams
from starlette.applications import Starlette
from starlette.routing import Mount

from auth.providers import AnonymousAuthProvider, APIKeyAuthProvider
from tests.transport.serving import serve
from tests.transport.sse_client import sse_session
from transport import Limits, asgi_app


async def test_a_high_level_server_is_served_to_the_sdks_own_client() -> None:
    server = MCPServer("hello", log_level="CRITICAL")

    @server.tool()
    async def hello() -> str:
        """Say hello."""
        return "hello"

    app = asgi_app(server, auth_provider=APIKeyAuthProvider("k" * 32))
    async with serve(app) as url:
        for mode in ("legacy", "auto"):
            async with Client(sse_client(f"{url}/sse", headers={"x-api-key": "k" * 32}), mode=mode) as client:
                result = await client.call_tool("hello", {})
                assert result.content[0].text == "hello"  # type: ignore[union-attr]


async def test_a_low_level_server_without_tools_is_served_too() -> None:
    server: Server[Any] = Server("bare")
    async with serve(asgi_app(server, auth_provider=AnonymousAuthProvider())) as url, sse_session(url, {}) as client:
        assert (await client.request("ping"))["result"] == {}
        assert (await client.request("tools/list"))["error"]["code"] == -32601


async def test_a_server_that_fails_to_list_its_tools_without_a_caller_is_served() -> None:
    async def refuse(ctx: Any, params: Any) -> ListToolsResult:
        raise RuntimeError("not without a caller")

    server: Server[Any] = Server("shy", on_list_tools=refuse)
    async with serve(asgi_app(server, auth_provider=AnonymousAuthProvider())) as url, sse_session(url, {}) as client:
        assert (await client.request("ping"))["result"] == {}


async def test_a_faulty_notification_handler_costs_nothing_else() -> None:
    async def fail(ctx: Any, params: Any) -> None:
        raise RuntimeError("faulty")

    server: Server[Any] = Server("faulty")
    server.add_notification_handler("notifications/initialized", NotificationParams, fail)
    async with serve(asgi_app(server, auth_provider=AnonymousAuthProvider())) as url, sse_session(url, {}) as client:
        assert (await client.request("ping"))["result"] == {}


async def test_the_endpoint_respects_where_the_application_is_mounted() -> None:
    inner = asgi_app(Server("inner"), auth_provider=AnonymousAuthProvider(), limits=Limits(heartbeat_s=1))
    outer = Starlette(routes=[Mount("/tickets", app=inner)], lifespan=inner.router.lifespan_context)
    async with serve(outer) as url, sse_session(f"{url}/tickets", {}) as client:
        assert client.endpoint.startswith("/tickets/messages?session_id=")


@pytest.mark.parametrize("name", ["asgi_app", "Limits", "Transport", "TransportHandler"])
def test_what_other_programs_use_is_exported(name: str) -> None:
    import transport

    assert name in transport.__all__
    assert hasattr(transport, name)

"""Any server of the SDK, mounted; and sessions that another instance rebuilds from their records."""

from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp_types import CallToolResult, ListToolsResult, NotificationParams, Tool
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.providers import AnonymousAuthProvider, APIKeyAuthProvider
from shared.identity import Principal
from tests.kills import kills
from tests.transport.http_client import http_client
from tests.transport.serving import serve
from tests.transport.sse_client import sse_session
from tests.transport.test_streamable_http_stateless import said, tool
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


@pytest.mark.parametrize(
    "name",
    [
        *("asgi_app", "Limits", "Transport", "TransportHandler"),
        *("Caller", "HTTPRefusalError", "HTTPRequest", "HTTPResponse"),
    ],
)
def test_what_other_programs_use_is_exported(name: str) -> None:
    import transport

    assert name in transport.__all__
    assert hasattr(transport, name)


# --------------------------------------------------------------------- what a mounted server is asked (D26)


def with_prompts() -> MCPServer[Any]:
    server = MCPServer("prompts", log_level="CRITICAL")

    @server.prompt()
    async def greet(name: str) -> str:
        """Greet a person."""
        return f"Hello, {name}."

    return server


@kills("transport/dispatch/sdk_kernel.py", "await prompt_problem(self._high_level, request.params or {})", "None")
@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", None])
@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({"name": "nothing"}, -32602, "Unknown prompt: 'nothing'"),
        ({"name": "greet"}, -32602, "Missing prompt arguments: name"),
        ({"name": "greet", "arguments": {"other": "x"}}, -32602, "Missing prompt arguments: name"),
    ],
)
async def test_a_prompt_that_cannot_be_made_is_the_clients_mistake(
    version: str | None, params: dict[str, Any], code: int, text: str
) -> None:
    app = asgi_app(with_prompts(), auth_provider=AnonymousAuthProvider())
    message = {"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": params}
    if version is None:
        message["params"] = params | {"_meta": tool("x")["params"]["_meta"]}
    async with serve(app) as url, http_client(url, {}, version) as client:
        response = await (said(client, message) if version is None else client.post(message))
        error = response.responses(1)[0]["error"]
    assert (error["code"], error["message"]) == (code, text)


async def test_a_prompt_that_can_be_made_is() -> None:
    app = asgi_app(with_prompts(), auth_provider=AnonymousAuthProvider())
    async with serve(app) as url, http_client(url, {}) as client:
        got = await client.post(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "prompts/get",
                "params": {"name": "greet", "arguments": {"name": "X"}},
            }
        )
        assert got.responses(1)[0]["result"]["messages"][0]["content"]["text"] == "Hello, X."


class Listing:
    """A low-level server with one tool, in which an argument is repeated in a header; notes how it was listed."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[Any] = []
        self._fails = fails
        self.server: Server[Any] = Server("lists", on_list_tools=self.list_tools, on_call_tool=self.call_tool)

    async def list_tools(self, ctx: Any, params: Any) -> ListToolsResult:
        """Return the tool on the second of two pages."""
        self.asked.append(ctx.request)
        if self._fails:
            raise RuntimeError("not to strangers")
        if params is None or params.cursor is None:
            return ListToolsResult(tools=[], next_cursor="more")
        region = {"type": "string", "x-mcp-header": "Region"}
        schema = {"type": "object", "properties": {"region": region}}
        return ListToolsResult(tools=[Tool(name="route", input_schema=schema)])

    async def call_tool(self, ctx: Any, params: Any) -> CallToolResult:
        """Return nothing."""
        return CallToolResult(content=[])


async def test_a_server_is_not_asked_for_its_tools_before_a_client_asks() -> None:
    listing = Listing()
    app = asgi_app(listing.server, auth_provider=AnonymousAuthProvider())
    async with serve(app) as url, sse_session(url, {}) as client:
        await client.call("route", region="eu")
        assert listing.asked == []
        await client.request("tools/list")
        assert len(listing.asked) == 1


@kills("transport/dispatch/sdk_kernel.py", 'if "nextCursor" not in result:', "if True:")
async def test_headers_are_compared_with_the_tools_that_their_own_caller_is_shown() -> None:
    listing = Listing()
    app = asgi_app(listing.server, auth_provider=APIKeyAuthProvider("k" * 32))
    async with serve(app) as url, http_client(url, {"x-api-key": "k" * 32}, None) as client:
        message = tool("route", region="eu")
        refused = await said(client, message, **{"mcp-param-region": "us"})
        assert (refused.status, refused.received[0]["error"]["code"]) == (400, -32020)
        assert [caller.principal.id for caller in listing.asked] == ["service-account"] * 2, "two pages, one caller"
        assert (await said(client, message, **{"mcp-param-region": "eu"})).status == 200
        assert len(listing.asked) == 2, "what was listed is remembered"


async def test_a_listing_that_fails_keeps_no_call_from_being_made() -> None:
    listing = Listing(fails=True)
    app = asgi_app(listing.server, auth_provider=AnonymousAuthProvider())
    async with serve(app) as url, http_client(url, {}, None) as client:
        assert (await said(client, tool("route", region="eu"))).status == 200
    assert len(listing.asked) == 1


async def test_middleware_of_the_application_stands_before_the_endpoints() -> None:
    seen: list[str] = []

    class Watch:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["type"])
            await self._app(scope, receive, send)

    app = asgi_app(Server("watched"), auth_provider=AnonymousAuthProvider())
    app.add_middleware(Watch)
    async with serve(app) as url, httpx2.AsyncClient() as client:
        await client.get(f"{url}/mcp")
        await client.get(f"{url}/nothing")
    assert seen.count("http") == 2


async def test_an_unexpected_error_of_an_endpoint_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(AnonymousAuthProvider):
        async def authenticate(self, request: HTTPConnection) -> Principal:
            raise RuntimeError("faulty")

    async with serve(asgi_app(Server("faulty"), auth_provider=Faulty())) as url, httpx2.AsyncClient() as client:
        response = await client.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert response.status_code == 500
    assert response.text == "Internal Server Error"
    assert "Exception in ASGI application" in caplog.text

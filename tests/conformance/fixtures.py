"""The server that the suite expects: all its fixtures, and the errors that the protocol requires."""

from typing import Any, Final

from mcp.server import MCPServer, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.server.request_state import RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, SubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from tests.conformance.asking import add_asking
from tests.conformance.content import add_content, add_running_commentary, first_tools
from tests.conformance.documents import add_prompts, add_resources
from tests.conformance.rounds import add_rounds
from tests.conformance.stateless import add_stateless
from transport.dispatch.sdk_kernel import lowlevel

STATE_KEY: Final = "only-for-the-request-state-of-tests"
"""The same in every process, because each round of a request may reach another instance."""


def fixture_server(bus: SubscriptionBus | None = None) -> MCPServer[Any]:
    """Return a server with every fixture.

    Args:
        bus: carries changes to subscribers; by default within this process.
    """
    server: MCPServer[Any] = MCPServer(
        "conformance",
        version="1.0.0",
        tools=first_tools(),
        log_level="CRITICAL",
        subscriptions=InMemorySubscriptionBus() if bus is None else bus,
        request_state_security=RequestStateSecurity(keys=[STATE_KEY], bind_principal=_principal),
    )
    add_content(server)
    add_running_commentary(server)
    add_asking(server)
    add_rounds(server)
    add_stateless(server)
    add_resources(server)
    add_prompts(server)
    _add_handshake_methods(server)
    server.middleware.append(_ProtocolErrors(server))
    return server


def _principal(ctx: ServerRequestContext[Any, Any]) -> str | None:
    """Return who may continue a request state: the SDK would use its own authentication, which is not ours."""
    caller: Any = ctx.request
    return "/".join(caller.principal.key)


async def _done(_: ServerRequestContext[Any, Any], __: Any) -> EmptyResult:
    return EmptyResult()


def _add_handshake_methods(server: MCPServer[Any]) -> None:
    """Add methods that `MCPServer` itself does not implement, because 2026-07-28 no longer has them."""
    handlers = lowlevel(server)
    handlers.add_request_handler("logging/setLevel", SetLevelRequestParams, _done)
    handlers.add_request_handler("resources/subscribe", SubscribeRequestParams, _done)
    handlers.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, _done)


class _ProtocolErrors:
    """Middleware: an unknown tool or prompt, or a prompt without an argument, is a JSON-RPC error, not a result."""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        params = ctx.params or {}
        name = params.get("name")
        if ctx.method == "tools/call" and name not in {tool.name for tool in await self._server.list_tools()}:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {name!r}")
        if ctx.method == "prompts/get":
            prompts = {prompt.name: prompt for prompt in await self._server.list_prompts()}
            if name not in prompts:
                raise MCPError(INVALID_PARAMS, f"Unknown prompt: {name!r}")
            needed = {one.name for one in prompts[name].arguments or () if one.required}
            if missing := needed - (params.get("arguments") or {}).keys():
                raise MCPError(INVALID_PARAMS, f"Missing prompt arguments: {', '.join(sorted(missing))}")
        return await call_next(ctx)

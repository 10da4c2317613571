"""Calls of this server's own tools without the SDK's registry and models between a request and its tool.

What the SDK does for a call takes more time than most of our tools, and nothing of it is needed here: a tool checks its
arguments itself, and its result has one form. tests/transport/test_direct_calls.py compares both ways, byte by byte.
"""

from collections.abc import Callable, Collection, Coroutine, Iterable
from functools import partial
from typing import Any

from mcp.server import MCPServer, ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from shared.mcp_tools.tool import TicketTool


class OwnTools:
    """The tools of a server, behind the same middlewares as every request of it.

    Args:
        server: the server, with all of its middlewares.
        tools: its tools.
        idle: types of middlewares that pass every call which `call` takes on as it is: they are left out.
    """

    def __init__(self, server: MCPServer[Any], tools: Iterable[TicketTool], idle: Collection[type]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._server = server
        self._middlewares = list(server.middleware)
        self.call: Callable[[ServerRequestContext[Any, Any]], Coroutine[Any, Any, Any]] = self._run
        """Returns the result of a call as it is sent, but for `_meta`. Raises MCPError where a middleware refuses it.

        Its request's parameters have the `name` of a tool and, if any, `arguments` that are an object.
        """
        for middleware in reversed(self._middlewares):
            if type(middleware) not in idle:
                self.call = partial(middleware, call_next=self.call)

    def has(self, name: object) -> bool:
        """Whether `call` takes calls of the tool `name`: none once the server has other middlewares than at first."""
        return isinstance(name, str) and name in self._tools and self._server.middleware == self._middlewares

    async def _run(self, ctx: ServerRequestContext[Any, Any]) -> dict[str, Any]:
        params = ctx.params or {}
        text, structured, is_error = await self._tools[params["name"]].run(params.get("arguments") or {}, ctx)
        completes = {"resultType": "complete"} if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else {}
        content = [{"text": text, "type": "text"}]
        return {"content": content, "isError": is_error, **completes, "structuredContent": structured}

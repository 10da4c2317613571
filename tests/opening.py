"""What the server answers at the beginning of a conversation, asked of the server itself: `bootstrap/opening.json`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from shared.api_client import APIClient
from shared.mcp_tools.tenant_tools import SingleToolsProvider
from shared.server import build_server
from shared.tools import TicketTools

REVISIONS: Final = tuple(HANDSHAKE_PROTOCOL_VERSIONS)
"""Those with a handshake, oldest first."""
META: Final = "io.modelcontextprotocol/"
ENVELOPE: Final = {"_meta": {f"{META}protocolVersion": "2026-07-28", f"{META}clientCapabilities": {}}}


class Conversation:
    """One client of the server, in this process."""

    def __init__(self, to_server: Any, from_server: Any) -> None:
        self._to_server, self._from_server = to_server, from_server

    async def say(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Send a message and return its response; None for a notification."""
        await self._to_server.send(SessionMessage(jsonrpc_message_adapter.validate_python(message)))
        if "id" not in message:
            return None
        response = (await self._from_server.receive()).message
        sent: dict[str, Any] = response.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return sent

    async def result(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of a request."""
        response = await self.say({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}})
        assert response is not None
        found: dict[str, Any] = response["result"]
        return found


@asynccontextmanager
async def conversation(*, read_only: bool = False) -> AsyncGenerator[Conversation]:
    """Start a conversation with the server, as over STDIO."""
    tools = SingleToolsProvider(TicketTools(APIClient("http://unused", api_key="unused")))
    server = build_server(tools, read_only=read_only)
    server.streamable_http_app()
    low = server.session_manager.app
    to_server, read = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    write, from_server = anyio.create_memory_object_stream[SessionMessage](1)
    with to_server, read, write, from_server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(low.run, read, write, low.create_initialization_options())
            yield Conversation(to_server, from_server)
            tasks.cancel_scope.cancel()


def initialize(revision: str, **changed: Any) -> dict[str, Any]:
    """Return the parameters of `initialize`."""
    given = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "client", "version": "1"}}
    return given | changed


async def opening() -> dict[str, Any]:
    """Return what `bootstrap/opening.json` should contain."""
    async with conversation() as one:
        handshake = await one.result("initialize", initialize(REVISIONS[-1]))
        tools = await one.result("tools/list")
    async with conversation() as one:
        discovered = await one.result("server/discover", ENVELOPE)
        listed = await one.result("tools/list", ENVELOPE)
    async with conversation(read_only=True) as one:
        reads = await one.result("initialize", initialize(REVISIONS[-1]))
    del handshake["protocolVersion"]
    return {
        "revisions": REVISIONS,
        "initialize": handshake,
        "read only": {"instructions": reads["instructions"]},
        "tools/list": tools,
        "modern": {"server/discover": discovered, "tools/list": listed},
    }

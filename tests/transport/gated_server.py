"""A server of the MCP SDK with tools for tests: they wait at gates, send requests, fail, or return too much."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import LoggingMessageNotification, LoggingMessageNotificationParams, ToolAnnotations
from pydantic import BaseModel, Field

READS = ToolAnnotations(read_only_hint=True)


class Colour(BaseModel):
    colour: str


class Gates:
    """Gates at which tools wait, and how often each tool ran."""

    def __init__(self) -> None:
        self.open: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.cancelled: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.ran: Counter[str] = Counter()

    async def wait(self, name: str) -> None:
        """Record that `name` was reached, and wait until it is opened."""
        self.ran[name] += 1
        self.reached[name].set()
        try:
            await self.open[name].wait()
        except asyncio.CancelledError:
            self.cancelled[name].set()
            raise


def gated_server() -> tuple[MCPServer[Any], Gates]:
    """Return a server, and the gates of its tools."""
    gates = Gates()
    server = MCPServer("gated", log_level="CRITICAL")

    @server.tool(annotations=READS)
    async def echo(text: str) -> str:
        """Return the text."""
        gates.ran["echo"] += 1
        return text

    @server.tool(annotations=READS)
    async def read(gate: str) -> str:
        """Wait at a gate; read-only."""
        await gates.wait(gate)
        return gate

    @server.tool()
    async def write(gate: str) -> str:
        """Wait at a gate; may change something."""
        await gates.wait(gate)
        return gate

    @server.tool()
    async def stubborn(gate: str) -> str:
        """Wait at a gate, and respond even when cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            await gates.wait(gate)
        return gate

    @server.tool(annotations=READS)
    async def fill(size: int) -> str:
        """Return a text of this size."""
        return "x" * size

    @server.tool(annotations=READS)
    async def route(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "") -> str:
        """Return an argument that clients of 2026-07-28 repeat in a header."""
        gates.ran["route"] += 1
        return region

    _offer_what_talks_back(server)
    _offer_what_uses_streams(server, gates)
    return server, gates


def _offer_what_talks_back(server: MCPServer[Any]) -> None:
    @server.tool()
    async def ask(ctx: Context) -> str:
        """Ask the user of the client."""
        response = await ctx.elicit("Which colour?", Colour)
        return response.model_dump_json()

    @server.tool(annotations=READS)
    async def report(ctx: Context, steps: int) -> str:
        """Report progress."""
        for step in range(steps):
            await ctx.report_progress(step, steps)
        return "done"

    @server.tool(annotations=READS)
    async def whoami(ctx: Context) -> str:
        """Return what a handler knows about its caller."""
        caller: Any = ctx.request_context.request
        return f"{caller.principal.id} {sorted(caller.headers)}"

    @server.tool(annotations=READS)
    async def which_client(ctx: Context) -> str:
        """Return the name that the client sent."""
        known = ctx.session.client_params
        return "" if known is None or known.client_info is None else known.client_info.name

    @server.prompt()
    async def broken() -> str:
        """Fail with a secret in the text."""
        raise RuntimeError("the secret is tkt_live_abc")


def _offer_what_uses_streams(server: MCPServer[Any], gates: Gates) -> None:
    @server.tool(annotations=READS)
    async def start_and_wait(ctx: Context, gate: str) -> str:
        """Report progress and write to the log, then wait at a gate."""
        await ctx.report_progress(1, 2)
        started = LoggingMessageNotificationParams(level="info", data="started")
        note = LoggingMessageNotification(method="notifications/message", params=started)
        await ctx.session.send_notification(note, related_request_id=ctx.request_id)
        await gates.wait(gate)
        return gate

    @server.tool(annotations=READS)
    async def hang_up(ctx: Context, gate: str) -> str:
        """Close the stream of this call, then wait at a gate."""
        await ctx.close_sse_stream()
        await gates.wait(gate)
        return gate

    @server.tool(annotations=READS)
    async def announce(ctx: Context) -> str:
        """Send a notification that belongs to no call."""
        await ctx.session.send_tool_list_changed()
        return "announced"

    @server.tool(annotations=READS)
    async def tell_subscribers(ctx: Context) -> str:
        """Notify subscribers that the tools changed."""
        await ctx.notify_tools_changed()
        return "notified"

    @server.tool(annotations=READS)
    async def talk(ctx: Context, times: int, size: int) -> str:
        """Send much progress."""
        try:
            for time in range(times):
                await ctx.report_progress(time, times, "x" * size)
        except asyncio.CancelledError:
            gates.cancelled["talk"].set()
            raise
        return "said"

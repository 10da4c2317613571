"""A server of the MCP SDK whose tools do what tests need: wait on gates, ask back, fail, answer too much."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations
from pydantic import BaseModel

READS = ToolAnnotations(read_only_hint=True)


class Colour(BaseModel):
    colour: str


class Gates:
    """Gates that tools wait at, and how often each tool ran."""

    def __init__(self) -> None:
        self.open: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.cancelled: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.ran: Counter[str] = Counter()

    async def wait(self, name: str) -> None:
        """Say that `name` was reached, and wait until it is opened."""
        self.ran[name] += 1
        self.reached[name].set()
        try:
            await self.open[name].wait()
        except asyncio.CancelledError:
            self.cancelled[name].set()
            raise


def gated_server() -> tuple[MCPServer[Any], Gates]:
    """Return a server and the gates of its tools."""
    gates = Gates()
    server = MCPServer("gated", log_level="CRITICAL")

    @server.tool(annotations=READS)
    async def echo(text: str) -> str:
        """Return the text."""
        gates.ran["echo"] += 1
        return text

    @server.tool(annotations=READS)
    async def read(gate: str) -> str:
        """Wait at a gate; only reads."""
        await gates.wait(gate)
        return gate

    @server.tool()
    async def write(gate: str) -> str:
        """Wait at a gate; may change something."""
        await gates.wait(gate)
        return gate

    @server.tool()
    async def stubborn(gate: str) -> str:
        """Wait at a gate, and answer even when cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            await gates.wait(gate)
        return gate

    @server.tool(annotations=READS)
    async def fill(size: int) -> str:
        """Return much."""
        return "x" * size

    _offer_what_talks_back(server)
    return server, gates


def _offer_what_talks_back(server: MCPServer[Any]) -> None:
    @server.tool()
    async def ask(ctx: Context) -> str:
        """Ask the person at the other end."""
        answer = await ctx.elicit("Which colour?", Colour)
        return answer.model_dump_json()

    @server.tool(annotations=READS)
    async def report(ctx: Context, steps: int) -> str:
        """Report progress."""
        for step in range(steps):
            await ctx.report_progress(step, steps)
        return "done"

    @server.tool(annotations=READS)
    async def whoami(ctx: Context) -> str:
        """Return what a handler knows of its caller."""
        caller: Any = ctx.request_context.request
        return f"{caller.principal.id} {sorted(caller.headers)}"

    @server.tool(annotations=READS)
    async def which_client(ctx: Context) -> str:
        """Return the name that the client gave itself."""
        known = ctx.session.client_params
        return "" if known is None or known.client_info is None else known.client_info.name

    @server.prompt()
    async def broken() -> str:
        """Fail with a secret in the text."""
        raise RuntimeError("the secret is tkt_live_abc")

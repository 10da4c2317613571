"""What each server lists over STDIO, and what that costs a model."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from shared.wire_json import encode
from tests.o200k import o200k
from tests.peers.servers import SERVERS, SHOWN_BY, Server

ANSWER_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one server lists."""

    server: Server
    tools: Sequence[dict[str, Any]]
    """Name, description and input of each: what clients give a model."""
    prompts: int
    resources: int
    """With its templates."""
    completes: bool
    tokens: int = 0

    def shown(self, ability: str) -> list[str]:
        """Return the tools, or arguments of tools, that show an ability."""
        there = set(_names(self.tools))
        return [name for name in SHOWN_BY[ability] if name in there]


def _names(tools: Sequence[dict[str, Any]]) -> Iterator[str]:
    for tool in tools:
        yield tool["name"]
        yield from (f"{tool['name']}.{argument}" for argument in tool["inputSchema"].get("properties", ()))


async def measure(folder: Path) -> list[Measured]:
    """Start each server and ask for its lists; `folder` takes files."""
    listed = [await _listed(server, folder) for server in SERVERS]
    counts = await o200k([encode(one.tools).decode() for one in listed], folder)
    return [
        Measured(one.server, one.tools, one.prompts, one.resources, one.completes, tokens)
        for one, tokens in zip(listed, counts, strict=True)
    ]


async def _listed(server: Server, folder: Path) -> Measured:
    home = folder / server.name.replace(" ", "-")
    home.mkdir()
    command, *arguments = await asyncio.to_thread(server.command)
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONHASHSEED": "0",  # a schema that lists a set takes other tokens in another order
        **server.settings,
    }
    started = StdioServerParameters(command=command, args=arguments, env=settings, cwd=home)
    with (home / "stderr").open("w") as log:
        async with asyncio.timeout(ANSWER_S), Client(stdio_client(started, errlog=log)) as client:
            tools = (await client.list_tools()).tools
            resources = len((await client.list_resources()).resources)
            return Measured(
                server,
                [{"name": one.name, "description": one.description, "inputSchema": one.input_schema} for one in tools],
                len((await client.list_prompts()).prompts) if client.server_capabilities.prompts else 0,
                resources + len((await client.list_resource_templates()).resource_templates),
                client.server_capabilities.completions is not None,
            )

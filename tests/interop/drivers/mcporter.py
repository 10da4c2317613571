"""mcporter's command line.

It exits with 1 for an error of a tool, and for failures, which it describes as JSON.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.interop.drivers.command_line import execute, refusal
from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    config = Path.home() / "mcporter.json"
    server = {"url": received.url, "headers": dict(received.headers)}
    config.write_text(json.dumps({"mcpServers": {"tickets": server}, "imports": []}), "utf-8")
    mcporter = (*received.command, "--config", str(config))

    async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        given = (f"tickets.{tool}", "--args", json.dumps(arguments), "--output", "text")
        ended = await execute(*mcporter, "call", *given)
        return ended.stdout or ended.stderr, ended.code != 0

    listed = await execute(*mcporter, "list", "tickets", "--json", "--no-oauth")
    if listed.code:
        raise refusal(listed)
    yield Connection("", [tool["name"] for tool in json.loads(listed.stdout)["tools"]], call)


if __name__ == "__main__":
    run(connect)

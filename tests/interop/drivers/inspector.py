"""The Inspector's command line.

Its exit codes: 0, 5 for an error of a tool, and others for failures, which it explains on stderr.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.interop.drivers.command_line import execute, refusal
from tests.interop.drivers.common import Connection, Reported, run

TOOL_ERROR: Final = 5


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    async def inspect(*arguments: str) -> Any:
        ended = await execute(*received.command, *arguments)
        if ended.code not in {0, TOOL_ERROR}:
            raise refusal(ended)
        return json.loads(ended.stdout)["result"]

    async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        given = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        result = await inspect("--method", "tools/call", *given)
        return result["content"][0]["text"], result.get("isError", False)

    greeted = await inspect("--method", "initialize")
    listed = await inspect("--method", "tools/list")
    yield Connection(greeted["protocolVersion"], [tool["name"] for tool in listed["tools"]], call)


if __name__ == "__main__":
    run(connect)

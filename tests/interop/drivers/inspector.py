"""The Inspector's command line: one process for each step, as in a shell. Runs in the tests' own environment.

Its exit codes: 0, 5 for an error of a tool, and others for failures, which it explains on stderr.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.interop.drivers.common import Connection, Reported, run

TOOL_ERROR: Final = 5


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    async def inspect(*arguments: str) -> Any:
        program = await asyncio.create_subprocess_exec(
            *received.command, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        stdout, stderr = await program.communicate()
        if program.returncode not in {0, TOOL_ERROR}:
            raise RuntimeError(f"exit code {program.returncode}: {stderr.decode()}")
        return json.loads(stdout)["result"]

    async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        given = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        result = await inspect("--method", "tools/call", *given)
        return result["content"][0]["text"], result.get("isError", False)

    greeted = await inspect("--method", "initialize")
    listed = await inspect("--method", "tools/list")
    yield Connection(greeted["protocolVersion"], [tool["name"] for tool in listed["tools"]], call)


if __name__ == "__main__":
    run(connect)

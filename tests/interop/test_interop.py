"""Every client of `rows` against a real HTTP server process, which is restarted under it, and with a wrong key."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests import processes
from tests.interop import environments
from tests.interop.commands import NODE
from tests.interop.drive import judge
from tests.interop.rows import ROWS, Row
from tests.processes import RestartableDoor

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300, func_only=True),  # a set-up may have to install the clients first
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableDoor]:
    """The HTTP server, once the clients are installed."""
    environments.make()
    with RestartableDoor(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_client_works_meets_a_restart_as_its_row_says_and_says_that_its_key_is_wrong(
    row: Row, server: RestartableDoor, tmp_path: Path
) -> None:
    assert judge(row, server, tmp_path) == []


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
async def test_the_bridge_of_the_readme_reaches_a_server_that_asks_for_a_key(
    readme: str, server: RestartableDoor, tmp_path: Path
) -> None:
    text = (processes.ROOT / readme).read_text("utf-8")
    (block,) = re.findall(r"```json\n([^`]*mcp-remote[^`]*)```", text)
    entry = json.loads(block)["mcpServers"]["tickets"]
    package, url, *rest = entry["args"][1:]
    assert (entry["command"], package) == ("npx", f"mcp-remote@{environments.version('mcp-remote', 'node')}")
    proxy = environments.node_modules("node") / "mcp-remote" / "dist" / "proxy.js"
    args = [str(proxy), url.replace("https://tickets.example.com", server.address), *rest]
    (name,) = entry["env"]
    bridge = StdioServerParameters(command=NODE, args=args, env={name: processes.KEY, "HOME": str(tmp_path)})

    async with Client(stdio_client(bridge)) as client:
        result = await client.call_tool("get_statuses", {})

    assert not result.is_error

"""Every client of `rows` against a real HTTP server process, with the right key and with a wrong one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests import processes
from tests.interop import environments
from tests.interop.drive import NODE, complaints, complaints_when_refused, drive
from tests.interop.rows import ROWS, Row

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(func_only=True),  # a set-up may have to install the clients first
]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the HTTP server, once the clients are installed."""
    environments.make()
    with processes.http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_client_lists_reads_creates_and_learns_of_its_mistake(row: Row, door: str, tmp_path: Path) -> None:
    seen = drive(row, door, processes.KEY, tmp_path)

    assert list(complaints(row, seen)) == [], seen.said


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.usefixtures("door")  # the clients are installed
def test_a_client_with_a_wrong_key_says_so_and_ends(row: Row, tmp_path: Path) -> None:
    with processes.http_door(tmp_path) as (address, _):  # fresh: failed keys of all clients together would be throttled
        seen = drive(row, address, "wrong", tmp_path)

    assert list(complaints_when_refused(row, seen)) == []


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
async def test_the_bridge_of_the_readme_reaches_a_server_that_asks_for_a_key(
    readme: str, door: str, tmp_path: Path
) -> None:
    text = (processes.ROOT / readme).read_text("utf-8")
    (block,) = re.findall(r"```json\n([^`]*mcp-remote[^`]*)```", text)
    entry = json.loads(block)["mcpServers"]["tickets"]
    package, url, *rest = entry["args"][1:]
    assert (entry["command"], package) == ("npx", f"mcp-remote@{environments.version('mcp-remote', 'node')}")
    proxy = environments.node_modules("node") / "mcp-remote" / "dist" / "proxy.js"
    args = [str(proxy), url.replace("https://tickets.example.com", door), *rest]
    (name,) = entry["env"]
    server = StdioServerParameters(command=NODE, args=args, env={name: processes.KEY, "HOME": str(tmp_path)})

    async with Client(stdio_client(server)) as client:
        result = await client.call_tool("get_statuses", {})

    assert not result.is_error

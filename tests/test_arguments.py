"""Tools as every wire lists them (case C10), and arguments that are no object (C13): the same on all of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.processes import KEY, http_door
from tests.renew import SNAPSHOT
from tests.shared.given import TICKET
from tests.shared.mcp_tools.schema_lint import complaints
from tests.wires import WIRES, asking

ME: Final = {"x-api-key": KEY}
FILE: Final = {"fileName": "a.txt", "fileUrl": "https://files.example.com/a.txt"}
NO_OBJECT: Final[tuple[Any, ...]] = ([], 5, True, "limit=3", "[]", '"{}"', '{"limit": ')


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


@pytest.mark.parametrize("wire", WIRES)
async def test_tools_are_listed_and_called_alike_on_every_wire(door: str, tmp_path: Path, wire: str) -> None:
    async with asking(wire, door, ME, tmp_path) as ask:
        listed = (await ask("tools/list", {}))["result"]["tools"]
        read = [
            await ask("tools/call", {"name": "get_ticket_list", "arguments": arguments})
            for arguments in ('{"limit": 3}', "{}", "", "null", None)
        ]
        refused = [await ask("tools/call", {"name": "get_ticket_list", "arguments": one}) for one in NO_OBJECT]
        text = json.dumps(TICKET | {"summary": f"文字 {wire}", "attachments": [json.dumps(FILE)]})
        created = await ask("tools/call", {"name": "create_ticket", "arguments": text})

    inputs = [one for tool in listed for one in complaints(tool["inputSchema"], needs_items=True)]
    outputs = [one for tool in listed for one in complaints(tool.get("outputSchema", NO_OUTPUT), needs_items=False)]
    assert (len(listed), inputs, outputs) == (len(TOOLS), [], [])
    assert [tool["inputSchema"] for tool in listed] == [tool["inputSchema"] for tool in TOOLS]
    assert [len(one["result"]["content"]) for one in read] == [1] * len(read)
    assert [rows(one) for one in read] == [3, 20, 20, 20, 20]
    assert {one["error"]["code"] for one in refused} == {-32602}
    assert all("must be a JSON object, for example" in one["error"]["message"] for one in refused)
    assert f"文字 {wire}" in created["result"]["content"][0]["text"]


NO_OUTPUT: Final = {"type": "object", "properties": {}}
TOOLS: Final = json.loads(SNAPSHOT.read_text("utf-8"))


def rows(response: dict[str, Any]) -> int:
    """Return how many tickets a list shows."""
    return int(response["result"]["content"][0]["text"].count("\n| TCK-"))


async def test_an_unknown_tool_is_named_before_its_arguments(door: str, tmp_path: Path) -> None:
    async with asking("2025-11-25", door, ME, tmp_path) as ask:
        response = await ask("tools/call", {"name": "nothing", "arguments": []})

    assert response["error"]["message"] == "Unknown tool: 'nothing'"

"""What the suite does not check: the fixture server refuses unknown names as the protocol requires."""

from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from tests.conformance.fixtures import fixture_server


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_unknown_tool_is_a_json_rpc_error(mode: Any) -> None:
    async with Client(fixture_server(), mode=mode) as client:
        with pytest.raises(MCPError, match="Unknown tool: 'greet'") as refused:
            await client.call_tool("greet", {})

    assert refused.value.error.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("prompt", "arguments", "said"),
    [
        ("test_no_prompt", {}, "Unknown prompt: 'test_no_prompt'"),
        ("test_prompt_with_arguments", {"arg2": "a"}, "Missing prompt arguments: arg1"),
    ],
)
async def test_a_prompt_that_cannot_be_given_is_a_json_rpc_error(
    prompt: str, arguments: dict[str, str], said: str
) -> None:
    async with Client(fixture_server()) as client:
        with pytest.raises(MCPError, match=said) as refused:
            await client.get_prompt(prompt, arguments)

    assert refused.value.error.code == INVALID_PARAMS

"""What the server says of itself: nothing that it does not do, and nothing twice."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, CacheableResult, EmptyResult, PromptReference, SubscriptionsListenRequest

from shared.announcements import FRESH_MS
from tests.shared.given import World, world

ERAS: tuple[Literal["auto", "legacy"], ...] = ("auto", "legacy")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world("existing", tmp_path) as opened:
        yield opened


def shown(capabilities: Any) -> dict[str, Any]:
    """Return what is declared to be there; false is the same as nothing."""
    declared: dict[str, Any] = capabilities.model_dump(by_alias=True, exclude_none=True)
    return {name: {flag for flag, is_set in of.items() if is_set} for name, of in declared.items()}


@pytest.mark.parametrize("era", ERAS)
async def test_only_what_there_is_is_declared(here: World, era: Literal["auto", "legacy"]) -> None:
    async with Client(here.server, mode=era) as client:
        assert client.server_capabilities is not None
        there_are = {"tools", "prompts", "resources", "completions"}
        assert shown(client.server_capabilities) == {name: set() for name in there_are}
        assert (await client.list_tools()).tools
        assert (await client.list_prompts()).prompts
        assert (await client.list_resources()).resources
        assert (await client.complete(PromptReference(name="triage"), {"name": "language", "value": ""})).completion


async def test_what_is_not_declared_is_not_served(here: World) -> None:
    async with Client(here.server) as client:
        with pytest.raises(MCPError) as caught:
            await client.session.send_request(SubscriptionsListenRequest(params={"notifications": {}}), EmptyResult)

    assert caught.value.error.code == METHOD_NOT_FOUND


async def test_lists_may_be_kept_for_minutes_by_the_caller_alone(here: World) -> None:
    async with Client(here.server) as client:
        results: list[CacheableResult] = [
            await client.list_tools(), await client.list_resources(), await client.list_prompts(),
            await client.list_resource_templates(), await client.read_resource("docs://overview"),
        ]  # fmt: skip

    assert [(result.ttl_ms, result.cache_scope) for result in results] == [(FRESH_MS, "private")] * 5


async def test_the_title_of_a_tool_is_sent_once_where_every_client_reads_it(here: World) -> None:
    titles = {}
    for era in ERAS:
        async with Client(here.server, mode=era) as client:
            tools = (await client.list_tools()).tools
        titles[era] = {(tool.title, tool.annotations.title) for tool in tools if tool.annotations}

    assert all(title and inside is None for title, inside in titles["auto"])
    assert all(title == inside for title, inside in titles["legacy"])

"""The MCP server as clients see it: what it lists, what it refuses and how, and what it never reveals."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Tool

from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.overview import OVERVIEW
from shared.mcp_tools.tenant_tools import SingleToolsProvider
from shared.server import build_server
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.renew import wire_form
from tests.shared.given import TICKET, World, hangs, rows_of, text_of, world

TODAY = [
    "get_ticket_list",
    "get_ticket_detail",
    "create_ticket",
    "update_ticket",
    "add_ticket_history",
    "get_users",
    "get_accounts",
    "get_categories",
    "get_category_details",
    "get_statuses",
    "get_request_channels",
]
ERAS: tuple[Literal["auto", "legacy"], ...] = ("auto", "legacy")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world("existing", tmp_path) as opened:
        yield opened


async def listed(here: World) -> list[Tool]:
    async with Client(here.server) as client:
        return (await client.list_tools()).tools


async def test_todays_tools_come_first_and_in_order(here: World) -> None:
    assert [tool.name for tool in await listed(here)][: len(TODAY)] == TODAY


async def test_the_list_costs_at_most_six_thousand_tokens(here: World) -> None:
    assert len(json.dumps(wire_form(await listed(here)), ensure_ascii=False)) / 4 <= 6_000


async def test_every_tool_has_a_title_a_description_and_all_hints(here: World) -> None:
    for tool in await listed(here):
        hints = tool.annotations
        assert tool.title
        assert tool.description
        assert hints is not None
        writes = tool.name in {"create_ticket", "update_ticket", "add_ticket_history", "update_tickets"}
        assert hints.read_only_hint is not writes
        assert hints.destructive_hint is (tool.name in {"update_ticket", "update_tickets"})
        assert hints.idempotent_hint is not writes
        assert hints.open_world_hint is False


async def test_choices_and_defaults_stand_in_the_schema(here: World) -> None:
    properties = (await listed(here))[0].input_schema["properties"]

    assert properties["sortOrder"] | {"description": ""} == {
        "default": "desc", "description": "", "enum": ["asc", "desc"], "type": "string",
    }  # fmt: skip
    assert properties["sortBy"]["enum"] == ["receptionDateTime", "scheduledCompletionDate", "completionDate"]
    assert properties["limit"]["minimum"] == 1
    assert properties["limit"]["maximum"] == 100
    assert properties["showCompleted"]["default"] is True


async def test_null_counts_as_absent_and_text_as_the_number_it_says(here: World) -> None:
    plain = await here.done("get_ticket_list", limit=3)

    assert plain == await here.done("get_ticket_list", limit="3", offset="0", accountId=None, showCompleted="true")


async def test_null_for_what_is_needed_is_missing(here: World) -> None:
    text, error = await here.refused("get_ticket_detail", ticketId=None)

    assert text == "ticketId: is missing (From get_ticket_list, for example TCK-0001). Nothing was changed."
    assert error == {"kind": "invalid_input", "effect": "nothing_changed", "field": "ticketId"}


async def test_all_that_is_wrong_with_a_call_is_said_at_once_and_without_the_values(here: World) -> None:
    text, error = await here.refused(
        "get_ticket_list", limit="secret-value", sortBy="secret-value", colour="secret-value", showCompleted=[2]
    )

    fields = [problem["field"] for problem in error["problems"]]
    assert sorted(fields) == ["colour", "limit", "showCompleted", "sortBy"]
    assert text.startswith("4 problems:\n- ")
    assert "receptionDateTime" in text
    assert "personInChargeId" in text, "an unknown argument is answered with the known ones"
    assert "secret-value" not in text


async def test_a_strange_argument_name_cannot_break_the_text(here: World) -> None:
    text, _ = await here.refused("get_statuses", **{"x\n- injected: `line` <b>\u202e" + "y" * 200: 1})

    assert "\n" not in text
    assert "<b>" not in text
    assert "y" * 60 not in text


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_tool_is_a_protocol_error(here: World, era: Literal["auto", "legacy"]) -> None:
    async with Client(here.server, mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("drop_tables", {})

    assert caught.value.error.code == -32602
    assert "drop_tables" in caught.value.error.message


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_prompt_or_one_without_its_arguments_is_a_protocol_error(
    here: World, era: Literal["auto", "legacy"]
) -> None:
    server = build_server(SingleToolsProvider(here.tools))

    @server.prompt()
    def greet(ticket_id: str, tone: str = "calm") -> str:
        return f"Greet {ticket_id}, {tone}."

    async with Client(server, mode=era) as client:
        for name, arguments in (
            ("nothing", {}),
            ("greet", {}),
            ("greet", None),
            ("reply_draft", {}),
            ("greet", {"tone": "x"}),
        ):
            with pytest.raises(MCPError) as caught:
                await client.get_prompt(name, arguments)
            assert caught.value.error.code == -32602
        assert (await client.get_prompt("greet", {"ticket_id": "TCK-0001"})).messages


async def test_a_tool_that_was_added_later_is_known(here: World) -> None:
    server = build_server(SingleToolsProvider(here.tools))

    @server.tool()
    async def later() -> str:
        return "here"

    async with Client(server) as client:
        assert text_of(await client.call_tool("later", {})) == "here"


@pytest.mark.parametrize(("era", "code"), [("auto", -32602), ("legacy", -32002)])
async def test_an_unknown_resource_is_an_error_with_the_code_of_its_era(
    here: World, era: Literal["auto", "legacy"], code: int
) -> None:
    async with Client(here.server, mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource("docs://nothing")

    assert caught.value.error.code == code


@pytest.mark.parametrize("era", ERAS)
async def test_a_cursor_is_refused_as_this_server_issues_none(here: World, era: Literal["auto", "legacy"]) -> None:
    async with Client(here.server, mode=era) as client:
        lists = (client.list_tools, client.list_resources, client.list_resource_templates, client.list_prompts)
        for read in lists:
            with pytest.raises(MCPError) as caught:
                await read(cursor="page-2")
            assert caught.value.error.code == -32602

        assert (await client.list_tools(cursor="")).tools  # some clients send this for the first page


async def test_the_overview_is_a_markdown_resource_that_names_every_tool(here: World) -> None:
    async with Client(here.server) as client:
        (resource,) = (await client.list_resources()).resources
        (content,) = (await client.read_resource("docs://overview")).contents

    assert (resource.uri, resource.mime_type) == ("docs://overview", "text/markdown")
    assert content.mime_type == "text/markdown"
    assert getattr(content, "text", None) == OVERVIEW
    assert all(spec.name in OVERVIEW for spec in TOOLS)


@pytest.fixture
def bug(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tool fails as no error of this server does."""

    async def fails(*_: object, **__: object) -> object:
        raise KeyError("secret-in-exception")

    monkeypatch.setattr(here.api, "get", fails)


@kills("shared/mcp_tools/tool.py", "outcome, result = TicketServerError.kind, _failed(self._fault(), {})", "raise")
@pytest.mark.usefixtures("bug")
async def test_a_fault_of_ours_is_logged_with_its_stack_and_never_told(here: World) -> None:
    with capture_logs() as logs:
        text, error = await here.refused("get_statuses")

    assert text == "This server failed; the operator finds the reason in its log. Nothing was changed."
    assert error == {"kind": "internal", "effect": "nothing_changed"}
    (fault,) = [one for one in logs if one["message"] == "tool_call_fault"]
    assert "Traceback" in fault["exception"]
    assert fault["tool"] == "get_statuses"
    assert here.counter.total("tool_calls", tool="get_statuses", outcome="internal") == 1


@kills("shared/mcp_tools/tool.py", "fault.effect = Effect.UNKNOWN", "pass")
@pytest.mark.usefixtures("bug")
async def test_a_fault_of_ours_in_a_write_may_have_changed_something(here: World) -> None:
    text, error = await here.refused("create_ticket", **TICKET)

    assert "It may have been changed" in text
    assert error["effect"] == "unknown"
    assert "secret" not in text


async def test_every_call_leaves_one_line_in_the_log_without_what_was_in_it(here: World) -> None:
    with capture_logs() as logs:
        await here.done("get_ticket_list", searchQuery="confidential")

    (line,) = [one for one in logs if one["message"] == "tool_call_finished"]
    assert line["tool"] == "get_ticket_list"
    assert line["outcome"] == "ok"
    assert line["duration_ms"] > 0
    assert "confidential" not in str(logs)


async def test_a_call_that_is_given_up_is_counted_as_cancelled(here: World) -> None:
    with anyio.CancelScope() as scope:

        async def hangs_and_is_given_up(inner: Any, request: Any) -> Any:
            scope.cancel()
            return await hangs(inner, request)

        here.wire.when("GET", "/tickets", hangs_and_is_given_up)
        await here.call("get_ticket_list")

    assert scope.cancelled_caught
    assert here.counter.total("tool_calls", tool="get_ticket_list", outcome="cancelled") == 1


async def test_structured_content_says_the_same_as_the_text(here: World) -> None:
    result: CallToolResult = await here.call("get_accounts")

    assert isinstance(result.structured_content, dict)
    for account in rows_of(result.structured_content):
        assert f"| {account['id']} | {account['name']} |" in text_of(result)


async def test_one_server_answers_many_clients_at_once(here: World) -> None:
    server: MCPServer[Any] = build_server(SingleToolsProvider(here.tools), version="9.9.9")
    seen: list[str] = []

    async def use(number: int) -> None:
        async with Client(server) as client:
            page = await client.call_tool("get_ticket_list", {"limit": number})
            assert isinstance(page.structured_content, dict)
            assert page.structured_content["returned"] == number
            assert client.server_info is not None
            seen.append(client.server_info.version)

    async with anyio.create_task_group() as group:
        for number in range(1, 6):
            group.start_soon(use, number)
    assert seen == ["9.9.9"] * 5


async def test_no_message_is_traced(here: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    assert "OpenTelemetryMiddleware" not in [
        type(one).__name__ for one in build_server(SingleToolsProvider(here.tools)).middleware
    ]

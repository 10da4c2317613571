"""A caller without the scope for a tool does not see it, and a refused call names the missing scope."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Literal, NamedTuple

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, PromptReference

from shared.identity import SCOPES_OF, Principal, Role, Scope
from shared.mcp_tools.catalog import TOOLS, ToolSpec
from shared.scopes import required_scope
from tests.kills import kills
from tests.shared.given import Recorder, World

ERAS: Final[tuple[Literal["auto", "legacy"], ...]] = ("auto", "legacy")
VIEWER: Final = Principal("viewer-1", role=Role.VIEWER, scopes=SCOPES_OF[Role.VIEWER], credential="k-1")
NO_SCOPES: Final = replace(VIEWER, scopes=frozenset())
WRITES: Final = [spec for spec in TOOLS if not spec.read_only]
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"


async def listed(here: World, era: Literal["auto", "legacy"]) -> set[str]:
    async with Client(here.server, mode=era) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("scopes", [set(), {Scope.TICKETS_READ}, {Scope.TICKETS_WRITE}, set(Scope)])
async def test_a_list_holds_what_its_reader_may_call(
    existing: World, era: Literal["auto", "legacy"], scopes: set[Scope]
) -> None:
    existing.principal = replace(VIEWER, scopes=frozenset(scopes))

    assert await listed(existing, era) == {spec.name for spec in TOOLS if spec.scope in scopes}


@pytest.mark.parametrize("era", ERAS)
async def test_over_stdio_and_for_no_one_in_particular_the_list_is_complete(
    existing: World, era: Literal["auto", "legacy"]
) -> None:
    assert await listed(existing, era) == {spec.name for spec in TOOLS}


async def test_a_list_is_not_for_caches_that_others_share(existing: World) -> None:
    existing.principal = VIEWER
    async with Client(existing.server) as client:
        assert (await client.list_tools()).cache_scope == "private"


@kills("shared/scopes.py", "if scope is not None and scope not in principal.scopes:", "if False:")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
async def test_a_tool_without_its_scope_is_refused_with_the_name_of_the_scope(
    existing: World, era: Literal["auto", "legacy"], spec: ToolSpec
) -> None:
    existing.principal = NO_SCOPES

    async with Client(existing.server, mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(spec.name, {"ticketId": "TCK-0001"})

    assert caught.value.error.code == INVALID_REQUEST
    assert caught.value.error.data == {"kind": "insufficient_scope", "scope": spec.scope.value}
    assert f"{spec.name} needs the scope {spec.scope.value}" in caught.value.error.message
    assert existing.wire.sent == []


async def test_a_refusal_for_want_of_a_scope_is_recorded_and_counted(existing: World) -> None:
    existing.principal, existing.headers = VIEWER, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}

    async with Client(existing.server) as client:
        with pytest.raises(MCPError):
            await client.call_tool("update_ticket", {"ticketId": "TCK-0001", "comment": "confidential"})

    assert isinstance(existing.trail, Recorder)
    (event,) = existing.trail.events
    assert (event.actor, event.credential, event.tenant) == ("viewer-1", "k-1", "default")
    assert (event.action, event.tool, event.object) == ("tool_call", "update_ticket", "TCK-0001")
    assert (event.outcome, event.detail, event.trace) == ("insufficient_scope", "tickets:write", TRACE)
    assert event.request_id
    assert "confidential" not in str(event)
    assert existing.counter.total("tool_calls", tool="update_ticket", outcome="insufficient_scope") == 1


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_tool_is_unknown_to_whoever_has_no_scope(
    existing: World, era: Literal["auto", "legacy"]
) -> None:
    existing.principal = NO_SCOPES
    async with Client(existing.server, mode=era) as client:
        with pytest.raises(MCPError, match="Unknown tool") as caught:
            await client.call_tool("drop_tables", {})

    assert caught.value.error.code == INVALID_PARAMS


@kills(
    "shared/mcp_tools/catalog.py", "Scope.TICKETS_READ if self.read_only else Scope.TICKETS_WRITE", "Scope.TICKETS_READ"
)
@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
def test_a_call_takes_the_scope_of_its_tool(spec: ToolSpec) -> None:
    expected = Scope.TICKETS_WRITE if spec in WRITES else Scope.TICKETS_READ

    assert required_scope("tools/call", {"name": spec.name}) is expected


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", None),
        ("tools/call", {}),
        ("tools/call", {"name": "drop_tables"}),
        ("tools/call", {"name": ["update_ticket"]}),
        ("tools/list", {"name": "update_ticket"}),
        ("resources/read", {"uri": "docs://overview"}),
        ("resources/read", {"uri": ["ticket://TCK-0001"]}),
        ("prompts/get", {"name": "greet"}),
        ("prompts/list", None),
        ("resources/templates/list", None),
    ],
)
def test_what_names_nothing_of_ours_takes_no_scope(method: str, params: dict[str, object] | None) -> None:
    assert required_scope(method, params) is None


class Read(NamedTuple):
    """A read that calls no tool: how a client makes it, how its refusal is worded, and how that is audited."""

    ask: Callable[[Client], Awaitable[object]]
    what: str
    action: str
    name: str


STATUS: Final = {"name": "statusId", "value": "confidential"}
READS: Final = (
    Read(lambda client: client.read_resource("ticket://1"), "The resource ticket://{id}", "resource_read",
         "ticket://{id}"),
    Read(lambda client: client.get_prompt("triage", {}), "The prompt triage", "prompt_get", "triage"),
    Read(lambda client: client.complete(PromptReference(name="triage"), STATUS), "Completion", "completion", ""),
)  # fmt: skip


@pytest.mark.parametrize("read", READS, ids=[read.action for read in READS])
async def test_a_read_without_the_scope_is_refused_and_recorded(existing: World, read: Read) -> None:
    existing.principal = NO_SCOPES
    async with Client(existing.server, mode="legacy") as client:
        with pytest.raises(MCPError) as caught:
            await read.ask(client)

    assert caught.value.error.message.startswith(f"{read.what} needs the scope tickets:read")
    assert caught.value.error.data == {"kind": "insufficient_scope", "scope": "tickets:read"}
    assert isinstance(existing.trail, Recorder)
    (event,) = existing.trail.events
    assert (event.action, event.tool, event.outcome) == (read.action, read.name, "insufficient_scope")
    assert (event.actor, event.detail) == ("viewer-1", "tickets:read")
    assert "confidential" not in str(event)
    assert existing.wire.sent == []


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("principal", "is_listed"), [(NO_SCOPES, False), (VIEWER, True), (None, True)])
async def test_prompts_and_templates_are_listed_to_who_may_read(
    existing: World, era: Literal["auto", "legacy"], principal: Principal | None, is_listed: bool
) -> None:
    existing.principal = principal
    async with Client(existing.server, mode=era) as client:
        prompts = (await client.list_prompts()).prompts
        templates = (await client.list_resource_templates()).resource_templates
        resources = (await client.list_resources()).resources

    assert (bool(prompts), bool(templates)) == (is_listed, is_listed)
    assert resources, "the overview names no ticket"


def test_the_tools_that_write_are_known() -> None:
    assert {spec.name for spec in WRITES} == {"create_ticket", "update_ticket", "add_ticket_history", "update_tickets"}

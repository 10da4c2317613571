"""Every tool, called by a real client over both transports, against every kind of ticket API.

Both transports get equal, fresh backends and make the same calls, including mistakes that models make; the results
must be equal, apart from the time of day.
"""

import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp_types import INVALID_PARAMS

from tests import processes
from tests.databases import Postgres, make_ticket_tables, run_aside
from tests.processes import API_KEY, KEY, ROOT
from tests.shared.given import TICKET

NEW_TICKET: Final = TICKET | {
    "summary": "Screen | stays dark",
    "description": "Seit dem Update bleibt er dunkel.\n文字化け。",
    "scheduledCompletionDate": "2026-12-01",
    "actualEffortHours": 1.5,
}
SEVERAL: Final = {
    "ticketIds": ["TCK-0002", "TCK-0003", "TCK-none"],
    "change": {"personInChargeId": "user1", "comment": "Mine."},
    "updatedById": "user2",
}
CALLS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("get_users", {}),
    ("get_users", {"role": "support"}),
    ("get_accounts", {}),
    ("get_categories", {}),
    ("get_category_details", {"categoryId": "cat1"}),
    ("get_statuses", {}),
    ("get_request_channels", {}),
    ("get_response_categories", {}),
    ("get_ticket_list", {"limit": 5}),
    ("get_ticket_list", {"searchQuery": "a", "sortBy": "scheduledCompletionDate", "sortOrder": "asc", "limit": 7}),
    ("get_ticket_detail", {"ticketId": "TCK-0001"}),
    ("create_ticket", NEW_TICKET),
    ("update_ticket", {"ticketId": "$ticketId", "updatedById": "user2", "statusId": "stat2", "comment": "Taken."}),
    ("add_ticket_history", {"ticketId": "$ticketId", "userId": "user3", "comment": "A | pipe\nand a line."}),
    ("get_ticket_detail", {"ticketId": "$ticketId"}),
    ("get_ticket_report", {"groupBy": "person,status", "from": "2026-01-01"}),
    ("find_similar_tickets", {"text": "Cannot sign in after the password was changed", "accountId": "acc1"}),
    ("get_ticket_changes", {"since": "-2d"}),
    ("get_ticket_changes", {"since": "-2d", "ticketId": "$ticketId"}),
    ("update_tickets", SEVERAL),
    ("update_tickets", SEVERAL | {"confirm": "$confirm"}),
)
MISTAKES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("get_ticket_detail", {}),
    ("get_ticket_detail", {"ticketId": "TCK-none"}),
    ("get_ticket_detail", {"ticketId": ["TCK-0001", "TCK-0002"]}),
    ("get_accounts", {"page": 2}),
    ("get_ticket_list", {"scheduledCompletionDateFrom": "2026-02-30"}),
    ("get_ticket_report", {"groupBy": "priority"}),
    ("get_ticket_changes", {"since": "soon"}),
    ("find_similar_tickets", {}),
    ("create_ticket", NEW_TICKET | {"accountId": "acc-none"}),
    ("update_ticket", {"ticketId": "$ticketId", "updatedById": "user2"}),
    ("add_ticket_history", {"ticketId": "TCK-none", "userId": "user3", "comment": "Lost."}),
)
TIME_OF_DAY: Final = re.compile(r"(?<=\d\d\d\d-\d\d-\d\d)[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z|\+00:00)?")

Settings = dict[str, str]
"""What a server needs to reach one ticket API."""
MakeBackend = Callable[[], Settings]
Said = list[Any]


@pytest.fixture(params=["embedded", "existing", pytest.param("postgresql", marks=pytest.mark.long)])
def make_backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeBackend]:
    """Makes equal ticket APIs: embedded, the reference API on PostgreSQL as a process, the existing one's stand-in."""
    with ExitStack() as stack:

        def embedded() -> Settings:
            return {"MCP_DATABASE_URL": processes.sqlite(tmp_path_factory.mktemp("tickets"))}

        def on_postgresql() -> Settings:
            server: Postgres = request.getfixturevalue("postgres")
            database = run_aside(server.create())
            stack.callback(lambda: run_aside(server.drop(database)))
            url = run_aside(make_ticket_tables(database))
            return remote(stack.enter_context(processes.ticket_api(url)))

        def existing() -> Settings:
            return remote(stack.enter_context(processes.stand_in()))

        yield {"embedded": embedded, "postgresql": on_postgresql, "existing": existing}[request.param]


def remote(address: str) -> Settings:
    return {"MCP_API_BASE_URL": address, "MCP_API_KEY": API_KEY}


async def over_stdio(folder: Path, settings: Settings, talk: Callable[[Client], Awaitable[Said]]) -> Said:
    door = StdioServerParameters(
        command=sys.executable, args=list(processes.STDIO_DOOR), cwd=ROOT, env=processes.environment(**settings)
    )
    with (folder / "log").open("w") as log:
        async with Client(stdio_client(door, errlog=log)) as client:
            await client.call_tool("get_statuses", {})  # the first result also says whose tickets these are
            return await talk(client)


async def over_sse(folder: Path, settings: Settings, talk: Callable[[Client], Awaitable[Said]]) -> Said:
    with processes.http_door(folder, **settings) as (address, _):
        async with Client(sse_client(f"{address}/sse", headers={"x-api-key": KEY})) as client:
            return await talk(client)


async def call_everything(client: Client) -> Said:
    """Make all calls and all mistakes; return the contents of the results, without the time of day."""
    listed = {tool.name for tool in (await client.list_tools()).tools}
    assert {tool for tool, _ in CALLS} == listed, "a tool is not called"
    said: Said = []
    of_before = {"$ticketId": "", "$confirm": ""}
    for tool, given in (*CALLS, *MISTAKES):
        arguments = {name: of_before.get(str(value), value) for name, value in given.items()}
        result = await client.call_tool(tool, arguments)
        structured = result.structured_content or {}
        of_before |= {f"${name}": structured[name] for name in ("ticketId", "confirm") if name in structured}
        assert result.is_error is ((tool, given) in MISTAKES), f"{tool}: {result.content}"
        assert structured, tool
        said.append((tool, timeless([one.model_dump(mode="json") for one in result.content]), timeless(structured)))
    with pytest.raises(MCPError) as unknown:
        await client.call_tool("delete_everything", {})
    assert unknown.value.code == INVALID_PARAMS
    said.append(str(unknown.value))
    return said


def timeless(value: Any) -> Any:
    """Return JSON without any time of day; the two backends did not do the same in the same second."""
    if isinstance(value, dict):
        return {name: timeless(one) for name, one in value.items()}
    if isinstance(value, list):
        return [timeless(one) for one in value]
    return TIME_OF_DAY.sub("", value) if isinstance(value, str) else value


async def test_every_tool_answers_the_same_on_both_wires(make_backend: MakeBackend, tmp_path: Path) -> None:
    one, two = make_backend(), make_backend()

    on_stdio = await over_stdio(tmp_path, one, call_everything)
    on_sse = await over_sse(tmp_path, two, call_everything)

    assert len(on_stdio) == len(CALLS) + len(MISTAKES) + 1
    assert on_stdio == on_sse

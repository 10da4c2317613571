"""What lists and the list of tools cost a model, counted in the tokens of one (o200k), not in characters."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import ticket_api
from shared.api_client import APIClient
from shared.embedded.in_process import InProcessTransport
from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.inputs import TicketListInput
from shared.mcp_tools.render import stamp, ticket_page
from shared.mcp_tools.schema import schema_of
from shared.tickets.acting_user import ToolCall
from shared.tickets.dates.dated import dated
from shared.tools import TicketTools
from shared.wire_json import encode
from tests.o200k import o200k
from tests.shared.given import at_now

ROWS: Final = 20
ROW_TOKENS: Final = {"en": 40, "ja": 55}
TOOLS_TOKENS: Final = 3_500


async def page(language: Literal["en", "ja"], folder: Path) -> tuple[str, str]:
    """Return the first page of the sample tickets, as text and as JSON."""
    url = f"sqlite+aiosqlite:///{folder / language}.sqlite3"
    app = ticket_api.create_app(database_url=url, clock=at_now, sample_data=language)
    async with app.router.lifespan_context(app), APIClient("http://api", transport=InProcessTransport(app)) as api:
        tools = TicketTools(api, clock=at_now)
        found = await tools.get_ticket_list(TicketListInput(), ToolCall())
        result = dated(found, await tools.calendar.time(), None, is_named=False)
    assert len(result.rows) == ROWS
    return f"{ticket_page(result)}\n\n{stamp(result)}", encode(result.structured()).decode()


def seen_of_tools() -> str:
    """Return what clients give a model of the list of tools."""
    return encode([
        {"name": spec.name, "description": spec.description, "inputSchema": schema_of(spec.input_model)}
        for spec in TOOLS
    ]).decode()  # fmt: skip


async def test_rows_and_the_list_of_tools_take_few_tokens(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    english, japanese = await page("en", tmp_path), await page("ja", tmp_path)

    hello, print_fails, *of_rows, of_tools = await o200k(
        ["hello world", "印刷できません", *english, *japanese, seen_of_tools()], tmp_path
    )

    assert (hello, print_fails) == (2, 4)  # it counts as the encoding does
    names = ("en text", "en JSON", "ja text", "ja JSON")
    rows = {name: count / ROWS for name, count in zip(names, of_rows, strict=True)}
    record_property("figure", f"tokens (o200k) of a list row: {rows}; of what a model sees of the tools: {of_tools}")
    assert {name: count for name, count in rows.items() if count > ROW_TOKENS[name[:2]]} == {}
    assert of_tools <= TOOLS_TOKENS

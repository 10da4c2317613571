"""Both forms of a result hold every fact (case T21): some clients show their model only one of them."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from mcp_types import CallToolResult

from shared.mcp_tools.catalog import TOOLS, ToolSpec
from shared.mcp_tools.schema import schema_of
from shared.tickets.columns import TICKET_COLUMNS
from shared.tickets.labels import LABELS
from shared.wire_json import encode
from tests.shared.given import TICKET, World, responses, text_of, world
from tests.tokens import tokens

FULL: Final = TICKET | {
    "id": "TCK-0777",
    **{f"{name}Name": f"{name} | named" for name in ("requestor", "account", "category", "categoryDetail")},
    **{f"{name}Name": f"{name} *named*" for name in ("requestChannel", "personInCharge", "status", "responseCategory")},
    "summary": "Drucker: 10_000 Seiten <b>& mehr</b>",
    "description": "- first\n\n    indented\n# third, see https://files.example/a_b and a.b@mail.example\r\n日本語",
    "scheduledCompletionDate": "2026-12-24",
    "completionDate": "2026-12-23",
    "actualEffortHours": 3.5,
    "responseCategoryId": "resp3",
    "responseDetails": "Restarted the spooler.",
    "hasDefect": True,
    "externalTicketId": "EXT-0815",
    "remarks": "Call back at noon.",
    "attachments": [{"fileName": "log.txt", "fileUrl": "https://files.example/1", "uploadedAt": "x"}],
}
CHANGE: Final = {"fieldName": "summary", "oldValue": "Printer", "newValue": "Drucker"}
HISTORY: Final = [
    {"id": "h2", "timestamp": "2026-11-22T09:00:00Z", "userId": "user4", "userName": "Hana", "changedFields": [CHANGE]},
    {"id": "h1", "timestamp": "2026-11-21T09:00:00Z", "userId": "user2", "comment": "Looking | into it.\nLater."},
]
SEVERAL: Final = {"ticketIds": [f"TCK-00{number}" for number in range(10, 17)], "updatedById": "user2"}
PAGE: Final = {"entries": HISTORY, "total": 5, "nextCursor": "h1"}


def _needs_more(spec: ToolSpec) -> bool:
    return bool(schema_of(spec.input_model).get("required")) or spec.name == "find_similar_tickets"


CALLS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    *((spec.name, {}) for spec in TOOLS if spec.read_only and not _needs_more(spec)),
    ("get_ticket_list", {"limit": 1}),
    ("get_ticket_list", {"limit": 3, "offset": 4, "fields": list(TICKET_COLUMNS), "accountId": "acc1"}),
    ("get_users", {"limit": 2, "offset": 1}),
    ("get_ticket_detail", {"ticketId": "TCK-0001"}),
    ("get_ticket_detail", {"ticketId": "TCK-0777"}),
    ("find_similar_tickets", {"ticketId": "TCK-0011"}),
    ("find_similar_tickets", {"text": "Single sign-on, search, import, invoice | contract", "limit": 5}),
    ("get_ticket_report", {"groupBy": "account,status", "from": "2026-01-01"}),
    ("get_ticket_changes", {"since": "-40d", "until": "yesterday"}),
    ("get_ticket_changes", {"since": "-60d", "ticketId": "TCK-0030"}),
    ("create_ticket", TICKET | {"attachments": [{"fileName": "a b.txt", "fileUrl": "https://files.example/a"}]}),
    ("update_ticket", {"ticketId": "TCK-0002", "updatedById": "user2", "statusId": "stat2", "comment": "Taken."}),
    ("update_ticket", {"ticketId": "TCK-0002", "updatedById": "user3", "summary": "Screen | dark"}),
    ("add_ticket_history", {"ticketId": "TCK-0002", "userId": "user3", "comment": "A | pipe\nand a line."}),
    ("update_tickets", SEVERAL | {"change": {"statusId": "stat4", "comment": "All | done."}}),
    ("update_tickets", SEVERAL | {"change": {"actualEffortHours": 2}, "confirm": "0"}),
)
LIST_RATIO: Final = 1.25
OBJECT_RATIO: Final = 1.5


def keys(value: Any) -> Iterator[str]:
    """Yield the names in JSON, and of the columns of a list."""
    if isinstance(value, list):
        yield from (name for one in value for name in keys(one))
    if isinstance(value, dict):
        yield from (*value, *value.get("columns", ()))
        yield from (name for one in value.values() for name in keys(one))


def words(text: str) -> set[str]:
    return {word.casefold() for word in re.findall(r"\w+", text)}


OURS: Final = words(
    "as of your user in the ticket system is not known you are note there more no next offset tickets to entries first "
    "match newest named unnamed undated empty yes author does record recorded by added a comment updated created new "
    "response category detail details channel external id in charge completed effort h defect received requestor "
    "account status description remarks attachments history before shows older ones days left due parent name e mail "
    "role summary cursor pages by offset may repeat or miss tickets while others come in oldest open average age days "
    "since changes in from time preview nothing was written of would change to do exactly this repeat call with "
    "confirm various comment each most similar"
)
"""Words of headings, labels and sentences that the text has, and JSON has as names or as truth values."""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world("reference", tmp_path) as opened:
        opened.wire.when("GET", "/tickets/TCK-0777", responses(200, FULL), always=True)
        opened.wire.when("GET", "/tickets/TCK-0777/history", responses(200, PAGE), always=True)
        yield opened


def plain(text: str) -> str:
    """Return what a reader sees of our Markdown, with single blanks."""
    shown = re.sub(r"^> ?", "", text, flags=re.MULTILINE).replace("`", "").replace("\u00a0", " ")
    for written, meant in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        shown = shown.replace(written, meant)
    return " ".join(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown).split())


MASTER_IDS: Final = frozenset({"statusId", "categoryId", "categoryDetailId", "requestChannelId", "responseCategoryId"})
"""Ids of master data in a ticket. The text has their names, which every tool takes and which are unique."""


def facts(value: Any) -> Iterator[str]:
    """Yield every text and number in JSON, as the text form writes it."""
    match value:
        case dict():
            for name, one in value.items():
                if name in {"field", "fieldName"}:
                    yield LABELS[one]
                elif name not in {"columns", "offset", "returned", "total", *MASTER_IDS}:  # headings, what counts rows
                    yield from facts(one)
        case list():
            for one in value:
                yield from facts(one)
        case bool() | None:
            pass
        case float():
            yield f"{value:g}"
        case _:
            yield " ".join(str(value).split())


async def every_result(here: World) -> list[tuple[str, CallToolResult]]:
    assert {tool for tool, _ in CALLS} == {spec.name for spec in TOOLS}
    results = [(tool, await here.call(tool, **given)) for tool, given in CALLS]
    assert [tool for tool, result in results if result.is_error] == []
    return results


async def test_every_fact_of_each_form_is_in_the_other(here: World) -> None:
    for tool, result in await every_result(here):
        text, structured = plain(text_of(result)), result.structured_content or {}

        assert [fact for fact in facts(structured) if fact not in text and fact != "unknown"] == [], tool
        first, rows = structured.get("offset", 0) + 1, len(structured.get("rows", ()))
        rows = rows or len(structured.get("history", ()))
        counted = {str(first), str(first + rows - 1), str(structured.get("total"))}  # “Entries 1 to 20 of 50”
        assert words(text) - words(" ".join([*facts(structured), *keys(structured)])) - OURS - counted == set(), tool


async def test_json_costs_little_more_than_the_text(here: World) -> None:
    ratios = {}
    for tool, result in await every_result(here):
        structured = result.structured_content or {}
        ratio = tokens(encode(structured).decode()) / tokens(text_of(result))
        assert ratio <= (LIST_RATIO if tool.startswith("get_") and "rows" in structured else OBJECT_RATIO), (
            tool,
            ratio,
        )
        ratios[tool] = round(ratio, 2)
    print(f"tokens of structuredContent in proportion to the text, estimated: {ratios}")


async def test_a_list_of_ten_takes_few_tokens(here: World) -> None:
    result = await here.call("get_ticket_list", limit=10)

    assert tokens(text_of(result)) < 450
    assert tokens(encode(result.structured_content).decode()) < 500

"""What results and the list of tools cost a model, counted in the tokens of one (o200k), not in characters."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

import ticket_api
from shared.api_client import APIClient
from shared.embedded.in_process import InProcessTransport
from shared.localization import LANGUAGES, Language, in_language
from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.render import stamp
from shared.mcp_tools.schema import schema_of
from shared.tickets.acting_user import ToolCall
from shared.tickets.dates.dated import dated
from shared.tools import TicketTools
from shared.wire_json import encode
from tests.o200k import o200k
from tests.shared.given import TICKET, at_now

ROWS: Final = 20
ROW_TOKENS: Final = {"en": 40, "ja": 55}
TOOLS_TOKENS: Final = 3_500
SAMPLES: Final = 50
DETAIL_TOKENS: Final = 350
LONGEST_TOKENS: Final = {"en": 365, "ja": 455}
"""Of the sample tickets, the values alone of the longest one take 271 and 340."""
WRITE_TOKENS: Final = 150
OBJECT_RATIO: Final = 1.5
SAID: Final = {
    "en": (
        "Since the update of Friday the second screen stays dark after a restart.",
        "I asked for the model of the dock; waiting for the customer.",
    ),
    "ja": (
        "金曜日の更新後、再起動すると2台目の画面が暗いままです。",
        "ドックの型番を問い合わせました。お客様の回答待ちです。",
    ),
}  # fmt: skip
"""A description and a comment."""


Forms = tuple[str, str]
"""A result as text and as JSON."""


@asynccontextmanager
async def sample_tickets(language: Language, folder: Path) -> AsyncIterator[TicketTools]:
    """Open the tools over the sample tickets, in their language."""
    url = f"sqlite+aiosqlite:///{folder / language}.sqlite3"
    app = ticket_api.create_app(database_url=url, clock=at_now, sample_data=language)
    async with app.router.lifespan_context(app), APIClient("http://api", transport=InProcessTransport(app)) as api:
        with in_language(language):
            yield TicketTools(api, clock=at_now)


async def forms(tools: TicketTools, name: str, **arguments: Any) -> Forms:
    """Return the result of a tool, as a caller gets it."""
    (spec,) = (one for one in TOOLS if one.name == name)
    found = await getattr(tools, name)(spec.input_model(**arguments), ToolCall())
    result = dated(found, await tools.calendar.time(), None, is_named=name in {"update_ticket", "add_ticket_history"})
    return f"{spec.render(result)}\n\n{stamp(result)}", encode(result.structured()).decode()


async def counts(results: Sequence[Forms], folder: Path) -> tuple[list[int], list[int]]:
    """Return the tokens of the texts, and of the JSON."""
    counted = await o200k([form for result in results for form in result], folder)
    return counted[::2], counted[1::2]


def seen_of_tools() -> str:
    """Return what clients give a model of the list of tools."""
    return encode([
        {"name": spec.name, "description": spec.description, "inputSchema": schema_of(spec.input_model)}
        for spec in TOOLS
    ]).decode()  # fmt: skip


async def test_rows_and_the_list_of_tools_take_few_tokens(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    pages = []
    for language in LANGUAGES:
        async with sample_tickets(language, tmp_path) as tools:
            pages.append(await forms(tools, "get_ticket_list"))
    english, japanese = pages

    hello, print_fails, *of_rows, of_tools = await o200k(
        ["hello world", "印刷できません", *english, *japanese, seen_of_tools()], tmp_path
    )

    assert (hello, print_fails) == (2, 4)  # it counts as the encoding does
    names = ("en text", "en JSON", "ja text", "ja JSON")
    rows = {name: count / ROWS for name, count in zip(names, of_rows, strict=True)}
    record_property("figure", f"tokens (o200k) of a list row: {rows}; of what a model sees of the tools: {of_tools}")
    assert {name: count for name, count in rows.items() if count > ROW_TOKENS[name[:2]]} == {}
    assert of_tools <= TOOLS_TOKENS


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_ticket_takes_few_tokens(
    language: Language, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with sample_tickets(language, tmp_path) as tools:
        ids = [f"TCK-{number:04d}" for number in range(1, SAMPLES + 1)]
        details = [await forms(tools, "get_ticket_detail", ticketId=one) for one in ids]

    texts, objects = await counts(details, tmp_path)

    mean, over = sum(texts) / SAMPLES, sum(one > DETAIL_TOKENS for one in texts)
    record_property(
        "figure", f"tokens (o200k) of a ticket ({language}): mean {mean:.0f}, longest {max(texts)}, {over} over 350"
    )
    assert mean <= DETAIL_TOKENS
    assert max(texts) <= LONGEST_TOKENS[language]
    assert [one for one, text, json in zip(ids, texts, objects, strict=True) if json > OBJECT_RATIO * text] == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_write_takes_few_tokens(
    language: Language, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    description, comment = SAID[language]
    moved = {"statusId": "stat2", "personInChargeId": "user3", "scheduledCompletionDate": "2026-12-05"}
    new = TICKET | {"description": description, "scheduledCompletionDate": "2026-12-01"}
    async with sample_tickets(language, tmp_path) as tools:
        written = [
            await forms(tools, "create_ticket", **new),
            await forms(tools, "create_ticket", **new),
            await forms(tools, "update_ticket", ticketId="TCK-0002", updatedById="user2", comment=comment, **moved),
            await forms(tools, "add_ticket_history", ticketId="TCK-0002", userId="user3", comment=comment),
        ]

    texts, objects = await counts(written, tmp_path)

    record_property("figure", f"tokens (o200k) of writes ({language}): text {texts}, JSON {objects}")
    assert max(texts) <= WRITE_TOKENS
    assert max(json / text for text, json in zip(texts, objects, strict=True)) <= OBJECT_RATIO

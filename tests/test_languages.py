"""`MCP_LANGUAGE`, or else `Accept-Language`, decides the language of results and errors, on STDIO and over HTTP."""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from pydantic import HttpUrl, SecretStr

from cloud_mcp_server import CloudMCPServer
from shared.config import CloudSettings
from tests.kills import kills
from tests.processes import KEY, sqlite
from tests.stdio_door import stdio_door
from tests.transport.http_client import MODERN
from tests.transport.serving import serve
from tests.wires import Ask, asking

ENGLISH: Final = re.compile(r"(?<![\w/.-])[A-Za-z]{2,}[,.:;]? [a-z]{2,}(?![\w/.-])")
JAPANESE: Final = re.compile(r"[぀-ヿ一-鿿]")
CALLS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "a list": ("get_ticket_list", {"limit": 3, "offset": 2, "personInChargeId": "me"}),
    "a search": ("get_ticket_list", {"searchQuery": "存在しない言葉"}),
    "a list of people": ("get_users", {"query": "存在しない人"}),
    "a ticket": ("get_ticket_detail", {"ticketId": "TCK-0003"}),
    "a report": ("get_ticket_report", {"groupBy": "account,status", "from": "2026-01-01"}),
    "changes": ("get_ticket_changes", {"since": "-300d", "until": "today"}),
    "changes of a ticket": ("get_ticket_changes", {"since": "-300d", "ticketId": "TCK-0003"}),
    "similar tickets": ("find_similar_tickets", {"ticketId": "TCK-0003"}),
    "nothing similar": ("find_similar_tickets", {"text": "存在しない言葉"}),
    "a preview": (
        "update_tickets",
        {"ticketIds": "TCK-0003,TCK-0005", "change": {"remarks": "済"}, "updatedById": "user1"},
    ),
    "a wrong token": (
        "update_tickets",
        {"ticketIds": "TCK-0003", "change": {"remarks": "済"}, "updatedById": "user1", "confirm": "x"},
    ),
    "a ticket that does not exist": ("get_ticket_detail", {"ticketId": "TCK-9999"}),
    "missing arguments": ("create_ticket", {"summary": "件名"}),
    "arguments that exclude each other": ("get_ticket_list", {"open": True, "completedFrom": "2026-13-01"}),
    "wrong references": ("update_ticket", {"ticketId": "TCK-0003", "statusId": "stat99", "updatedById": "nobody"}),
    "nothing to change": ("update_ticket", {"ticketId": "TCK-0003", "updatedById": "user1", "summary": ""}),
    "a change": ("update_ticket", {"ticketId": "TCK-0003", "updatedById": "user1", "completionDate": "2099-01-01"}),
    "a comment": ("add_ticket_history", {"ticketId": "TCK-0003", "userId": "user1", "comment": "確認しました。"}),
    "the same comment": (
        "add_ticket_history",
        {"ticketId": "TCK-0003", "userId": "user1", "comment": "確認しました。"},
    ),
}


def settings(folder: Path, **given: Any) -> CloudSettings:
    return CloudSettings(
        mcp_api_key=SecretStr(KEY), database_url=SecretStr(sqlite(folder)), sample_data="ja", port=0, **given
    )


@asynccontextmanager
async def over_http(folder: Path, wire: str, accepted: str, **given: Any) -> AsyncGenerator[Ask]:
    headers = {"x-api-key": KEY} | ({"accept-language": accepted} if accepted else {})
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(CloudMCPServer(settings(folder, **given)).app))
        yield await stack.enter_async_context(asking(wire, url, headers, folder))


async def call(ask: Ask, tool: str, arguments: dict[str, Any]) -> tuple[str, Any]:
    """Return the text of a result and its structured content."""
    result = (await ask("tools/call", {"name": tool, "arguments": arguments}))["result"]
    return result["content"][0]["text"], result["structuredContent"]


async def check_all(ask: Ask) -> None:
    for what, (tool, arguments) in CALLS.items():
        text, structured = await call(ask, tool, arguments)
        sentences = [*structured.get("notes", ()), structured.get("error", {}).get("message", "")]
        for sentence in [text, *filter(None, sentences)]:
            assert JAPANESE.search(sentence), (what, sentence)
            assert not ENGLISH.search(without_code(sentence)), (what, sentence)
            assert not re.search(r"。 [^|]", sentence), (what, sentence)


def without_code(text: str) -> str:
    """Return a text without code, and the mark of texts that were cut."""
    return re.sub(r"`[^`]*`|\w+: (?:true|false)|\[cut at .*?\]", "", text)


async def test_every_sentence_over_stdio_is_in_the_language_that_is_set(tmp_path: Path) -> None:
    async with stdio_door(tmp_path, MCP_LANGUAGE="ja", MCP_SAMPLE_DATA="ja") as door:
        ask = (await door.initialize()).request
        text, structured = await call(ask, "get_statuses", {})
        assert "データベース" in text  # whose tickets these are
        assert not ENGLISH.search(without_code(structured["notes"][0]))

        await check_all(ask)
        prompt = (await ask("prompts/get", {"name": "triage", "arguments": {}}))["result"]
        assert JAPANESE.search(str(prompt))


@kills("shared/server.py", "self._language or _preferred(ctx.request)", 'self._language or "en"')
async def test_every_sentence_over_http_is_in_the_language_that_the_client_prefers(tmp_path: Path) -> None:
    async with over_http(tmp_path, "sse", "ja-JP,ja;q=0.9,en;q=0.8") as ask:
        await check_all(ask)


@pytest.mark.parametrize(
    ("language", "accepted", "expected"),
    [(None, "fr", "en"), ("en", "ja", "en"), ("ja", "en", "ja")],
)
async def test_the_setting_comes_before_the_clients_preference(
    tmp_path: Path, language: Literal["en", "ja"] | None, accepted: str, expected: str
) -> None:
    async with over_http(tmp_path, MODERN, accepted, language=language) as ask:
        text, structured = await call(ask, "get_ticket_detail", {"ticketId": "TCK-9999"})

    said = {"en": "There is no ticket TCK-9999", "ja": "チケット TCK-9999 はありません"}[expected]
    assert said in text
    assert structured["error"]["kind"] == "not_found"
    assert structured["error"]["effect"] == "nothing_changed"
    assert said in structured["error"]["message"]


async def test_a_failure_of_the_ticket_api_is_said_in_the_clients_language(tmp_path: Path) -> None:
    async with over_http(tmp_path, MODERN, "ja", api_base_url=HttpUrl("http://127.0.0.1:9")) as ask:
        text, structured = await call(ask, "get_users", {})

    assert "チケット API に接続できません。何も変更されていません。" in text
    assert structured["error"]["kind"] == "upstream_unavailable"


@kills("shared/localization/current.py", 'if _current.get() == "ja" else template', "if False else template")
async def test_two_clients_at_once_get_their_own_languages_and_tools_are_described_in_english(tmp_path: Path) -> None:
    async with (
        serve(CloudMCPServer(settings(tmp_path)).app) as url,
        asking(MODERN, url, {"x-api-key": KEY, "accept-language": "ja"}, tmp_path) as japanese,
        asking("2025-11-25", url, {"x-api-key": KEY}, tmp_path) as english,
    ):
        for _ in range(2):
            assert "There is no ticket" in (await call(english, "get_ticket_detail", {"ticketId": "TCK-9999"}))[0]
            assert "はありません" in (await call(japanese, "get_ticket_detail", {"ticketId": "TCK-9999"}))[0]
        listed = (await japanese("tools/list", {}))["result"]["tools"]
        unknown = await japanese("tools/call", {"name": "delete_ticket", "arguments": {}})

    assert not any(JAPANESE.search(str(tool)) for tool in listed)
    assert "Unknown tool" in unknown["error"]["message"]
